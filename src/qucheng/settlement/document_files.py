"""The files that are made of one statement, in a process of `document_pool.Renderer`."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Literal

import msgspec

from qucheng.settlement import document, document_pdf, document_sheet

if TYPE_CHECKING:
    from collections.abc import Mapping

Format = Literal["pdf", "xlsx", "csv"]
FORMATS: tuple[Format, ...] = ("pdf", "xlsx", "csv")


def make(canonical: bytes, lines_csv: bytes, public_url: str | None, formats: tuple[Format, ...]) -> Mapping[Format, bytes]:
    """The files of a document, which comes as its canonical JSON. NotProvenError where it does not add up."""
    paper = msgspec.json.decode(canonical, type=document.StatementDocument)
    document.verify(paper, lines_csv)
    made: dict[Format, bytes] = {}
    # the trees of a document are full of cycles; collecting once behind it is quicker than looking for them all the way
    gc.disable()
    try:
        if "pdf" in formats:
            made["pdf"] = document_pdf.render(paper, lines_csv, public_url)
        if "xlsx" in formats:
            made["xlsx"] = document_sheet.workbook(paper, lines_csv)
    finally:
        gc.enable()
        gc.collect()
    return made
