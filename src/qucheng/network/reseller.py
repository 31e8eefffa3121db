"""Resellers, their tiers, where they stand, and where they sell."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, ClassVar

import asyncpg
import msgspec

from qucheng.core import audit, db, errors
from qucheng.network import rules

if TYPE_CHECKING:
    import uuid

PATIENCE = "3s"
CODE = re.compile(r"[A-Za-z0-9._-]{1,40}")
# addresses of pages beside those of resellers
RESERVED = frozenset({"agreements", "export"})
LONGEST_NAME = 80
MOST_CHANNELS = 200
# Those it may sell in from a day on; a reseller without a row sells in all of them.
OPEN = "SELECT channel FROM reseller_channel WHERE reseller = $1 AND (ends_on IS NULL OR (ends_on > $2 AND starts_on < ends_on))"
# Before it was told where to sell it sold everywhere: so its past stays as it was.
EVERYWHERE = """
    INSERT INTO reseller_channel (brand_id, reseller, channel, starts_on, ends_on)
    SELECT r.brand_id, r.code, c.code, r.joined_on, $2 FROM reseller r JOIN channel c ON c.brand_id = r.brand_id
    WHERE r.code = $1 AND r.joined_on < $2 AND NOT EXISTS (SELECT 1 FROM reseller_channel o WHERE o.brand_id = r.brand_id AND o.reseller = r.code)"""
END = """
    UPDATE reseller_channel SET ends_on = greatest(starts_on, $2)
    WHERE reseller = $1 AND (ends_on IS NULL OR ends_on > $2) AND NOT (channel = ANY ($3) AND starts_on <= $2 AND ends_on IS NULL)"""
BEGIN = """
    INSERT INTO reseller_channel (brand_id, reseller, channel, starts_on)
    SELECT current_brand(), $1, wanted.channel, $2 FROM unnest($3::text[]) AS wanted (channel)
    WHERE NOT EXISTS (SELECT 1 FROM reseller_channel o WHERE o.brand_id = current_brand() AND o.reseller = $1 AND o.channel = wanted.channel
                      AND o.starts_on <= $2 AND o.ends_on IS NULL)
    ON CONFLICT (brand_id, reseller, channel, starts_on) DO UPDATE SET ends_on = NULL"""


class ResellerUnknownError(errors.RefusedError):
    code: ClassVar[str] = "reseller.unknown"
    status: ClassVar[int] = 404


class ResellerUnfitError(errors.RefusedError):
    """field: what of it cannot be so."""

    code: ClassVar[str] = "reseller.unfit"
    status: ClassVar[int] = 422

    def __init__(self, field: str) -> None:
        super().__init__(f"The reseller cannot be so: its {field} is not right.")
        self.field = field


class CodeTakenError(errors.RefusedError):
    code: ClassVar[str] = "reseller.taken"


class NetworkBusyError(errors.RefusedError):
    """A delivery is being taken in, which is judged with the network as it stands."""

    code: ClassVar[str] = "delivery.busy"
    status: ClassVar[int] = 409
    retry_after = 10


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A reseller that is to be. identity: an opaque hash of the legal person, as the brand's deliveries know its buyers."""

    code: str
    name: str
    kind: str
    parent: str | None
    tier: str
    joined_on: dt.date
    identity: str
    channels: tuple[str, ...]


async def hold(brand_id: uuid.UUID) -> None:
    """Deliveries, joins and moves of a brand wait for each other. Raises NetworkBusyError."""
    try:
        async with db.atomic():
            await db.connection().execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
            await db.connection().execute("SELECT lock_brand($1, 'intake'), lock_brand($1, 'network')", brand_id)
            await db.connection().execute("SET LOCAL lock_timeout = DEFAULT")
    except asyncpg.LockNotAvailableError:
        raise NetworkBusyError("A delivery is being taken in: this can be done when it is in the books.") from None


async def require(code: str) -> None:
    """Inside a transaction of the brand. Raises ResellerUnknownError."""
    if "\0" in code or not await db.connection().fetchval("SELECT EXISTS (SELECT 1 FROM reseller WHERE code = $1)", code):
        raise ResellerUnknownError(f"There is no reseller {code!r}.")


async def create(*, brand_id: uuid.UUID, wanted: Wanted) -> None:
    """Inside the transaction that allows it, which holds the network; its place has been judged.

    Raises ResellerUnfitError and CodeTakenError.
    """
    if CODE.fullmatch(wanted.code) is None or wanted.code in RESERVED:
        raise ResellerUnfitError("code")
    if not 0 < len(wanted.name) <= LONGEST_NAME or not wanted.name.isprintable():
        raise ResellerUnfitError("name")
    if await db.connection().fetchval("SELECT EXISTS (SELECT 1 FROM reseller WHERE code = $1)", wanted.code):
        raise CodeTakenError(f"There is a reseller {wanted.code} already.")
    await require_tier(wanted.tier)
    await _require_channels(wanted.channels)
    await db.connection().execute(
        "INSERT INTO reseller (brand_id, code, name, kind, parent, tier, joined_on, identity) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        brand_id,
        wanted.code,
        wanted.name,
        wanted.kind,
        wanted.parent,
        wanted.tier,
        wanted.joined_on,
        wanted.identity,
    )
    await db.connection().execute(BEGIN, wanted.code, wanted.joined_on, list(wanted.channels))


async def require_tier(code: str) -> None:
    """Raises ResellerUnfitError."""
    if "\0" in code or not await db.connection().fetchval("SELECT EXISTS (SELECT 1 FROM tier WHERE code = $1)", code):
        raise ResellerUnfitError("tier")


async def set_channels(
    *, brand_id: uuid.UUID, reseller: str, channels: tuple[str, ...], from_on: dt.date, day: dt.date, actor: audit.Actor
) -> None:
    """In these it sells from the day on, and in no others. day: today at the brand.

    Raises ResellerUnknownError and ResellerUnfitError.
    """
    if from_on < day:
        raise ResellerUnfitError("from_on")
    async with db.atomic(brand_id):
        await hold(brand_id)
        await require(reseller)
        await _require_channels(channels)
        rows = await db.connection().fetch(OPEN, reseller, from_on)
        await db.connection().execute(EVERYWHERE, reseller, from_on)
        await db.connection().execute(END, reseller, from_on, list(channels))
        await db.connection().execute(BEGIN, reseller, from_on, list(channels))
        await audit.record(
            brand_id=brand_id,
            actor=actor,
            action="reseller.channels",
            subject=reseller,
            before={"channels": sorted({row["channel"] for row in rows}) or None},
            after={"channels": sorted(channels), "from_on": from_on},
        )


async def _require_channels(codes: tuple[str, ...]) -> None:
    there = await db.connection().fetchval("SELECT count(*) FROM channel WHERE code = ANY ($1)", list(codes))
    if not codes or len(codes) > MOST_CHANNELS or there != len(set(codes)):
        raise ResellerUnfitError("channels")


async def add_tiers(*, staged: str) -> None:
    await db.connection().execute(
        f"INSERT INTO tier (brand_id, code, name, rank) SELECT current_brand(), code, name, rank FROM {staged} WHERE fault IS NULL"
    )


async def add(*, resellers: str, placements: str) -> None:
    """Takes in the accepted joins and placements of two temporary tables.

    In one statement: the database judges the network by date, and joins without the moves between them are another network.
    """
    await db.connection().execute(f"""
        WITH joined AS (
            INSERT INTO reseller (brand_id, code, name, kind, parent, tier, joined_on, identity)
            SELECT current_brand(), code, name, kind, parent, tier, joined_on, identity FROM {resellers} WHERE fault IS NULL)
        INSERT INTO placement (brand_id, reseller, effective_on, parent, tier)
        SELECT current_brand(), reseller, effective_on, parent, tier FROM {placements} WHERE fault IS NULL""")


async def history() -> list[rules.Event]:
    """All joins and placements of the brand, as the rules see them."""
    rows = await db.connection().fetch("""
        SELECT joined_on AS day, false AS moved, code AS reseller, parent FROM reseller
        UNION ALL SELECT effective_on, true, reseller, parent FROM placement""")
    return [rules.Event(day=row["day"], moved=row["moved"], reseller=row["reseller"], parent=row["parent"]) for row in rows]
