"""Quotes against a model in plain Python: random books with marks and limits of dates, random versions, random days."""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rooms.catalog import price_shop

from qucheng.catalog import channel_price, price_errors, price_publish, quote
from qucheng.core import db

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg
    from tests import books
    from tests.rooms.catalog.price_shop import Shop

    from qucheng.core import crypto

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

ZONE = "Europe/Berlin"
# over the change of the clock
FIRST = dt.date(2030, 3, 27)
LAST = 10


class Cell(NamedTuple):
    version: int
    channel: str | None
    tier: str | None
    price: int | None
    starts: int
    ends: int | None


class Book(NamedTuple):
    """effective: of each version, the day from which; the first is since ever."""

    effective: tuple[int, ...]
    cells: tuple[Cell, ...]


@st.composite
def books_of(draw: st.DrawFn) -> Book:
    effective = (-1, *sorted(draw(st.lists(st.integers(0, LAST), max_size=3))))
    cells: list[Cell] = []
    for version in range(1, len(effective) + 1):
        for channel in (None, "tmall", "wechat"):
            for tier in (None, "gold", "silver"):
                edges: list[int] = draw(st.lists(st.integers(0, LAST), unique=True, max_size=4).map(sorted))
                for starts, ends in zip(edges, [*edges[1:], None][: len(edges)], strict=True):
                    closable = channel is not None and tier is None
                    price = draw(st.one_of(st.integers(0, 9), st.none()) if closable else st.integers(0, 9))
                    if draw(st.booleans()):
                        cells.append(Cell(version, channel, tier, price, starts, ends))
    return Book(effective, tuple(cells))


def version_of(book: Book, day: int) -> int:
    return max(n for n, from_day in enumerate(book.effective, 1) if from_day <= day)


def found(book: Book, channel: str, tier: str, day: int) -> tuple[int | None, str | None]:
    """The price and where it comes from, as the specification says it."""
    version = version_of(book, day)
    for level, of_channel, of_tier in (
        ("channel+tier", channel, tier),
        ("channel", channel, None),
        ("base+tier", None, tier),
        ("base", None, None),
    ):
        for cell in book.cells:
            inside = cell.starts <= day and (cell.ends is None or day < cell.ends)
            if (cell.version, cell.channel, cell.tier) == (version, of_channel, of_tier) and inside:
                return cell.price, level if cell.price is not None else None
    return None, None


def following(book: Book, channel: str, tier: str, day: int) -> tuple[int | None, int] | None:
    """The next day with another price, and that."""
    now = found(book, channel, tier, day)[0]
    for later in range(day + 1, LAST + 2):
        price = found(book, channel, tier, later)[0]
        if price != now:
            return price, later
    return None


class UndoneError(Exception):
    """What an example has written goes with it."""


@pytest.fixture(scope="module")
async def ground(
    workspace: books.Workspace, owner: asyncpg.Connection, keys: crypto.Keys, tmp_path_factory: pytest.TempPathFactory
) -> Shop:
    """Versions are written without their steps: it is reading that is looked at here."""
    assert workspace
    await owner.execute("ALTER TABLE price_version DISABLE TRIGGER USER, DROP CONSTRAINT price_version_imported_check")
    await owner.execute("ALTER TABLE price_cell DISABLE TRIGGER USER")
    return await price_shop.opened(keys, tmp_path_factory.mktemp("model"), code="model", zone=ZONE, prices=[])


@contextlib.asynccontextmanager
async def written(owner: asyncpg.Connection, shop: Shop, book: Book) -> AsyncIterator[None]:
    """For the time of the block."""
    midnights = [price_publish.midnight(day_of(day), ZONE) for day in book.effective[1:]]
    await owner.execute(
        "INSERT INTO price_version (brand_id, number, state, intake, effective_at) SELECT $1::uuid, 1, 'approved', 1, timestamptz '-infinity'"
        " UNION ALL SELECT $1, n + 1, 'approved', 1, at FROM unnest($2::timestamptz[]) WITH ORDINALITY u (at, n)",
        shop.brand.id,
        midnights,
    )
    await owner.executemany(
        "INSERT INTO price_cell (brand_id, version, sku, channel, tier, price_minor, starts_on, ends_on) VALUES ($1, $2, 'tea', $3, $4, $5, $6, $7)",
        [
            (shop.brand.id, *cell[:4], day_of(cell.starts), None if cell.ends is None else day_of(cell.ends))
            for cell in book.cells
        ],
    )
    try:
        yield
    finally:
        await owner.execute("DELETE FROM price_cell WHERE brand_id = $1", shop.brand.id)
        await owner.execute("DELETE FROM price_version WHERE brand_id = $1", shop.brand.id)


def day_of(n: int) -> dt.date:
    return FIRST + dt.timedelta(days=n)


@given(book=books_of(), hour=st.integers(0, 23))
@settings(max_examples=40, deadline=None)
async def test_quotes_against_the_model(ground: Shop, owner: asyncpg.Connection, book: Book, hour: int) -> None:
    """Every day of the book, both tiers, three channels: price, level, version, and what comes next; for people of the brand and of
    the reseller.
    """
    async with written(owner, ground, book):
        for day in range(LAST + 1):
            at = price_publish.midnight(day_of(day), ZONE) + dt.timedelta(hours=hour)
            if at >= price_publish.midnight(day_of(day + 1), ZONE):  # the day of the change is an hour short
                continue
            for reseller, tier in (("G1", "gold"), ("S1", "silver")):
                for channel in ("tmall", "wechat", "dealer"):
                    assert await quoted(ground, reseller, channel, at, as_reseller=day % 2 == 0) == wanted(
                        book, channel, tier, day
                    )


Answer = tuple[int, str, int, int | None, dt.date | None] | None


def wanted(book: Book, channel: str, tier: str, day: int) -> Answer:
    price, level = found(book, channel, tier, day)
    if price is None or level is None:
        return None
    to_come = following(book, channel, tier, day)
    return price, level, version_of(book, day), to_come[0] if to_come else None, day_of(to_come[1]) if to_come else None


async def quoted(shop: Shop, reseller: str, channel: str, at: dt.datetime, *, as_reseller: bool) -> Answer:
    try:
        one = await shop.quoted("tea", channel, reseller, at, as_reseller=as_reseller)
    except price_errors.QuoteNotForSaleError:
        return None
    return one.unit_minor, one.level, one.version, one.next_minor, one.next_on


@given(book=books_of())
@settings(max_examples=25, deadline=None)
async def test_lists_and_lines_against_the_model(ground: Shop, owner: asyncpg.Connection, book: Book) -> None:
    """The list of a reseller, and what order lines are compared with."""
    async with written(owner, ground, book):
        for day in (0, 4, LAST):
            at = price_publish.midnight(day_of(day), ZONE) + dt.timedelta(hours=5)
            listed = await quote.listing(brand_id=ground.brand.id, reseller="G1", at=at)
            in_lines = await priced(ground, day, at)
            for channel in ("tmall", "wechat", "dealer"):
                model = found(book, channel, "gold", day)[0]
                assert [offer.unit_minor for offer in listed.rows if offer.channel == channel] == (
                    [] if model is None else [model]
                )
                assert in_lines.get(channel) == model


async def priced(shop: Shop, day: int, at: dt.datetime) -> dict[str, int]:
    found_prices: dict[str, int] = {}
    with contextlib.suppress(UndoneError):
        async with db.atomic(shop.brand.id):
            await db.connection().execute(
                "CREATE TEMP TABLE asked (version integer, sku text, channel text, tier text, day date) ON COMMIT DROP"
            )
            await db.connection().execute(
                "INSERT INTO asked SELECT v.version, 'tea', c.code, 'gold', $1::date FROM channel c JOIN price_live v ON v.starts_at <= $2 AND $2 < v.ends_at",
                day_of(day),
                at,
            )
            await channel_price.resolve(asked="asked", prices="prices")
            found_prices = {row["channel"]: row["price_minor"] for row in await db.connection().fetch("SELECT * FROM prices")}
            raise UndoneError
    return found_prices
