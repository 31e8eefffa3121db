"""Tiers of resellers: what a price or a rate may depend on. A bundle brings them, and people of the brand add and name them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

import msgspec

from qucheng.core import audit, db, errors
from qucheng.network import attempt

if TYPE_CHECKING:
    import uuid

CODE = re.compile(r"[A-Za-z0-9._-]{1,40}", re.ASCII)
# stands in the address of a page where a code stands
RESERVED = "new"
LONGEST_NAME = 80
MOST_RANK = 999_999_999


class TierUnknownError(errors.RefusedError):
    code: ClassVar[str] = "tier.unknown"
    status: ClassVar[int] = 404


class TierTakenError(errors.RefusedError):
    """There is a tier of this code."""

    code: ClassVar[str] = "tier.taken"


class TierStaleError(errors.RefusedError):
    """It was changed since it was seen."""

    code: ClassVar[str] = "tier.stale"


class TierUnfitError(errors.RefusedError):
    """fields: what is wrong of what was said."""

    code: ClassVar[str] = "tier.unfit"
    status: ClassVar[int] = 422

    def __init__(self, fields: list[str]) -> None:
        super().__init__(f"This can't be said of a tier: {', '.join(fields)}.")
        self.fields = fields


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """rank: 1 is the first."""

    code: str
    name: str
    rank: int
    revision: int


async def listing(*, brand_id: uuid.UUID) -> list[Tier]:
    """The first by rank."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch("SELECT code, name, rank, revision FROM tier ORDER BY rank, code")
    return [Tier(**dict(row)) for row in rows]


async def create(*, brand_id: uuid.UUID, code: str, name: str, rank: int, actor: audit.Actor) -> None:
    """Raises TierUnfitError, TierTakenError, and blocklist.PromiseError where its name promises an income."""
    _require_fit(name, rank, code)
    await attempt.require_honest(brand_id=brand_id, what="tier.name", subject=code, text=name, actor=actor)
    async with db.atomic(brand_id):
        made = await db.connection().fetchval(
            "INSERT INTO tier (brand_id, code, name, rank) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING 1",
            brand_id,
            code,
            name,
            rank,
        )
        if made is None:
            raise TierTakenError(f"There is a tier {code} already.")
        after = {"name": name, "rank": rank}
        await audit.record(brand_id=brand_id, actor=actor, action="tier.create", subject=code, after=after)


async def change(*, brand_id: uuid.UUID, code: str, seen: int, name: str, rank: int, actor: audit.Actor) -> None:
    """Raises TierUnknownError, TierStaleError, TierUnfitError, and blocklist.PromiseError where its name promises an income."""
    _require_fit(name, rank)
    await attempt.require_honest(brand_id=brand_id, what="tier.name", subject=code, text=name, actor=actor)
    async with db.atomic(brand_id):
        row = await db.connection().fetchrow("SELECT name, rank, revision FROM tier WHERE code = $1 FOR UPDATE", code)
        if row is None:
            raise TierUnknownError(f"There is no tier {code}.")
        if row["revision"] != seen:
            raise TierStaleError(f"The tier {code} was changed meanwhile.")
        changed = {field: value for field, value in {"name": name, "rank": rank}.items() if row[field] != value}
        if not changed:
            return
        await db.connection().execute("UPDATE tier SET name = $2, rank = $3 WHERE code = $1", code, name, rank)
        before = {field: row[field] for field in changed}
        await audit.record(brand_id=brand_id, actor=actor, action="tier.change", subject=code, before=before, after=changed)


def _require_fit(name: str, rank: int, code: str = "any") -> None:
    fit = {
        "code": CODE.fullmatch(code) is not None and code != RESERVED,
        "name": 1 <= len(name) <= LONGEST_NAME and name.isprintable() and name == name.strip(),
        "rank": 1 <= rank <= MOST_RANK,
    }
    if not all(fit.values()):
        raise TierUnfitError([field for field, good in fit.items() if not good])
