"""Versions of the price book: which there are, and how a draft is opened, discarded and opened again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qucheng.catalog import price_errors, price_records
from qucheng.core import audit, db

if TYPE_CHECKING:
    import datetime as dt
    import uuid

    import asyncpg

    from qucheng.catalog.price_records import Current, Version

SELECT = """
    SELECT v.number, v.state, v.based_on, v.restores, v.intake IS NOT NULL AS imported, nullif(v.effective_at, '-infinity') AS effective_at, v.name,
           v.maker, v.opened_at, v.submitted_at, v.approval, a.state AS approval_state, v.approver, v.approved_at, v.sha256,
           CASE WHEN v.state = 'discarded' OR NOT $2::boolean THEN 0 ELSE (SELECT count(*) FROM price_difference(v.based_on, v.number)) END AS changes,
           CASE WHEN v.state <> 'approved' THEN v.state WHEN v.effective_at > $1 THEN 'scheduled'
                WHEN v.number = (SELECT max(o.number) FROM price_version o WHERE o.state = 'approved' AND o.effective_at <= $1) THEN 'live'
                ELSE 'ended' END AS standing
    FROM price_version v LEFT JOIN approval a ON a.brand_id = v.brand_id AND a.id = v.approval"""
CELLS = (
    "INSERT INTO price_cell (brand_id, version, sku, channel, tier, starts_on, ends_on, price_minor)"
    " SELECT brand_id, $2, sku, channel, tier, starts_on, ends_on, price_minor FROM price_cell WHERE version = $1"
)
LIMITS = (
    "INSERT INTO price_limit (brand_id, version, sku, starts_on, ends_on, floor_minor, cost_minor)"
    " SELECT brand_id, $2, sku, starts_on, ends_on, floor_minor, cost_minor FROM price_limit WHERE version = $1"
)
EDITS = (
    "INSERT INTO price_edit (brand_id, version, limits, sku, channel, tier, revision, reason, edited_by, edited_at)"
    " SELECT brand_id, $2, limits, sku, channel, tier, revision, reason, edited_by, edited_at FROM price_edit WHERE version = $1"
)


async def versions(*, brand_id: uuid.UUID, now: dt.datetime, before: int | None = None, most: int = 50) -> list[Version]:
    """The newest first. before: those with a smaller number."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            f"{SELECT} WHERE $3::integer IS NULL OR v.number < $3 ORDER BY v.number DESC LIMIT $4", now, True, before, most
        )
    return [_version(row) for row in rows]


async def read(*, brand_id: uuid.UUID, number: int, now: dt.datetime, counted: bool = True) -> Version:
    """counted: how many keys it changes, which is work; else changes is 0."""
    async with db.atomic(brand_id):
        row = await db.connection().fetchrow(f"{SELECT} WHERE v.number = $3", now, counted, number)
    if row is None:
        raise price_errors.PriceVersionUnknownError(f"There is no price version {number}.")
    return _version(row)


async def current(*, brand_id: uuid.UUID, now: dt.datetime, counted: bool = True) -> Current:
    """counted: how many keys the draft changes, which is work; else its changes is 0."""
    async with db.atomic(brand_id):
        row = await db.connection().fetchrow(f"{SELECT} WHERE v.state IN ('draft', 'submitted')", now, counted)
        approved = await db.connection().fetchrow(
            "SELECT max(number) FILTER (WHERE effective_at <= $1) AS live, max(number) AS newest FROM price_version WHERE state = 'approved'",
            now,
        )
    return price_records.Current(
        live=approved["live"], newest=approved["newest"], draft=_version(row) if row is not None else None
    )


async def open_draft(
    *,
    brand_id: uuid.UUID,
    restore: int | None = None,
    name: str | None = None,
    actor: audit.Actor,
    now: dt.datetime,
) -> int:
    """A draft made from the newest approved version, and its number. restore: the approved version whose prices it takes back.

    Raises PriceDraftExistsError, and PriceVersionUnknownError for a version that was never approved.
    """
    async with db.atomic(brand_id):
        await lock(brand_id)
        standing = await db.connection().fetchval("SELECT number FROM price_version WHERE state IN ('draft', 'submitted')")
        if standing is not None:
            raise price_errors.PriceDraftExistsError(standing)
        if restore is not None and not await db.connection().fetchval(
            "SELECT EXISTS (SELECT 1 FROM price_version WHERE number = $1 AND state = 'approved')", restore
        ):
            raise price_errors.PriceVersionUnknownError(f"There is no approved price version {restore}.")
        number = await begin(brand_id, restores=restore, name=name, actor=actor, now=now)
        source = restore
        if source is None:
            source = await db.connection().fetchval("SELECT based_on FROM price_version WHERE number = $1", number)
        await copy(source, number)
        await record(brand_id, actor, "prices.open", number, after={"restores": restore, "name": name})
    return number


async def discard(*, brand_id: uuid.UUID, number: int, actor: audit.Actor, now: dt.datetime) -> None:  # noqa: ARG001 - the form of all writes
    """A draft, or one that was submitted: what was asked for can then not be allowed any more."""
    async with db.atomic(brand_id):
        state = await require_state(brand_id, number, "draft", "submitted")
        await end(number)
        await record(brand_id, actor, "prices.discard", number, before={"state": state})


async def reopen(*, brand_id: uuid.UUID, number: int, actor: audit.Actor, now: dt.datetime) -> int:
    """One that was submitted is discarded, since it stays as it was asked for; what it says is the new draft. Returns its number."""
    async with db.atomic(brand_id):
        await require_state(brand_id, number, "submitted")
        row = await db.connection().fetchrow("SELECT restores, name FROM price_version WHERE number = $1", number)
        await end(number)
        fresh = await begin(brand_id, restores=row["restores"], name=row["name"], actor=actor, now=now)
        await copy(number, fresh)
        await db.connection().execute(EDITS, number, fresh)
        await record(brand_id, actor, "prices.reopen", fresh, before={"version": number})
    return fresh


async def rename(*, brand_id: uuid.UUID, number: int, name: str | None, actor: audit.Actor, now: dt.datetime) -> None:  # noqa: ARG001 - the form of all writes
    said = name.strip() if name else None
    async with db.atomic(brand_id):
        await require_state(brand_id, number, "draft")
        before = await db.connection().fetchval("SELECT name FROM price_version WHERE number = $1", number)
        await db.connection().execute("UPDATE price_version SET name = $2 WHERE number = $1", number, said or None)
        await record(brand_id, actor, "prices.rename", number, before={"name": before}, after={"name": said or None})


async def lock(brand_id: uuid.UUID) -> None:
    """Whoever changes which versions there are waits for the others of the brand."""
    await db.connection().execute("SELECT lock_brand($1, 'prices')", brand_id)


async def require_state(brand_id: uuid.UUID, number: int, *states: str) -> str:
    """Until the transaction ends it stays in it. Raises PriceVersionUnknownError, PriceStateError."""
    await lock(brand_id)
    state: str | None = await db.connection().fetchval("SELECT state FROM price_version WHERE number = $1", number)
    if state is None:
        raise price_errors.PriceVersionUnknownError(f"There is no price version {number}.")
    if state not in states:
        raise price_errors.PriceStateError(
            f"Price version {number} is {state}: this is done to one that is {' or '.join(states)}."
        )
    return state


async def begin(brand_id: uuid.UUID, *, restores: int | None, name: str | None, actor: audit.Actor, now: dt.datetime) -> int:
    """A draft with nothing in it, with the next number."""
    number: int = await db.connection().fetchval(
        """INSERT INTO price_version (brand_id, number, based_on, restores, name, maker, opened_at)
           SELECT $1::uuid, coalesce(max(number), 0) + 1, max(number) FILTER (WHERE state = 'approved'), $2::integer, $3, $4::uuid, $5::timestamptz
           FROM price_version RETURNING number""",
        brand_id,
        restores,
        (name or "").strip() or None,
        actor.user_id,
        now,
    )
    return number


async def copy(source: int | None, number: int) -> None:
    for statement in (CELLS, LIMITS):
        await db.connection().execute(statement, source, number)


async def end(number: int) -> None:
    await db.connection().execute("UPDATE price_version SET state = 'discarded' WHERE number = $1", number)


async def record(
    brand_id: uuid.UUID,
    actor: audit.Actor,
    action: str,
    number: int,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    approval: uuid.UUID | None = None,
) -> None:
    await audit.record(
        brand_id=brand_id, actor=actor, action=action, subject=str(number), before=before, after=after, approval=approval
    )


def _version(row: asyncpg.Record) -> Version:
    return price_records.Version(**dict(row))
