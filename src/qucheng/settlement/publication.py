"""Publication of an issued run: from then on resellers see its statements. Once, by the last document or by a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from qucheng.core import audit, db, errors
from qucheng.identity import notification
from qucheng.settlement import document_store, run

if TYPE_CHECKING:
    import datetime as dt

    from qucheng.identity.brand import Brand
    from qucheng.settlement.run import Run

ISSUED = "SELECT number FROM settlement_run WHERE period = $1 AND state = 'issued' AND published_at IS NULL"
PUBLISH = """
    UPDATE settlement_run SET published_at = $3, published_by = $4 WHERE period = $1 AND number = $2 AND state = 'issued' AND published_at IS NULL"""
# $5: the period
STATEMENTS = """
    SELECT reseller, jsonb_build_object('statement_no', statement_no, 'period', period, 'number', number) AS content FROM statement WHERE period = $5"""
EVENTS = """
    INSERT INTO outbox_event (brand_id, kind, subject, data)
    SELECT brand_id, 'statement.published', statement_no, jsonb_build_object('statementNo', statement_no) FROM statement WHERE period = $1 ORDER BY statement_no"""
RENDERING = """
    SELECT EXISTS (SELECT 1 FROM task WHERE brand = $1 AND kind = $2 AND state IN ('waiting', 'running') AND subject ->> 'period' = $3)"""


class RunPublishedError(errors.RefusedError):
    code: ClassVar[str] = "run.published"


class DocumentsWaitingError(errors.RefusedError):
    """Documents of the run are being made."""

    code: ClassVar[str] = "run.documents_waiting"


class DocumentsDifferError(errors.RefusedError):
    """Not as many documents are missing as the person was told."""

    code: ClassVar[str] = "run.documents_differ"


async def when_complete(*, brand: Brand, period: dt.date, now: dt.datetime) -> bool:
    """Publishes the month's run if it is issued and all its statements have their documents; inside the transaction that records some.

    Of two that record the last documents at once the second waits here, and sees what the first has recorded.
    """
    async with db.atomic(brand.id):
        await _lock(brand)
        number = await db.connection().fetchval(ISSUED, period)
        if number is None:
            return False
        found = await document_store.status(brand=brand, period=period)
        if found.waiting or found.failed:
            return False
        await _publish(brand, period, number, audit.SYSTEM, now, missing=0)
    return True


async def publish(*, brand: Brand, starts_on: dt.date, number: int, missing: int, actor: audit.Actor, now: dt.datetime) -> Run:
    """missing: how many statements without documents the person accepts, which must be as many as there are.

    Raises RunStateError, RunPublishedError, DocumentsWaitingError, DocumentsDifferError.
    """
    async with db.atomic(brand.id):
        await _lock(brand)
        chosen = await run.read(brand=brand, starts_on=starts_on, number=number)
        code = run.code_of(brand, chosen)
        if chosen.state != "issued":
            raise run.RunStateError(f"Run {code} is {chosen.state}: it is published when it is issued.")
        if chosen.published_at is not None:
            raise RunPublishedError(f"Run {code} has been published.")
        if await is_rendering(brand=brand, period=starts_on):
            raise DocumentsWaitingError(f"Documents of run {code} are being made: it is published with the last of them.")
        found = await document_store.status(brand=brand, period=starts_on)
        if missing != found.waiting + len(found.failed):
            raise DocumentsDifferError(
                f"{found.waiting + len(found.failed)} statements of run {code} have no documents, not {missing}."
            )
        await _publish(brand, starts_on, number, actor, now, missing=missing)
        return await run.read(brand=brand, starts_on=starts_on, number=number)


async def is_rendering(*, brand: Brand, period: dt.date) -> bool:
    """Whether a task is to make documents of the month, or makes them now."""
    async with db.atomic(brand.id):
        found: bool = await db.connection().fetchval(RENDERING, brand.id, document_store.RENDER, period.isoformat())
    return found


async def _lock(brand: Brand) -> None:
    await db.connection().execute("SELECT lock_brand($1, 'publication')", brand.id)


async def _publish(brand: Brand, starts_on: dt.date, number: int, actor: audit.Actor, now: dt.datetime, *, missing: int) -> None:
    await db.connection().execute(PUBLISH, starts_on, number, now, actor.user_id)
    chosen = await run.read(brand=brand, starts_on=starts_on, number=number)
    await audit.record(
        brand_id=brand.id,
        actor=actor,
        action="run.publish",
        subject=run.code_of(brand, chosen),
        after={"statements": chosen.statements, "without_documents": missing},
    )
    await db.connection().execute(EVENTS, starts_on)
    await notification.tell_found(
        brand_id=brand.id, kind="statement.published", subject=f"{starts_on:%Y-%m}", query=STATEMENTS, arguments=[starts_on]
    )
