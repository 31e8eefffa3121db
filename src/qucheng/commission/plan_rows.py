"""The rows of a draft: what they are, how they are stored, and what is asked of one before it is written."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec

from qucheng.commission import plan_version, plan_words
from qucheng.commission.plan_version import Version
from qucheng.commission.plan_words import PlanRule, RuleInvalidError
from qucheng.core import audit, db, errors

if TYPE_CHECKING:
    import asyncpg

    from qucheng.identity.brand import Brand

Change = Literal["kept", "added", "changed"]
FIELDS = (
    *("kind", "event", "reads", "level", "sku", "category", "channel", "tier", "basis", "rate_text"),
    "priority",
    "starts_on",
    "ends_on",
)
ROW = f"SELECT code, revision, change, replaces, changed_by, changed_at, {', '.join(FIELDS)} FROM plan_draft_rule"
INSERT = (
    f"INSERT INTO plan_draft_rule (brand_id, version, code, revision, change, replaces, changed_by, changed_at, {', '.join(FIELDS)})"
    f" VALUES (current_brand(), {', '.join(f'${at}' for at in range(1, 8 + len(FIELDS)))})"
)
KEEP = """
    INSERT INTO plan_draft_rule (brand_id, version, code, change, kind, event, reads, level, sku, category, channel, tier, basis, rate_text, priority,
                                 starts_on, ends_on, changed_by, changed_at, revision)
    SELECT brand_id, $1, code, 'kept', kind, 'order', 'own', level, sku, category, channel, tier, basis, rate_text, priority, starts_on, own_ends_on,
           $3, $4, $5
    FROM rule_term WHERE dropped_on IS NULL AND code = ANY ($2)"""


KNOWN = """
    SELECT EXISTS (SELECT 1 FROM sku WHERE code = $1) AS sku, EXISTS (SELECT 1 FROM channel WHERE code = $2) AS channel,
           EXISTS (SELECT 1 FROM tier WHERE code = $3) AS tier"""


class DraftClosedError(errors.RefusedError):
    """The version was submitted, approved or discarded: it is not changed any more."""

    code: ClassVar[str] = "plan.draft_closed"


class RuleStaleError(errors.RefusedError):
    """Somebody else has changed the rule. current: as it is now in the draft, None where it was dropped."""

    code: ClassVar[str] = "plan.rule_stale"

    def __init__(self, current: DraftRule | None) -> None:
        super().__init__("Somebody else has changed this rule meanwhile: look at it as it is now.")
        self.current = current


class Hand(msgspec.Struct, frozen=True):
    """Who writes, and when."""

    user_id: uuid.UUID
    at: dt.datetime


def hand(actor: audit.Actor, now: dt.datetime) -> Hand:
    if actor.user_id is None:
        raise RuntimeError("a draft is somebody's")
    return Hand(actor.user_id, now)


class DraftRule(msgspec.Struct, frozen=True, kw_only=True):
    """replaces: the rule in force that it takes the place of. changed_by: who wrote this revision."""

    rule: PlanRule
    revision: int
    change: Change
    replaces: str | None
    changed_by: uuid.UUID
    changed_at: dt.datetime


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """dropped: rules in force that end with this version, without those that others replace."""

    version: Version
    rules: list[DraftRule]
    dropped: list[PlanRule]


async def read_draft(*, brand: Brand, number: int) -> Draft:
    async with db.atomic(brand.id):
        version = await plan_version.read(brand=brand, number=number)
        found = [draft_rule(row, brand) for row in await db.connection().fetch(f"{ROW} WHERE version = $1 ORDER BY code", number)]
        standing = await plan_version.standing(brand=brand, since=version.created_at)
    taken = {each.rule.code for each in found} | {each.replaces for each in found}
    return Draft(version=version, rules=found, dropped=[rule for rule in standing if rule.code not in taken])


async def require_draft(brand: Brand, number: int) -> Version:
    """The version, held until the transaction ends; of two editors the second waits. Raises PlanUnknownError, DraftClosedError."""
    await db.connection().execute("SELECT lock_brand(current_brand(), $1)", f"plan/{number}")
    state = await db.connection().fetchval("SELECT state FROM plan_version WHERE number = $1 FOR SHARE", number)
    if state is None:
        raise plan_version.PlanUnknownError(f"There is no version {number} of this plan.")
    if state != "draft":
        raise DraftClosedError(f"Version {number} is {state}: it is not changed any more.")
    return await plan_version.read(brand=brand, number=number)


async def taken_codes(number: int) -> set[str]:
    """Codes that a new rule of the draft cannot have: of all rules that there ever were, and of the draft's own."""
    rows = await db.connection().fetch("SELECT code FROM rule UNION SELECT code FROM plan_draft_rule WHERE version = $1", number)
    return {row["code"] for row in rows}


async def keep(number: int, codes: list[str], by: Hand, *, revision: int = 1) -> None:
    """Rules in force, as they are."""
    await db.connection().execute(KEEP, number, codes, by.user_id, by.at, revision)


async def insert(number: int, rule: PlanRule, by: Hand, *, replaces: str | None, revision: int = 1) -> DraftRule:
    change: Change = "changed" if replaces is not None else "added"
    await db.connection().execute(INSERT, number, rule.code, revision, change, replaces, by.user_id, by.at, *stored(rule))
    return DraftRule(rule=rule, revision=revision, change=change, replaces=replaces, changed_by=by.user_id, changed_at=by.at)


def stored(rule: PlanRule) -> list[Any]:
    return [getattr(rule, name) if name != "rate_text" else rule.rate_text or None for name in FIELDS]


def draft_rule(row: asyncpg.Record, brand: Brand) -> DraftRule:
    fields = {name: row[name] for name in DraftRule.__struct_fields__ if name != "rule"}
    return DraftRule(rule=plan_version.plan_rule(row, brand), **fields)


async def record(brand: Brand, actor: audit.Actor, action: str, number: int, after: dict[str, Any]) -> None:
    await audit.record(brand_id=brand.id, actor=actor, action=action, subject=f"plan/{number}", after=after)


async def require_fresh(brand: Brand, number: int, code: str, revision: int) -> DraftRule:
    """The rule as it was read. Raises RuleStaleError, with what took its place where something did."""
    row = await db.connection().fetchrow(f"{ROW} WHERE version = $1 AND code = $2", number, code)
    if row is None:
        row = await db.connection().fetchrow(f"{ROW} WHERE version = $1 AND replaces = $2", number, code)
        raise RuleStaleError(draft_rule(row, brand) if row is not None else None)
    found = draft_rule(row, brand)
    if found.revision != revision:
        raise RuleStaleError(found)
    return found


async def require_known(rule: PlanRule) -> None:
    row = await db.connection().fetchrow(KNOWN, rule.sku, rule.channel, rule.tier)
    faults = {name: "ref.unknown" for name in ("sku", "channel", "tier") if getattr(rule, name) is not None and not row[name]}
    if faults:
        raise RuleInvalidError(faults)


async def require_free(number: int, code: str) -> None:
    if code in await taken_codes(number):
        raise RuleInvalidError({"code": "code.taken"})


async def record_rule(
    brand: Brand, actor: audit.Actor, action: str, number: int, before: PlanRule | None, after: PlanRule | None
) -> None:
    said = [_said(rule) for rule in (before, after)]
    await audit.record(brand_id=brand.id, actor=actor, action=action, subject=f"plan/{number}", before=said[0], after=said[1])


def _said(rule: PlanRule | None) -> dict[str, Any] | None:
    if rule is None:
        return None
    texts = plan_words.write_rule(rule)
    return {name: value for name in plan_words.COLUMNS if (value := getattr(texts, name))}
