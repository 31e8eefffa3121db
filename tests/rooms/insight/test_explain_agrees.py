"""Every line and every bonus, reckoned again by exact fractions, is what the earning kernel and the settlement stored."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import books
from tests.model.strategies import Bundle, bundles
from tests.rooms.bundle import parts
from tests.rooms.insight import damage

from qucheng.insight import books as checks
from qucheng.insight import explain, explain_words

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

FIRST = {"01", "07", "12"}
CASES = [
    pytest.param(name, marks=[] if name in FIRST else pytest.mark.long)
    for name in sorted(path.parent.name for path in books.GOLDEN.glob("[0-9]*/bundle"))
]
LINES = "SELECT order_no || '/' || line_no FROM order_line ORDER BY 1"
BONUSES = "SELECT DISTINCT concat_ws('/', 'bonus', reseller, rule, to_char(of_period, 'YYYY-MM')) FROM own_volume ORDER BY 1"
STATEMENTS = "SELECT statement_no FROM statement ORDER BY 1"
COUNTS = "SELECT (SELECT count(*) FROM accrual), (SELECT count(*) FROM reversal), (SELECT count(*) FROM bonus)"


async def codes(brand: Brand, query: str) -> list[str]:
    return [row[0] for row in await books.seen(brand, query)]


async def explained(brand: Brand) -> dict[str, int]:
    """Explains every line, bonus and statement, and counts the entries that were met. None of them differs."""
    found = {"accrual": 0, "reversal": 0, "bonus": 0}
    for code in [*await codes(brand, LINES), *await codes(brand, BONUSES), *await codes(brand, STATEMENTS)]:
        life = await explain.explain(brand=brand, entry=code)
        assert explain.disagreements(life) == (), code
        if isinstance(life, explain.LineLife):
            for entry in (step.entry for level in life.levels for step in level.steps if step.entry is not None):
                found[entry.kind] += 1
        elif isinstance(life, explain.BonusLife):
            found["bonus"] += sum(step.entry is not None for step in life.steps)
        agrees = "reckoned again: it agrees with what is stored" if brand.locale == "en" else "重算一致"
        assert explain_words.tell(life, brand=brand)[-1] == agrees
    assert [tuple(found.values())] == await books.seen(brand, COUNTS)
    return found


@pytest.mark.parametrize("case", CASES)
async def test_a_golden_case_agrees(books_home: tuple[str, str], case: str) -> None:
    async with books.fresh(books_home):
        brand = await books.settled(books.GOLDEN / case / "bundle", "2026-07")
        found = await explained(brand)
        assert found["accrual"] > 0


@pytest.mark.parametrize("case", CASES)
async def test_a_golden_case_agrees_that_came_in_parts_between_its_runs(
    books_home: tuple[str, str], tmp_path: Path, case: str
) -> None:
    """Each delivery comes after a month was issued, so that sales, refunds and their bonuses come late."""
    chance = random.Random(case)
    folders = parts.cut(case, tmp_path / "parts", 3, lambda _name, _row: chance.randrange(3))
    async with books.fresh(books_home):
        brand = await books.found(folders[0])
        for folder, month in zip(folders, ("2026-03", "2026-04", "2026-07"), strict=True):
            await books.take_in(brand, folder)
            report = await checks.check(brand=brand, now=books.NOW)
            assert report.differences == []
            await damage.issue_through(brand, month)
            report = await checks.check(brand=brand, now=books.NOW)
            assert report.differences == []
        found = await explained(brand)
        assert found["accrual"] > 0


async def settles(home: tuple[str, str], bundle: Bundle) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with books.fresh(home):
            brand = await books.settled(bundle.write(Path(folder) / "bundle"), bundle.through)
            assert (await checks.check(brand=brand, now=books.NOW)).differences == []
            await explained(brand)


@given(bundle=bundles(tidy=True))
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
async def test_any_bundle_agrees(books_home: tuple[str, str], bundle: Bundle) -> None:
    await settles(books_home, bundle)


@pytest.mark.long
@given(bundle=st.one_of(bundles(), bundles(tidy=True)))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
async def test_many_bundles_agree(books_home: tuple[str, str], bundle: Bundle) -> None:
    await settles(books_home, bundle)
