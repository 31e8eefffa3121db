"""Prices as files: a sheet is looked at before it goes into the draft, row by row, and what a page shows is taken as one."""

from __future__ import annotations

import uuid
from collections import Counter
from pathlib import Path
from typing import Any

from litestar import Request, Response, get, params, post
from litestar.response import Stream

from qucheng.catalog import price_errors, price_export, price_records, price_rows, price_upload, price_version
from qucheng.core import cells, clock, exports, sheets
from qucheng.identity.brand import Brand
from qucheng.web import auth, guards, pages, refusals, streaming
from qucheng.web import site as sites
from qucheng.web.console import prices_asked, prices_table, sheet_form
from qucheng.web.finance import books
from qucheng.web.texts import n_

IMPORT, EXPORT = "/prices/import", "/prices/export"
SHOWN = 200
COLUMNS = {
    "sku": ["商品", "商品编码", "product"],
    "name": ["名称", "商品名称"],
    "channel": ["渠道"],
    "tier": ["分级"],
    "price": ["价格", "单价"],
    "starts_on": ["开始", "起", "from"],
    "ends_on": ["结束", "止", "until"],
}
NEEDED = ("sku", "price", "starts_on")
VERDICTS = {"refused": n_("Wrong"), "new": n_("New"), "changed": n_("Changed"), "same": n_("As it is")}
FAULTS = {
    "value.missing": n_("Nothing stands here."),
    "value.invalid": n_("This is no value of this column."),
    "price.sku_unknown": n_("There is no such product."),
    "price.channel_unknown": n_("There is no such channel."),
    "price.tier_unknown": n_("There is no such tier."),
    "price.dates": n_("A price begins before it ends, and a day is written like 2026-11-10."),
    "price.overlaps": n_("Another row of the file has a price for these days."),
    "price.close": n_("What is not sold is closed for a whole channel, not for a tier and not for the base."),
}


@get(IMPORT, opt=guards.page("prices.edit"))
async def form(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _form(request, 200, ())


@post(IMPORT, **sheet_form.route("prices.edit"))
async def send(request: Request[Any, Any, Any]) -> Response[Any]:
    """Nothing changes yet: the next page says what would."""
    sent, brand = await streaming.sent(request), await books.brand_of(request)
    words = pages.words(request)
    if sent.file_name is None:
        return await _form(request, 422, [pages.Fault(field="file", message=words.gettext("Choose a file."))])
    try:
        data = await sheet_form.content(sent)
        found = await sheets.read(data, names=COLUMNS, needed=NEEDED)
    except sheets.SheetColumnsError as refusal:
        return await _form(request, refusal.status, [pages.Fault(field="file", message=_columns(request, refusal))])
    except (sheets.SheetUnreadableError, sheets.SheetTooLargeError) as refusal:
        return await _form(request, refusal.status, [pages.Fault(field="file", message=refusals.sentence(refusal, words))])
    if not found.lines:
        return await _form(request, 422, [pages.Fault(field="file", message=words.gettext("The file has no rows."))])
    rows = [
        price_records.RowIn(row=line.number, **{name: value for name, value in line.values.items() if name != "name"})
        for line in found.lines
    ]
    file_id = await price_upload.keep(
        folder=_folder(request),
        brand_id=brand.id,
        file_name=sent.file_name[: books.LONGEST_TEXT],
        rows=rows,
        sent_by=auth.principal(request).user_id,
        now=clock.now(),
    )
    return pages.elsewhere(f"{IMPORT}/{file_id}")


@get("/prices/import/{file_id:uuid}", opt=guards.page("prices.edit"))
async def preview(request: Request[Any, Any, Any], file_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    return await _preview(request, file_id, 200, ())


@post("/prices/import/{file_id:uuid}", opt=guards.page("prices.edit", form=IMPORT), status_code=200)
async def take(request: Request[Any, Any, Any], file_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    """All of it or nothing."""
    brand, kept = await _kept(request, file_id)
    draft = await _draft(brand)
    if draft is None:
        return pages.elsewhere(f"{IMPORT}/{file_id}")
    try:
        await price_rows.import_rows(
            brand=brand, version=draft.number, rows=kept.rows, actor=auth.actor(request), now=clock.now()
        )
    except (price_errors.PriceRowsError, price_errors.PriceStateError) as refusal:
        fault = pages.Fault(message=refusals.sentence(refusal, pages.words(request)))
        return await _preview(request, file_id, refusal.status, [fault])
    await price_upload.remove(folder=_folder(request), brand_id=brand.id, file_id=file_id)
    return pages.elsewhere(f"{prices_asked.MATRIX}?show=changed&done=imported")


@get(EXPORT, opt=guards.page("prices.read"))
async def choose(request: Request[Any, Any, Any]) -> Response[Any]:
    brand, asked = await books.brand_of(request), prices_asked.of_request(request)
    wanted = await _wanted(brand, asked, "csv")
    if wanted is None:
        return pages.elsewhere(prices_asked.MATRIX)
    found = await price_export.rows(brand=brand, wanted=wanted, now=clock.now())
    return await pages.view(
        request,
        "console/prices_export.html",
        asked=asked,
        number=wanted.version,
        kept={"view": prices_asked.view(asked)},
        rows=len(found),
        direct=exports.DIRECT_ROWS,
        back=asked.address(),
    )


@post(EXPORT, opt=guards.page("prices.read", form=prices_asked.MATRIX), status_code=200)
async def export(request: Request[Any, Any, Any]) -> Response[Any] | Stream:
    brand, sent = await books.brand_of(request), await pages.form(request)
    wanted = await _wanted(brand, prices_asked.of_view(sent.get("view", "")), books.form_of(sent.get("form")))
    if wanted is None:
        return pages.elsewhere(prices_asked.MATRIX)
    found = await price_export.rows(brand=brand, wanted=wanted, now=clock.now())
    asked = books.Asked(
        brand_id=brand.id,
        kind=price_export.KIND,
        permission="prices.read",
        parameters=price_export.parameters(wanted),
        name=f"{brand.code}-prices-{wanted.version}",
        form=wanted.form,
        rows=len(found),
    )

    async def write(out: Path) -> None:
        await price_export.write(brand=brand, wanted=wanted, found=found, out=out)

    return await books.hand_out(request, asked, write)


async def _wanted(brand: Brand, asked: prices_asked.Asked, form: cells.Form) -> price_export.Wanted | None:
    """None where there is no version to take."""
    current = await price_version.current(brand_id=brand.id, now=clock.now())
    number = prices_table.number_of(asked, current) or current.live
    if number is None:
        return None
    return price_export.Wanted(form=form, version=number, chosen=asked.chosen())


async def _draft(brand: Brand) -> price_records.Version | None:
    draft = (await price_version.current(brand_id=brand.id, now=clock.now())).draft
    return draft if draft is not None and draft.state == "draft" else None


async def _form(request: Request[Any, Any, Any], status: int, faults: list[pages.Fault] | tuple[()]) -> Response[Any]:
    brand = await books.brand_of(request)
    return await pages.view(
        request,
        "console/prices_import.html",
        status=status,
        faults=faults,
        draft=await _draft(brand),
        columns=COLUMNS,
        needed=NEEDED,
        largest=sheets.LARGEST >> 20,
        most=sheets.MOST_ROWS,
    )


async def _kept(request: Request[Any, Any, Any], file_id: uuid.UUID) -> tuple[Brand, price_upload.Kept]:
    """Raises PriceFileUnknownError."""
    brand = await books.brand_of(request)
    kept = await price_upload.read(folder=_folder(request), brand_id=brand.id, file_id=file_id, now=clock.now())
    return brand, kept


async def _preview(
    request: Request[Any, Any, Any], file_id: uuid.UUID, status: int, faults: list[pages.Fault] | tuple[()]
) -> Response[Any]:
    """What the rows would do to the draft as it is now: the wrong ones first, then what changes."""
    brand, kept = await _kept(request, file_id)
    draft = await _draft(brand)
    judged = await price_rows.check_rows(brand=brand, version=draft.number, rows=kept.rows) if draft else []
    counts = Counter[str](each.verdict for each in judged)
    order = list(VERDICTS)
    shown = sorted((each for each in judged if each.verdict != "same"), key=lambda each: (order.index(each.verdict), each.row))
    words = pages.words(request)
    typed = {row.row: row for row in kept.rows}
    return await pages.view(
        request,
        "console/prices_preview.html",
        status=status,
        faults=faults,
        brand=brand,
        draft=draft,
        kept=kept,
        file_id=file_id,
        counts=[(verdict, words.gettext(word), counts[verdict]) for verdict, word in VERDICTS.items()],
        may_take=draft is not None and not counts["refused"] and counts["new"] + counts["changed"] > 0,
        shown=[(each, typed[each.row]) for each in shown[:SHOWN]],
        hidden=max(0, len(shown) - SHOWN),
        sentences={code: words.gettext(sentence) for code, sentence in FAULTS.items()},
    )


def _columns(request: Request[Any, Any, Any], refusal: sheets.SheetColumnsError) -> str:
    words = pages.words(request)
    if refusal.missing:
        return words.gettext("The first row lacks these columns: %(names)s.") % {"names": ", ".join(refusal.missing)}
    return words.gettext("The first row names these columns twice: %(names)s.") % {"names": ", ".join(refusal.twice)}


def _folder(request: Request[Any, Any, Any]) -> Path:
    return sites.of(request).settings.var / price_upload.FOLDER
