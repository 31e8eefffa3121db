"""Codes by text message that prove a phone: six digits by chance, good for five minutes, for five wrong tries, and once."""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING, ClassVar

from qucheng.campaigns import consumer
from qucheng.core import db, errors
from qucheng.stock import text_message

if TYPE_CHECKING:
    import datetime as dt

    from qucheng.core import audit, crypto
    from qucheng.identity.brand import Brand

GOOD_FOR = text_message.GOOD_FOR["code"]
DIGITS = 6
MOST_WRONG = 5


class CodeWrongError(errors.RefusedError):
    """Another code, or none that is good any more: which of them is not said."""

    code: ClassVar[str] = "sign_in_code.wrong"
    status: ClassVar[int] = 422


async def send(*, brand: Brand, keys: crypto.Keys, phone: str, locale: text_message.Locale, now: dt.datetime) -> None:
    """A new code to the phone; one before it is good no longer. phone: in the form of `phone.normalised`."""
    made = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
    async with db.atomic(brand.id):
        await db.connection().execute(
            "INSERT INTO sign_in_code AS c (brand_id, phone_fingerprint, code_fingerprint, sent_at, until) VALUES ($1, $2, $3, $4, $5)"
            " ON CONFLICT (brand_id, phone_fingerprint) DO UPDATE"
            " SET code_fingerprint = $3, sent_at = $4, until = $5, wrong = 0, spent_by = NULL",
            brand.id,
            keys.fingerprint(phone, of=consumer.PHONE),
            _fingerprint(keys, brand, phone, made),
            now,
            now + GOOD_FOR,
        )
        await text_message.write(
            keys=keys, brand_id=brand.id, kind="code", locale=locale, to=phone, values={"code": made}, now=now
        )


async def sign_in(
    *,
    brand: Brand,
    keys: crypto.Keys,
    phone: str,
    code: str,
    browser: str,
    before: str | None,
    actor: audit.Actor,
    now: dt.datetime,
) -> str:
    """Returns the token of a new session. browser: what marks it; sent again by the same one, for the answer was lost, the code is
    good again. before: the token that it had. Raises CodeWrongError, and the try counts.
    """
    mark = keys.fingerprint(browser, of="consumer.browser")
    async with db.atomic(brand.id):
        row = await db.connection().fetchrow(
            "SELECT code_fingerprint, phone_fingerprint FROM sign_in_code WHERE phone_fingerprint = $1 AND until > $2 AND wrong < $3"
            " AND (spent_by IS NULL OR spent_by = $4) FOR NO KEY UPDATE",
            keys.fingerprint(phone, of=consumer.PHONE),
            now,
            MOST_WRONG,
            mark,
        )
        if row is not None:
            if hmac.compare_digest(row["code_fingerprint"], _fingerprint(keys, brand, phone, code)):
                await db.connection().execute(
                    "UPDATE sign_in_code SET spent_by = $2 WHERE phone_fingerprint = $1", row["phone_fingerprint"], mark
                )
                return await consumer.start(
                    brand=brand,
                    keys=keys,
                    subject=consumer.subject_of(phone),
                    phone=phone,
                    way="phone",
                    before=before,
                    actor=actor,
                    now=now,
                )
            await db.connection().execute(
                "UPDATE sign_in_code SET wrong = wrong + 1 WHERE phone_fingerprint = $1", row["phone_fingerprint"]
            )
    raise CodeWrongError("The code is wrong, or no longer good.")


def _fingerprint(keys: crypto.Keys, brand: Brand, phone: str, code: str) -> bytes:
    return keys.fingerprint(f"{brand.id}/{phone}/{code}", of="consumer.code")
