"""The first page of a brand's people: what was sold, what it costs, and what waits for them."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, get

from qucheng.core import clock
from qucheng.insight import analytics, overview
from qucheng.web import auth, guards, pages
from qucheng.web.console import insight_words
from qucheng.web.finance import books, facts
from qucheng.web.texts import n_

HERE = "/overview"


class Task(msgspec.Struct, frozen=True):
    """permission: what one needs to see the list."""

    name: str
    drawing: str
    label: str
    address: str
    permission: str


TASKS = (
    Task("approvals", "badge-check", n_("Approvals"), "/approvals", "approvals.read"),
    Task("disputes", "message-circle-question-mark", n_("Open disputes"), "/disputes?state=open", "disputes.read"),
    Task("exceptions", "triangle-alert", n_("Exceptions"), "/exceptions", "exceptions.read"),
    Task("risks", "eye", n_("Open risks"), "/risks", "risks.read"),
    Task("unpublished", "file-text", n_("Statements to publish"), "/runs", "runs.read"),
    Task("applications", "signature", n_("Applications"), "/applications", "network.change"),
    Task("price_drafts", "layers", n_("Drafts of prices"), "/prices", "prices.read"),
    Task("plan_drafts", "percent", n_("Drafts of plans"), "/plans", "plans.read"),
)


@get(HERE, opt=guards.page("insight.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    brand, words, now = await books.brand_of(request), pages.words(request), clock.now()
    found = await overview.figures(brand=brand, now=now)
    waiting = await overview.waiting(brand=brand, now=now)
    may = auth.principal(request).permissions
    label = words.gettext("Net sales from %(first)s to %(last)s, %(total)s in all") % {
        "first": found.days[0].day,
        "last": found.days[-1].day,
        "total": facts.figure(brand, total := sum(each.net_minor for each in found.days)),
    }
    bars = [analytics.Bar(first=each.day, net_minor=each.net_minor) for each in found.days]
    return await pages.view(
        request,
        "console/overview.html",
        brand=brand,
        found=found,
        total=total,
        tasks=[(each, words.gettext(each.label), getattr(waiting, each.name)) for each in TASKS if each.permission in may],
        chart=insight_words.chart(bars, brand, words, running=found.day, monthly=False, label=label),
        change=insight_words.change(insight_words.change_of(found.sold.net_minor, found.before.net_minor)),
        figure=lambda minor: facts.figure(brand, minor),
        symbol=facts.symbol(brand),
    )
