"""The journal: every entry with both its sides, chosen by month, account, statement and text; and as a file."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from litestar import Request, Response, get, post
from litestar.response import Stream

from qucheng.core import exports
from qucheng.ledger import export, queries
from qucheng.web import guards, pages
from qucheng.web.finance import books

JOURNAL = "/journal"
FILTERS = ("from", "to", "account", "statement", "text")


@get(JOURNAL, opt=guards.page("journal.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    brand = await books.brand_of(request)
    kept = _kept(dict(request.query_params))
    of = f"journal/{sorted(kept.items())}"
    after = books.position(request, tuple[dt.date, str, int], of)
    page = await queries.journal(brand_id=brand.id, chosen=_chosen(kept), after=after)
    before = None
    if page.before is not None:
        before = books.address(JOURNAL, kept, after="" if page.before == "start" else books.cursor(request, page.before, of))
    return await pages.view(
        request,
        "finance/journal.html",
        brand=brand,
        page=page,
        kept=kept,
        without={name: books.address(JOURNAL, {**kept, name: ""}) for name in FILTERS if kept[name]},
        periods=await queries.periods(brand_id=brand.id),
        before=before,
        after=books.address(JOURNAL, kept, after=books.cursor(request, page.after, of)) if page.after else None,
        direct=exports.DIRECT_ROWS,
    )


@post("/journal/export", opt=guards.page("journal.export", form=JOURNAL), status_code=200)
async def take(request: Request[Any, Any, Any]) -> Response[Any] | Stream:
    sent, brand = await pages.form(request), await books.brand_of(request)
    kept, form = _kept(sent), books.form_of(sent.get("form"))
    wanted = export.Wanted(form=form, chosen=_chosen(kept))
    totals = await queries.totals(brand_id=brand.id, chosen=_chosen(kept))
    months = "-".join(filter(None, (kept["from"], kept["to"] if kept["to"] != kept["from"] else ""))) or "all"
    asked = books.Asked(
        brand_id=brand.id,
        kind=export.JOURNAL,
        permission="journal.export",
        parameters=export.parameters(wanted),
        name=f"{brand.code}-journal-{months}",
        form=form,
        rows=totals.legs,
    )

    async def write(out: Path) -> None:
        await export.write(brand=brand, wanted=wanted, out=out)

    return await books.hand_out(request, asked, write)


def _kept(given: dict[str, Any]) -> dict[str, str]:
    """The filters, as an address has them; what cannot be read is no filter."""
    months = {name: found.strftime("%Y-%m") if (found := books.month(given.get(name))) else "" for name in ("from", "to")}
    return {**months, **{name: books.text(given.get(name)) or "" for name in ("account", "statement", "text")}}


def _chosen(kept: dict[str, str]) -> queries.Chosen:
    return queries.Chosen(
        start=books.month(kept["from"]),
        end=books.month(kept["to"]),
        account=kept["account"] or None,
        document=kept["statement"] or None,
        text=kept["text"] or None,
    )
