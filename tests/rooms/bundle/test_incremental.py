"""A bundle that comes twice is all duplicates; one that comes in parts settles as if it had come at once, byte for byte."""

from __future__ import annotations

import itertools
import random
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import books
from tests.rooms.bundle import parts

from qucheng.bundle import books as outputs
from qucheng.bundle import importing, staging
from qucheng.commission import accrual

if TYPE_CHECKING:
    from collections.abc import Callable

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

CASES = ["01", "04", "07", "11"]
FILES = ("statements.csv", "entries.csv", "journal.csv")
THROUGH = "2026-07"
COUNTS = "SELECT file, rows, imported, duplicate, rejected FROM intake_file WHERE intake = $1 ORDER BY file"
REJECTED = "SELECT file, source_row, code FROM rejection WHERE intake = $1 ORDER BY file, source_row"
FACTS = (
    "tier",
    "reseller",
    "placement",
    "sku",
    "channel",
    "channel_price",
    "rule",
    "rule_bracket",
    "order_line",
    "refund",
    "order_flag",
    "adjustment",
)
EARNED = ("accrual", "reversal_version", "own_volume")


async def same_books(brand: Brand, case: str, out: Path) -> None:
    await outputs.write(brand=brand, out=out)
    for name in FILES:
        assert (out / name).read_bytes() == (books.GOLDEN / case / "expected" / name).read_bytes(), name


async def settle_parts(home: tuple[str, str], case: str, folders: list[Path], out: Path, *, accrue_each: bool) -> None:
    async with books.fresh(home):
        brand = await books.found(folders[0])
        for folder in folders:
            await importing.take_in(folder=folder, brand=brand, now=books.NOW, progress=books.QUIET)
            if accrue_each:
                await accrual.accrue(brand_id=brand.id, now=books.NOW)
        await accrual.accrue(brand_id=brand.id, now=books.NOW)
        await books.settle_through(brand, THROUGH)
        await same_books(brand, case, out)


@pytest.mark.parametrize("case", CASES)
async def test_the_same_bundle_again_is_all_duplicates(books_home: tuple[str, str], tmp_path: Path, case: str) -> None:
    folder = books.GOLDEN / case / "bundle"
    async with books.fresh(books_home) as made, books.connected(made.owner) as owner:
        brand = await books.found(folder)
        assert await books.take_in(brand, folder) == 1
        before = await books.everything(owner)
        assert await books.take_in(brand, folder) == 2
        after = await books.everything(owner)
        assert {name: after[name] for name in (*FACTS, *EARNED)} == {name: before[name] for name in (*FACTS, *EARNED)}
        first, second = await books.seen(brand, COUNTS, 1), await books.seen(brand, COUNTS, 2)
        assert second == [(file, rows, 0, imported + duplicate, rejected) for file, rows, imported, duplicate, rejected in first]
        assert sum(row[2] for row in first) > 0
        assert await books.seen(brand, REJECTED, 2) == await books.seen(brand, REJECTED, 1)
        await books.settle_through(brand, THROUGH)
        await same_books(brand, case, tmp_path / "out")
        settled = await books.everything(owner)
        assert await books.take_in(brand, folder) == 3
        third = await books.everything(owner)
        assert {name for name in third if third[name] != settled[name]} == {"intake", "intake_file", "rejection"}


@pytest.mark.parametrize(("case", "accrue_each"), [*((case, True) for case in CASES), ("04", False), ("11", False)])
async def test_a_bundle_in_parts_settles_as_the_whole(
    books_home: tuple[str, str], tmp_path: Path, case: str, *, accrue_each: bool
) -> None:
    chance = random.Random(f"{case} {accrue_each}")
    count = chance.choice((2, 3))
    folders = parts.cut(case, tmp_path / "parts", count, lambda _name, _row: chance.randrange(count))
    await settle_parts(books_home, case, folders, tmp_path / "out", accrue_each=accrue_each)


def at_cuts(cuts: list[tuple[int, int, int]]) -> Callable[[str, int], int]:
    """The part of a row, where each file is cut at given rows."""
    by_name = dict(zip(parts.KEYS, zip(*cuts, strict=True), strict=True))
    return lambda name, row: sum(row >= cut for cut in by_name[name])


@given(
    case=st.sampled_from(["04", "10"]),
    cuts=st.lists(st.tuples(st.integers(0, 420), st.integers(0, 260), st.integers(0, 4)), min_size=1, max_size=3),
    accrue_each=st.booleans(),
)
@settings(max_examples=3, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
async def test_a_bundle_cut_anywhere_settles_as_the_whole(
    books_home: tuple[str, str], case: str, cuts: list[tuple[int, int, int]], *, accrue_each: bool
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folders = parts.cut(case, Path(name) / "parts", len(cuts) + 1, at_cuts(cuts))
        await settle_parts(books_home, case, folders, Path(name) / "out", accrue_each=accrue_each)


async def test_the_parts_of_a_cut_are_the_whole(tmp_path: Path) -> None:
    """Of the helper: no row is lost, none is doubled, and rows really come in different parts."""
    for case, count in itertools.product(CASES, (2, 3)):
        folders = parts.cut(case, tmp_path / f"{case}-{count}", count, lambda _name, row, count=count: row % count)  # type: ignore[misc]
        for name in parts.KEYS:
            whole = parts.read(books.GOLDEN / case / "bundle" / f"{name}.csv")
            split = [parts.read(folder / f"{name}.csv") for folder in folders]
            assert sorted(str(row) for part in split for row in part) == sorted(str(row) for row in whole)
            if len(whole) > 20:
                assert all(split), (case, name)


async def test_a_refund_in_a_later_part_counts_with_those_that_are_stored(books_home: tuple[str, str], tmp_path: Path) -> None:
    sale = "O1,1,2026-03-02T10:00:00,R1,web,card,10,1000.00,0,"
    first = books.write(tmp_path / "1", code="late", orders=[sale], refunds=["F1,O1,1,2026-03-09T10:00:00,6,600.00"])
    second = books.write(
        tmp_path / "2",
        code="late",
        refunds=[
            "F2,O1,1,2026-03-05T10:00:00,5,1.00",
            "F3,O1,1,2026-03-05T10:00:00,4,400.01",
            "F4,O1,1,2026-03-04T10:00:00,4,400.00",
        ],
    )
    async with books.fresh(books_home):
        brand = await books.found(first)
        assert [await books.take_in(brand, folder) for folder in (first, second)] == [1, 2]
        assert await books.seen(brand, REJECTED, 2) == [
            ("refunds.csv", 1, "refund.exceeds_line"),
            ("refunds.csv", 2, "refund.exceeds_line"),
        ]
        taken = await books.seen(brand, "SELECT refund_no, amount_minor FROM reversal ORDER BY 1")
        assert taken == [("F1", -6000), ("F4", -4000)]


async def test_a_key_that_is_stored_with_other_values_is_a_conflict(books_home: tuple[str, str], tmp_path: Path) -> None:
    first = books.write(tmp_path / "1", code="twice", orders=["O1,1,2026-03-02T10:00:00,R1,web,card,1,100.00,0,"])
    second = books.write(
        tmp_path / "2",
        code="twice",
        tiers=["gold,金,1"],
        orders=["O1,1,2026-03-02T02:00:00Z,R1,web,card,1,100,,", "O1,1,2026-03-02T10:00:00,R1,web,card,2,100.00,0,"],
    )
    async with books.fresh(books_home) as made, books.connected(made.owner) as owner:
        brand = await books.found(first)
        await books.take_in(brand, first)
        before = await books.everything(owner)
        await books.take_in(brand, second)
        after = await books.everything(owner)
        assert {name for name in after if after[name] != before[name]} == {"intake", "intake_file", "rejection"}
        assert await books.seen(brand, REJECTED, 2) == [("orders.csv", 2, "key.conflict"), ("tiers.csv", 1, "key.conflict")]
        counts = {row[0]: row[1:] for row in await books.seen(brand, COUNTS, 2)}
        assert counts["orders.csv"] == (2, 0, 1, 1)


async def test_an_import_that_is_stopped_stores_nothing(books_home: tuple[str, str], tmp_path: Path) -> None:
    folder = books.write(tmp_path / "1", code="stopped")
    (folder / "orders.csv").write_text("order,line\n", encoding="utf-8")
    async with books.fresh(books_home) as made, books.connected(made.owner) as owner:
        brand = await books.found(folder)
        before = await books.everything(owner)
        with pytest.raises(staging.UnreadableFileError):
            await books.take_in(brand, folder)
        assert await books.everything(owner) == before
