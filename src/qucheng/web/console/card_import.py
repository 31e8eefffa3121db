"""Codes from a file: received piece by piece and sealed before they touch a disk, taken in behind the page."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, post

from qucheng.core import clock
from qucheng.stock import batch_import, card_intake, rules, sealed_file
from qucheng.web import auth, guards, pages, streaming
from qucheng.web import site as sites
from qucheng.web.console import batches
from qucheng.web.finance import books

FORM = "/batches/import"
REFUSED = (*batches.REFUSED, sealed_file.FileEmptyError, sealed_file.FileTooLargeError)


@get(FORM, opt=guards.page("stock.change"))
async def form(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _form(request, 200, {}, ())


@post(
    FORM,
    opt={**guards.page("stock.change"), streaming.STREAMED: True},
    status_code=200,
    request_max_body_size=sealed_file.LARGEST + streaming.ROOM,
)
async def send(request: Request[Any, Any, Any]) -> Response[Any]:
    sent, brand, site = await streaming.sent(request), await books.brand_of(request), sites.of(request)
    fields, words, now = sent.fields, pages.words(request), clock.now()
    if sent.file_name is None:
        missing = batches.SENTENCES["file"]
        return await _form(request, 422, fields, [pages.Fault(field="file", message=words.gettext(missing))])
    expires_on = batches.day(fields.get("expires_on"))
    try:
        if expires_on is not None and expires_on <= rules.local_day(now, brand.time_zone):
            raise card_intake.IntakeUnfitError("expires_on", "Cards of a new batch end after today.")
        with sealed_file.Incoming(site.settings.var / batch_import.FOLDER, brand.id) as incoming:
            async for piece in sent.pieces():
                incoming.write(piece)
            number = await batch_import.keep(
                incoming=incoming,
                brand=brand,
                keys=site.keys,
                sku=books.text(fields.get("sku")) or "",
                file_name=sent.file_name,
                expires_on=expires_on,
                refuse_weak=bool(fields.get("refuse_weak")),
                pool=batches.whole(fields.get("pool")),
                note=fields.get("note"),
                actor=auth.actor(request),
                now=now,
            )
    except REFUSED as refusal:
        sentence = batches.REFUSALS.get(refusal.code)
        fault = pages.Fault(field="file", message=words.gettext(sentence)) if sentence else batches.fault(request, refusal)
        return await _form(request, 422, fields, [fault])
    return pages.elsewhere(f"{batches.LIST}/{number}")


async def _form(
    request: Request[Any, Any, Any], status: int, sent: dict[str, str], faults: list[pages.Fault] | tuple[()]
) -> Response[Any]:
    return await pages.view(
        request,
        "console/card_import.html",
        status=status,
        faults=faults,
        sent=sent,
        largest=sealed_file.LARGEST >> 20,
        **await batches.choices(request),
    )
