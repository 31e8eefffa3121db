"""Joins and moves of a later bundle are judged together with those that are stored, and refused with the rule's code."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

# cn-strict, so two in a line. C moves under B in June, K stands under P from the join until July.
STORED = [
    *("A,A,company,,gold,2026-01-01,", "B,B,company,,gold,2026-01-01,", "C,C,individual,A,gold,2026-01-10,"),
    *("P,P,company,,gold,2026-01-01,", "K,K,individual,P,gold,2026-01-10,", "LATE,LATE,company,,gold,2026-06-01,"),
]
MOVES = ["C,B,gold,2026-06-01", "K,,gold,2026-07-01"]
REJECTED = "SELECT file, source_row, code FROM rejection WHERE intake = $1 ORDER BY file, source_row"
STANDING = "SELECT count(*) FROM reseller UNION ALL SELECT count(*) FROM placement"


async def stored(folder: Path) -> Brand:
    folder = books.write(folder, code=f"b-{uuid.uuid4().hex[:20]}", resellers=STORED, placements=MOVES)
    brand = await books.found(folder)
    await books.take_in(brand, folder)
    assert await books.seen(brand, STANDING) == [(6,), (2,)]
    return brand


@pytest.fixture(scope="module")
async def kept(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    """For all tests in which nothing is taken."""
    assert workspace
    return await stored(tmp_path_factory.mktemp("kept"))


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path: Path) -> Brand:
    assert workspace
    return await stored(tmp_path / "stored")


async def later(brand: Brand, folder: Path, *, resellers: list[str], placements: list[str]) -> list[tuple[str, int, str]]:
    """What a second bundle with these rows has rejected."""
    books.write(folder, code=brand.code, resellers=resellers, placements=placements)
    number = await books.take_in(brand, folder)
    return [(file, row, code) for file, row, code in await books.seen(brand, REJECTED, number)]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        pytest.param("B,A,gold,2026-05-01", "network.depth_exceeded", id="C would later come under a second"),
        pytest.param("B,A,gold,2026-07-01", "network.depth_exceeded", id="C stands there already"),
        pytest.param("P,B,gold,2026-03-01", "network.depth_exceeded", id="takes K along"),
        pytest.param("P,B,gold,2026-01-05", "network.depth_exceeded", id="before K joined"),
        pytest.param("A,LATE,gold,2026-06-01", "network.depth_exceeded", id="on the day C leaves, A comes first by its code"),
        pytest.param("P,K,gold,2026-03-01", "network.cycle", id="under its own"),
        pytest.param("A,A,gold,2026-03-01", "network.cycle", id="under itself"),
        pytest.param("A,LATE,gold,2026-05-31", "network.parent_joined_later", id="parent not there yet"),
        pytest.param("LATE,A,gold,2026-05-31", "placement.before_joined", id="not there itself yet"),
        pytest.param("A,nobody,gold,2026-05-31", "ref.unknown", id="no such parent"),
    ],
)
async def test_a_move_that_breaks_a_rule_with_what_is_stored_is_rejected(
    kept: Brand, tmp_path: Path, row: str, code: str
) -> None:
    assert await later(kept, tmp_path / "later", resellers=[], placements=[row]) == [("placements.csv", 1, code)]
    assert await books.seen(kept, STANDING) == [(6,), (2,)]


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(["P,B,gold,2026-07-01"], id="K has gone"),
        pytest.param(["A,LATE,gold,2026-06-02"], id="C has left A"),
        pytest.param(["P,,gold,2026-03-01"], id="stays a root"),
    ],
)
async def test_a_move_that_fits_what_is_stored_is_taken(brand: Brand, tmp_path: Path, rows: list[str]) -> None:
    assert await later(brand, tmp_path / "later", resellers=[], placements=rows) == []
    assert await books.seen(brand, STANDING) == [(6,), (2 + len(rows),)]


async def test_a_move_is_judged_with_what_is_stored_and_not_with_what_its_file_brings_later(brand: Brand, tmp_path: Path) -> None:
    """That B would be back before C comes under it does not help: with the first row alone a stored one breaks the cap."""
    rejected = await later(
        brand, tmp_path / "later", resellers=[], placements=["B,A,gold,2026-05-01", "B,,gold,2026-06-01", "P,,gold,2026-05-01"]
    )
    assert rejected == [("placements.csv", 1, "network.depth_exceeded")]
    assert await books.seen(brand, STANDING) == [(6,), (4,)]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("N,N,individual,C,gold,2026-02-01,", "network.depth_exceeded"),
        ("N,N,individual,C,gold,2026-08-01,", "network.depth_exceeded"),
        ("N,N,individual,LATE,gold,2026-05-31,", "network.parent_joined_later"),
        ("N,N,individual,N,gold,2026-05-31,", "network.cycle"),
        ("N,N,individual,nobody,gold,2026-05-31,", "ref.unknown"),
        ("C,C,individual,B,gold,2026-01-10,", "key.conflict"),
    ],
)
async def test_a_join_that_breaks_a_rule_with_what_is_stored_is_rejected(
    kept: Brand, tmp_path: Path, row: str, code: str
) -> None:
    assert await later(kept, tmp_path / "later", resellers=[row], placements=[]) == [("resellers.csv", 1, code)]
    assert await books.seen(kept, STANDING) == [(6,), (2,)]


async def test_a_join_under_a_reseller_that_later_moves_down_is_rejected(brand: Brand, tmp_path: Path) -> None:
    """K is a root from the first of July on, when joins come before its move; C is under B from June on."""
    rejected = await later(
        brand,
        tmp_path / "later",
        resellers=[
            "N1,N1,individual,K,gold,2026-07-02,",
            "N2,N2,individual,K,gold,2026-07-01,",
            "N3,N3,individual,C,gold,2026-06-01,",
        ],
        placements=["N2,,gold,2026-08-01"],
    )
    assert rejected == [
        ("placements.csv", 1, "ref.unknown"),
        ("resellers.csv", 2, "network.depth_exceeded"),
        ("resellers.csv", 3, "network.depth_exceeded"),
    ]
    assert await books.seen(brand, STANDING) == [(7,), (2,)]


async def test_the_thirtieth_head_of_a_later_bundle_is_rejected(workspace: books.Workspace, tmp_path: Path) -> None:
    assert workspace
    heads = ["T1,T1,company,,gold,2026-01-01,", "T2,T2,company,T1,gold,2026-01-01,", "T3,T3,company,T2,gold,2026-03-01,"]
    heads += [f"h{n},h{n},individual,T1,gold,2026-01-01," for n in range(26)]
    folder = books.write(tmp_path / "stored", code=f"b-{uuid.uuid4().hex[:20]}", compliance=books.INTL, resellers=heads)
    brand = await books.found(folder)
    await books.take_in(brand, folder)
    rejected = await later(
        brand,
        tmp_path / "later",
        # the first would make the chain of three, which is stored and comes later, one under 30 heads
        resellers=[
            "N1,N1,individual,T1,gold,2026-02-01,",
            "N2,N2,individual,T1,gold,2026-04-01,",
            "N3,N3,company,,gold,2026-04-01,",
        ],
        placements=[],
    )
    assert rejected == [("resellers.csv", 1, "network.heads_exceeded"), ("resellers.csv", 2, "network.heads_exceeded")]
    assert await books.seen(brand, "SELECT count(*) FROM reseller") == [(30,)]
