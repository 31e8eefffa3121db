"""An order tried against a plan: who would earn, by which rule and why not by another, reckoned as every figure is explained.

Nothing is written. A draft or a version is tried as if it were in force on the day of the order; the live plan as it is known now.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from qucheng.commission import plan_rows
from qucheng.core import db, errors
from qucheng.identity import policy_value
from qucheng.insight import queries, rules

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

Nothing = Literal["wholesale", "past_policy", "nobody", "no_rule"]
# later than every delivery
KNOWN = 2**31 - 1
MOST_UNITS = 1_000_000
FACTS = """
    SELECT h.tier, h.parent, h.parent_tier, h.grandparent, h.grandparent_tier, c.kind AS channel_kind, s.category,
           coalesce((SELECT m.cost_minor FROM live_price_limit m WHERE m.sku = s.code AND m.cost_minor IS NOT NULL AND m.starts_on <= $4
                     AND (m.ends_on IS NULL OR $4 < m.ends_on)), s.cost_minor) AS cost_minor
    FROM brand b LEFT JOIN chain h ON h.brand_id = b.id AND h.reseller = $1 AND h.starts_on <= $4 AND $4 < h.ends_on
    LEFT JOIN channel c ON c.brand_id = b.id AND c.code = $2 LEFT JOIN sku s ON s.brand_id = b.id AND s.code = $3"""


class TrialInvalidError(errors.RefusedError):
    """faults: field and code of everything that is wrong with the order."""

    code: ClassVar[str] = "plan.trial_invalid"
    status: ClassVar[int] = 422

    def __init__(self, faults: dict[str, str]) -> None:
        super().__init__("The order can't be tried: " + ", ".join(f"{field} ({code})" for field, code in faults.items()))
        self.faults = faults


class TrialLevel(msgspec.Struct, frozen=True, kw_only=True):
    """verdicts: on every rule of the level, the one that applies first. nothing: why the level earns nothing."""

    level: int
    reseller: str | None
    tier: str | None
    nothing: Nothing | None
    verdicts: tuple[rules.Verdict, ...]
    share: rules.Share | None


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """total_minor: before the cap. bonuses: codes of the rules on own volume into which the line counts."""

    reseller: str
    channel: str
    channel_kind: str
    sku: str
    paid_on: dt.date
    quantity: int
    gross_minor: int
    net_minor: int
    cost_minor: int
    self_purchase: bool
    max_levels: int
    cap_minor: int
    total_minor: int
    capped: bool
    levels: tuple[TrialLevel, ...]
    bonuses: tuple[str, ...]


async def try_order(
    *,
    brand: Brand,
    number: int | None,
    reseller: str,
    channel: str,
    sku: str,
    quantity: int,
    gross_minor: int,
    discount_minor: int,
    paid_at: dt.datetime,
) -> Trial:
    """number: of a version or a draft, None for the live plan. Raises TrialInvalidError, PlanUnknownError."""
    paid_on = paid_at.astimezone(zoneinfo.ZoneInfo(brand.time_zone)).date()
    async with db.atomic(brand.id):
        row = await db.connection().fetchrow(FACTS, *(_plain(code) for code in (reseller, channel, sku)), paid_on)
        faults = {
            "reseller": "" if row["tier"] is not None else "ref.unknown",
            "channel": "" if row["channel_kind"] is not None else "ref.unknown",
            "sku": "" if row["category"] is not None else "ref.unknown",
            "quantity": "" if 1 <= quantity <= MOST_UNITS else "value.invalid",
            "gross_minor": "" if gross_minor >= 0 else "value.invalid",
            "discount_minor": "" if 0 <= discount_minor <= gross_minor else "value.invalid",
        }
        if any(faults.values()):
            raise TrialInvalidError({field: code for field, code in faults.items() if code})
        line = rules.Line(
            order_no="trial",
            line_no="1",
            intake=KNOWN,
            known=KNOWN,
            accrued=False,
            paid_at=paid_at,
            paid_on=paid_on,
            reseller=reseller,
            channel=channel,
            sku=sku,
            quantity=quantity,
            gross_minor=gross_minor,
            discount_minor=discount_minor,
            net_minor=gross_minor - discount_minor,
            self_purchase=False,
            **dict(row),
        )
        sales, bonuses = await _rules(brand, number, paid_on)
        then = await policy_value.on(brand, paid_on)
        return _tried(then, line, sales, bonuses, await queries.levels_on(paid_on))


def _plain(code: str) -> str:
    """A code that the database can be asked for."""
    return code.replace("\0", "")


async def _rules(brand: Brand, number: int | None, paid_on: dt.date) -> tuple[list[rules.Rule], list[rules.Rule]]:
    """Those that earn on a sale, and those on own volume."""
    if number is None:
        return await queries.rules_of_sales(), await queries.rules_of_volume()
    draft = await plan_rows.read_draft(brand=brand, number=number)
    base = min(draft.version.effective_on or paid_on, paid_on)
    found = [_rule(each, base) for each in draft.rules if each.rule.lawful]
    return [each for each in found if each.level is not None], [each for each in found if each.level is None]


def _rule(row: plan_rows.DraftRule, base: dt.date) -> rules.Rule:
    """As every figure is explained by it. What is new in a version begins with it, and so comes before an equal that is kept."""
    given = row.rule
    fields = {name: getattr(given, name) for name in rules.Rule.__struct_fields__ if hasattr(given, name)}
    starts_on = given.starts_on if row.change == "kept" else max(given.starts_on or base, base)
    return rules.Rule(**{**fields, "starts_on": starts_on, "intake": 0})


def _tried(brand: Brand, line: rules.Line, sales: list[rules.Rule], bonuses: list[rules.Rule], most: int) -> Trial:
    earning, chain = line.channel_kind == "agency", line.chain
    verdicts = {
        level: rules.judge([each for each in sales if each.level == level], line, tier)
        for level, (_, tier) in enumerate(chain[:most], start=1)
    }
    winners = {level: found[0].rule for level, found in verdicts.items() if earning and found and found[0].reason == "won"}
    state = rules.State(None, line.quantity, line.net_minor)
    pricing = rules.price(line, state, winners, brand.max_total_rate_ppm)
    levels = []
    for level in range(1, max(most, len(chain)) + 1):
        standing: tuple[str | None, str | None] = chain[level - 1] if level <= len(chain) else (None, None)
        levels.append(
            TrialLevel(
                level=level,
                reseller=standing[0],
                tier=standing[1],
                nothing=_nothing(level, most, earning=earning, stands=standing[0] is not None, won=level in winners),
                verdicts=tuple(verdicts.get(level, ())) if earning else (),
                share=pricing.of(level),
            )
        )
    return Trial(
        reseller=line.reseller,
        channel=line.channel,
        channel_kind=line.channel_kind,
        sku=line.sku,
        paid_on=line.paid_on,
        quantity=line.quantity,
        gross_minor=line.gross_minor,
        net_minor=line.net_minor,
        cost_minor=line.cost_minor,
        self_purchase=False,
        max_levels=most,
        cap_minor=pricing.cap,
        total_minor=pricing.total,
        capped=pricing.capped,
        levels=tuple(levels),
        bonuses=tuple(each.code for each in bonuses if earning and rules.fits(each, line, line.tier)),
    )


def _nothing(level: int, most: int, *, earning: bool, stands: bool, won: bool) -> Nothing | None:
    if not earning:
        return "wholesale"
    if level > most:
        return "past_policy"
    if not stands:
        return "nobody"
    return None if won else "no_rule"
