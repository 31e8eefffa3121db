"""Deliveries: a month is sent, taken in behind the page, and reported row by row."""

from __future__ import annotations

import datetime as dt
import uuid
from pathlib import Path
from typing import Any

from litestar import Request, Response, get, params, post
from litestar.response import Stream

from qucheng.bundle import upload, upload_report
from qucheng.core import cells, clock, exports
from qucheng.identity import user as users
from qucheng.web import auth, guards, pages, refusals, streaming
from qucheng.web import site as sites
from qucheng.web.finance import books

UPLOADS = "/uploads"
MOVING = ("received", "running")


@get(UPLOADS, opt=guards.page("imports.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _listed(request, 200, (), "orders")


@post(
    UPLOADS,
    opt={**guards.page("imports.upload"), streaming.STREAMED: True},
    status_code=200,
    request_max_body_size=upload.LARGEST + streaming.ROOM,
)
async def send(request: Request[Any, Any, Any]) -> Response[Any]:
    """The file goes to its place as it comes; what it holds is for the task."""
    sent, brand = await streaming.sent(request), await books.brand_of(request)
    words = pages.words(request)
    kind = next((kind for kind in upload.KINDS if kind == sent.fields.get("kind")), None)
    if kind is None:
        return await _listed(request, 422, [pages.Fault(field="kind", message=words.gettext("Say what the file is."))], "orders")
    if sent.file_name is None:
        return await _listed(request, 422, [pages.Fault(field="file", message=words.gettext("Choose a file."))], kind)
    try:
        with upload.Incoming(_folder(request), brand.id) as incoming:
            async for piece in sent.pieces():
                incoming.write(piece)
            upload_id = await upload.keep(
                incoming=incoming, brand=brand, kind=kind, file_name=sent.file_name, actor=auth.actor(request), now=clock.now()
            )
    except upload.UploadRefusedError as refusal:
        return await _listed(request, 422, [pages.Fault(field="file", message=refusals.sentence(refusal, words))], kind)
    return pages.elsewhere(f"{UPLOADS}/{upload_id}")


@get("/uploads/{upload_id:uuid}", opt=guards.page("imports.read"))
async def one(request: Request[Any, Any, Any], upload_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    brand = await books.brand_of(request)
    found = await upload_report.read(brand_id=brand.id, upload_id=upload_id)
    report = await upload_report.report(brand=brand, upload=found, locale=pages.language_of(request))
    return await pages.view(
        request,
        "finance/upload.html",
        upload=found,
        report=report,
        moving=found.state in MOVING,
        people=await users.named(keys=sites.of(request).keys, user_ids=[found.uploaded_by]),
        sentence=refusals.SENTENCES.get(found.code or ""),
    )


@get("/uploads/{upload_id:uuid}/report.csv", opt=guards.page("imports.read"))
async def take_report(request: Request[Any, Any, Any], upload_id: params.FromPath[uuid.UUID]) -> Stream:
    brand = await books.brand_of(request)
    found = await upload_report.read(brand_id=brand.id, upload_id=upload_id)

    async def write(out: Path) -> None:
        await upload_report.write(brand=brand, upload=found, out=out)

    pieces = await exports.made(brand_id=brand.id, folder=books.folder(request), write=write)
    return books.attachment(pieces, f"report-{found.uploaded_at:%Y%m%d-%H%M}.csv", cells.KINDS["csv"])


async def _listed(
    request: Request[Any, Any, Any], status: int, faults: list[pages.Fault] | tuple[()], kind: str
) -> Response[Any]:
    brand = await books.brand_of(request)
    after = books.position(request, tuple[dt.datetime, uuid.UUID], "uploads") if status < 400 else None  # noqa: PLR2004 - a page, not an answer to a form
    found = await upload_report.listing(brand_id=brand.id, before=after, most=upload_report.PAGE + 1)
    shown = found[: upload_report.PAGE]
    last = shown[-1] if len(found) > len(shown) else None
    following = books.cursor(request, (last.uploaded_at, last.id), "uploads") if last else None
    return await pages.view(
        request,
        "finance/uploads.html",
        status=status,
        faults=faults,
        kind=kind,
        may_send="imports.upload" in auth.principal(request).permissions,
        uploads=shown,
        people=await users.named(keys=sites.of(request).keys, user_ids=[each.uploaded_by for each in shown]),
        largest=upload.LARGEST >> 20,
        first_page=UPLOADS if after else None,
        after=books.address(UPLOADS, {}, after=following) if following else None,
    )


def _folder(request: Request[Any, Any, Any]) -> Path:
    return sites.of(request).settings.var / upload.FOLDER
