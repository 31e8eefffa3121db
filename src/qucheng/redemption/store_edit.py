"""What is said of a store: written when it opens, changed later, and a store that was closed by mistake opened again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

import msgspec

from qucheng.core import audit, db, errors
from qucheng.redemption import store

if TYPE_CHECKING:
    import datetime as dt
    import uuid

CODE = re.compile(r"[A-Za-z0-9._-]{1,40}", re.ASCII)
# stands in the address of a page where a code stands
RESERVED = frozenset({"new", "import"})
LONGEST = {"name": 80, "name_en": 80, "area": 40, "address": 200}


class StoreUnfitError(errors.RefusedError):
    """fields: what cannot be so."""

    code: ClassVar[str] = "store.unfit"
    status: ClassVar[int] = 422

    def __init__(self, fields: tuple[str, ...]) -> None:
        super().__init__(f"This cannot be so: {', '.join(fields)}.")
        self.fields = fields


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    name_en: str | None = None
    area: str | None = None
    address: str | None = None


async def open_(*, brand_id: uuid.UUID, code: str, facts: Facts, actor: audit.Actor, now: dt.datetime) -> None:
    """Raises StoreUnfitError, StoreTakenError."""
    wrong = unfit(facts)
    if CODE.fullmatch(code) is None or code in RESERVED:
        wrong = ("code", *wrong)
    if wrong:
        raise StoreUnfitError(wrong)
    await store.open_store(brand_id=brand_id, code=code, **msgspec.structs.asdict(facts), actor=actor, now=now)


async def change(*, brand_id: uuid.UUID, code: str, facts: Facts, actor: audit.Actor) -> None:
    """What is the same already is no change. Raises StoreUnfitError, StoreUnknownError."""
    wrong = unfit(facts)
    if wrong:
        raise StoreUnfitError(wrong)
    async with db.atomic(brand_id):
        row = await db.connection().fetchrow(
            "SELECT name, name_en, area, address FROM store WHERE code = $1 FOR NO KEY UPDATE", code
        )
        if row is None:
            raise store.StoreUnknownError("There is no such store.")
        before, after = dict(row), msgspec.structs.asdict(facts)
        if before == after:
            return
        await db.connection().execute(
            "UPDATE store SET name = $2, name_en = $3, area = $4, address = $5 WHERE code = $1", code, *after.values()
        )
        await audit.record(brand_id=brand_id, actor=actor, action="store.change", subject=code, before=before, after=after)


async def open_again(*, brand_id: uuid.UUID, code: str, actor: audit.Actor) -> None:
    """Its terminals redeem again. Raises StoreUnknownError where none is closed."""
    async with db.atomic(brand_id):
        done = await db.connection().execute("UPDATE store SET closed_at = NULL WHERE code = $1 AND closed_at IS NOT NULL", code)
        if done != "UPDATE 1":
            raise store.StoreUnknownError("There is no closed store of that code.")
        await audit.record(brand_id=brand_id, actor=actor, action="store.reopen", subject=code)


def unfit(facts: Facts) -> tuple[str, ...]:
    """The names of what cannot be so."""
    given = msgspec.structs.asdict(facts)
    return tuple(name for name, longest in LONGEST.items() if not _fits(given[name], longest, needed=name == "name"))


def _fits(text: str | None, longest: int, *, needed: bool) -> bool:
    if text is None:
        return not needed
    return bool(text.strip()) and len(text) <= longest and text.isprintable()
