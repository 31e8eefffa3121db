"""All rules of a draft at once: from a file, or what was published and delivered since it was opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from qucheng.commission import plan_rows, plan_version, plan_words
from qucheng.commission.plan_rows import Draft, RuleStaleError
from qucheng.commission.plan_words import PlanRule, RuleInvalidError, RuleText
from qucheng.core import audit, db

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from qucheng.identity.brand import Brand


class RowReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a row of a file; row counts from 1. code: the one the rule got."""

    row: int
    code: str
    outcome: Literal["kept", "added", "changed", "fault"]
    faults: dict[str, str]


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """Codes of rules that came into the draft, and of those that ended meanwhile."""

    added: list[str]
    ended: list[str]


async def take_in(
    *,
    brand: Brand,
    number: int,
    texts: Sequence[RuleText],
    seen: Mapping[str, int] | None = None,
    actor: audit.Actor,
    now: dt.datetime,
) -> list[RowReport]:
    """The whole plan of a file in place of the draft's; where a row has faults nothing is taken.

    seen: code and revision of the draft's rules as they were read; RuleStaleError where they are others by now.
    """
    by = plan_rows.hand(actor, now)
    async with db.atomic(brand.id):
        version = await plan_rows.require_draft(brand, number)
        draft = await plan_rows.read_draft(brand=brand, number=number)
        if seen is not None and dict(seen) != {each.rule.code: each.revision for each in draft.rules}:
            raise RuleStaleError(None)
        standing = await plan_version.standing(brand=brand, since=version.created_at)
        past = {row["code"] for row in await db.connection().fetch("SELECT code FROM rule")}
        taking = _Taking(brand, draft, standing, past, {text.code.strip() for text in texts})
        reports = [await taking.read(row, text) for row, text in enumerate(texts, start=1)]
        if all(each.outcome != "fault" for each in reports):
            await db.connection().execute("DELETE FROM plan_draft_rule WHERE version = $1", number)
            await plan_rows.keep(number, sorted(taking.kept), by, revision=taking.revision)
            for rule, replaces in taking.fresh:
                await plan_rows.insert(
                    number, rule, by, replaces=None if replaces in taking.kept else replaces, revision=taking.revision
                )
            await plan_rows.record(brand, actor, "plan.draft.take_in", number, {"rules": len(reports)})
    return reports


class _Taking:
    """What the rows of a file become in a draft."""

    def __init__(self, brand: Brand, draft: Draft, standing: list[PlanRule], past: set[str], named: set[str]) -> None:
        self.brand = brand
        self.standing = {rule.code: rule for rule in standing}
        self.replaced = {each.rule.code: each.replaces for each in draft.rules if each.change == "changed"}
        self.revision = max((each.revision for each in draft.rules), default=0) + 1
        self.past, self.taken = past, past | named
        self.seen: set[str] = set()
        self.heirs: set[str] = set()
        self.kept: set[str] = set()
        self.fresh: list[tuple[PlanRule, str | None]] = []

    async def read(self, row: int, text: RuleText) -> RowReport:
        try:
            rule = plan_words.read_rule(text, self.brand.decimals)
            await plan_rows.require_known(rule)
            self._require_free(rule.code)
        except RuleInvalidError as refused:
            return RowReport(row=row, code=text.code, outcome="fault", faults=refused.faults)
        self.seen.add(rule.code)
        stands = self.standing.get(rule.code)
        if stands == rule:
            self.kept.add(rule.code)
            return RowReport(row=row, code=rule.code, outcome="kept", faults={})
        replaces = rule.code if stands is not None else self.replaced.get(rule.code)
        if stands is not None:
            rule = msgspec.structs.replace(rule, code=plan_words.next_code(rule.code, self.taken))
            self.taken.add(rule.code)
        if replaces is not None and replaces in self.heirs:
            replaces = None
        self.heirs |= {replaces} if replaces is not None else set()
        self.fresh.append((rule, replaces))
        return RowReport(row=row, code=rule.code, outcome="changed" if replaces else "added", faults={})

    def _require_free(self, code: str) -> None:
        if code in self.seen or (code in self.past and code not in self.standing):
            raise RuleInvalidError({"code": "code.taken"})


async def bring_up_to_date(*, brand: Brand, number: int, actor: audit.Actor, now: dt.datetime) -> Moved:
    """Takes into the draft what was published or delivered since it was opened, and takes out what ended since."""
    by = plan_rows.hand(actor, now)
    async with db.atomic(brand.id):
        version = await plan_rows.require_draft(brand, number)
        known = await db.connection().fetchval("SELECT known FROM plan_version WHERE number = $1", number)
        standing = {rule.code for rule in await plan_version.standing(brand=brand, since=version.created_at)}
        fresh = await db.connection().fetch(
            "SELECT code FROM rule WHERE (intake > $1 OR plan_version > coalesce($2, 0)) AND code = ANY ($3) ORDER BY code",
            known,
            version.follows,
            sorted(standing),
        )
        draft = await plan_rows.read_draft(brand=brand, number=number)
        added = [row["code"] for row in fresh]
        ended = await _take_out(draft, standing, added, by)
        await plan_rows.keep(number, added, by)
        await db.connection().execute(
            "UPDATE plan_version SET follows = (SELECT max(number) FROM plan_version WHERE state = 'approved'),"
            " known = (SELECT coalesce(max(intake), 0) FROM rule) WHERE number = $1",
            number,
        )
        await plan_rows.record(brand, actor, "plan.draft.update", number, {"added": added, "ended": ended})
    return Moved(added=added, ended=ended)


async def _take_out(draft: Draft, standing: set[str], added: list[str], by: plan_rows.Hand) -> list[str]:
    """Rules that ended leave the draft; what was to replace one that ended is new; a code that was taken meanwhile gets the next."""
    number, ended = draft.version.number, []
    taken = await plan_rows.taken_codes(number)
    for each in draft.rules:
        code, kept = each.rule.code, each.change == "kept"
        lost = (code if kept else each.replaces or code) not in standing and (kept or each.replaces is not None)
        if not lost and code not in added:
            continue
        ended += [] if not lost else [code if kept else each.replaces or code]
        await db.connection().execute("DELETE FROM plan_draft_rule WHERE version = $1 AND code = $2", number, code)
        if not kept:
            fresh = plan_words.next_code(code, taken) if code in added else code
            taken.add(fresh)
            rule = msgspec.structs.replace(each.rule, code=fresh)
            await plan_rows.insert(number, rule, by, replaces=None if lost else each.replaces, revision=each.revision + 1)
    return ended
