"""How figures of sales and what stands out are written: shares, changes, charts, and sentences about alerts."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from qucheng.core import money
from qucheng.web import charts
from qucheng.web.finance import facts
from qucheng.web.portal import shown
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qucheng.identity.brand import Brand
    from qucheng.insight import analytics
    from qucheng.risk import queries, rules
    from qucheng.web import texts

TENTH_PPM = 1_000
SENTENCES: dict[rules.Rule, str] = {
    "refund.share": n_("Refunds took back %(share)s of what %(name)s sold in 30 days: %(amount)s in refunds, from %(limit)s on."),
    "burst.buyer": n_("One buyer placed %(count)s orders within an hour, from %(limit)s on."),
    "burst.reseller": n_("%(name)s sold %(count)s orders within an hour, from %(limit)s on."),
    "own.rising": n_("Of what %(name)s sold in 30 days %(share)s went to itself or above it, before that %(before)s."),
    "buyer.many_resellers": n_("One buyer bought at %(count)s resellers in 30 days, from %(limit)s on."),
    "price.deviations": n_("%(name)s sold %(count)s order lines at another price than agreed in 30 days, from %(limit)s on."),
    "sales.outlier": n_("%(name)s sold %(amount)s on %(day)s; its median day has %(median)s."),
    "network.heads": n_("%(count)s heads stand under %(name)s with the operator; red is from %(limit)s on."),
}
# what of the evidence each rule speaks of
COUNTED = {"price.deviations": "lines", "network.heads": "heads"}
LIMITS = {"network.heads": "red"}


def share(ppm: int | None) -> str:
    """`6.4%`; a dash where it is of nothing."""
    if ppm is None:
        return "—"
    tenths = (abs(ppm) + TENTH_PPM // 2) // TENTH_PPM
    return f"{money.MINUS if ppm < 0 and tenths else ''}{tenths // 10}.{tenths % 10}%"


def change(ppm: int | None) -> str:
    """With its sign; `+12.5%`."""
    text = share(ppm)
    return f"+{text}" if ppm is not None and ppm > 0 and text != "0.0%" else text


def change_of(after: int, before: int) -> int | None:
    """In parts per million, half away from zero; None from nothing."""
    if before <= 0:
        return None
    ppm = (2 * abs(after - before) * 1_000_000 + before) // (2 * before)
    return ppm if after >= before else -ppm


def chart(
    found: Sequence[analytics.Bar], brand: Brand, words: texts.Texts, *, running: dt.date, monthly: bool, label: str
) -> str:
    """running: the day or month that is not over, drawn paler."""
    names = [f"{bar.first:%Y-%m}" if monthly else bar.first.isoformat() for bar in found]
    bars = [
        charts.Bar(bar.net_minor, f"{name} {money.format_display(bar.net_minor, brand.decimals)}", bar.first < running)
        for bar, name in zip(found, names, strict=True)
    ]
    return charts.bars(
        bars,
        unit=10**brand.decimals,
        label=label,
        below=[name if monthly else name[5:] for name in (names[place] for place in _places(len(names)))],
        show=lambda value: shown.axis(value, brand, words),
    )


def sentence(alert: queries.Alert, brand: Brand, words: texts.Texts) -> str:
    """What was found, with its figures."""
    told = alert.evidence
    values: dict[str, Any] = {
        "name": alert.reseller_name or alert.reseller or "",
        "count": told.get(COUNTED.get(alert.rule, "count"), ""),
        "share": share(told.get("share_ppm")),
        "before": share(told.get("before_ppm")),
        "amount": _amount(brand, told.get("refunded_minor", told.get("net_minor"))),
        "median": _amount(brand, told.get("median_minor")),
        "day": told.get("day", ""),
        "limit": share(told["limit_ppm"]) if "limit_ppm" in told else told.get(LIMITS.get(alert.rule, "limit"), ""),
    }
    return words.gettext(SENTENCES[alert.rule]) % values


def _amount(brand: Brand, minor: object) -> str:
    return facts.figure(brand, minor) if isinstance(minor, int) else ""


def _places(count: int) -> list[int]:
    """Which bars have a word under them: at most five, evenly apart."""
    most = min(count, 5)
    return [(count - 1) * number // (most - 1) for number in range(most)] if most > 1 else [0] * most
