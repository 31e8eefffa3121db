"""Batches of cards: the list, one with how far it is, codes that are made, and what resellers may see."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException
from litestar.response import Stream

from qucheng.core import cells, clock, errors, exports
from qucheng.stock import batch, batch_import, batch_listing, card_intake, code, generate, secret_reveal
from qucheng.stock import pool as pools
from qucheng.web import auth, guards, pages
from qucheng.web import site as sites
from qucheng.web.finance import books, desk
from qucheng.web.texts import n_

LIST, NEW, ONE = "/batches", "/batches/new", "/batches/{number:int}"
MOVING = ("waiting", "running")
LARGEST_NUMBER = 2**31
STRENGTHS: dict[code.Strength, str] = {
    "standard": n_("16 signs: for most"),
    "strong": n_("17 signs: for high values"),
    "light": n_("13 signs: for low values that are tied to a phone number"),
}
FAULTS = {
    "malformed": n_("Not a code: 4 to 64 printable characters"),
    "weak": n_("Can be guessed, and has no PIN"),
    "pin": n_("The PIN is too long or cannot be printed"),
    "expires_on": n_("Not a day"),
    "expired": n_("Over already, or ends today"),
    "twice_in_file": n_("Stands in the file before"),
    "in_stock": n_("In stock already"),
}
REFUSALS = {
    "card_file.columns": n_("The first row must name the columns: code, and if you like pin and expires_on, each once."),
    "card_file.unreadable": n_(
        "The file cannot be read: it is neither a CSV in UTF-8 or GB 18030 nor a workbook, or damaged, locked or too large."
    ),
    "card_file.too_many": n_("The file has more than a million rows: send it in parts."),
    "card_file.no_rows": n_("The file has no rows."),
    "card_file.gone": n_("The file was gone before it was read: send it again."),
    "card_file.empty": n_("The file is empty."),
    "card_file.too_large": n_("The file is larger than 64 MB: send it in parts."),
}
SENTENCES = {
    "sku": n_("Choose a product of which each unit is a card."),
    "quantity": n_("A batch has 1 to 1,000,000 cards."),
    "expires_on": n_("Cards of a new batch end after today."),
    "pool": n_("There is no such pool."),
    "file": n_("Choose a file."),
}
NOTICES = {
    "released": n_("The batch is released: its cards can be sold."),
    "closed": n_("Resellers do not see secrets any more."),
    "opened": n_("Resellers may see the secrets of their own orders."),
}
REFUSED = (card_intake.IntakeUnfitError, batch.BatchSkuError, pools.PoolUnknownError)


@get(LIST, opt=guards.page("stock.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    brand, page = await books.brand_of(request), desk.page_number(request)
    found, total = await batch_listing.listing(brand_id=brand.id, page=page), await batch_listing.total(brand_id=brand.id)
    return await pages.view(
        request,
        "console/batches.html",
        brand=brand,
        found=found,
        span=desk.span(LIST, {}, page, len(found), total),
        notice=_notice(request),
        resellers_may=await secret_reveal.resellers_may(brand_id=brand.id),
    )


@post("/batches/resellers", opt=guards.page("stock.change", form=LIST), status_code=200)
async def let_resellers(request: Request[Any, Any, Any]) -> Response[Any]:
    sent, brand = await pages.form(request), await books.brand_of(request)
    may = sent.get("may") == "1"
    await secret_reveal.let_resellers(brand_id=brand.id, may=may, actor=auth.actor(request), now=clock.now())
    return pages.elsewhere(f"{LIST}?done={'opened' if may else 'closed'}")


@get(NEW, opt=guards.page("stock.change"))
async def form(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _form(request, 200, {}, ())


@post(NEW, opt=guards.page("stock.change"), status_code=200)
async def create(request: Request[Any, Any, Any]) -> Response[Any]:
    sent, brand = await pages.form(request), await books.brand_of(request)
    try:
        number = await generate.request(
            brand=brand,
            keys=sites.of(request).keys,
            sku=books.text(sent.get("sku")) or "",
            quantity=whole(sent.get("quantity")),
            strength=next((each for each in code.CHANCE if each == sent.get("strength")), "standard"),
            pool=whole(sent.get("pool")),
            expires_on=day(sent.get("expires_on")),
            note=sent.get("note"),
            actor=auth.actor(request),
            now=clock.now(),
        )
    except REFUSED as refusal:
        return await _form(request, 422, sent, [fault(request, refusal)])
    return pages.elsewhere(f"{LIST}/{number}")


@get(ONE, opt=guards.page("stock.read"))
async def one(request: Request[Any, Any, Any], number: params.FromPath[int]) -> Response[Any]:
    return await _one(request, number, 200, ())


@post("/batches/{number:int}/release", opt=guards.page("stock.change", form=LIST), status_code=200)
async def release(request: Request[Any, Any, Any], number: params.FromPath[int]) -> Response[Any]:
    brand, _ = await books.brand_of(request), await _read(request, number)
    try:
        await batch.release(brand=brand, number=number, actor=auth.actor(request), now=clock.now())
    except batch.BatchStateError as refusal:
        text = pages.words(request).gettext(
            n_("The batch is not waiting to be released any more. The page shows it as it is now.")
        )
        return await _one(request, number, refusal.status, [pages.Fault(message=text)])
    return pages.elsewhere(f"{LIST}/{number}?done=released")


@get("/batches/{number:int}/report.csv", opt=guards.page("stock.read"))
async def take_report(request: Request[Any, Any, Any], number: params.FromPath[int]) -> Stream:
    """Row numbers, reasons and the ends of codes; no code."""
    brand, _ = await books.brand_of(request), await _read(request, number)

    async def write(out: Path) -> None:
        await batch_import.write_report(brand_id=brand.id, batch=number, out=out)

    pieces = await exports.made(brand_id=brand.id, folder=books.folder(request), write=write)
    return books.attachment(pieces, f"batch-{number}-report.csv", cells.KINDS["csv"])


async def _one(request: Request[Any, Any, Any], number: int, status: int, faults: list[pages.Fault] | tuple[()]) -> Response[Any]:
    brand, found = await books.brand_of(request), await _read(request, number)
    intake = found.intake
    return await pages.view(
        request,
        "console/batch.html",
        status=status,
        faults=faults,
        brand=brand,
        batch=found,
        moving=intake is not None and intake.state in MOVING,
        counts=await batch_import.counts(brand_id=brand.id, batch=number),
        rows=await batch_import.rejections(brand_id=brand.id, batch=number),
        reasons=FAULTS,
        sentence=REFUSALS.get(intake.refusal or "") if intake else None,
        names=await desk.names(request, [found.opened_by] if found.opened_by else []),
        notice=_notice(request),
    )


async def _read(request: Request[Any, Any, Any], number: int) -> batch_listing.Batch:
    brand = await books.brand_of(request)
    found = await batch_listing.read(brand_id=brand.id, number=number) if 0 < number < LARGEST_NUMBER else None
    if found is None:
        raise NotFoundException
    return found


async def _form(
    request: Request[Any, Any, Any], status: int, sent: dict[str, str], faults: list[pages.Fault] | tuple[()]
) -> Response[Any]:
    return await pages.view(
        request, "console/batch_new.html", status=status, faults=faults, sent=sent, strengths=STRENGTHS, **await choices(request)
    )


async def choices(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """What a batch can be of, and where its cards can come in."""
    brand, words = await books.brand_of(request), pages.words(request)
    found = [(0, words.gettext(n_("Not allocated")))]
    for number, reseller, channel in await batch_listing.pools(brand_id=brand.id):
        found.append((number, " · ".join(part for part in (reseller, channel) if part)))
    return {"brand": brand, "skus": await batch_listing.skus(brand_id=brand.id), "pools": found}


def whole(given: str | None) -> int:
    """A number as it is typed, with or without signs between its thousands; 0 for anything else."""
    plain = re.sub("[, \u00a0_]", "", given or "")
    return int(plain) if re.fullmatch("[0-9]{1,9}", plain, re.ASCII) else 0


def day(given: str | None) -> dt.date | None:
    """Nothing for a blank; a day that is over for what is none, so that it is refused."""
    return books.day(given.strip()) or dt.date.min if given and given.strip() else None


def fault(request: Request[Any, Any, Any], refusal: errors.RefusedError) -> pages.Fault:
    if isinstance(refusal, batch.BatchSkuError):
        field = "sku"
    elif isinstance(refusal, pools.PoolUnknownError):
        field = "pool"
    else:
        field = refusal.field if isinstance(refusal, card_intake.IntakeUnfitError) else "file"
    return pages.Fault(field=field, message=pages.words(request).gettext(SENTENCES[field]))


def _notice(request: Request[Any, Any, Any]) -> str | None:
    found = NOTICES.get(request.query_params.get("done", ""))
    return pages.words(request).gettext(found) if found else None
