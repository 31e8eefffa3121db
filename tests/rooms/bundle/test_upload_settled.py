"""What came by page settles to the same bytes as a bundle does: whole as a ZIP, or the network first and then orders and refunds alone."""

from __future__ import annotations

import datetime as dt
import io
import shutil
import uuid
import zipfile
from typing import TYPE_CHECKING

import pytest
from tests import books as work
from tests.rooms.identity import people

from qucheng.bundle import books, upload
from qucheng.core import audit, crypto, ids, settings, task
from qucheng.jobs import handlers, runner

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.core.settings import Settings
    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

CASES = sorted(path.parent.name for path in work.GOLDEN.glob("*/bundle"))
FILES = ("statements.csv", "entries.csv", "journal.csv")


def recoded(case: str, folder: Path) -> tuple[Path, str, str]:
    """The case's bundle under a code of its own; the folder, the code as it was, the code as it is."""
    shutil.copytree(work.GOLDEN / case / "bundle", folder)
    text = (folder / "brand.toml").read_text(encoding="utf-8")
    was, code = text.split('code = "')[1].split('"', maxsplit=1)[0], f"u{uuid.uuid4().hex[:8]}"
    (folder / "brand.toml").write_text(text.replace(f'"{was}"', f'"{code}"', 1), encoding="utf-8")
    return folder, was, code


async def taken_in(current: Settings, brand: Brand, kind: upload.Kind, content: bytes) -> None:
    user_id = await people.person(crypto.keys(current.var / "keys"))
    with upload.Incoming(current.var / upload.FOLDER, brand.id) as incoming:
        incoming.write(content)
        actor = audit.Actor(user_id=user_id, role="accountant")
        await upload.keep(incoming=incoming, brand=brand, kind=kind, file_name="f", actor=actor, now=work.NOW)
    (waiting,) = await task.listing(states=("waiting",), brand_id=brand.id)
    with handlers.Tools(current) as tools:
        await runner.perform(waiting.id, worker=ids.new_id(), tools=tools)
    assert await work.seen(brand, "SELECT state FROM upload ORDER BY uploaded_at DESC LIMIT 1") == [("done",)]


def packed(folder: Path) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    return made.getvalue()


@pytest.mark.parametrize("alone", [False, True], ids=["as a ZIP", "orders and refunds alone"])
@pytest.mark.parametrize("case", CASES)
async def test_settled_to_the_same_bytes(tmp_path: Path, case: str, alone: bool) -> None:  # noqa: FBT001
    current = settings.load({"QUCHENG_VAR": str(tmp_path / "var")})
    folder, was, code = recoded(case, tmp_path / "bundle")
    brand = await work.found(folder)
    apart = {}
    if alone:
        for name in ("orders", "refunds"):
            path = folder / f"{name}.csv"
            if path.exists():
                apart[name] = path.read_bytes()
                path.write_text(",".join(work.COLUMNS[name]) + "\n", encoding="utf-8")
    await taken_in(current, brand, "bundle", packed(folder))
    for name, content in apart.items():
        await taken_in(current, brand, name, content)  # type: ignore[arg-type] # orders and refunds are kinds
    await work.settle_through(brand, "2026-07")
    await books.write(brand=brand, out=tmp_path / "out", through=dt.date(2026, 7, 1))
    for name in FILES:
        wanted = (work.GOLDEN / case / "expected" / name).read_bytes().replace(f"{was}-2026".encode(), f"{code}-2026".encode())
        assert (tmp_path / "out" / name).read_bytes() == wanted, name
