"""The trial balance of some months: what stood on each account, what moved, what stands. The resellers' accounts are one line that opens."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from litestar import Request, Response, get, post
from litestar.exceptions import NotFoundException
from litestar.response import Stream

from qucheng.core import exports
from qucheng.ledger import export, queries
from qucheng.web import guards, pages
from qucheng.web.finance import books

TRIAL_BALANCE, RESELLERS = "/trial-balance", "/trial-balance/resellers"


@get(TRIAL_BALANCE, opt=guards.page("journal.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    brand = await books.brand_of(request)
    periods = await queries.periods(brand_id=brand.id)
    start, end = _span(request.query_params.get("from"), request.query_params.get("to"), periods)
    lines = await queries.trial_balance(brand_id=brand.id, start=start, end=end) if start and end else []
    return await pages.view(
        request,
        "finance/trial_balance.html",
        brand=brand,
        lines=lines,
        whole=queries.summed(lines),
        periods=periods,
        start=start,
        end=end,
        resellers=queries.RESELLERS,
        direct=exports.DIRECT_ROWS,
    )


@get(RESELLERS, opt=guards.page("journal.read"))
async def of_resellers(request: Request[Any, Any, Any]) -> Response[Any]:
    brand = await books.brand_of(request)
    start, end = _span(request.query_params.get("from"), request.query_params.get("to"), await queries.periods(brand_id=brand.id))
    if start is None or end is None:
        raise NotFoundException
    kept = {"from": f"{start:%Y-%m}", "to": f"{end:%Y-%m}"}
    after = books.position(request, str, "resellers") or ""
    lines, whole, passed = await queries.reseller_balances(brand_id=brand.id, start=start, end=end, after=after)
    more = whole is not None and passed + len(lines) < whole.accounts
    following = (
        books.address(RESELLERS, kept, after=books.cursor(request, lines[-1].account, "resellers")) if more and lines else None
    )
    return await pages.view(
        request,
        "finance/trial_balance_resellers.html",
        brand=brand,
        lines=lines,
        whole=whole,
        first=passed + 1,
        start=start,
        end=end,
        back=books.address(TRIAL_BALANCE, kept),
        before=books.address(RESELLERS, kept) if passed else None,
        after=following,
        prefix=queries.RESELLERS,
    )


@post("/trial-balance/export", opt=guards.page("journal.export", form=TRIAL_BALANCE), status_code=200)
async def take(request: Request[Any, Any, Any]) -> Response[Any] | Stream:
    sent, brand = await pages.form(request), await books.brand_of(request)
    form, start, end = books.form_of(sent.get("form")), books.month(sent.get("from")), books.month(sent.get("to"))
    if start is None or end is None or start > end:
        raise NotFoundException
    wanted = export.Wanted(form=form, start=start, end=end)
    asked = books.Asked(
        brand_id=brand.id,
        kind=export.TRIAL_BALANCE,
        permission="journal.export",
        parameters=export.parameters(wanted),
        name=f"{brand.code}-trial-balance-{start:%Y-%m}-{end:%Y-%m}",
        form=form,
        rows=await queries.accounts(brand_id=brand.id, end=end),
    )

    async def write(out: Path) -> None:
        await export.write(brand=brand, wanted=wanted, out=out)

    return await books.hand_out(request, asked, write)


def _span(start: str | None, end: str | None, periods: list[dt.date]) -> tuple[dt.date | None, dt.date | None]:
    """The months that were asked for; the newest that has entries where none were."""
    newest = periods[0] if periods else None
    last = books.month(end) or books.month(start) or newest
    first = books.month(start) or last
    return (min(first, last), max(first, last)) if first and last else (None, None)
