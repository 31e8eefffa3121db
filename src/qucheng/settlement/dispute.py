"""Disputes: a row of a statement that its reseller does not agree with, answered by a reason or by an adjustment."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, ClassVar, Literal

import asyncpg
import msgspec

from qucheng.core import audit, db, errors, ids
from qucheng.identity import notification
from qucheng.network import attempt

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

State = Literal["open", "rejected", "adjusted"]
STATES: tuple[State, ...] = ("open", "rejected", "adjusted")
LONGEST_REASON = 1000
LAST_POSITION = 2**31 - 1
COLUMNS = (
    "d.id, s.statement_no, d.period, d.number, d.position, d.reseller, r.name AS reseller_name, d.kind, d.order_no, d.line_no, d.level,"
    " d.refund_no, d.rule, d.of_period, d.amount_minor, d.reason, d.opened_by, d.opened_at, d.state, d.answer, d.adjustment,"
    " j.amount_minor AS adjustment_minor, d.decided_at"
)
FOUND = (
    "dispute d JOIN statement s USING (brand_id, period, number) JOIN reseller r ON r.brand_id = d.brand_id AND r.code = d.reseller"
    " LEFT JOIN adjustment j ON j.brand_id = d.brand_id AND j.code = d.adjustment"
)


class DisputeUnknownError(errors.RefusedError):
    code: ClassVar[str] = "dispute.unknown"
    status: ClassVar[int] = 404


class RowUnknownError(errors.RefusedError):
    """There is no such statement for the reseller, or it has no such row."""

    code: ClassVar[str] = "dispute.row_unknown"
    status: ClassVar[int] = 404


class DisputeStandsError(errors.RefusedError):
    """The row is disputed already, and that is not answered yet."""

    code: ClassVar[str] = "dispute.stands"


class DisputeConfirmedError(errors.RefusedError):
    """The reseller has confirmed the statement."""

    code: ClassVar[str] = "dispute.confirmed"


class DisputeStateError(errors.RefusedError):
    """It has been answered already."""

    code: ClassVar[str] = "dispute.state"


class DisputeReasonError(errors.RefusedError):
    code: ClassVar[str] = "dispute.reason"
    status: ClassVar[int] = 422


class Dispute(msgspec.Struct, frozen=True, kw_only=True):
    """position: the row's place in the statement's CSV. order_no: the code of an adjustment too. answer: why it was rejected."""

    id: uuid.UUID
    statement_no: str
    period: dt.date
    number: int
    position: int
    reseller: str
    reseller_name: str
    kind: Literal["accrual", "reversal", "bonus", "adjustment"]
    order_no: str | None
    line_no: str | None
    level: int | None
    refund_no: str | None
    rule: str | None
    of_period: dt.date | None
    amount_minor: int
    reason: str
    opened_by: uuid.UUID
    opened_at: dt.datetime
    state: State
    answer: str | None
    adjustment: str | None
    adjustment_minor: int | None
    decided_at: dt.datetime | None
    decided_by: uuid.UUID | None = None

    @property
    def entry(self) -> str:
        """The name under which the row is explained (insight/explain.py)."""
        if self.kind == "bonus":
            return f"bonus/{self.reseller}/{self.rule}/{self.of_period:%Y-%m}"
        if self.kind == "adjustment":
            return f"adjustment/{self.order_no}"
        return "/".join(str(part) for part in (self.order_no, self.line_no, self.level, self.refund_no) if part is not None)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A row of a statement, as somebody is about to dispute it."""

    statement_no: str
    kind: Literal["accrual", "reversal", "bonus", "adjustment"]
    order_no: str | None
    line_no: str | None
    level: int | None
    refund_no: str | None
    rule: str | None
    of_period: dt.date | None
    amount_minor: int


async def row(*, brand_id: uuid.UUID, reseller: str, period: dt.date, number: int, position: int) -> Row:
    """As the reseller sees it. Raises RowUnknownError."""
    _require_number(number, position)
    async with db.atomic(brand_id, reseller=reseller):
        found = await db.connection().fetchrow(
            "SELECT s.statement_no, w.kind, w.order_no, w.line_no, w.level, w.refund_no, w.rule, w.of_period, w.amount_minor"
            " FROM statement s JOIN statement_row w USING (brand_id, period, number)"
            " WHERE s.period = $1 AND s.number = $2 AND w.period = $1 AND w.number = $2 AND w.position = $3",
            period,
            number,
            position,
        )
    if found is None:
        raise RowUnknownError("There is no such row on a statement of yours.")
    return Row(**dict(found))


async def open_(
    *, brand_id: uuid.UUID, reseller: str, period: dt.date, number: int, position: int, reason: str, actor: audit.Actor
) -> uuid.UUID:
    """By a person of the reseller, on a statement that it sees. Times are the database's.

    Raises RowUnknownError, DisputeReasonError, DisputeStandsError, DisputeConfirmedError.
    """
    _require_number(number, position)
    said, dispute_id = _sentence(reason), ids.new_id()
    try:
        async with db.atomic(brand_id, reseller=reseller):
            statement_no = await db.connection().fetchval(
                "SELECT statement_no FROM statement WHERE period = $1 AND number = $2", period, number
            )
            if statement_no is None:
                raise RowUnknownError("There is no such row on a statement of yours.")
            await db.connection().execute(
                "INSERT INTO dispute (brand_id, id, period, number, position, reason, opened_by) VALUES ($1, $2, $3, $4, $5, $6, $7)",
                brand_id,
                dispute_id,
                period,
                number,
                position,
                said,
                actor.user_id,
            )
            after = {"statement": statement_no, "position": position, "reason": said}
            await audit.record(brand_id=brand_id, actor=actor, action="dispute.open", subject=str(dispute_id), after=after)
            values = {"statement_no": statement_no, "reseller": reseller}
            await notification.tell(brand_id=brand_id, kind="dispute.opened", subject=str(dispute_id), values=values)
    except asyncpg.UniqueViolationError:
        raise DisputeStandsError("This row is disputed already: wait for the answer.") from None
    except asyncpg.ForeignKeyViolationError as error:
        if error.constraint_name != "dispute_row":
            raise
        raise RowUnknownError("There is no such row on a statement of yours.") from None
    except asyncpg.RestrictViolationError as error:
        if error.constraint_name != "dispute_confirmed":
            raise
        raise DisputeConfirmedError("You have confirmed this statement: ask the brand for an adjustment.") from None
    return dispute_id


async def reject(*, brand: Brand, dispute_id: uuid.UUID, reason: str, actor: audit.Actor) -> Dispute:
    """Answers that the row is right, and why. Of two at once the second finds it answered.

    Raises DisputeReasonError, blocklist.PromiseError, DisputeUnknownError and DisputeStateError.
    """
    said = _sentence(reason)
    await attempt.require_honest(brand_id=brand.id, what="dispute.answer", subject=str(dispute_id), text=said, actor=actor)
    async with db.atomic(brand.id):
        await require_open(dispute_id)
        await db.connection().execute(
            "UPDATE dispute SET state = 'rejected', answer = $2, decided_by = $3 WHERE id = $1", dispute_id, said, actor.user_id
        )
        await audit.record(
            brand_id=brand.id, actor=actor, action="dispute.reject", subject=str(dispute_id), after={"reason": said}
        )
        return await tell_answered(brand_id=brand.id, dispute_id=dispute_id)


async def tell_answered(*, brand_id: uuid.UUID, dispute_id: uuid.UUID) -> Dispute:
    """In the transaction of the answer: whoever opened it is told, and nobody else waits for it. Returns it as it then is."""
    answered = await read(brand_id=brand_id, dispute_id=dispute_id)
    await notification.settle(brand_id=brand_id, kind="dispute.opened", subject=str(dispute_id))
    await notification.tell(
        brand_id=brand_id,
        kind="dispute.decided",
        subject=str(dispute_id),
        values={"statement_no": answered.statement_no, "state": answered.state},
        to=[answered.opened_by],
        reseller=answered.reseller,
    )
    return answered


async def require_open(dispute_id: uuid.UUID) -> str:
    """Inside a transaction of the brand: held until it ends. Returns the reseller. Raises DisputeUnknownError, DisputeStateError."""
    found = await db.connection().fetchrow("SELECT state, reseller FROM dispute WHERE id = $1 FOR UPDATE", dispute_id)
    if found is None:
        raise DisputeUnknownError("There is no such dispute.")
    if found["state"] != "open":
        raise DisputeStateError(f"This was answered already: it is {found['state']}.")
    return str(found["reseller"])


async def read(*, brand_id: uuid.UUID, dispute_id: uuid.UUID, reseller: str | None = None) -> Dispute:
    """reseller: as its people see it, who are not told who decided. Raises DisputeUnknownError."""
    async with db.atomic(brand_id, reseller=reseller):
        found = await db.connection().fetchrow(f"SELECT {_columns(reseller)} FROM {FOUND} WHERE d.id = $1", dispute_id)
    if found is None:
        raise DisputeUnknownError("There is no such dispute.")
    return Dispute(**dict(found))


async def listing(
    *,
    brand_id: uuid.UUID,
    reseller: str | None = None,
    states: tuple[State, ...] = STATES,
    period: dt.date | None = None,
    number: int | None = None,
    most: int = 200,
) -> list[Dispute]:
    """The newest first; of all statements, of a period, or of one statement."""
    async with db.atomic(brand_id, reseller=reseller):
        rows = await db.connection().fetch(
            f"SELECT {_columns(reseller)} FROM {FOUND} WHERE d.state = ANY ($1) AND ($2::date IS NULL OR d.period = $2)"
            " AND ($3::integer IS NULL OR d.number = $3) ORDER BY d.opened_at DESC, d.id DESC LIMIT $4",
            list(states),
            period,
            number,
            most,
        )
    return [Dispute(**dict(row)) for row in rows]


def _columns(reseller: str | None) -> str:
    return COLUMNS if reseller is not None else f"{COLUMNS}, d.decided_by"


def _require_number(*numbers: int) -> None:
    if not all(1 <= number <= LAST_POSITION for number in numbers):
        raise RowUnknownError("There is no such row on a statement of yours.")


def _sentence(reason: str) -> str:
    """As it was written, without what is no character of a text."""
    said = "\n".join(" ".join(line.split()) for line in reason.strip().splitlines())
    if not said or len(said) > LONGEST_REASON or any(char < " " and char != "\n" for char in said) or "\x7f" in said:
        raise DisputeReasonError(f"Say why, in 1 to {LONGEST_REASON} characters.")
    return said
