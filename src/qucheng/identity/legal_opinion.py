"""A lawyer's opinion, without which a second level earns nothing under cn-two-tier: put forward by one person, allowed by another,
and for twelve months at most. One covers sales from the day after it was allowed on; nothing that was reckoned changes.
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

ACTION = "policy.opinion"
POLICY = "cn-two-tier"
LONGEST_REFERENCE = 80
WARNED = dt.timedelta(days=30)
# a brand that is founded here begins without one, whatever was said when it was founded
NEVER = dt.date.min
ROWS = "SELECT number, reference, starts_on, expires_on, author, approver, approval, approved_at FROM legal_opinion ORDER BY number DESC"


class OpinionNotNeededError(errors.RefusedError):
    """The brand's policy lets one level earn, or three, whatever a lawyer says."""

    code: ClassVar[str] = "policy.opinion_not_needed"


class OpinionReferenceError(errors.RefusedError):
    code: ClassVar[str] = "policy.opinion_reference"
    status: ClassVar[int] = 422


class OpinionDatesError(errors.RefusedError):
    """It would be over before it begins, or holds longer than twelve months."""

    code: ClassVar[str] = "policy.opinion_dates"
    status: ClassVar[int] = 422


class OpinionAskedError(errors.RefusedError):
    code: ClassVar[str] = "policy.opinion_asked"


class Opinion(msgspec.Struct, frozen=True, kw_only=True):
    """number: None for the one with which the brand came; that one has no start, no author and no approver."""

    number: int | None
    reference: str
    starts_on: dt.date | None
    expires_on: dt.date
    author: uuid.UUID | None = None
    approver: uuid.UUID | None = None
    approval: uuid.UUID | None = None
    approved_at: dt.datetime | None = None

    def covers(self, day: dt.date) -> bool:
        return (self.starts_on is None or self.starts_on <= day) and day < self.expires_on


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """covered: a second level earns on sales of today. until: the first day on which it does not, of what is known now."""

    covered: bool
    until: dt.date | None
    warned: bool
    opinions: list[Opinion]


def latest(today: dt.date) -> dt.date:
    """The last day on which an opinion that is allowed today may end: twelve months later."""
    try:
        return today.replace(year=today.year + 1)
    except ValueError:  # 29 February
        return today.replace(year=today.year + 1, day=28)


async def coverage(*, brand: Brand, today: dt.date) -> Coverage:
    """All opinions, the newest first."""
    async with db.atomic(brand.id):
        rows = await db.connection().fetch(ROWS)
    opinions = [Opinion(**dict(row)) for row in rows]
    if brand.policy == POLICY and brand.expires_on not in (None, NEVER):
        assert brand.expires_on is not None  # noqa: S101 - not in (None, …)
        opinions.append(Opinion(number=None, reference=brand.legal_opinion or "", starts_on=None, expires_on=brand.expires_on))
    until = today if any(each.covers(today) for each in opinions) else None
    while until is not None and (longer := [each.expires_on for each in opinions if each.covers(until)]):
        until = max(longer)
    return Coverage(
        covered=until is not None, until=until, warned=until is not None and until - today <= WARNED, opinions=opinions
    )


async def ask(
    *,
    principal: permissions.Principal,
    brand: Brand,
    reference: str,
    expires_on: dt.date,
    today: dt.date,
    actor: audit.Actor,
) -> uuid.UUID:
    """Returns the request's id. Raises OpinionNotNeededError, OpinionReferenceError, OpinionDatesError, OpinionAskedError."""
    named = " ".join(reference.split())
    if brand.policy != POLICY:
        raise OpinionNotNeededError(f"{brand.policy} needs no opinion: it earns as it is.")
    if not named or len(named) > LONGEST_REFERENCE or not named.isprintable():
        raise OpinionReferenceError(f"The reference of an opinion has 1 to {LONGEST_REFERENCE} characters.")
    if not today + dt.timedelta(days=1) < expires_on <= latest(today):
        raise OpinionDatesError(f"An opinion holds beyond tomorrow, and until {latest(today)} at most.")
    async with db.atomic(brand.id):
        await db.connection().execute("SELECT lock_brand($1, 'opinion')", brand.id)
        if any(each.action == ACTION and each.live for each in await approvals.listing(brand_id=brand.id, states=("waiting",))):
            raise OpinionAskedError("An opinion waits for its approval already.")
        return await approvals.request(
            principal=principal,
            action=ACTION,
            payload={"reference": named, "expires_on": expires_on.isoformat()},
            actor=actor,
        )


async def execute(*, brand: Brand, approval: approvals.Approval, actor: audit.Actor, now: dt.datetime) -> None:  # noqa: ARG001 - as the others
    """Takes the opinion in; its first day is the database's to say. Raises OpinionDatesError."""
    said: dict[str, Any] = approval.payload
    async with db.atomic(brand.id):
        used = await approvals.consume(brand_id=brand.id, approval_id=approval.id, action=ACTION, payload=said)
        await db.connection().execute("SELECT lock_brand($1, 'intake')", brand.id)
        number = 1 + await db.connection().fetchval("SELECT coalesce(max(number), 0) FROM legal_opinion")
        try:
            async with db.atomic():
                row = await db.connection().fetchrow(
                    "INSERT INTO legal_opinion (brand_id, number, reference, expires_on, author, approver, approval)"
                    " VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING starts_on, expires_on",
                    *(brand.id, number, said["reference"], dt.date.fromisoformat(said["expires_on"])),
                    *(used.maker, used.checker, used.id),
                )
        except asyncpg.CheckViolationError as violation:
            raise OpinionDatesError("The opinion would be over before it begins, or holds too long.") from violation
        after = {"number": number, "reference": said["reference"], **{name: day.isoformat() for name, day in row.items()}}
        await audit.record(
            brand_id=brand.id, actor=actor, action="policy.opinion", subject=brand.code, after=after, approval=approval.id
        )
