"""Products from a file: sent, looked at row by row, and applied as they were shown."""

from __future__ import annotations

import uuid
from typing import Any

from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.catalog import catalog_import, sku, sku_sheet
from qucheng.commission import sku_plan
from qucheng.core import clock, sheets
from qucheng.web import auth, guards, pages, refusals, streaming
from qucheng.web.console import product_words, products, sheet_form
from qucheng.web.finance import books, desk
from qucheng.web.texts import n_

FORM = "/products/import"
ONE = "/products/import/{import_id:uuid}"
SHOWN = 100
VERDICTS = {"refused": n_("Wrong"), "new": n_("New"), "changed": n_("Changed"), "same": n_("As it is")}
STALE = n_("Somebody changed the catalogue since you looked at the file. This is what it would do now; nothing was done.")
ENDED = n_("This file was applied or discarded already.")


@get(FORM, opt=guards.page("catalog.change"))
async def form(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _form(request, 200, ())


@post(FORM, **sheet_form.route("catalog.change"))
async def send(request: Request[Any, Any, Any]) -> Response[Any]:
    """Nothing of the catalogue changes yet: the next page says what would."""
    sent, brand = await streaming.sent(request), await books.brand_of(request)
    words = pages.words(request)
    if sent.file_name is None:
        return await _form(request, 422, [pages.Fault(field="file", message=words.gettext("Choose a file."))])
    content = await sheet_form.content(sent)
    try:
        import_id = await catalog_import.keep(
            brand=brand, file_name=sent.file_name, content=content, actor=auth.actor(request), now=clock.now()
        )
    except sheets.SheetColumnsError as refusal:
        return await _form(request, refusal.status, [pages.Fault(field="file", message=sheet_form.columns(words, refusal))])
    except catalog_import.ImportEmptyError as refusal:
        return await _form(request, refusal.status, [pages.Fault(field="file", message=words.gettext(sheet_form.ROWS))])
    except (sheets.SheetUnreadableError, sheets.SheetTooLargeError) as refusal:
        return await _form(request, refusal.status, [pages.Fault(field="file", message=refusals.sentence(refusal, words))])
    return pages.elsewhere(f"{FORM}/{import_id}")


@get(ONE, opt=guards.page("catalog.change"))
async def preview(request: Request[Any, Any, Any], import_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    return await _preview(request, import_id, 200, ())


@post(ONE, opt=guards.page("catalog.change", form=FORM), status_code=200)
async def apply(request: Request[Any, Any, Any], import_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    """What was shown, or nothing."""
    sent, brand = await pages.form(request), await books.brand_of(request)
    await _read(request, import_id)
    words = pages.words(request)
    try:
        await sku_plan.apply(
            brand=brand, import_id=import_id, digest=sent.get("digest", ""), actor=auth.actor(request), now=clock.now()
        )
    except sku_plan.SkuPlanError as refusal:
        return await _preview(request, import_id, refusal.status, product_words.broken(request, refusal, None))
    except (catalog_import.ImportStaleError, sku.SkuUnfitError):
        return await _preview(request, import_id, 409, [pages.Fault(message=words.gettext(STALE))])
    except catalog_import.ImportEndedError as refusal:
        return await _preview(request, import_id, refusal.status, [pages.Fault(message=words.gettext(ENDED))])
    return pages.elsewhere(f"{FORM}/{import_id}")


@post("/products/import/{import_id:uuid}/discard", opt=guards.page("catalog.change", form=FORM), status_code=200)
async def discard(request: Request[Any, Any, Any], import_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    brand = await books.brand_of(request)
    await _read(request, import_id)
    try:
        await catalog_import.discard(brand=brand, import_id=import_id, actor=auth.actor(request), now=clock.now())
    except catalog_import.ImportEndedError as refusal:
        fault = pages.Fault(message=pages.words(request).gettext(ENDED))
        return await _preview(request, import_id, refusal.status, [fault])
    return pages.elsewhere(products.LIST)


async def _read(request: Request[Any, Any, Any], import_id: uuid.UUID) -> catalog_import.Import:
    brand = await books.brand_of(request)
    try:
        return await catalog_import.read(brand=brand, import_id=import_id)
    except catalog_import.ImportUnknownError:
        raise NotFoundException from None


async def _form(request: Request[Any, Any, Any], status: int, faults: list[pages.Fault] | tuple[()]) -> Response[Any]:
    return await pages.view(
        request,
        "console/products_import.html",
        status=status,
        faults=faults,
        columns=sku_sheet.NAMES,
        fields=product_words.FIELDS,
        largest=sheets.LARGEST >> 20,
        most=catalog_import.MOST_ROWS,
    )


async def _preview(
    request: Request[Any, Any, Any], import_id: uuid.UUID, status: int, faults: list[pages.Fault] | tuple[()]
) -> Response[Any]:
    """The rows that are chosen by what they would do, the wrong ones first where there are any."""
    brand, given = await books.brand_of(request), await _read(request, import_id)
    found = await catalog_import.report(brand=brand, given=given) if given.state == "waiting" else None
    counts = {verdict: found.count(verdict) for verdict in VERDICTS} if found is not None else {}  # type: ignore[arg-type] # they are those
    asked = request.query_params.get("show", "")
    chosen = asked if asked in VERDICTS else next((verdict for verdict, count in counts.items() if count), "same")
    rows = [row for row in found.rows if row.verdict == chosen] if found is not None else []
    words = pages.words(request)
    return await pages.view(
        request,
        "console/products_preview.html",
        status=status,
        faults=faults,
        given=given,
        digest=found.digest if found is not None else "",
        counts=counts,
        verdicts=product_words.options(request, VERDICTS),
        chosen=chosen,
        rows=[(row, product_words.changes(request, brand, row.before or None, row.after)) for row in rows[:SHOWN]],
        more=max(0, len(rows) - SHOWN),
        fields=product_words.FIELDS,
        sentences={code: words.gettext(text) for code, text in product_words.FAULTS.items()},
        names=await desk.names(request, [given.sent_by]),
    )
