"""The first page of a reseller: what it has coming, what it earned by day, the latest orders, and where it stands."""

from __future__ import annotations

import datetime as dt
from typing import Any

from litestar import Request, Response, get

from qucheng.core import clock, money
from qucheng.identity.brand import Brand
from qucheng.insight import earnings, portal, portal_daily, portal_orders
from qucheng.network import portal_text
from qucheng.web import charts, guards, pages, texts
from qucheng.web.portal import shown

LATEST = 6
SPANS: dict[str, portal_daily.Range] = {"7": "7", "30": "30", "year": "year"}


@get("/portal", opt=guards.page("own.home.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    own, now = await shown.own(request), clock.now()
    span = SPANS.get(request.query_params.get("range", ""), "30")
    brand, reseller = own.brand, own.reseller
    daily = await portal_daily.earned(brand=brand, reseller=reseller, span=span, now=now)
    latest = await portal_orders.page(brand=brand, reseller=reseller, wanted=portal_orders.Filter(), now=now, size=LATEST)
    today, standing = portal.today(brand, now), await portal.standing(brand=brand, reseller=reseller, now=now)
    return await shown.view(
        request,
        "home.html",
        own,
        figures=await portal.figures(brand=brand, reseller=reseller, now=now),
        sold=await portal.sold(brand=brand, reseller=reseller, now=now),
        standing=standing,
        today=today,
        median=await earnings.newest(brand=brand, reseller=reseller, tier=standing.tier),
        texts=await portal_text.shown(brand_id=brand.id, reseller=reseller, today=today, locale=pages.language_of(request)),
        daily=daily,
        span=span,
        chart=chart(daily, span, brand, pages.words(request)),
        rows=latest.rows,
    )


def chart(daily: portal_daily.Daily, span: portal_daily.Range, brand: Brand, words: texts.Texts) -> str:
    last = len(daily.bars) - 1
    bars = [
        charts.Bar(
            bar.amount_minor, f"{day_of(bar.day, span)} {money.format_display(bar.amount_minor, brand.decimals)}", number < last
        )
        for number, bar in enumerate(daily.bars)
    ]
    label = words.gettext("Commission from %(first)s to %(last)s, %(total)s in all") % {
        "first": day_of(daily.bars[0].day, span),
        "last": day_of(daily.bars[-1].day, span),
        "total": f"{shown.symbol(brand, words)}{money.format_display(daily.total_minor, brand.decimals)}",
    }
    return charts.bars(
        bars,
        unit=10**brand.decimals,
        label=label,
        below=[day_of(daily.bars[place].day, span)[5:] for place in places(len(bars))],
        show=lambda value: shown.axis(value, brand, words),
    )


def day_of(day: dt.date, span: portal_daily.Range) -> str:
    return f"{day:%Y-%m}" if span == "year" else day.isoformat()


def places(count: int) -> list[int]:
    """Which bars have a word under them: at most five, evenly apart."""
    most = min(count, 5)
    return [(count - 1) * number // (most - 1) for number in range(most)] if most > 1 else [0]
