"""A person of the brand's app, who comes with an address that the app's server signed: good for minutes, and once."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, ClassVar

import msgspec

from qucheng.campaigns import claim, consumer
from qucheng.core import db, errors
from qucheng.identity import api_caller, api_signature

if TYPE_CHECKING:
    from qucheng.core import audit, crypto
    from qucheng.identity.brand import Brand

FORM = "QC-ENTER1"
SCOPE = "claims.write"
GOOD_FOR = dt.timedelta(minutes=5)
WAY_ON = re.compile(r"[!-~]{0,500}")
UNTIL = re.compile(r"[0-9]{1,12}")


class EntryUnknownError(errors.RefusedError):
    """Not signed, changed, or signed with a key that may not, or no longer: which of them is not said."""

    code: ClassVar[str] = "entry.unknown"
    status: ClassVar[int] = 403


class EntryOverError(errors.RefusedError):
    """Its time is over, or longer than it may be."""

    code: ClassVar[str] = "entry.over"
    status: ClassVar[int] = 410


class EntryUsedError(errors.RefusedError):
    code: ClassVar[str] = "entry.used"
    status: ClassVar[int] = 410


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """As it stands in the address. until: seconds of the Unix clock. way_on: where the person goes, of this site."""

    key: str
    subject: str
    until: str
    nonce: str
    way_on: str
    signature: str

    def readable(self) -> bool:
        forms = ((claim.SUBJECT, self.subject), (UNTIL, self.until), (api_signature.NONCE, self.nonce), (WAY_ON, self.way_on))
        return all(form.fullmatch(text) for form, text in forms)


def text_to_sign(brand_code: str, entry: Entry) -> str:
    lines = (FORM, brand_code, entry.key, entry.subject, entry.until, entry.nonce, entry.way_on)
    return "\n".join(lines)


async def check(*, brand: Brand, keys: crypto.Keys, entry: Entry, now: dt.datetime) -> api_caller.Caller:
    """Whose key it is; nothing is used up. Raises EntryUnknownError, EntryOverError, EntryUsedError."""
    if not entry.readable():
        raise EntryUnknownError("This is no signed address.")
    try:
        caller = await api_caller.by_text(
            keys=keys, key=entry.key, text=text_to_sign(brand.code, entry), signature=entry.signature, now=now
        )
    except (api_caller.NotKnownError, api_caller.KeyRevokedError, api_caller.KeyExpiredError):
        raise EntryUnknownError("This is no signed address.") from None
    if caller.brand_id != brand.id or caller.mode != "live" or SCOPE not in caller.scopes:
        raise EntryUnknownError("This is no signed address.")
    left = int(entry.until) - now.timestamp()
    if not 0 < left <= GOOD_FOR.total_seconds():
        raise EntryOverError("The time of this address is over.")
    async with db.atomic(brand.id):
        used = await db.connection().fetchval(
            "SELECT true FROM api_nonce WHERE key = $1 AND nonce = $2", caller.key_id, entry.nonce
        )
    if used:
        raise EntryUsedError("This address was used.")
    return caller


async def enter(
    *, brand: Brand, keys: crypto.Keys, entry: Entry, before: str | None, actor: audit.Actor, now: dt.datetime
) -> str:
    """Uses it up; returns the token of a new session. before: the token that the browser had. Raises what check() raises."""
    caller = await check(brand=brand, keys=keys, entry=entry, now=now)
    async with db.atomic(brand.id):
        status = await db.connection().execute(
            "INSERT INTO api_nonce (brand_id, key, nonce, used_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            brand.id,
            caller.key_id,
            entry.nonce,
            now,
        )
        if status != "INSERT 0 1":
            raise EntryUsedError("This address was used.")
        return await consumer.start(
            brand=brand,
            keys=keys,
            subject=entry.subject,
            phone=None,
            way="app",
            before=before,
            actor=actor,
            now=now,
            api_key=caller.key_id,
        )
