"""Channel prices: the matrix, a cell of it with what may be typed into it, and the saving of one. Without script each is a page."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, post

from qucheng.catalog import price_cell, price_errors, price_records, price_version
from qucheng.core import clock
from qucheng.identity.brand import Brand
from qucheng.web import auth, guards, pages, refusals
from qucheng.web.console import prices_asked, prices_cell, prices_table
from qucheng.web.finance import books, facts

DONE = {"opened", "discarded", "updated", "withdrawn", "imported", "saved"}


@get(prices_asked.MATRIX, opt=guards.page("prices.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    brand, asked = await books.brand_of(request), prices_asked.of_request(request)
    table = await prices_table.read(request, brand, asked)
    return await view(request, brand, table, None)


@get(prices_asked.CELL, opt=guards.page("prices.read"))
async def cell(request: Request[Any, Any, Any]) -> Response[Any]:
    """The matrix with the cell open beside it; of a page that is open, the cell alone."""
    brand, asked, key = await books.brand_of(request), prices_asked.of_request(request), prices_asked.key(request.query_params)
    if not key.sku:
        return pages.elsewhere(asked.address())
    part = prices_asked.is_part(request)
    table = await prices_table.read(request, brand, asked, sku=key.sku if part else None)
    saved = request.query_params.get("done") == "saved"
    return await view(request, brand, table, await prices_cell.inspect(request, brand, table, key, saved=saved), part="inspector")


@post(prices_asked.CELL, opt=guards.page("prices.edit", form=prices_asked.MATRIX), status_code=200)
async def save(request: Request[Any, Any, Any]) -> Response[Any]:
    """What is stale or wrong is not saved, and is still there to be sent again."""
    brand, sent = await books.brand_of(request), await pages.form(request)
    asked, key, typed = prices_asked.of_view(sent.get("view", "")), prices_asked.key(sent), prices_cell.typed(sent)
    if not key.sku:
        return pages.elsewhere(asked.address())
    part = prices_asked.is_part(request)
    status, faults, conflict = await _saved(request, brand, asked, key, typed, revert=sent.get("act") == "revert")
    if status == 200 and not part:  # noqa: PLR2004 - saved
        return pages.elsewhere(_address(asked, key, done="saved"))
    table = await prices_table.read(request, brand, asked, sku=key.sku if part else None)
    if conflict is not None:
        typed = _again(typed, conflict)
    shown = await prices_cell.inspect(
        request,
        brand,
        table,
        key,
        typed=typed if status != 200 else None,  # noqa: PLR2004
        faults=faults,
        conflict=conflict,
        saved=status == 200,  # noqa: PLR2004
    )
    return await view(request, brand, table, shown, status=status, faults=faults, part="saved")


async def _saved(
    request: Request[Any, Any, Any],
    brand: Brand,
    asked: prices_asked.Asked,
    key: prices_asked.Key,
    typed: prices_cell.Typed,
    *,
    revert: bool,
) -> tuple[int, list[pages.Fault], price_records.Stand | None]:
    """The status of the answer, what is wrong, and what stands in the way."""
    change = prices_cell.change(key, typed, brand.decimals)
    if isinstance(change, str) and not revert:
        return 422, [prices_cell.fault(request, change)], None
    current = await price_version.current(brand_id=brand.id, now=clock.now(), counted=False)
    draft = current.draft
    if draft is None or prices_table.number_of(asked, current) != draft.number:
        refusal = price_errors.PriceStateError("There is no draft to change any more.")
        return refusal.status, [pages.Fault(message=refusals.sentence(refusal, pages.words(request)))], None
    try:
        if revert or isinstance(change, str):
            saved = await price_cell.revert(
                brand_id=brand.id,
                version=draft.number,
                keys=[key.pair()],
                seen=[typed.seen],
                actor=auth.actor(request),
                now=clock.now(),
            )
        else:
            saved = await price_cell.set_cells(
                brand_id=brand.id,
                version=draft.number,
                changes=[change],
                day=asked.day or prices_asked.today(brand),
                actor=auth.actor(request),
                now=clock.now(),
            )
    except price_errors.PriceStateError as gone:
        return gone.status, [pages.Fault(message=refusals.sentence(gone, pages.words(request)))], None
    if saved.stale:
        return 409, [], saved.stale[0]
    if saved.faults:
        return 422, [prices_cell.fault(request, code) for _, code in saved.faults], None
    return 200, [], None


def _again(typed: prices_cell.Typed, conflict: price_records.Stand) -> prices_cell.Typed:
    """Sent once more it is over what the other one saved."""
    return prices_cell.Typed(
        source=typed.source,
        price=typed.price,
        starts=typed.starts,
        ends=typed.ends,
        reason=typed.reason,
        seen=conflict.revision,
        quick=typed.quick,
    )


async def view(
    request: Request[Any, Any, Any],
    brand: Brand,
    table: prices_table.Table,
    shown: prices_cell.Inspector | None,
    *,
    status: int = 200,
    faults: list[pages.Fault] | tuple[()] = (),
    part: str | None = None,
) -> Response[Any]:
    """part: what an open page is sent: the inspector, and after a save the row and the counts as well."""
    asked = table.asked
    is_part = part is not None and prices_asked.is_part(request)
    people = [each.maker for each in (table.draft, table.shown) if each] + [
        each.approver for each in (table.shown, table.live) if each
    ]
    number = asked.page
    done = request.query_params.get("done", "")
    return await pages.view(
        request,
        "console/prices_part.html" if is_part else "console/prices.html",
        status=status,
        headers={"hx-replace-url": _address(asked, shown.key)} if is_part and shown and status == 200 else None,  # noqa: PLR2004
        faults=faults,
        brand=brand,
        t=table,
        i=shown,
        with_row=part == "saved",
        view=prices_asked.view(asked),
        kept=asked.kept(),
        names=await facts.names(request, people),
        back=asked.address(),
        before=asked.address(page=str(number - 1) if number > 2 else "") if number > 1 else None,  # noqa: PLR2004
        after=asked.address(page=str(number + 1)) if number * table.rows < table.total else None,
        without={name: asked.address(**{name: "", "page": ""}) for name, value in asked.kept().items() if value},
        symbol=facts.symbol(brand).strip(),
        done=done if done in DONE else "",
        categories=[(each, each) for each in table.labels.categories],
        tags=[(each, each) for each in table.labels.tags],
    )


def _address(asked: prices_asked.Asked, key: prices_asked.Key, **more: str) -> str:
    return asked.address(prices_asked.CELL, sku=key.sku, channel=key.channel, tier=key.tier, **more)
