"""Background work: a row written with the business change, claimed under a lease, fenced by its attempt.

The row is the truth; arq only rings (worker.py), and what it loses is rung again. All times here are the database's.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import errno
import uuid
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import asyncpg
import msgspec

from qucheng.core import db, errors, ids

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Queue = Literal["money", "documents", "messages", "rest"]
QUEUES: tuple[Queue, ...] = ("money", "documents", "messages", "rest")
LEASE_SECONDS = 15
BEAT_SECONDS = 5
RING_AGAIN_SECONDS = 20
MOST_ATTEMPTS = 5
LONGEST_WAIT_SECONDS = 30
LONGEST_REASON = 500
SHOWN = "id, queue, kind, brand AS brand_id, subject, state, attempt, units_done, units, reason, created_at, ended_at"


class TaskUnknownError(errors.RefusedError):
    code: ClassVar[str] = "task.unknown"
    status: ClassVar[int] = 404


class TaskStateError(errors.RefusedError):
    """The task is not in a state in which this can be done to it."""

    code: ClassVar[str] = "task.state"
    status: ClassVar[int] = 409


class LeaseLostError(Exception):
    """Somebody else has the task now, or it was cancelled: what this attempt still does must not count."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """subject: what it is about, as JSON. units_done of units: its progress. reason: why the last attempt failed."""

    id: uuid.UUID
    queue: Queue
    kind: str
    brand_id: uuid.UUID | None
    subject: dict[str, Any]
    state: Literal["waiting", "running", "done", "dead", "cancelled"]
    attempt: int
    units_done: int
    units: int | None
    reason: str | None
    created_at: dt.datetime
    ended_at: dt.datetime | None


async def add(
    *,
    kind: str,
    queue: Queue,
    brand_id: uuid.UUID | None = None,
    subject: dict[str, Any] | None = None,
    key: str | None = None,
    attempts: int = MOST_ATTEMPTS,
) -> uuid.UUID:
    """Writes the task inside the open transaction and returns its id.

    key: while a task with it waits or runs, no second one is made and the id of the first is returned.
    """
    inserted: uuid.UUID | None = await db.connection().fetchval(
        "INSERT INTO task (id, queue, kind, brand, subject, key, attempts_left) VALUES ($1, $2, $3, $4, $5, $6, $7)"
        " ON CONFLICT (key) WHERE state IN ('waiting', 'running') DO NOTHING RETURNING id",
        ids.new_id(),
        queue,
        kind,
        brand_id,
        msgspec.json.encode(subject or {}).decode(),
        key,
        attempts,
    )
    if inserted is not None:
        return inserted
    standing: uuid.UUID | None = await db.connection().fetchval(
        "SELECT id FROM task WHERE key = $1 AND state IN ('waiting', 'running')", key
    )
    if standing is None:  # it ended between the two looks
        return await add(kind=kind, queue=queue, brand_id=brand_id, subject=subject, key=key, attempts=attempts)
    return standing


async def claim(task_id: uuid.UUID, *, worker: uuid.UUID, kinds: list[str]) -> Task | None:
    """Takes the task for one attempt; None where it does not wait (any more, or yet), or is of a kind that this program does not know."""
    async with db.atomic():
        row = await db.connection().fetchrow(
            f"""UPDATE task SET state = 'running', attempt = attempt + 1, attempts_left = greatest(attempts_left - 1, 0), worker = $2,
                    lease_until = clock_timestamp() + make_interval(secs => {LEASE_SECONDS})
                WHERE id = $1 AND state = 'waiting' AND available_at <= clock_timestamp() AND kind = ANY ($3) RETURNING {SHOWN}""",
            task_id,
            worker,
            kinds,
        )
    return _task(row) if row is not None else None


async def renew(task: Task) -> bool:
    """Prolongs the lease; False where the task is no longer this attempt's."""
    async with db.atomic():
        status: str = await db.connection().execute(
            f"UPDATE task SET lease_until = clock_timestamp() + make_interval(secs => {LEASE_SECONDS})"
            " WHERE id = $1 AND attempt = $2 AND state = 'running'",
            task.id,
            task.attempt,
        )
    return status == "UPDATE 1"


class Work:
    """What a task's handler is given: the task, and the forms in which its effects are written."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.finished = False

    @contextlib.asynccontextmanager
    async def effect(self, brand_id: uuid.UUID | None = None) -> AsyncIterator[None]:
        """atomic(), committed only while the task is still this attempt's.

        The fence is the last thing before COMMIT: the row stays locked until then, so nobody takes the task in between,
        and the heartbeat does not wait for the whole of a long transaction.
        """
        async with db.atomic(brand_id):
            yield
            await self._fence("SELECT 1 FROM task WHERE id = $1 AND attempt = $2 AND state = 'running' FOR NO KEY UPDATE")

    @contextlib.asynccontextmanager
    async def finishing(self, brand_id: uuid.UUID | None = None) -> AsyncIterator[None]:
        """As effect(), and with the same COMMIT the task is done."""
        async with db.atomic(brand_id):
            yield
            await self._fence(
                "UPDATE task SET state = 'done', ended_at = clock_timestamp(), lease_until = NULL, worker = NULL, reason = NULL,"
                " units_done = coalesce(units, units_done) WHERE id = $1 AND attempt = $2 AND state = 'running' RETURNING 1"
            )
        self.finished = True

    async def progress(self, done: int, total: int) -> None:
        async with db.atomic():
            await db.connection().execute(
                "UPDATE task SET units_done = $3, units = $4 WHERE id = $1 AND attempt = $2 AND state = 'running'",
                self.task.id,
                self.task.attempt,
                done,
                total,
            )

    async def _fence(self, statement: str) -> None:
        if await db.connection().fetchval(statement, self.task.id, self.task.attempt) is None:
            raise LeaseLostError(f"attempt {self.task.attempt} of task {self.task.id} is over")


async def fail(task: Task, error: BaseException) -> None:
    """Puts the task back to wait, longer each time, or gives it up with the reason.

    A refusal is final. What the machine does to us (no connection, no space) uses up no attempt: it is tried until it works.
    """
    final = isinstance(error, errors.RefusedError)
    async with db.atomic():
        await db.connection().execute(
            f"""UPDATE task SET lease_until = NULL, worker = NULL, reason = $3,
                    attempts_left = CASE WHEN $5 THEN attempts_left + 1 ELSE attempts_left END,
                    state = CASE WHEN $4 OR (attempts_left = 0 AND NOT $5) THEN 'dead' ELSE 'waiting' END,
                    ended_at = CASE WHEN $4 OR (attempts_left = 0 AND NOT $5) THEN clock_timestamp() END,
                    available_at = clock_timestamp() + make_interval(secs => least({LONGEST_WAIT_SECONDS}, power(2, least(attempt, 10)) * (0.5 + random() / 2)))
                WHERE id = $1 AND attempt = $2 AND state = 'running'""",
            task.id,
            task.attempt,
            reason(error),
            final,
            is_environment(error),
        )


async def give_back(task: Task) -> None:
    """The worker stops before the task is done: another takes it at once, and no attempt was used up."""
    async with db.atomic():
        await db.connection().execute(
            "UPDATE task SET state = 'waiting', lease_until = NULL, worker = NULL, available_at = clock_timestamp(), rung_at = NULL,"
            " attempts_left = attempts_left + 1 WHERE id = $1 AND attempt = $2 AND state = 'running'",
            task.id,
            task.attempt,
        )


async def sweep() -> int:
    """Puts tasks whose worker was lost back to wait, or gives them up; returns how many it found."""
    async with db.atomic():
        rows = await db.connection().fetch("""
            UPDATE task SET lease_until = NULL, worker = NULL, rung_at = NULL, available_at = clock_timestamp(), reason = 'its worker was lost',
                state = CASE WHEN attempts_left = 0 THEN 'dead' ELSE 'waiting' END, ended_at = CASE WHEN attempts_left = 0 THEN clock_timestamp() END
            WHERE id IN (SELECT id FROM task WHERE state = 'running' AND lease_until < clock_timestamp() FOR UPDATE SKIP LOCKED)
            RETURNING id""")
    return len(rows)


async def to_ring(*, most: int = 100) -> list[tuple[uuid.UUID, int, Queue]]:
    """Tasks that are due and have not been rung for a while: (id, attempt, queue)."""
    async with db.atomic():
        rows = await db.connection().fetch(
            f"""SELECT id, attempt, queue FROM task WHERE state = 'waiting' AND available_at <= clock_timestamp()
                  AND (rung_at IS NULL OR rung_at < available_at OR rung_at < clock_timestamp() - make_interval(secs => {RING_AGAIN_SECONDS}))
                ORDER BY available_at LIMIT $1""",
            most,
        )
    return [(row["id"], row["attempt"], row["queue"]) for row in rows]


async def rung(task_ids: list[uuid.UUID]) -> None:
    """Says that they were rung; after the bell and not before, so that a bell that failed is rung again at once."""
    async with db.atomic():
        await db.connection().execute(
            "UPDATE task SET rung_at = clock_timestamp() WHERE id = ANY ($1) AND state = 'waiting'", task_ids
        )


async def read(task_id: uuid.UUID) -> Task:
    async with db.atomic():
        row = await db.connection().fetchrow(f"SELECT {SHOWN} FROM task WHERE id = $1", task_id)
    if row is None:
        raise TaskUnknownError(f"There is no task {task_id}.")
    return _task(row)


async def listing(
    *, states: tuple[str, ...] = (), brand_id: uuid.UUID | None = None, kind: str | None = None, most: int = 50
) -> list[Task]:
    """The newest first."""
    async with db.atomic():
        rows = await db.connection().fetch(
            f"SELECT {SHOWN} FROM task WHERE (state = ANY ($1) OR cardinality($1::text[]) = 0) AND ($2::uuid IS NULL OR brand = $2)"
            " AND ($3::text IS NULL OR kind = $3) ORDER BY created_at DESC, id DESC LIMIT $4",
            list(states),
            brand_id,
            kind,
            most,
        )
    return [_task(row) for row in rows]


async def counts() -> dict[tuple[str, str], int]:
    """How many tasks there are, by queue and state; those that ended well are not counted."""
    async with db.atomic():
        rows = await db.connection().fetch(
            "SELECT queue, state, count(*) AS tasks FROM task WHERE state NOT IN ('done', 'cancelled') GROUP BY 1, 2"
        )
    return {(row["queue"], row["state"]): row["tasks"] for row in rows}


async def cancel(task_id: uuid.UUID) -> None:
    """Raises TaskStateError where it has ended. One that runs stops at its next heartbeat, and its effects no longer count."""
    await _change(
        task_id,
        "UPDATE task SET state = 'cancelled', ended_at = clock_timestamp(), lease_until = NULL, worker = NULL"
        " WHERE id = $1 AND state IN ('waiting', 'running') RETURNING 1",
        "has ended and cannot be cancelled",
    )


async def retry(task_id: uuid.UUID) -> None:
    """Puts a dead or cancelled task back to wait, or lets a waiting one run at once. Raises TaskStateError for the others."""
    await _change(
        task_id,
        f"""UPDATE task SET state = 'waiting', ended_at = NULL, available_at = clock_timestamp(), rung_at = NULL, attempts_left = {MOST_ATTEMPTS}
            WHERE id = $1 AND state IN ('waiting', 'dead', 'cancelled') RETURNING 1""",
        "runs or is done: there is nothing to retry",
    )


async def prune(*, days: int) -> int:
    """Removes tasks that ended well or were cancelled longer ago than that. Dead ones stay until a person has dealt with them."""
    async with db.atomic():
        rows = await db.connection().fetch(
            "DELETE FROM task WHERE state IN ('done', 'cancelled') AND ended_at < clock_timestamp() - make_interval(days => $1) RETURNING 1",
            days,
        )
    return len(rows)


async def _change(task_id: uuid.UUID, statement: str, refusal: str) -> None:
    async with db.atomic():
        try:
            changed = await db.connection().fetchval(statement, task_id)
        except asyncpg.UniqueViolationError:
            raise TaskStateError(f"Task {task_id} need not be retried: the same work waits already as another task.") from None
        if changed is None:
            state = await db.connection().fetchval("SELECT state FROM task WHERE id = $1", task_id)
            if state is None:
                raise TaskUnknownError(f"There is no task {task_id}.")
            raise TaskStateError(f"Task {task_id} is {state}: it {refusal}.")


def reason(error: BaseException) -> str:
    """What may be kept of an error: a refusal's own words; of anything else its kind, for its text may hold values."""
    if isinstance(error, errors.RefusedError):
        text = str(error)
    elif isinstance(error, OSError) and error.errno is not None:
        text = f"{type(error).__name__}: {errno.errorcode.get(error.errno, error.errno)}"
    elif isinstance(error, asyncpg.PostgresError):
        text = " ".join(str(part) for part in (type(error).__name__, error.sqlstate, error.constraint_name) if part)
    else:
        text = type(error).__name__
    return text[:LONGEST_REASON]


def is_environment(error: BaseException) -> bool:
    """Whether the machine or a server is at fault and not the work: it will succeed when that is mended."""
    if isinstance(error, OSError | asyncio.TimeoutError | asyncpg.InterfaceError):
        return True
    return isinstance(
        error,
        asyncpg.PostgresConnectionError
        | asyncpg.OperatorInterventionError
        | asyncpg.TransactionRollbackError
        | asyncpg.InsufficientResourcesError,
    )


def _task(row: asyncpg.Record) -> Task:
    return Task(**{**dict(row), "subject": msgspec.json.decode(row["subject"])})
