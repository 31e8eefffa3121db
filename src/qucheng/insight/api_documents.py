"""The file of a statement, as it was made and recorded."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar, Literal

from qucheng.core import errors
from qucheng.settlement import document_folder, queries

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.identity.brand import Brand

Format = Literal["pdf", "xlsx", "csv"]


class DocumentWaitingError(errors.RefusedError):
    code: ClassVar[str] = "document.waiting"
    retry_after = 10


class DocumentFailedError(errors.RefusedError):
    code: ClassVar[str] = "document.failed"


async def read(*, brand: Brand, reseller: str | None, statement_no: str, form: Format, folder: Path) -> bytes:
    """Raises StatementUnknownError, DocumentWaitingError, DocumentFailedError, DocumentChangedError."""
    found = await queries.statement(brand=brand, statement_no=statement_no, reseller=reseller)
    files = await queries.files(brand=brand, statement=found, reseller=reseller)
    file = next((each for each in files if each.format == form), None)
    if file is None:
        raise DocumentWaitingError("The document is being made: ask again in a few seconds.")
    if file.state == "failed" or file.sha256 is None:
        raise DocumentFailedError("The document could not be made; the brand's accountant sees why.")
    path, sha256 = document_folder.place(folder, brand, found.period) / f"{statement_no}.{form}", file.sha256
    return await asyncio.to_thread(lambda: b"".join(document_folder.pieces(path, sha256)))
