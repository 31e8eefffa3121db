"""The limits of a brand by day: tightened from a day to come on, put forward by one person and allowed by another, never loosened.

What a sale of an earlier day earns, and what its refunds take back, stays as it was.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any, ClassVar

import asyncpg
import msgspec

from qucheng.core import audit, db, errors
from qucheng.identity import approval as approvals

if TYPE_CHECKING:
    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

ACTION = "policy.tighten"
LONGEST_AHEAD = dt.timedelta(days=366)
FOUNDED = dt.date.min
ROWS = """
    SELECT t.starts_on, t.max_depth, t.max_levels, t.max_total_rate_ppm, v.author, v.approver, v.approval, v.approved_at
    FROM policy_term t LEFT JOIN policy_value v ON v.brand_id = t.brand_id AND v.starts_on = t.starts_on
    WHERE t.brand_id = current_brand() ORDER BY t.starts_on DESC"""
ON = """
    SELECT max_depth, max_levels, max_total_rate_ppm FROM policy_term
    WHERE brand_id = current_brand() AND starts_on <= $1 AND $1 < ends_on"""
DEEPER = """
    SELECT reseller, depth, root, greatest(starts_on, $1) AS since FROM chain
    WHERE ends_on > $1 AND depth > $2 ORDER BY reseller, starts_on LIMIT $3"""
MOST_DEEPER = 50
CONSTRAINTS = {"policy_value_order", "policy_value_start_check"}


class TightenLooserError(errors.RefusedError):
    """A limit would be looser than it is, or none would be tighter."""

    code: ClassVar[str] = "policy.looser"
    status: ClassVar[int] = 422


class TightenDayError(errors.RefusedError):
    """Not from a day to come on, or other limits hold from a later day on already."""

    code: ClassVar[str] = "policy.day"
    status: ClassVar[int] = 422


class TightenDeeperError(errors.RefusedError):
    """Somebody stands deeper than the new cap on that day: they are moved first."""

    code: ClassVar[str] = "policy.deeper"


class TightenAskedError(errors.RefusedError):
    code: ClassVar[str] = "policy.tighten_asked"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    max_depth: int
    max_levels: int
    max_total_rate_ppm: int

    def tightens(self, other: Limits) -> bool:
        """None of them is looser, and one is tighter."""
        mine, others = msgspec.structs.astuple(self), msgspec.structs.astuple(other)
        return mine != others and all(one <= another for one, another in zip(mine, others, strict=True))


class Term(Limits, frozen=True, kw_only=True):
    """starts_on: None for those with which the brand was founded, which nobody put forward here."""

    starts_on: dt.date | None
    author: uuid.UUID | None
    approver: uuid.UUID | None
    approval: uuid.UUID | None
    approved_at: dt.datetime | None


class Deeper(msgspec.Struct, frozen=True, kw_only=True):
    """Who would stand deeper than the cap, from which day on."""

    reseller: str
    root: str
    depth: int
    since: dt.date


async def terms(*, brand_id: uuid.UUID) -> list[Term]:
    """Those of the last day first; the last of the list are those with which the brand was founded."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(ROWS)
    return [Term(**{**dict(row), "starts_on": None if row["starts_on"] == FOUNDED else row["starts_on"]}) for row in rows]


async def on(brand: Brand, day: dt.date) -> Brand:
    """The brand with the limits of that day."""
    async with db.atomic(brand.id):
        row = await db.connection().fetchrow(ON, day)
    return msgspec.structs.replace(brand, **dict(row))


async def deeper(*, brand_id: uuid.UUID, since: dt.date, max_depth: int) -> list[Deeper]:
    """Whoever stands deeper than that on that day or later, by code."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(DEEPER, since, max_depth, MOST_DEEPER)
    return [Deeper(**dict(row)) for row in rows]


async def require(*, brand_id: uuid.UUID, wanted: Limits, starts_on: dt.date, today: dt.date) -> None:
    """Raises TightenDayError, TightenLooserError, TightenDeeperError for what cannot be put forward."""
    last = (await terms(brand_id=brand_id))[0]
    if not today < starts_on <= today + LONGEST_AHEAD or (last.starts_on is not None and starts_on <= last.starts_on):
        raise TightenDayError("Limits are tightened from a day to come on, after those that are known, and within a year.")
    known = Limits(max_depth=last.max_depth, max_levels=last.max_levels, max_total_rate_ppm=last.max_total_rate_ppm)
    if not wanted.tightens(known) or min(wanted.max_depth, wanted.max_levels) < 1 or wanted.max_total_rate_ppm < 0:
        raise TightenLooserError("Limits are tightened, never loosened.")
    found = await deeper(brand_id=brand_id, since=starts_on, max_depth=wanted.max_depth)
    if found:
        raise TightenDeeperError(f"{found[0].reseller} would stand deeper than {wanted.max_depth} in a line.")


async def ask(
    *,
    principal: permissions.Principal,
    brand: Brand,
    wanted: Limits,
    starts_on: dt.date,
    today: dt.date,
    actor: audit.Actor,
) -> uuid.UUID:
    """Returns the request's id. Raises what `require` raises, and TightenAskedError."""
    async with db.atomic(brand.id):
        await db.connection().execute("SELECT lock_brand($1, 'policy')", brand.id)
        if any(each.action == ACTION and each.live for each in await approvals.listing(brand_id=brand.id, states=("waiting",))):
            raise TightenAskedError("Tighter limits wait for their approval already.")
        await require(brand_id=brand.id, wanted=wanted, starts_on=starts_on, today=today)
        payload = {**msgspec.structs.asdict(wanted), "starts_on": starts_on.isoformat()}
        return await approvals.request(principal=principal, action=ACTION, payload=payload, actor=actor)


async def execute(*, brand: Brand, approval: approvals.Approval, actor: audit.Actor, now: dt.datetime) -> None:  # noqa: ARG001 - as the others
    """The first day is the one that was asked for, or the next that is still to come: the database says which.

    Raises TightenDayError, TightenLooserError, TightenDeeperError.
    """
    said: dict[str, Any] = approval.payload
    async with db.atomic(brand.id):
        used = await approvals.consume(brand_id=brand.id, approval_id=approval.id, action=ACTION, payload=said)
        # the order in which others take them
        await db.connection().execute("SELECT lock_brand($1, 'intake')", brand.id)
        await db.connection().execute("SELECT lock_brand($1, 'network')", brand.id)
        try:
            async with db.atomic():
                starts_on = await db.connection().fetchval(
                    "INSERT INTO policy_value (brand_id, starts_on, max_depth, max_levels, max_total_rate_ppm, author, approver, approval)"
                    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING starts_on",
                    *(brand.id, dt.date.fromisoformat(said["starts_on"])),
                    *(said["max_depth"], said["max_levels"], said["max_total_rate_ppm"]),
                    *(used.maker, used.checker, used.id),
                )
        except asyncpg.UniqueViolationError as violation:
            raise TightenDayError("Other limits hold from that day on already.") from violation
        except asyncpg.CheckViolationError as violation:
            raise _refusal(violation) from violation
        await audit.record(
            brand_id=brand.id,
            actor=actor,
            action=ACTION,
            subject=brand.code,
            before={name: getattr(brand, name) for name in Limits.__struct_fields__},
            after={**said, "starts_on": starts_on.isoformat()},
            approval=approval.id,
        )


def _refusal(violation: asyncpg.CheckViolationError) -> errors.RefusedError:
    name = violation.constraint_name
    if name == "network_depth":
        return TightenDeeperError("Somebody would stand deeper than that in a line.")
    if name in CONSTRAINTS:
        return TightenDayError("Other limits hold from a later day on already.")
    return TightenLooserError("Limits are tightened, never loosened.")
