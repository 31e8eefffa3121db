"""The product writes what each golden case expects, byte for byte."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from tests import product

pytestmark = pytest.mark.usefixtures("product_home")
HERE = Path(__file__).parent
CASES = sorted(path.parent.name for path in HERE.glob("*/bundle"))


def three_columns(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [row[:3] for row in csv.reader(file)]


@pytest.mark.parametrize("case", CASES)
def test_a_golden_case(tmp_path: Path, case: str) -> None:
    want, out = HERE / case / "expected", tmp_path / "out"
    run = product.settle(HERE / case / "bundle", "2026-07", out)
    assert run.status == (3 if len(three_columns(want / "rejected.csv")) > 1 else 0), run.stderr
    for name in ("rejected.csv", "flags.csv"):
        assert three_columns(out / name) == three_columns(want / name)
    for name in ("statements.csv", "entries.csv", "journal.csv"):
        assert (out / name).read_bytes() == (want / name).read_bytes()
    assert sorted(path.name for path in out.iterdir()) == sorted(path.name for path in want.iterdir())
