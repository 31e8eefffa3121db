"""The plan linter (方案检查): what a plan would pay at worst, against what its policy allows and what its goods cost.

A plan can't be published if (1) a rule pays for joining, inviting or registering (禁止传销条例 第七条（一）), (2) joining, a tier or
a rank needs a fee or a purchase (第七条（二）), (3) a rule reads how many stand below or what they sell, or a level is past the
policy (第七条（三）), (4) it has differential overrides or bonuses between equals, which have the shape of 3, or (5) its worst case
exceeds max_total_rate, or leaves less than the cost. A stored rule has a kind, a level, filters on the sale and a rate; 1 to 4 can
be said in a draft only, and plan_shapes.py refuses them there. This here looks for 5.

The worst case is of one unit, over SKUs, agency channels, tiers and days: the seller's rule, those of the levels above with
the dearest tier for each, and every matching bonus at its highest bracket. It is what the rules promise, before a line's
commissions are cut down to the cap, which bonuses are not under. A sale at full price has a gross equal to its net. The price
is the one in force on the day; where there is none, the list price.
"""

from __future__ import annotations

import datetime as dt
import functools
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from qucheng.core import db, money

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from qucheng.identity.brand import Brand
    from qucheng.identity.policy_value import Limits

SQL = Path(__file__).with_name("linter.sql")
POLICIES = Path(__file__).parents[1] / "network" / "policies.toml"
TABLES = """
    lint_rule, lint_bracket, lint_slice, lint_channel, lint_tier, lint_sku, lint_rate, lint_match, lint_applied, lint_above, lint_seller,
    lint_load, lint_term, lint_cell, lint_since, lint_price, lint_live, lint_group, lint_point, lint_corner, lint_paid, lint_case
"""
MOST_FINDINGS = 20
RATE_EXCEEDED, BELOW_COST = "plan.rate_exceeded", "plan.below_cost"
PPM_DECIMALS = 4  # of a percentage

# The worst case of each set of rules, by code; of the codes in turn, the worst first. A rate of a price of 0 has no number.
WORST = f"""
SELECT code, rules, sku, channel, tier, nullif(starts_on, '-infinity') AS since, price::bigint AS price_minor, cost AS cost_minor,
       div(pay + 999999, 1000000)::bigint AS commission_minor, rate_ppm, max_total_rate_ppm::integer AS limit_ppm, count(*) OVER () AS of
FROM (SELECT *, row_number() OVER (PARTITION BY code ORDER BY weight DESC, rules, sku, channel, tier, starts_on) AS place
      FROM (SELECT DISTINCT ON (code, rules) * FROM (
                SELECT c.*, f.code, f.weight, CASE WHEN price > 0 THEN div(pay + price - 1, price)::bigint END AS rate_ppm
                FROM lint_case c CROSS JOIN LATERAL (
                    SELECT '{RATE_EXCEEDED}' AS code, CASE WHEN price > 0 THEN div(pay * 1000000, price) ELSE 'infinity' END AS weight
                    WHERE pay > max_total_rate_ppm * price
                    UNION ALL SELECT '{BELOW_COST}', pay - (price - cost) * 1000000 WHERE price * 1000000 - pay < cost * 1000000::numeric) f) each
            ORDER BY code, rules, weight DESC, sku, channel, tier, starts_on) worst) placed
ORDER BY place, code DESC LIMIT $1"""
HIGHEST = """
    SELECT rules, sku, channel, tier, nullif(starts_on, '-infinity') AS since, price::bigint AS price_minor, cost AS cost_minor,
           div(pay + 999999, 1000000)::bigint AS commission_minor, CASE WHEN price > 0 THEN div(pay + price - 1, price)::bigint END AS rate_ppm
    FROM lint_paid ORDER BY CASE WHEN price > 0 THEN div(pay * 1000000, price) ELSE 'infinity' END DESC, rules, sku, channel, tier, starts_on LIMIT 1"""
LOOKED_AT = """
    SELECT (SELECT count(*) FROM lint_rule) AS rules, (SELECT count(*) FROM lint_sku) AS skus,
           (SELECT count(*) FROM channel WHERE kind = 'agency') AS channels, (SELECT count(*) FROM tier) AS tiers"""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The worst case of a set of rules: a SKU in a channel, sold by a reseller of a tier.

    since: the first day on which it is so, None for ever. commission_minor: on one unit, rounded up. rate_ppm: of the price,
    rounded up, None where the price is 0.
    """

    code: str
    rules: tuple[str, ...]
    sku: str
    channel: str
    tier: str
    since: dt.date | None
    price_minor: int
    cost_minor: int
    commission_minor: int
    rate_ppm: int | None
    clause: str
    zh: str
    en: str


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What a sale of one unit may pay, as in a finding."""

    rules: tuple[str, ...]
    sku: str
    channel: str
    tier: str
    since: dt.date | None
    price_minor: int
    cost_minor: int
    commission_minor: int
    rate_ppm: int | None


class LookedAt(msgspec.Struct, frozen=True, kw_only=True):
    """How many there are of each."""

    rules: int
    skus: int
    channels: int
    tiers: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """more: how many findings there are beyond those that are told. worst: the highest share of a price that is paid, allowed or
    not; None where nothing is paid.
    """

    findings: list[Finding]
    more: int
    worst: Case | None
    looked_at: LookedAt


async def findings(
    *,
    brand: Brand,
    rules: str = "rule_term",
    brackets: str = "rule_bracket",
    since: dt.date = dt.date.min,
    limits: Limits | None = None,
    version: int | None = None,
    skus: Sequence[str] | None = None,
    listed: bool = True,
    most: int = MOST_FINDINGS,
) -> Report:
    """Looks at the brand's stored rules, or at a draft's in two temporary tables with the columns of those; saves nothing.

    since: the first day that is looked at. limits: as if these held from that day on. version: of the
    price book, as if it were in force from that day on. skus: these alone. listed: at its list price, where a SKU has no other.
    """
    async with db.atomic(brand.id):
        connection = db.connection()
        await connection.execute(
            "CREATE TEMP TABLE lint_rule AS SELECT code, kind, level, sku, category, channel, tier, basis, rate_ppm, rate_minor,"
            f" priority, starts_on, ends_on FROM {rules};"
            f" CREATE TEMP TABLE lint_bracket AS SELECT rule, from_value, rate_ppm, rate_minor FROM {brackets};"
            " ANALYZE lint_rule; ANALYZE lint_bracket; CREATE TEMP TABLE lint_since (since date, max_levels smallint, max_total_rate_ppm integer, version integer, skus text[], listed boolean)"
        )
        given = (limits.max_levels, limits.max_total_rate_ppm) if limits is not None else (None, None)
        await connection.execute(
            "INSERT INTO lint_since VALUES ($1, $2, $3, $4, $5, $6)",
            *(since, *given, version, None if skus is None else list(skus), listed),
        )
        await db.run_script(SQL.read_text(encoding="utf-8"))
        rows = [dict(row) for row in await connection.fetch(WORST, most)]
        worst = await connection.fetchrow(HIGHEST)
        looked_at = await connection.fetchrow(LOOKED_AT)
        await connection.execute(f"DROP TABLE {TABLES}")
    return Report(
        findings=[_finding(row, brand) for row in rows],
        more=rows[0]["of"] - len(rows) if rows else 0,
        worst=_case(worst) if worst is not None else None,
        looked_at=LookedAt(**dict(looked_at)),
    )


@functools.cache
def preset(policy: str) -> dict[str, Any]:
    """What is on record of a policy: its limits, since when, where they come from and who approved them."""
    found: dict[str, Any] = tomllib.loads(POLICIES.read_text(encoding="utf-8"))[policy]
    return found


def _case(row: asyncpg.Record) -> Case:
    return Case(**{**dict(row), "rules": tuple(row["rules"])})


def _finding(row: dict[str, Any], brand: Brand) -> Finding:
    exceeded = row["code"] == RATE_EXCEEDED
    clause = f"{preset(brand.policy)['source']} · {brand.policy}, {'max_total_rate' if exceeded else '佣金之后不低于成本 (never below cost)'}"
    zh, en = (_rate_exceeded if exceeded else _below_cost)(row, brand)
    figures = {name: row[name] for name in Finding.__struct_fields__ if name in row}
    return Finding(**{**figures, "rules": tuple(row["rules"]), "clause": clause, "zh": zh, "en": en})


def _rate_exceeded(row: dict[str, Any], brand: Brand) -> tuple[str, str]:
    limit = _percent(row["limit_ppm"])
    zh, en = _where(row)
    if row["rate_ppm"] is None:
        amount = money.format_plain(row["commission_minor"], brand.decimals)
        return (
            f"{zh}佣金合计可达每件 {amount}，而售价为 0。",
            f"{en} the commissions may come to {amount} a unit, at a price of 0.",
        )
    rate = _percent(row["rate_ppm"])
    return (
        f"{zh}佣金合计可达净额的 {rate}，超过上限 {limit}。",
        f"{en} the commissions may come to {rate} of the net, more than the {limit} allowed.",
    )


def _below_cost(row: dict[str, Any], brand: Brand) -> tuple[str, str]:
    price, commission, cost = (
        money.format_plain(row[name], brand.decimals) for name in ("price_minor", "commission_minor", "cost_minor")
    )
    zh, en = _where(row)
    return (
        f"{zh}售价 {price} 扣除佣金 {commission} 后低于成本 {cost}。",
        f"{en} the price of {price} less commissions of {commission} is below the cost of {cost}.",
    )


def _where(row: dict[str, Any]) -> tuple[str, str]:
    """Which rules, on what sale: how both sentences begin."""
    since = row["since"]
    from_zh, from_en = (f"，自 {since} 起", f" from {since} on") if since else ("", "")
    one = len(row["rules"]) == 1
    return (
        f"规则 {'、'.join(row['rules'])}：商品 {row['sku']} 在渠道 {row['channel']}（分级 {row['tier']}{from_zh}），",
        f"Rule{'' if one else 's'} {', '.join(row['rules'])}: for SKU {row['sku']} in channel {row['channel']}, tier {row['tier']}{from_en},",
    )


def _percent(ppm: int) -> str:
    whole, _, fraction = money.format_plain(ppm, PPM_DECIMALS).partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}{'.' if fraction else ''}{fraction} %"
