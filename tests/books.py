"""Brands with real books: small bundles written by a test and taken in by the real import, and raw connections that attack them."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from qucheng.bundle import brand_file, files, importing, progress, settle
from qucheng.commission import accrual
from qucheng.core import database, db
from qucheng.identity import brand as brands

if TYPE_CHECKING:
    import uuid
    from collections.abc import AsyncIterator

    from qucheng.identity.brand import Brand

NOW = dt.datetime(2026, 11, 22, 3, 0, tzinfo=dt.UTC)
EXAMPLE = Path(__file__).parents[1] / "docs" / "example-bundle"
GOLDEN = Path(__file__).parent / "golden"
COLUMNS = {file.name: [column.name for column in file.columns] for file in files.FILES}
QUIET = progress.Progress(terminal=False)

STRICT = 'policy = "cn-strict"'
INTL = 'policy = "intl"'
PLAIN: dict[str, list[str]] = {
    "tiers": ["gold,金牌,1"],
    "channels": ["web,网店,agency"],
    "resellers": ["R1,一号,company,,gold,2026-01-01,"],
    "skus": ["card,会员月卡,video,100.00,60.00"],
    "rules": ["OWN,percent,1,,,,,net,0.1,0,,"],
    "orders": [],
}


@dataclass(frozen=True)
class Workspace:
    """The addresses of one database."""

    owner: str
    app: str


def write(folder: Path, *, code: str, compliance: str = STRICT, settlement: str = "hold_days = 0", **tables: list[str]) -> Path:
    """A bundle: of each file the rows, without the header, in the columns' order; what is not given is one of each kind."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "brand.toml").write_text(
        f'[brand]\ncode = "{code}"\nname = "{code}"\ncurrency = "CNY"\ntime_zone = "Asia/Shanghai"\n'
        f"[compliance]\n{compliance}\n[settlement]\n{settlement}\n",
        encoding="utf-8",
    )
    for name, rows in {**PLAIN, **tables}.items():
        (folder / f"{name}.csv").write_text("\n".join([",".join(COLUMNS[name]), *rows, ""]), encoding="utf-8")
    return folder


def example(folder: Path, *, code: str) -> Path:
    """The bundle of the documentation under another code, with a move and a row that is refused: every table gets a row."""
    shutil.copytree(EXAMPLE, folder)
    text = (folder / "brand.toml").read_text(encoding="utf-8")
    (folder / "brand.toml").write_text(text.replace('"shanlan"', f'"{code}"'), encoding="utf-8")
    (folder / "placements.csv").write_text("reseller,parent,tier,effective_on\nA02,,base,2026-05-01\n", encoding="utf-8")
    with (folder / "adjustments.csv").open("a", encoding="utf-8") as file:
        file.write("Z9999,nobody,2026-03-30T18:00:00,1.00,unknown\n")
    return folder


async def found(folder: Path) -> Brand:
    brand = brand_file.read(folder / "brand.toml")
    await brands.create(brand=brand)
    return brand


async def take_in(brand: Brand, folder: Path) -> int:
    """Imports and accrues; returns the number of the intake."""
    number = await importing.take_in(folder=folder, brand=brand, now=NOW, progress=QUIET)
    await accrual.accrue(brand_id=brand.id, now=NOW)
    return number


async def settle_through(brand: Brand, through: str) -> None:
    await settle.settle_periods(brand=brand, through=dt.date.fromisoformat(f"{through}-01"), now=NOW, progress=QUIET)


async def settled(folder: Path, through: str) -> Brand:
    brand = await found(folder)
    await take_in(brand, folder)
    await settle_through(brand, through)
    return brand


async def seen(brand: Brand, query: str, *values: object) -> list[tuple[Any, ...]]:
    """What the app reads of the brand."""
    async with db.atomic(brand.id):
        return [tuple(row) for row in await db.connection().fetch(query, *values)]


@contextlib.asynccontextmanager
async def fresh(home: tuple[str, str], *, pool_size: int = 4) -> AsyncIterator[Workspace]:
    """A migrated database of its own, with the engine on it as the app. home: the owner's and the app's address."""
    owner, app = home
    async with database.workspace(owner, app) as url, db.connected(url, pool_size=pool_size):
        yield Workspace(database.with_database(owner, database.database_name(url)), url)


@contextlib.asynccontextmanager
async def connected(url: str, brand_id: uuid.UUID | None = None) -> AsyncIterator[asyncpg.Connection]:
    """A raw connection; with brand_id it stands in that brand until it is closed."""
    # of any length are kept prepared: `everything` names every table, and half of its time would be planning
    connection = await asyncpg.connect(url, timeout=20, command_timeout=30, max_cacheable_statement_size=0)
    try:
        if brand_id is not None:
            await stand_in(connection, brand_id)
        yield connection
    finally:
        await connection.close()


async def stand_in(connection: asyncpg.Connection, brand_id: uuid.UUID) -> None:
    await connection.execute("SELECT set_config('qucheng.brand_id', $1, false)", str(brand_id))


async def row(connection: asyncpg.Connection, query: str, *values: object) -> dict[str, Any]:
    """The one row of a query, its values as JSON has them."""
    found: dict[str, Any] = json.loads(await connection.fetchval(f"SELECT to_jsonb(q) FROM ({query}) q", *values))
    return found


async def insert(connection: asyncpg.Connection, table: str, *rows: dict[str, Any]) -> None:
    """All rows in one statement."""
    columns = ", ".join(rows[0])
    await connection.execute(
        f"INSERT INTO {table} ({columns}) SELECT {columns} FROM jsonb_populate_recordset(NULL::{table}, $1::jsonb)",
        json.dumps(rows, default=str),
    )


async def tables(owner: asyncpg.Connection) -> list[str]:
    rows = await owner.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') ORDER BY relname"
    )
    return [row[0] for row in rows]


async def everything(owner: asyncpg.Connection) -> dict[str, str]:
    """The rows of every table, as a count and a digest."""
    rows = await owner.fetch(
        " UNION ALL ".join(
            f"SELECT '{name}', count(*) || ' ' || coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {name} t"
            for name in await tables(owner)
        )
    )
    return {row[0]: row[1] for row in rows}


@contextlib.asynccontextmanager
async def refused(
    owner: asyncpg.Connection, error: type[asyncpg.PostgresError], constraint: str | None = None
) -> AsyncIterator[None]:
    """The database refuses what stands in the block with this error, by this constraint, and afterwards nothing has changed."""
    before = await everything(owner)
    with pytest.raises(error) as caught:
        yield
    assert type(caught.value) is error, caught.value
    assert caught.value.constraint_name == constraint, caught.value
    assert await everything(owner) == before
