"""Orders of a reseller: its own with all that each earned, and of those below it what it may know."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any
from urllib import parse

from litestar import Request, Response, get, params
from litestar.exceptions import NotFoundException

from qucheng.core import clock
from qucheng.insight import portal, portal_below, portal_order, portal_orders
from qucheng.orders import sale
from qucheng.web import guards, pages
from qucheng.web.portal import shown
from qucheng.web.texts import n_

ORDERS, BELOW = "/portal/orders", "/portal/orders/below"
PAGE = 20
LONGEST_TEXT = 80
STATUSES: dict[portal_orders.Status, str] = {
    "calculating": n_("Being reckoned"),
    "pending": n_("Pending"),
    "due": n_("Due"),
    "paid": n_("Paid"),
    "carried": n_("Carried over"),
    "refunded": n_("Refunded"),
    "none": n_("Nothing earned"),
}
MONTHS = 24
CODE = "[A-Za-z0-9._-]{1,40}"
MARK = re.compile(rf"((?:19|2[01])[0-9]{{2}}-[0-9-]{{5}}T[0-9:.]{{8,15}}\+00:00)~({CODE})~({CODE})", re.ASCII)


@get(ORDERS, opt=guards.page("own.orders.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    own, now = await shown.own(request), clock.now()
    asked = request.query_params
    wanted, kept = wish(asked.get("period"), asked.get("status"), asked.get("text"))
    after, before = key(asked.get("after")), key(asked.get("before"))
    brand, reseller = own.brand, own.reseller
    page = await portal_orders.page(
        brand=brand, reseller=reseller, wanted=wanted, now=now, size=PAGE,
        key=after or before, direction="before" if before and not after else "after",
    )  # fmt: skip
    sums = await portal_orders.sums(brand=brand, reseller=reseller, wanted=wanted, now=now)
    months = await portal_orders.months(brand=brand, reseller=reseller, now=now)
    words = pages.words(request)
    return await shown.view(
        request,
        "orders.html",
        own,
        rows=page.rows,
        sums=sums,
        span=span(page, sums.lines, shown.number(asked.get("from")), kept),
        wanted={"period": "", "status": "", "text": "", **kept},
        without={name: address({**kept, name: ""}) for name in kept},
        periods=[("", words.gettext("All months")), *((f"{month:%Y-%m}",) * 2 for month in months)],
        statuses=[("", words.gettext("Any status")), *((status, words.gettext(word)) for status, word in STATUSES.items())],
        below=sees_below(own),
    )


@get(BELOW, opt=guards.page("own.below.read"))
async def below(request: Request[Any, Any, Any]) -> Response[Any]:
    own, now = await shown.own(request), clock.now()
    if not sees_below(own):
        raise NotFoundException
    this = portal.today(own.brand, now).replace(day=1)
    month = shown.month(request.query_params.get("period")) or this
    last, first = key(request.query_params.get("after")), shown.number(request.query_params.get("from"))
    after = portal_below.Key(last.paid_at.date(), last.order_no, last.line_no) if last else None
    page = await portal_below.page(brand=own.brand, reseller=own.reseller, month=month, size=PAGE, key=after)
    following = None
    if page.after:
        end = page.rows[-1]
        mark = f"{end.paid_on.isoformat()}T00:00:00+00:00~{end.order_no}~{end.line_no}"
        following = f"?{parse.urlencode({'period': f'{month:%Y-%m}', 'after': mark, 'from': first + PAGE})}"
    return await shown.view(
        request,
        "below.html",
        own,
        page=page,
        period=f"{month:%Y-%m}",
        periods=[(f"{each:%Y-%m}",) * 2 for each in months_back(this, month)],
        span=shown.Span(first=first, last=first + len(page.rows) - 1, total=page.sales, before=None, after=following),
    )


@get("/portal/orders/{order_no:str}", opt=guards.page("own.orders.read"))
async def one(request: Request[Any, Any, Any], order_no: params.FromPath[str]) -> Response[Any]:
    own = await shown.own(request)
    if re.fullmatch(CODE, order_no) is None:
        raise NotFoundException
    try:
        order = await portal_order.read(brand=own.brand, reseller=own.reseller, order_no=order_no, now=clock.now())
    except portal_order.OrderUnknownError:
        raise NotFoundException from None
    return await shown.view(request, "order.html", own, order=order, live=await _is_live(own, order_no))


async def _is_live(own: shown.Own, order_no: str) -> bool:
    """Whether it came one by one: then it has a receipt."""
    try:
        await sale.read(brand_id=own.brand.id, order_no=order_no, reseller=own.reseller)
    except sale.OrderUnknownError:
        return False
    return own.may("own.sales.create")


def sees_below(own: shown.Own) -> bool:
    """Where one level earns there is nothing below to earn on."""
    return own.brand.max_levels > 1 and own.may("own.below.read")


def wish(month: str | None, status: str | None, text: str | None) -> tuple[portal_orders.Filter, dict[str, str]]:
    """The filter, and how it stands in an address; what is not understood is left out."""
    found = shown.month(month)
    state = next((each for each in portal_orders.STATUSES if each == status), None)
    words = "".join(letter for letter in text or "" if letter.isprintable()).strip()[:LONGEST_TEXT]
    kept = {"period": f"{found:%Y-%m}" if found else "", "status": state or "", "text": words}
    return portal_orders.Filter(month=found, status=state, text=words), {name: value for name, value in kept.items() if value}


def address(kept: dict[str, str]) -> str:
    return f"{ORDERS}?{parse.urlencode({name: value for name, value in kept.items() if value})}".rstrip("?")


def span(page: portal_orders.Page, total: int, first: int, kept: dict[str, str]) -> shown.Span:
    """A page is found by the row at its end, not by its number: what comes in meanwhile moves no row to another page."""
    rows = page.rows
    before = address({**kept, "before": mark(rows[0].key), "from": str(max(1, first - PAGE))}) if rows and page.before else None
    after = address({**kept, "after": mark(rows[-1].key), "from": str(first + len(rows))}) if rows and page.after else None
    return shown.Span(first=min(first, total), last=min(first + len(rows) - 1, total), total=total, before=before, after=after)


def mark(row: portal_orders.Key) -> str:
    return f"{row.paid_at.isoformat()}~{row.order_no}~{row.line_no}"


def key(text: str | None) -> portal_orders.Key | None:
    """None for what is not one of ours: then it is the first page."""
    found = MARK.fullmatch(text or "")
    try:
        return portal_orders.Key(dt.datetime.fromisoformat(found[1]), found[2], found[3]) if found else None
    except ValueError:
        return None


def months_back(this: dt.date, chosen: dt.date) -> list[dt.date]:
    found = [this]
    while len(found) < MONTHS:
        found.append((found[-1] - dt.timedelta(days=1)).replace(day=1))
    return found if chosen in found else [chosen, *found]
