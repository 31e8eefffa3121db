"""Adjustments: amounts a person adds or takes, with the reason. Those of a delivery come as they are; those of the desk are asked
for by one person and allowed by another.
"""

from __future__ import annotations

import re
import secrets
import uuid
import zoneinfo
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import asyncpg
import msgspec

from qucheng.core import audit, db, errors, money
from qucheng.identity import approval as approvals
from qucheng.network import blocklist
from qucheng.orders import intake as intakes
from qucheng.settlement import dispute

if TYPE_CHECKING:
    import datetime as dt

    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

ACTION = "adjustment.add"
Reason = Literal["correction", "goodwill", "campaign", "fee", "dispute", "other"]
REASONS: tuple[Reason, ...] = ("correction", "goodwill", "campaign", "fee", "dispute", "other")
# on the reseller's statement, in the brand's language
WORDS: dict[str, tuple[str, str]] = {
    "correction": ("更正", "Correction"),
    "goodwill": ("补偿", "Goodwill"),
    "campaign": ("活动奖励", "Campaign"),
    "fee": ("费用", "Fee"),
    "dispute": ("异议处理", "Dispute"),
    "other": ("其他", "Other"),
    "order": ("订单", "order"),
    "statement": ("结算单", "statement"),
}
LONGEST_NOTE = 200
CODE_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_LENGTH = 6
CODE = re.compile(rf"ADJ-[0-9]{{8}}-[{CODE_ALPHABET}]{{{CODE_LENGTH}}}", re.ASCII)
# an import holds the same lock for as long as it lasts
PATIENCE = "3s"

REFERENCE = """
    SELECT CASE WHEN EXISTS (SELECT 1 FROM statement s WHERE s.statement_no = $1 AND s.reseller = $2) THEN 'statement'
                WHEN EXISTS (SELECT 1 FROM order_line l WHERE l.order_no = $1 AND l.reseller = $2)
                  OR EXISTS (SELECT 1 FROM accrual e WHERE e.order_no = $1 AND e.reseller = $2) THEN 'order' END"""
PENDING = """
    SELECT EXISTS (SELECT 1 FROM approval WHERE action = $1 AND state IN ('waiting', 'approved') AND expires_at > clock_timestamp()
                   AND payload::jsonb ->> 'dispute' = $2)"""


class AdjustmentInvalidError(errors.RefusedError):
    """faults: field and code of everything that is wrong with what was asked for."""

    code: ClassVar[str] = "adjustment.invalid"
    status: ClassVar[int] = 422

    def __init__(self, faults: dict[str, str]) -> None:
        super().__init__("The adjustment can't be asked for: " + ", ".join(f"{field} ({code})" for field, code in faults.items()))
        self.faults = faults


class AdjustmentPendingError(errors.RefusedError):
    """An adjustment for the dispute waits for its approval already."""

    code: ClassVar[str] = "adjustment.pending"


class AdjustmentTakenError(errors.RefusedError):
    """There is another adjustment of that code: of a delivery, or asked for before."""

    code: ClassVar[str] = "adjustment.taken"


class BooksBusyError(errors.RefusedError):
    """A delivery is being taken in: nothing else of its sort is written meanwhile."""

    code: ClassVar[str] = "adjustment.busy"
    status: ClassVar[int] = 503
    retry_after: ClassVar[int] = 30


async def add(*, staged: str, intake: int) -> None:
    await db.connection().execute(
        f"""INSERT INTO adjustment (brand_id, code, intake, source_row, reseller, occurred_at, amount_minor, reason)
            SELECT current_brand(), code, $1, row, reseller, occurred_at, amount_minor, reason FROM {staged} WHERE fault IS NULL""",
        intake,
    )


async def prepare(
    *,
    brand: Brand,
    reseller: str,
    amount_minor: int,
    reason_code: str,
    reference: str,
    note: str,
    dispute_id: uuid.UUID | None = None,
    code: str | None = None,
    now: dt.datetime,
) -> dict[str, Any]:
    """What would be asked for, word for word, with the code it would get; nothing is written. code: one that this has given before.

    Raises AdjustmentInvalidError with all faults; DisputeUnknownError, DisputeStateError, AdjustmentPendingError.
    """
    reference, said = reference.strip(), " ".join(note.split())
    async with db.atomic(brand.id):
        known = "\0" not in reseller and await db.connection().fetchval(
            "SELECT EXISTS (SELECT 1 FROM reseller WHERE code = $1)", reseller
        )
        kind = await _kind(reference, reseller)
        if dispute_id is not None:
            of_dispute = await dispute.require_open(dispute_id)
            if await db.connection().fetchval(PENDING, ACTION, str(dispute_id)):
                raise AdjustmentPendingError("An adjustment for this dispute waits for its approval already.")
            known = known and reseller == of_dispute
    faults = {
        "reseller": "" if known else "reseller.unknown",
        "amount": _amount_fault(brand, amount_minor),
        "reason": "" if reason_code in REASONS and (reason_code == "dispute") == (dispute_id is not None) else "reason.unknown",
        "reference": _reference_fault(reference, kind) if known else "",
        "note": _note_fault(said, reason_code),
    }
    if any(faults.values()):
        raise AdjustmentInvalidError({field: code for field, code in faults.items() if code})
    return {
        "code": code if code is not None and CODE.fullmatch(code) else _fresh_code(brand, now),
        "reseller": reseller,
        "amount_minor": amount_minor,
        "currency": brand.currency,
        "reason_code": reason_code,
        "reference_kind": kind,
        "reference": reference,
        "note": said or None,
        "reason": _on_paper(brand, reason_code, kind, reference, said),
        "dispute": str(dispute_id) if dispute_id is not None else None,
    }


async def request(
    *,
    brand: Brand,
    principal: permissions.Principal,
    reseller: str,
    amount_minor: int,
    reason_code: str,
    reference: str,
    note: str,
    dispute_id: uuid.UUID | None = None,
    code: str | None = None,
    actor: audit.Actor,
    now: dt.datetime,
) -> uuid.UUID:
    """Asks for it, and returns the approval's id. code: from prepare(); what was asked for under it is asked for once.

    Raises what prepare() raises, approval.NotAllowedToAskError, and AdjustmentTakenError where it was something else.
    """
    if principal.brand_id != brand.id:
        raise approvals.NotAllowedToAskError("Your role does not ask for this.")
    async with db.atomic(brand.id):
        asked = {
            "reseller": reseller,
            "amount_minor": amount_minor,
            "reason_code": reason_code,
            "reference": reference.strip(),
            "note": " ".join(note.split()) or None,
            "dispute": str(dispute_id) if dispute_id is not None else None,
        }
        standing = await _standing(brand, code, asked, principal.user_id) if code is not None else None
        if standing is not None:
            return standing
        payload = await prepare(
            brand=brand,
            reseller=reseller,
            amount_minor=amount_minor,
            reason_code=reason_code,
            reference=reference,
            note=note,
            dispute_id=dispute_id,
            code=code,
            now=now,
        )
        return await approvals.request(principal=principal, action=ACTION, payload=payload, actor=actor)


async def _standing(brand: Brand, code: str, asked: dict[str, Any], maker: uuid.UUID) -> uuid.UUID | None:
    """What was asked for under the code. Of two at once the second waits, and finds it."""
    if CODE.fullmatch(code) is None:
        return None
    await db.connection().execute("SELECT lock_brand($1, $2)", brand.id, f"adjustment/{code}")
    row = await db.connection().fetchrow(
        "SELECT id, maker, payload FROM approval WHERE action = $1 AND payload::jsonb ->> 'code' = $2", ACTION, code
    )
    if row is None:
        return None
    said = msgspec.json.decode(row["payload"])
    if row["maker"] != maker or any(said[name] != value for name, value in asked.items()):
        raise AdjustmentTakenError("This was asked for already, with other figures: look at it, and open a new form for another.")
    found: uuid.UUID = row["id"]
    return found


async def execute(*, brand: Brand, approval: approvals.Approval, actor: audit.Actor, now: dt.datetime) -> None:
    """Writes what was allowed, as a delivery of its own: of now, so that it is on the statement of this month.

    Raises what approval.consume() raises; DisputeStateError, AdjustmentTakenError, BooksBusyError.
    """
    said = approval.payload
    try:
        async with db.atomic(brand.id):
            allowed = await approvals.consume(brand_id=brand.id, approval_id=approval.id, action=ACTION, payload=said)
            if said["dispute"] is not None:
                await dispute.require_open(said["dispute"])
            number = await _delivery(brand, now)
            await db.connection().execute(
                "INSERT INTO adjustment (brand_id, code, intake, source_row, reseller, occurred_at, amount_minor, reason)"
                " VALUES ($1, $2, $3, 1, $4, $5, $6, $7)",
                *(brand.id, said["code"], number, said["reseller"], now, said["amount_minor"], said["reason"]),
            )
            await db.connection().execute(
                "INSERT INTO adjustment_case (brand_id, code, reason_code, reference_kind, reference, note, maker, checker, approval, dispute)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                *(brand.id, said["code"], said["reason_code"], said["reference_kind"], said["reference"], said["note"]),
                *(allowed.maker, allowed.checker, allowed.id, said["dispute"]),
            )
            await _record(brand, allowed, actor)
            if said["dispute"] is not None:
                await dispute.tell_answered(brand_id=brand.id, dispute_id=uuid.UUID(said["dispute"]))
    except asyncpg.LockNotAvailableError:
        raise BooksBusyError("A delivery is being taken in: this can be done when it is in the books.") from None
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != "adjustment_pkey":
            raise
        raise AdjustmentTakenError("A delivery has brought an adjustment of this code: ask for it again.") from None


async def _delivery(brand: Brand, now: dt.datetime) -> int:
    """The intake of one adjustment. It earns nothing, so that it waits for no kernel unless others do."""
    await db.connection().execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
    await db.connection().execute("SELECT lock_brand($1, 'intake')", brand.id)
    await db.connection().execute("SET LOCAL lock_timeout = DEFAULT")
    others = await intakes.waiting()
    number = await intakes.receive(now=now)
    if not others:
        await intakes.mark_accrued(numbers=[number], now=now)
    return number


async def _record(brand: Brand, allowed: approvals.Approval, actor: audit.Actor) -> None:
    said = allowed.payload
    after = {name: said[name] for name in ("reseller", "amount_minor", "reason_code", "reference", "note", "dispute")}
    await audit.record(brand_id=brand.id, actor=actor, action=ACTION, subject=said["code"], after=after, approval=allowed.id)
    if said["dispute"] is not None:
        after = {"adjustment": said["code"], "amount_minor": said["amount_minor"]}
        await audit.record(
            brand_id=brand.id, actor=actor, action="dispute.adjust", subject=said["dispute"], after=after, approval=allowed.id
        )


def lands_in(brand: Brand, now: dt.datetime) -> dt.date:
    """The month on whose statement an adjustment of now is: its first day, in the brand's time zone."""
    return now.astimezone(zoneinfo.ZoneInfo(brand.time_zone)).date().replace(day=1)


async def _kind(reference: str, reseller: str) -> str:
    """What of the reseller's it refers to: an order, a statement, or nothing."""
    if "\0" in reference or "\0" in reseller:
        return ""
    return str(await db.connection().fetchval(REFERENCE, reference, reseller) or "")


def _reference_fault(reference: str, kind: str) -> str:
    if not reference:
        return "reference.missing"
    return "" if kind else "reference.unknown"


def _amount_fault(brand: Brand, amount_minor: int) -> str:
    if amount_minor == 0:
        return "amount.zero"
    return "" if abs(amount_minor) < money.LIMIT_MAJOR * 10**brand.decimals else "amount.limit"


def _note_fault(note: str, reason_code: str) -> str:
    if not note:
        return "note.missing" if reason_code == "other" else ""
    if len(note) > LONGEST_NOTE or not note.isprintable():
        return "note.invalid"
    return "text.promise" if blocklist.faults(note) else ""


def _on_paper(brand: Brand, reason_code: str, kind: str, reference: str, note: str) -> str:
    language = 1 if brand.locale == "en" else 0
    reason, of = WORDS[reason_code][language], WORDS[kind][language]
    if language:
        return f"{reason}, {of} {reference}" + (f": {note}" if note else "")
    return f"{reason}，{of} {reference}" + (f"：{note}" if note else "")


def _fresh_code(brand: Brand, now: dt.datetime) -> str:
    day = now.astimezone(zoneinfo.ZoneInfo(brand.time_zone))
    return f"ADJ-{day:%Y%m%d}-" + "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))
