"""Messages as Standard Webhooks writes them, and when one that was not taken is sent again. Pure."""

from __future__ import annotations

import base64
import datetime as dt
import random
import secrets
from typing import TYPE_CHECKING, Any

import msgspec
import standardwebhooks

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection, Mapping

SECRET_BYTES = 32
SECRET_PREFIX = "whsec_"  # noqa: S105 - how secrets begin
# after each try but the last: three days and some hours in all
WAITS = (
    dt.timedelta(seconds=5),
    dt.timedelta(minutes=5),
    dt.timedelta(minutes=30),
    dt.timedelta(hours=2),
    dt.timedelta(hours=5),
    dt.timedelta(hours=10),
    dt.timedelta(hours=14),
    dt.timedelta(hours=20),
    dt.timedelta(hours=24),
)
MOST_TRIES = len(WAITS) + 1
# so that what failed together does not come back together
JITTER_THOUSANDTHS = 100
GONE = 410


class Message(msgspec.Struct, frozen=True, kw_only=True):
    url: str
    headers: dict[str, str]
    body: bytes


def new_secret() -> str:
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def body(*, kind: str, at: dt.datetime, data: Mapping[str, Any]) -> bytes:
    """The same at every try: made of what was written when it happened."""
    return msgspec.json.encode({"type": kind, "timestamp": at, "data": data})


def compose(
    *,
    url: str,
    event_id: uuid.UUID,
    kind: str,
    at: dt.datetime,
    data: Mapping[str, Any],
    signed_with: Collection[str],
    now: dt.datetime,
) -> Message:
    """signed_with: the secrets that are good, the newest first. The time in the signature is that of this try."""
    content, number = body(kind=kind, at=at, data=data), str(event_id)
    moment = now.replace(microsecond=0)
    signatures = [
        standardwebhooks.Webhook(secret).sign(msg_id=number, timestamp=moment, data=content.decode()) for secret in signed_with
    ]
    return Message(
        url=url,
        body=content,
        headers={
            "content-type": "application/json",
            "user-agent": "Qucheng-Webhooks/1",
            "webhook-id": number,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": " ".join(signatures),
        },
    )


def is_taken(status: int | None) -> bool:
    return status is not None and 200 <= status < 300  # noqa: PLR2004 - of HTTP


def wait_after(tries: int) -> dt.timedelta | None:
    """How long until the next try, after so many that failed; None where there is none."""
    if tries >= MOST_TRIES:
        return None
    wait = WAITS[max(tries, 1) - 1]
    return wait + wait * random.randrange(JITTER_THOUSANDTHS + 1) // 1000  # noqa: S311 - spread, not secrecy
