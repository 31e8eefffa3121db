"""A statement's documents as they were made: PDF, XLSX, CSV."""

from __future__ import annotations

from typing import Any, Literal

from litestar import Request, Response, get, params

from qucheng.settlement import statement_export
from qucheng.web import guards
from qucheng.web import site as sites
from qucheng.web.finance import facts

KINDS: dict[Literal["pdf", "xlsx", "csv"], str] = {
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
}


@get("/statements/{statement_no:str}/documents/{kind:str}", opt=guards.page("documents.read"))
async def take(request: Request[Any, Any, Any], statement_no: params.FromPath[str], kind: params.FromPath[str]) -> Response[Any]:
    known = next((each for each in KINDS if each == kind), None)
    if known is None:
        raise statement_export.DocumentMissingError(f"There is no {kind} of a statement.")
    content = await statement_export.document(
        brand=await facts.brand(request), statement_no=statement_no, kind=known, folder=sites.of(request).settings.documents
    )
    return attachment(content, known, f"{statement_no}.{known}")


def attachment(content: bytes, kind: Literal["pdf", "xlsx", "csv"], name: str) -> Response[bytes]:
    """name: of a document that there is, so that it breaks no header."""
    return Response(content, media_type=KINDS[kind], headers={"content-disposition": f'attachment; filename="{name}"'})
