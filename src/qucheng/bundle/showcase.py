"""The demo brand, settled: written and worked out once, and found again at a later start."""

from __future__ import annotations

import datetime as dt
import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from qucheng.bundle import demo, settle

if TYPE_CHECKING:
    from qucheng.bundle.progress import Progress
    from qucheng.core.settings import Settings

THROUGH = dt.date(2026, 10, 1)
PACKAGE = Path(__file__).parents[1]


async def settle_demo(*, settings: Settings, now: dt.datetime, progress: Progress) -> tuple[Path, settle.Outcome | None]:
    """Returns the folder with `bundle/` and `books/`, and what came out; None where it was done before by this same program."""
    folder = settings.var / "demo"
    mark = folder / "settled-by"
    program = _program(settings.root)
    if mark.exists() and mark.read_text(encoding="utf-8") == program and demo.is_current(folder / "bundle"):
        return folder, None
    shutil.rmtree(folder, ignore_errors=True)
    demo.write(folder / "bundle")
    outcome = await settle.settle_bundle(
        folder=folder / "bundle", through=THROUGH, out=folder / "books", pdf=True, now=now, settings=settings, progress=progress
    )
    if not outcome.failed:
        mark.write_text(program, encoding="utf-8")
    return folder, outcome


def _program(root: Path) -> str:
    """What the books depend on besides the bundle: the code, its SQL and data, and the templates."""
    digest = hashlib.sha256()
    for top in (PACKAGE, root / "templates"):
        for file in sorted(path for path in top.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
            digest.update(file.relative_to(top).as_posix().encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
