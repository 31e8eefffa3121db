"""Sales of a range of months by channel, SKU, category, reseller or tier: sorted and compared in the address, and as a file."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, get_args

from litestar import Request, Response, get, post
from litestar.response import Stream

from qucheng.core import clock, exports
from qucheng.identity.brand import Brand
from qucheng.insight import analytics, analytics_export
from qucheng.web import guards, pages
from qucheng.web.console import compliance, insight_words
from qucheng.web.finance import books, facts
from qucheng.web.texts import n_

HERE = "/analytics"
BYS: dict[analytics.By, str] = {
    "channel": n_("Channel"),
    "sku": n_("Product"),
    "category": n_("Category"),
    "reseller": n_("Reseller"),
    "tier": n_("Tier"),
}
# where a row has a page of its own
PAGES: dict[analytics.By, str] = {"sku": "/products/", "reseller": "/resellers/"}


@get(HERE, opt=guards.page("insight.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    brand, words = await books.brand_of(request), pages.words(request)
    today = compliance.today(brand, clock.now())
    wanted, page = wish(dict(request.query_params), today), facts.page_of(request)
    found = await analytics.table(brand=brand, wanted=wanted, page=page)
    bars = await analytics.bars(brand=brand, chosen=wanted.range)
    monthly = wanted.range.months > 1
    label = words.gettext("Net sales from %(first)s to %(last)s, %(total)s in all") % {
        "first": f"{wanted.range.first:%Y-%m}",
        "last": f"{wanted.range.last:%Y-%m}",
        "total": facts.figure(brand, found.total.net_minor),
    }
    address = facts.link(request)
    return await pages.view(
        request,
        "console/analytics.html",
        brand=brand,
        found=found,
        wanted=wanted,
        sort=f"-{wanted.sort}" if wanted.falling else wanted.sort,
        bys=[(each, words.gettext(word)) for each, word in BYS.items()],
        months=[(f"{each:%Y-%m}",) * 2 for each in months_back(today)],
        bars=bars,
        monthly=monthly,
        chart=insight_words.chart(
            bars, brand, words, running=today.replace(day=1) if monthly else today, monthly=monthly, label=label
        ),
        link=address,
        pager=facts.pager(page, analytics.PAGE, found.count, address),
        direct=found.count <= exports.DIRECT_ROWS,
        own_page=PAGES.get(wanted.by),
        share=insight_words.share,
        change=insight_words.change,
        figure=lambda minor: facts.figure(brand, minor),
    )


@post("/analytics/export", opt=guards.page("insight.read", form=HERE), status_code=200)
async def take(request: Request[Any, Any, Any]) -> Response[Any] | Stream:
    brand, sent = await books.brand_of(request), await pages.form(request)
    form = books.form_of(sent.get("form"))
    chosen = wish(sent, compliance.today(brand, clock.now()))
    wanted = analytics_export.Wanted(form=form, chosen=chosen)
    asked = books.Asked(
        brand_id=brand.id,
        kind=analytics_export.KIND,
        permission="insight.read",
        parameters=analytics_export.parameters(wanted),
        name=f"{brand.code}-{chosen.by}-{chosen.range.first:%Y%m}-{chosen.range.last:%Y%m}",
        form=form,
        rows=await analytics.count(brand=brand, wanted=chosen),
    )
    return await books.hand_out(request, asked, lambda out: _write(brand, wanted, out))


def wish(given: dict[str, str], today: dt.date) -> analytics.Wanted:
    """Of an address or a form: the running month by channel, the most sold first, unless it says otherwise and can be read."""
    last = books.month(given.get("to")) or today.replace(day=1)
    first = books.month(given.get("from")) or last
    chosen = analytics.Range(first=min(first, last), last=max(first, last))
    if chosen.months > analytics.MOST_MONTHS:
        chosen = analytics.Range(first=_back(chosen.last, analytics.MOST_MONTHS - 1), last=chosen.last)
    sort = given.get("sort", "-net")
    column = next((each for each in get_args(analytics.Column) if each == sort.removeprefix("-")), None)
    return analytics.Wanted(
        by=next((each for each in analytics.BYS if each == given.get("by")), "channel"),
        range=chosen,
        sort=column or "net",
        falling=column is None or sort.startswith("-"),
    )


def months_back(day: dt.date) -> list[dt.date]:
    """The months that can be chosen, the newest first."""
    return [_back(day.replace(day=1), number) for number in range(analytics.MOST_MONTHS)]


def _back(month: dt.date, months: int) -> dt.date:
    number = month.year * 12 + month.month - 1 - months
    return dt.date(number // 12, number % 12 + 1, 1)


async def _write(brand: Brand, wanted: analytics_export.Wanted, out: Path) -> None:
    await analytics_export.write(brand=brand, wanted=wanted, out=out)
