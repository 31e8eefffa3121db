"""A brand's books as a bundle: what comes back in is what went out, to the last byte of what it settles to."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import books
from tests.model import strategies

from qucheng.bundle import books as outputs
from qucheng.bundle import brand_file, exporting, keeping
from qucheng.commission import accrual
from qucheng.identity import brand as brands

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

CASES = sorted(path.parent.name for path in books.GOLDEN.glob("*/bundle"))
SETTLED = ("statements.csv", "entries.csv", "journal.csv")


async def kept(folder: Path) -> Brand:
    """Imported into the platform, and read back."""
    await keeping.take_in(folder=folder, out=None, now=books.NOW, progress=books.QUIET)
    return await brands.require(brand_file.read(folder / "brand.toml").code)


async def settled(brand: Brand, through: str, out: Path) -> dict[str, bytes]:
    await accrual.accrue(brand_id=brand.id, now=books.NOW)
    await books.settle_through(brand, through)
    await outputs.write(brand=brand, out=out)
    return {name: (out / name).read_bytes() for name in SETTLED}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def there_and_back(home: tuple[str, str], source: Path, folder: Path, through: str) -> dict[str, bytes]:
    """What the export of a bundle settles to; importing it again changes nothing, and exporting again gives the same bytes."""
    async with books.fresh(home) as made, books.connected(made.owner) as owner:
        brand = await kept(source)
        before = await books.everything(owner)
        await exporting.write(brand=brand, out=folder / "export", progress=books.QUIET)
        again = await keeping.take_in(folder=folder / "export", out=None, now=books.NOW, progress=books.QUIET)
        assert (again.intake, again.rejected) == (None, 0)
        assert await books.everything(owner) == before
    async with books.fresh(home):
        brand = await kept(folder / "export")
        assert await books.seen(brand, "SELECT * FROM rejection") == []
        await exporting.write(brand=brand, out=folder / "second", progress=books.QUIET)
        assert contents(folder / "second") == contents(folder / "export")
        return await settled(brand, through, folder / "books")


@pytest.mark.parametrize("case", CASES)
async def test_an_exported_golden_case_settles_as_the_case(books_home: tuple[str, str], tmp_path: Path, case: str) -> None:
    found = await there_and_back(books_home, books.GOLDEN / case / "bundle", tmp_path, "2026-07")
    assert found == {name: (books.GOLDEN / case / "expected" / name).read_bytes() for name in SETTLED}


@given(bundle=strategies.bundles())
@settings(max_examples=3, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
async def test_any_exported_bundle_settles_as_the_bundle(books_home: tuple[str, str], bundle: strategies.Bundle) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = bundle.write(folder / "source")
        async with books.fresh(books_home):
            want = await settled(await kept(source), bundle.through, folder / "want")
        assert await there_and_back(books_home, source, folder, bundle.through) == want


@pytest.mark.long
@given(bundle=st.one_of(strategies.bundles(), strategies.bundles(tidy=True)))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
async def test_many_exported_bundles_settle_as_the_bundle(books_home: tuple[str, str], bundle: strategies.Bundle) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = bundle.write(folder / "source")
        async with books.fresh(books_home):
            want = await settled(await kept(source), bundle.through, folder / "want")
        assert await there_and_back(books_home, source, folder, bundle.through) == want


async def test_an_export_says_of_how_many_lines_the_product_was_changed_since(
    books_home: tuple[str, str], tmp_path: Path
) -> None:
    async with books.fresh(books_home) as made, books.connected(made.owner) as owner:
        brand = await kept(books.example(tmp_path / "bundle", code="changed"))
        assert await exporting.write(brand=brand, out=tmp_path / "export", progress=books.QUIET) == 0
        await owner.execute("UPDATE sku SET name = name || '2', category = 'tea' WHERE code = 'TEA-1'")
        assert await exporting.write(brand=brand, out=tmp_path / "export", progress=books.QUIET) == 2
        await owner.execute("UPDATE sku SET hold_from = 'delivered' WHERE code = 'VIP-Y'")
        assert await exporting.write(brand=brand, out=tmp_path / "export", progress=books.QUIET) == 7
