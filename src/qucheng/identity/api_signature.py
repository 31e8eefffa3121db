"""What a machine signs when it moves money, and whether the signature is right. Pure: no database, no clock."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re

import msgspec

FORM = "QC1"
TOLERANCE = dt.timedelta(seconds=300)
# a nonce is remembered for longer than a request that carries it could still be taken: ten minutes, and what two clocks differ by
REMEMBERED = dt.timedelta(minutes=15)
TIMESTAMP = re.compile(r"[0-9]{1,12}")
NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")
SIGNATURE = re.compile(r"[0-9a-f]{64}")


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it was sent. target: path and query, byte for byte as on the request line; the texts as the headers have them."""

    method: str
    target: str
    timestamp: str
    nonce: str
    idempotency_key: str
    body: bytes
    signature: str

    def readable(self) -> bool:
        """Whether timestamp, nonce and signature look like such."""
        fields = ((TIMESTAMP, self.timestamp), (NONCE, self.nonce), (SIGNATURE, self.signature))
        return all(form.fullmatch(text) for form, text in fields)


def text_to_sign(request: Signed) -> str:
    return "\n".join(
        (
            FORM,
            request.method,
            request.target,
            request.timestamp,
            request.nonce,
            request.idempotency_key,
            hashlib.sha256(request.body).hexdigest(),
        )
    )


def sign(request: Signed, secret: str) -> str:
    return sign_text(text_to_sign(request), secret)


def sign_text(text: str, secret: str) -> str:
    return hmac.new(secret.encode(), text.encode(), "sha256").hexdigest()


def right(request: Signed, secrets: list[str]) -> bool:
    return right_text(text_to_sign(request), request.signature, secrets)


def right_text(text: str, signature: str, secrets: list[str]) -> bool:
    """With any of the secrets; all are tried, so that the time taken does not tell which it was."""
    found = False
    for secret in secrets:
        found |= hmac.compare_digest(sign_text(text, secret), signature)
    return found


def in_time(request: Signed, now: dt.datetime) -> bool:
    """Within the tolerance of our clock, its bounds included."""
    return abs(int(request.timestamp) - int(now.timestamp())) <= TOLERANCE.total_seconds()
