"""A draft of a plan: opened from a plan that there is, changed rule by rule, and thrown away or submitted.

Each rule has a revision of its own: who changes one that somebody else has changed meanwhile is told, and nothing is lost. A rule
that is in force never changes: what takes its place has another code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from qucheng.commission import plan_rows, plan_taken, plan_version, plan_words
from qucheng.commission.plan_rows import Change, Draft, DraftClosedError, DraftRule, RuleStaleError
from qucheng.commission.plan_taken import Moved, RowReport
from qucheng.commission.plan_words import PlanRule, RuleInvalidError, RuleText
from qucheng.core import audit, db, errors

if TYPE_CHECKING:
    import datetime as dt

    from qucheng.identity.brand import Brand

__all__ = ["Change", "Draft", "DraftClosedError", "DraftRule", "Moved", "RowReport", "RuleInvalidError", "RuleStaleError"]
# how all rules of a draft are taken from a file, and what was published meanwhile into a draft
take_in = plan_taken.take_in
bring_up_to_date = plan_taken.bring_up_to_date
read_draft = plan_rows.read_draft


class DraftOpenError(errors.RefusedError):
    """There is a draft already, or a version that waits for its approval."""

    code: ClassVar[str] = "plan.draft_open"


async def current(*, brand: Brand) -> Draft | None:
    """The version that is a draft or waits for its approval."""
    async with db.atomic(brand.id):
        number = await db.connection().fetchval("SELECT number FROM plan_version WHERE state IN ('draft', 'submitted')")
        return await read_draft(brand=brand, number=number) if number is not None else None


async def open_draft(
    *, brand: Brand, based_on: int | None = None, name: str | None = None, actor: audit.Actor, now: dt.datetime
) -> Draft:
    """From what the newest version leaves in force, or from an older version: then with new codes where a rule has ended since.

    Raises DraftOpenError, PlanUnknownError.
    """
    by = plan_rows.hand(actor, now)
    async with db.atomic(brand.id):
        connection = db.connection()
        await connection.execute("SELECT lock_brand(current_brand(), 'plan')")
        if await connection.fetchval("SELECT EXISTS (SELECT 1 FROM plan_version WHERE state IN ('draft', 'submitted'))"):
            raise DraftOpenError("There is a draft already, or a version that waits for its approval: one at a time.")
        wanted = await plan_version.rules(brand=brand, number=based_on) if based_on is not None else None
        number: int = await connection.fetchval(
            "INSERT INTO plan_version (brand_id, number, name, based_on, follows, known, opened_by, opened_at)"
            " SELECT current_brand(), coalesce(max(number), 0) + 1, $1, coalesce($2, max(number) FILTER (WHERE state = 'approved')),"
            " max(number) FILTER (WHERE state = 'approved'), (SELECT coalesce(max(intake), 0) FROM rule), $3, $4 FROM plan_version RETURNING number",
            name,
            based_on,
            by.user_id,
            by.at,
        )
        version = await plan_version.read(brand=brand, number=number)
        standing = await plan_version.standing(brand=brand, since=version.created_at)
        await _fill(number, wanted, standing, by)
        await plan_rows.record(brand, actor, "plan.draft.open", number, {"based_on": based_on, "name": name})
        return await read_draft(brand=brand, number=number)


async def _fill(number: int, wanted: list[PlanRule] | None, standing: list[PlanRule], by: plan_rows.Hand) -> None:
    codes = {rule.code for rule in standing}
    kept = sorted(codes if wanted is None else codes & {rule.code for rule in wanted})
    await plan_rows.keep(number, kept, by)
    if wanted is None:
        return
    taken = await plan_rows.taken_codes(number)
    heirs = await _heirs(codes - set(kept))
    for rule in wanted:
        if rule.code in codes:
            continue
        fresh = plan_words.next_code(rule.code, taken) if rule.code in taken else rule.code
        taken.add(fresh)
        await plan_rows.insert(number, msgspec.structs.replace(rule, code=fresh), by, replaces=heirs.pop(rule.code, None))


async def _heirs(codes: set[str]) -> dict[str, str]:
    """For each rule that another took the place of, over however many versions, the one of these codes that did."""
    rows = await db.connection().fetch(
        "SELECT d.code, d.replaces FROM plan_draft_rule d JOIN plan_version v ON v.brand_id = d.brand_id AND v.number = d.version"
        " WHERE d.replaces IS NOT NULL AND v.state = 'approved'"
    )
    replaces = {row["code"]: row["replaces"] for row in rows}
    found: dict[str, str] = {}
    for code in sorted(codes):
        earlier = replaces.get(code)
        while earlier is not None:
            found.setdefault(earlier, code)
            earlier = replaces.get(earlier)
    return found


async def discard(*, brand: Brand, number: int, actor: audit.Actor, now: dt.datetime) -> None:  # noqa: ARG001 - the form of every write
    async with db.atomic(brand.id):
        await plan_rows.require_draft(brand, number)
        await db.connection().execute("UPDATE plan_version SET state = 'discarded' WHERE number = $1", number)
        await plan_rows.record(brand, actor, "plan.draft.discard", number, {})


async def rename(*, brand: Brand, number: int, name: str | None, actor: audit.Actor, now: dt.datetime) -> None:  # noqa: ARG001 - the form of every write
    async with db.atomic(brand.id):
        await plan_rows.require_draft(brand, number)
        await db.connection().execute(
            "UPDATE plan_version SET name = $2 WHERE number = $1", number, (name or "").strip()[:80] or None
        )
        await plan_rows.record(brand, actor, "plan.draft.rename", number, {"name": name})


async def add(*, brand: Brand, number: int, text: RuleText, actor: audit.Actor, now: dt.datetime) -> DraftRule:
    """Raises RuleInvalidError, DraftClosedError, PlanUnknownError."""
    rule = plan_words.read_rule(text, brand.decimals)
    async with db.atomic(brand.id):
        await plan_rows.require_draft(brand, number)
        await plan_rows.require_known(rule)
        await plan_rows.require_free(number, rule.code)
        made = await plan_rows.insert(number, rule, plan_rows.hand(actor, now), replaces=None)
        await plan_rows.record_rule(brand, actor, "plan.rule.add", number, None, rule)
    return made


async def change(
    *, brand: Brand, number: int, code: str, revision: int, text: RuleText, actor: audit.Actor, now: dt.datetime
) -> DraftRule:
    """A rule in force gets another code: the one that was typed, or the next. Raises RuleStaleError and what add() raises."""
    async with db.atomic(brand.id):
        await plan_rows.require_draft(brand, number)
        old = await plan_rows.require_fresh(brand, number, code, revision)
        if old.change == "kept" and text.code.strip() in ("", code):
            wanted = plan_words.next_code(code, await plan_rows.taken_codes(number))
        else:
            wanted = text.code.strip() or code
        rule = plan_words.read_rule(msgspec.structs.replace(text, code=wanted), brand.decimals)
        if msgspec.structs.replace(rule, code=code) == old.rule and (old.change == "kept" or wanted == code):
            return old
        await plan_rows.require_known(rule)
        if wanted != code:
            await plan_rows.require_free(number, wanted)
        await db.connection().execute("DELETE FROM plan_draft_rule WHERE version = $1 AND code = $2", number, code)
        kept = old.change == "kept"
        made = await plan_rows.insert(
            number, rule, plan_rows.hand(actor, now), replaces=code if kept else old.replaces, revision=old.revision + 1
        )
        await plan_rows.record_rule(brand, actor, "plan.rule.change", number, old.rule, rule)
    return made


async def drop(*, brand: Brand, number: int, code: str, revision: int, actor: audit.Actor, now: dt.datetime) -> None:  # noqa: ARG001 - the form of every write
    """The rule is not in the plan any more; one that it was to replace ends all the same."""
    async with db.atomic(brand.id):
        await plan_rows.require_draft(brand, number)
        old = await plan_rows.require_fresh(brand, number, code, revision)
        await db.connection().execute("DELETE FROM plan_draft_rule WHERE version = $1 AND code = $2", number, code)
        await plan_rows.record_rule(brand, actor, "plan.rule.drop", number, old.rule, None)


async def restore(*, brand: Brand, number: int, code: str, actor: audit.Actor, now: dt.datetime) -> DraftRule:
    """A rule in force stays after all, as it is; what was to take its place goes."""
    async with db.atomic(brand.id):
        version = await plan_rows.require_draft(brand, number)
        standing = await plan_version.standing(brand=brand, since=version.created_at)
        if code not in {rule.code for rule in standing}:
            raise RuleStaleError(None)
        held = await db.connection().fetchrow(f"{plan_rows.ROW} WHERE version = $1 AND code = $2", number, code)
        if held is None:
            await db.connection().execute("DELETE FROM plan_draft_rule WHERE version = $1 AND replaces = $2", number, code)
            await plan_rows.keep(number, [code], plan_rows.hand(actor, now))
            held = await db.connection().fetchrow(f"{plan_rows.ROW} WHERE version = $1 AND code = $2", number, code)
            await plan_rows.record(brand, actor, "plan.rule.restore", number, {"code": code})
        return plan_rows.draft_rule(held, brand)
