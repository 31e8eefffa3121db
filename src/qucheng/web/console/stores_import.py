"""Stores from a file, all of it or nothing; each row that cannot be so is told."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, post

from qucheng.core import clock, sheets
from qucheng.redemption import store_import
from qucheng.web import auth, guards, pages, refusals, streaming
from qucheng.web.console import sheet_form, stores
from qucheng.web.finance import books
from qucheng.web.texts import n_

FORM = stores.LIST + "/import"
SHOWN = 20
ROW = n_("Row %(row)s: %(fields)s cannot be so.")
MORE = n_("And more rows that cannot be so: %(rows)s.")


@get(FORM, opt=guards.page("stores.change"))
async def form(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _form(request, 200, ())


@post(FORM, **sheet_form.route("stores.change"))
async def send(request: Request[Any, Any, Any]) -> Response[Any]:
    sent, brand = await streaming.sent(request), await books.brand_of(request)
    words = pages.words(request)
    if sent.file_name is None:
        return await _form(request, 422, [_fault(words.gettext("Choose a file."))])
    content = await sheet_form.content(sent)
    try:
        taken = await store_import.take_in(brand_id=brand.id, content=content, actor=auth.actor(request), now=clock.now())
    except sheets.SheetColumnsError as refusal:
        return await _form(request, refusal.status, [_fault(sheet_form.columns(words, refusal))])
    except store_import.StoreRowsError as refusal:
        said = [words.gettext(ROW) % {"row": row, "fields": ", ".join(fields)} for row, fields in refusal.rows.items()]
        more = [words.gettext(MORE) % {"rows": len(said) - SHOWN}] if len(said) > SHOWN else []
        told_all = [*said[:SHOWN], *more] or [words.gettext(sheet_form.ROWS)]
        return await _form(request, refusal.status, [_fault(each) for each in told_all])
    except (sheets.SheetUnreadableError, sheets.SheetTooLargeError) as refusal:
        return await _form(request, refusal.status, [_fault(refusals.sentence(refusal, words))])
    return await _form(request, 200, (), taken)


def _fault(message: str) -> pages.Fault:
    return pages.Fault(field="file", message=message)


async def _form(
    request: Request[Any, Any, Any],
    status: int,
    faults: list[pages.Fault] | tuple[()],
    taken: store_import.Taken | None = None,
) -> Response[Any]:
    return await pages.view(
        request,
        "console/stores_import.html",
        status=status,
        faults=faults,
        taken=taken,
        columns=list(store_import.COLUMNS),
        needed=store_import.NEEDED,
        most=f"{store_import.MOST:,}",
        largest=sheets.LARGEST >> 20,
    )
