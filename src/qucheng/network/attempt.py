"""Attempts that the rules refused, kept with who made them: on record in a transaction of their own, whatever became of the write."""

from __future__ import annotations

import contextlib
import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any

import msgspec

from qucheng.core import audit, db, errors
from qucheng.network import blocklist

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

ACTION = "compliance.refused"
# under which refused attempts are on record, those of placements, plans, prices and products by their own names
ACTIONS = (ACTION, "network.refused", "plan.refused", "prices.refused", "sku.refused")
# in the words of the index, for a query to be found by it
AMONG = ", ".join(f"'{each}'" for each in ACTIONS)
# the first word of a refusal's code: what the law or the policy says, and not a form that was filled in wrongly
RULES = frozenset({"network", "plan", "text", "policy"})


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """codes: of the rules that refused it. what: what was tried, with what or whom."""

    at: dt.datetime
    user_id: uuid.UUID | None
    role: str
    what: str
    subject: str
    codes: tuple[str, ...]
    facts: dict[str, Any]


@contextlib.asynccontextmanager
async def kept(
    *, brand_id: uuid.UUID, what: str, subject: str, actor: audit.Actor, facts: Mapping[str, Any] | None = None
) -> AsyncIterator[None]:
    """Stands outside every transaction; what the rules refuse inside the block is recorded, and goes on as it was."""
    if db.ENGINE.current_transaction.get() is not None:
        raise RuntimeError("an attempt is kept outside the transaction that it fails in")
    try:
        yield
    except errors.RefusedError as refusal:
        if refusal.code.partition(".")[0] in RULES:
            await keep(brand_id=brand_id, what=what, subject=subject, refusal=refusal, actor=actor, facts=facts)
        raise


async def require_honest(*, brand_id: uuid.UUID, what: str, subject: str, text: str, actor: audit.Actor) -> None:
    """Raises PromiseError, which is on record. What promises nothing may be inside a transaction."""
    if blocklist.faults(text):
        async with kept(brand_id=brand_id, what=what, subject=subject, actor=actor, facts={"text": text}):
            blocklist.require(text)


async def keep(
    *,
    brand_id: uuid.UUID,
    what: str,
    subject: str,
    refusal: errors.RefusedError,
    actor: audit.Actor,
    facts: Mapping[str, Any] | None = None,
) -> None:
    async with db.atomic(brand_id):
        after = {"what": what, "code": refusal.code, "message": str(refusal), **(facts or {})}
        await audit.record(brand_id=brand_id, actor=actor, action=ACTION, subject=f"{what}/{subject}", after=after)


async def listing(*, brand_id: uuid.UUID, most: int = 20) -> list[Attempt]:
    """The newest first."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            "SELECT at, user_id, role, action, subject, after::text FROM audit_record"
            f" WHERE action IN ({AMONG}) ORDER BY at DESC, id DESC LIMIT $1",
            most,
        )
    return [_attempt(dict(row)) for row in rows]


def _attempt(row: dict[str, Any]) -> Attempt:
    facts: dict[str, Any] = msgspec.json.decode(row["after"] or "{}")
    refusals = [facts, *(each for each in facts.get("refusals", ()) if isinstance(each, dict))]
    tried = {
        "network.refused": f"network.{facts.get('what', 'move')}",
        "plan.refused": "plan.submit",
        "prices.refused": "prices.submit",
        "sku.refused": "sku.category",
    }
    what = tried.get(row["action"]) or str(facts.get("what"))
    return Attempt(
        at=row["at"],
        user_id=row["user_id"],
        role=row["role"],
        what=what,
        subject=row["subject"].removeprefix(f"{what}/"),
        codes=tuple(dict.fromkeys(str(each["code"]) for each in refusals if "code" in each)),
        facts=facts,
    )
