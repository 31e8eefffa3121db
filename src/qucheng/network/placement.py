"""Where a reseller is to stand: judged by the law's cap, shown before it is done, and moved from a later day on."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from qucheng.core import audit, db, errors
from qucheng.network import attempt, cap, rules, standing
from qucheng.network import reseller as resellers

if TYPE_CHECKING:
    import contextlib

    from qucheng.identity.brand import Brand

AMBER, RED = 24, rules.HEADS_LIMIT
LONGEST_AHEAD = dt.timedelta(days=366)
PLACE = """
    SELECT parent, tier FROM placement_span WHERE brand_id = current_brand() AND reseller = $1 AND starts_on <= greatest($2, (
        SELECT joined_on FROM reseller WHERE brand_id = current_brand() AND code = $1)) ORDER BY starts_on DESC LIMIT 1"""


class PlaceRefusedError(errors.RefusedError):
    """The law, or the order of things, does not allow this place. What: the code that a delivery would be refused with."""

    status: ClassVar[int] = 422

    def __init__(self, text: str, *, root: str | None = None) -> None:
        super().__init__(text)
        self.root = root


class DepthExceededError(PlaceRefusedError):
    code: ClassVar[str] = "network.depth_exceeded"


class HeadsExceededError(PlaceRefusedError):
    code: ClassVar[str] = "network.heads_exceeded"


class CycleError(PlaceRefusedError):
    code: ClassVar[str] = "network.cycle"


class ParentLaterError(PlaceRefusedError):
    code: ClassVar[str] = "network.parent_joined_later"


class BeforeJoinedError(PlaceRefusedError):
    code: ClassVar[str] = "placement.before_joined"


class ParentClosedError(PlaceRefusedError):
    """Nobody is put below somebody who has gone, or is about to go."""

    code: ClassVar[str] = "placement.parent_closed"


class ParentUnknownError(PlaceRefusedError):
    code: ClassVar[str] = "placement.parent"


class MoveDayError(errors.RefusedError):
    """What is sold today is sold where the seller stands today: a move takes effect tomorrow or later."""

    code: ClassVar[str] = "placement.day"
    status: ClassVar[int] = 422


class MoveTakenError(errors.RefusedError):
    """There is a move on that day already."""

    code: ClassVar[str] = "placement.taken"


class MoveNothingError(errors.RefusedError):
    """It stands there already."""

    code: ClassVar[str] = "placement.same"
    status: ClassVar[int] = 422


class ResellerClosedError(errors.RefusedError):
    code: ClassVar[str] = "reseller.closed"


REFUSALS: dict[str, type[PlaceRefusedError]] = {
    each.code: each for each in (DepthExceededError, HeadsExceededError, CycleError, ParentLaterError, BeforeJoinedError)
}


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """Of a place on a day. heat: of its root, by the heads that are counted with the operator as one more."""

    parent: str | None
    tier: str
    figures: rules.Figures

    @property
    def heat(self) -> Literal["cool", "amber", "red"]:
        heads = self.figures.heads + 1
        return "red" if heads >= RED else "amber" if heads >= AMBER else "cool"


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a join or a move would change. before: None for a join. refused: the code of what forbids it; after is None then."""

    before: Side | None
    after: Side | None
    refused: str | None


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """Who is to stand where from which day on. moved: it has joined before."""

    reseller: str
    parent: str | None
    tier: str
    day: dt.date
    moved: bool


async def judge(brand: Brand, wanted: Placed) -> list[rules.Event]:
    """Inside a transaction of the brand. Raises a PlaceRefusedError; returns the network so far."""
    stored = await resellers.history()
    joined = {event.reseller for event in stored if not event.moved}
    if wanted.parent is not None and wanted.parent not in joined:
        raise ParentUnknownError(f"There is no reseller {wanted.parent!r}.")
    if wanted.parent is not None:
        above = standing.at(await standing.history(brand_id=brand.id, reseller=wanted.parent), wanted.day)
        if above.closes_on is not None:
            raise ParentClosedError(f"The account of {wanted.parent} is closed, or will be.")
    event = rules.Event(day=wanted.day, moved=wanted.moved, reseller=wanted.reseller, parent=wanted.parent, row=1)
    faults = rules.judge([event], stored, await cap.read(brand))
    if event in faults:
        kind = REFUSALS.get(faults[event], ParentUnknownError)
        raise kind(f"{wanted.reseller} cannot stand there on {wanted.day}: {faults[event]}.")
    return stored


async def preview(*, brand: Brand, wanted: Placed) -> Preview:
    """Nothing is kept. Raises what makes the wish senseless: an unknown tier or reseller."""
    async with db.atomic(brand.id):
        await resellers.require_tier(wanted.tier)
        before = await _before(brand, wanted) if wanted.moved else None
        try:
            stored = await judge(brand, wanted)
        except PlaceRefusedError as refusal:
            return Preview(before=before, after=None, refused=refusal.code)
    network = rules.standing(stored, wanted.day, await cap.read(brand))
    network.apply(rules.Event(day=wanted.day, moved=wanted.moved, reseller=wanted.reseller, parent=wanted.parent))
    after = Side(parent=wanted.parent, tier=wanted.tier, figures=network.figures(wanted.reseller))
    return Preview(before=before, after=after, refused=None)


async def _before(brand: Brand, wanted: Placed) -> Side:
    await resellers.require(wanted.reseller)
    place = await db.connection().fetchrow(PLACE, wanted.reseller, wanted.day)
    network = rules.standing(await resellers.history(), max(wanted.day, await _joined_on(wanted.reseller)), await cap.read(brand))
    return Side(parent=place["parent"], tier=place["tier"], figures=network.figures(wanted.reseller))


async def _joined_on(reseller: str) -> dt.date:
    found: dt.date = await db.connection().fetchval("SELECT joined_on FROM reseller WHERE code = $1", reseller)
    return found


async def move(*, brand: Brand, wanted: Placed, reason: str, day: dt.date, actor: audit.Actor, now: dt.datetime) -> None:
    """day: today at the brand. What the law refuses is kept with who tried it.

    Raises PlaceRefusedError, and what makes the wish senseless.
    """
    reason = standing.require_reason(reason)
    if not day < wanted.day <= day + LONGEST_AHEAD:
        raise MoveDayError("From tomorrow on, and within a year.")
    async with kept(brand, wanted, actor), db.atomic(brand.id):
        await resellers.hold(brand.id)
        await _move(brand, wanted, reason, actor, now)


def kept(brand: Brand, wanted: Placed, actor: audit.Actor) -> contextlib.AbstractAsyncContextManager[None]:
    """Around the transaction: what the law refuses is on record with who tried it."""
    facts = {"parent": wanted.parent, "tier": wanted.tier, "effective_on": wanted.day}
    what = "network.move" if wanted.moved else "network.join"
    return attempt.kept(brand_id=brand.id, what=what, subject=wanted.reseller, actor=actor, facts=facts)


async def _move(brand: Brand, wanted: Placed, reason: str, actor: audit.Actor, now: dt.datetime) -> None:
    connection = db.connection()
    await resellers.require(wanted.reseller)
    await resellers.require_tier(wanted.tier)
    changes = await standing.history(brand_id=brand.id, reseller=wanted.reseller)
    if standing.at(changes, wanted.day).state == "closed":
        raise ResellerClosedError("Its account is closed then.")
    place = await connection.fetchrow(PLACE, wanted.reseller, wanted.day)
    if (place["parent"], place["tier"]) == (wanted.parent, wanted.tier):
        raise MoveNothingError("It stands there already.")
    taken = "SELECT EXISTS (SELECT 1 FROM placement WHERE reseller = $1 AND effective_on = $2)"
    if await connection.fetchval(taken, wanted.reseller, wanted.day):
        raise MoveTakenError("There is a move on that day already: choose another day.")
    await judge(brand, wanted)
    values = (brand.id, wanted.reseller, wanted.day)
    await connection.execute(
        "INSERT INTO placement (brand_id, reseller, effective_on, parent, tier) VALUES ($1, $2, $3, $4, $5)",
        *values,
        wanted.parent,
        wanted.tier,
    )
    await connection.execute(
        "INSERT INTO placement_decision (brand_id, reseller, effective_on, reason, decided_at, decided_by) VALUES ($1, $2, $3, $4, $5, $6)",
        *values,
        reason,
        now,
        actor.user_id,
    )
    await audit.record(
        brand_id=brand.id,
        actor=actor,
        action="placement.move",
        subject=wanted.reseller,
        before={"parent": place["parent"], "tier": place["tier"]},
        after={"parent": wanted.parent, "tier": wanted.tier, "effective_on": wanted.day, "reason": reason},
    )
