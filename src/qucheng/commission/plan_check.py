"""The linter as it stands before a version: shapes that are forbidden, a level past the policy, and the worst case of what is paid.

It saves nothing, and looks at a draft or at any plan that can be described.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import TYPE_CHECKING

import msgspec

from qucheng.commission import linter, plan_description, plan_shapes, plan_version
from qucheng.commission.linter import Finding
from qucheng.commission.plan_description import DescriptionError
from qucheng.core import db
from qucheng.identity import policy_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qucheng.commission.plan_words import PlanRule
    from qucheng.identity.brand import Brand

__all__ = ["Check", "DescriptionError", "Refusal", "Worst", "describe", "lint", "lint_draft"]
describe = plan_description.describe
Worst = linter.Case
MOST_REFUSALS = 50
TABLES = """
    CREATE TEMP TABLE plan_lint_rule (code text COLLATE "C", kind text, level smallint, sku text COLLATE "C", category text COLLATE "C",
        channel text COLLATE "C", tier text COLLATE "C", basis text, rate_ppm integer, rate_minor bigint, priority integer, starts_on date, ends_on date);
    CREATE TEMP TABLE plan_lint_bracket (rule text COLLATE "C", from_value bigint, rate_ppm integer, rate_minor bigint)"""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why a plan cannot be published: the rules at fault, the clause, and a sentence in either language. finding: the case, with its
    figures, where it is one.
    """

    code: str
    rules: tuple[str, ...]
    clause: str
    zh: str
    en: str
    finding: Finding | None = None


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """more: refusals beyond those that are told. worst: the highest share of a price that is paid at all. since: the first day that
    was looked at; then how much was.
    """

    refusals: tuple[Refusal, ...]
    more: int
    worst: Worst | None
    since: dt.date
    rules: int
    skus: int
    channels: int
    tiers: int

    @property
    def passed(self) -> bool:
        return not self.refusals


async def lint(*, brand: Brand, rules: Sequence[PlanRule], since: dt.date) -> Check:
    """The plan as it would be from that day on, under the limits of that day, at the prices that are in force and scheduled."""
    brand = await policy_value.on(brand, since)
    shapes = [shape for rule in rules for shape in plan_shapes.refused(rule, brand)]
    payable = [rule for rule in rules if rule.lawful and (rule.level or 1) <= brand.max_levels]
    async with db.atomic(brand.id):
        levels: int = await db.connection().fetchval("SELECT paid_levels($1)", since)
        if levels < brand.max_levels:
            shapes += [plan_shapes.uncovered(rule, brand) for rule in payable if (rule.level or 1) > levels]
        report = await _worst_cases(brand, payable, since)
    refusals = [Refusal(code=each.code, rules=(each.rule,), clause=each.clause, zh=each.zh, en=each.en) for each in shapes]
    refusals += [
        Refusal(code=each.code, rules=each.rules, clause=each.clause, zh=each.zh, en=each.en, finding=each)
        for each in report.findings
    ]
    return Check(
        refusals=tuple(refusals[:MOST_REFUSALS]),
        more=report.more + max(len(refusals) - MOST_REFUSALS, 0),
        worst=report.worst,
        since=since,
        rules=len(rules),
        skus=report.looked_at.skus,
        channels=report.looked_at.channels,
        tiers=report.looked_at.tiers,
    )


async def _worst_cases(brand: Brand, rules: Sequence[PlanRule], since: dt.date) -> linter.Report:
    connection = db.connection()
    await connection.execute(TABLES)
    await connection.executemany(
        "INSERT INTO plan_lint_rule VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        [
            (
                *(rule.code, rule.kind, rule.level, rule.sku, rule.category, rule.channel, rule.tier, rule.basis),
                *(rule.rate_ppm, rule.rate_minor, rule.priority, rule.starts_on, rule.ends_on),
            )
            for rule in rules
        ],
    )
    await connection.executemany(
        "INSERT INTO plan_lint_bracket VALUES ($1, $2, $3, $4)",
        [(rule.code, each.from_value, each.rate_ppm, each.rate_minor) for rule in rules for each in rule.brackets],
    )
    report = await linter.findings(brand=brand, rules="plan_lint_rule", brackets="plan_lint_bracket", since=since)
    await connection.execute("DROP TABLE plan_lint_rule, plan_lint_bracket")
    return report


async def lint_draft(*, brand: Brand, number: int, effective_on: dt.date | None, now: dt.datetime) -> Check:
    """A version as it stands, from its day on; without one from tomorrow on."""
    async with db.atomic(brand.id):
        version = await plan_version.read(brand=brand, number=number)
        rules = await plan_version.rules(brand=brand, number=number)
        since = effective_on or version.effective_on or tomorrow(brand, now)
        return await lint(brand=brand, rules=rules, since=since)


def tomorrow(brand: Brand, now: dt.datetime) -> dt.date:
    return now.astimezone(zoneinfo.ZoneInfo(brand.time_zone)).date() + dt.timedelta(days=1)
