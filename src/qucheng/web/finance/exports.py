"""Files that are made in the background, for who asked for them."""

from __future__ import annotations

import mimetypes
import uuid
from typing import Any

from litestar import Request, Response, get, params
from litestar.exceptions import NotFoundException
from litestar.response import Stream

from qucheng.core import cells, exports
from qucheng.web import auth, guards, pages
from qucheng.web.finance import books
from qucheng.web.texts import n_

KINDS = {
    "journal.export": n_("Journal"),
    "trial_balance.export": n_("Trial balance"),
    "audit.export": n_("Audit log"),
    "document.archive": n_("Statements of a month"),
    "statement.list": n_("List of statements"),
    "reseller.list": n_("List of resellers"),
    "catalog.export": n_("Products"),
    "compliance.pack": n_("Evidence pack"),
    "analytics.export": n_("Analytics"),
    "redemption.export": n_("Redemptions"),
}
MOVING = ("received", "running")


@get(books.EXPORTS, opt=guards.page("exports.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    who = auth.principal(request)
    if who.brand_id is None:
        raise NotFoundException
    found = await exports.listing(brand_id=who.brand_id, asked_by=who.user_id, allowed=who.permissions)
    moving = any(each.state in MOVING for each in found)
    return await pages.view(request, "finance/exports.html", exports=found, kinds=KINDS, moving=moving, kept=exports.KEPT.days)


@get("/exports/{export_id:uuid}/file", opt=guards.page("exports.read"))
async def take(request: Request[Any, Any, Any], export_id: params.FromPath[uuid.UUID]) -> Stream:
    who = auth.principal(request)
    if who.brand_id is None:
        raise NotFoundException
    chosen, pieces = await exports.open_(
        brand_id=who.brand_id,
        export_id=export_id,
        asked_by=who.user_id,
        allowed=who.permissions,
        folder=books.folder(request),
    )
    suffix = chosen.file_name.rpartition(".")[2]
    kind = next((kind for form, kind in cells.KINDS.items() if form == suffix), mimetypes.types_map.get(f".{suffix}"))
    return books.attachment(pieces, chosen.file_name, kind or "application/octet-stream")
