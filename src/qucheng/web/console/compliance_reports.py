"""The network's monthly reports, as a page and as a file, and the evidence pack of a root."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from litestar import Request, Response, get, post
from litestar.exceptions import NotFoundException
from litestar.response import Stream

from qucheng.core import cells, clock, exports
from qucheng.identity.brand import Brand
from qucheng.insight import evidence
from qucheng.network import compliance_report
from qucheng.web import auth, guards, pages
from qucheng.web.console import compliance
from qucheng.web.finance import books, desk
from qucheng.web.texts import n_

REPORTS, PACK = "/compliance/reports", "/compliance/pack"
FAULTS = {
    "root": n_("There is no root with this code in these months."),
    "first": n_("A month that has begun, such as 2026-11."),
    "last": n_("A month that is not before the first, and at most 36 months in all."),
}


@get(REPORTS, opt=guards.page("compliance.read"))
async def reports(request: Request[Any, Any, Any]) -> Response[Any]:
    brand = await books.brand_of(request)
    there = await compliance_report.months(brand_id=brand.id)
    month = compliance.month_of(request, there)
    rows = await compliance_report.read(brand_id=brand.id, month=month) if month else []
    return await pages.view(
        request,
        "console/compliance_reports.html",
        brand=brand,
        months=there,
        month=month,
        rows=rows,
        most=compliance_report.MOST_SHOWN,
    )


@post(f"{REPORTS}/export", opt=guards.page("compliance.export", form=REPORTS), status_code=200)
async def export(request: Request[Any, Any, Any]) -> Stream:
    """The month's report, every root of it."""
    brand, sent = await books.brand_of(request), await pages.form(request)
    month, form = books.month(sent.get("month")), books.form_of(sent.get("form"))
    if month is None or month not in await compliance_report.months(brand_id=brand.id):
        raise NotFoundException
    name = exports.safe_name(f"{brand.code}-network-{month:%Y%m}.{form}")

    async def write(out: Path) -> None:
        await compliance_report.write(brand=brand, month=month, form=form, out=out)

    pieces = await exports.direct(
        brand_id=brand.id,
        kind=compliance_report.FILE,
        parameters={"month": f"{month:%Y-%m}", "form": form},
        file_name=name,
        rows=await compliance_report.count(brand_id=brand.id, month=month),
        actor=auth.actor(request),
        folder=books.folder(request),
        write=write,
    )
    return books.attachment(pieces, name, cells.KINDS[form])


@get(PACK, opt=guards.page("compliance.export"))
async def form(request: Request[Any, Any, Any]) -> Response[Any]:
    brand = await books.brand_of(request)
    ended = (compliance.today(brand, clock.now()).replace(day=1) - dt.timedelta(days=1)).replace(day=1)
    given = {"root": desk.text(request.query_params.get("root")), "first": f"{ended:%Y-%m}", "last": f"{ended:%Y-%m}"}
    return await _form(request, brand, given)


@post(PACK, opt=guards.page("compliance.export"), status_code=200)
async def pack(request: Request[Any, Any, Any]) -> Response[Any]:
    brand, sent = await books.brand_of(request), await pages.form(request)
    given = {name: desk.text(sent.get(name)) for name in FAULTS}
    first, last = books.month(given["first"]), books.month(given["last"])
    if first is None or last is None:
        return await _form(request, brand, given, [name for name, month in (("first", first), ("last", last)) if month is None])
    try:
        await evidence.request(
            brand=brand,
            wanted=evidence.Wanted(root=given["root"], first=first, last=last),
            actor=auth.actor(request),
            now=clock.now(),
        )
    except evidence.PackRefusedError as refusal:
        return await _form(request, brand, given, [refusal.field])
    return pages.elsewhere(books.EXPORTS)


async def _form(
    request: Request[Any, Any, Any], brand: Brand, given: dict[str, str], wrong: list[str] | tuple[()] = ()
) -> Response[Any]:
    words = pages.words(request)
    faults = [pages.Fault(field=name, message=words.gettext(FAULTS[name])) for name in wrong]
    status = 422 if faults else 200
    return await pages.view(request, "console/compliance_pack.html", status=status, brand=brand, given=given, faults=faults)
