"""The PDF statements of settled books, rendered by a pool of processes into a folder."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from qucheng.core import db, doctor
from qucheng.settlement import document, document_folder, document_pdf, document_pool, document_source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from qucheng.bundle.progress import Progress
    from qucheng.core.settings import Settings
    from qucheng.identity.brand import Brand
    from qucheng.settlement.document import StatementDocument

MOST_PROCESSES = 8


def renderer(settings: Settings) -> document_pool.Renderer:
    """The pool, to be entered early: its processes load engine and fonts while the books are being made.

    Raises PdfEngineMissingError at once where the machine has no Pango, not after the books are done.
    """
    if not (pango := doctor.pango()).ok:
        raise document_pdf.PdfEngineMissingError(
            f"{pango.what}. To mend it: {pango.remedy}. Or settle without documents: --no-pdf."
        )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return document_pool.Renderer(processes=min(MOST_PROCESSES, cores), public_url=settings.public_url)


async def write(*, brand: Brand, out: Path, pool: document_pool.Renderer, progress: Progress) -> dict[str, str]:
    """Writes statements/{statement_no}.pdf and returns why a statement has none. PDFs of an earlier run are replaced or removed."""
    folder = out / "statements"
    folder.mkdir(parents=True, exist_ok=True)
    async with db.atomic(brand.id):
        numbers = [row[0] for row in await db.connection().fetch("SELECT statement_no FROM statement")]
    document_folder.clear(folder, brand.code, {f"{number}.pdf" for number in numbers})
    failed: dict[str, str] = {}
    with progress.stage("render", total=len(numbers), unit="statements") as done:
        async for batch in document_source.batches(brand=brand):
            failed |= await asyncio.to_thread(_render, pool, batch, folder, done)
    return failed


def _render(
    pool: document_pool.Renderer, batch: list[tuple[StatementDocument, bytes]], folder: Path, done: Callable[[int], None]
) -> dict[str, str]:
    failed: dict[str, str] = {}
    items = (document_pool.Item(paper.statement_no, document.canonical_json(paper), lines_csv) for paper, lines_csv in batch)
    for statement_no, files in pool.render_all(items):
        if isinstance(files, str):
            failed[statement_no] = files
            (folder / f"{statement_no}.pdf").unlink(missing_ok=True)
        else:
            fresh = folder / f".{statement_no}.{os.getpid()}"
            fresh.write_bytes(files["pdf"])
            fresh.replace(folder / f"{statement_no}.pdf")
        done(1)
    return failed
