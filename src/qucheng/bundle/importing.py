"""A bundle taken into a brand's books: staged, judged file by file, handed to the rooms, in one transaction."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from qucheng.bundle import checks, files, messages, network, staging, values
from qucheng.catalog import channel, channel_price, sku
from qucheng.commission import plan
from qucheng.core import db
from qucheng.network import reseller
from qucheng.orders import fulfilment, intake, order, refund
from qucheng.settlement import adjustment

if TYPE_CHECKING:
    import datetime as dt

    from qucheng.bundle.progress import Progress
    from qucheng.identity.brand import Brand

# the rules that need other rows of their file
SUMS = {name: Path(__file__).with_name(f"{name}.sql") for name in ("refunds", "fulfilments")}
# The room that takes in the accepted rows of a file; rules and facts also remember their intake.
ADDS = {
    "tiers": reseller.add_tiers,
    "channels": channel.add,
    "skus": sku.add,
}
ACCEPTS = {
    "prices": channel_price.add,
    "rules": plan.add_rules,
    "orders": order.accept,
    "refunds": refund.accept,
    "fulfilments": fulfilment.accept,
    "adjustments": adjustment.add,
}
# Sorting and hashing by the million. temp_buffers stay as they are on a connection that has had temporary tables before.
WORK_MEMORY = """
    SET LOCAL work_mem = '256MB'; SET LOCAL hash_mem_multiplier = 2;
    DO $$ BEGIN
        SET LOCAL temp_buffers = '64MB';
    EXCEPTION WHEN invalid_parameter_value THEN NULL;
    END $$;"""


class FileCount(msgspec.Struct, frozen=True):
    """What became of the rows of a file."""

    file: str
    rows: int
    imported: int
    duplicate: int
    rejected: int


async def counts(*, number: int) -> list[FileCount]:
    """By file, of one intake of the visible brand."""
    rows = await db.connection().fetch(
        "SELECT file, rows, imported, duplicate, rejected FROM intake_file WHERE intake = $1 ORDER BY file", number
    )
    return [FileCount(**dict(row)) for row in rows]


async def take_in(*, folder: Path, brand: Brand, now: dt.datetime, progress: Progress, partial: bool = False) -> int:
    """Imports the bundle's files for a stored brand and returns the intake's number.

    partial: what is not in the folder is as if it had no rows. Raises staging.UnreadableFileError, and then nothing is stored.
    The same bundle again is all duplicates.
    """
    async with db.atomic(brand.id):
        await db.connection().execute(WORK_MEMORY)
        await db.connection().execute(values.FUNCTIONS)
        size = sum(path.stat().st_size for file in files.FILES if (path := folder / file.file_name).is_file())
        with progress.stage("read", total=size, unit="bytes") as read:
            await staging.stage(folder, read, partial=partial)
        number = await intake.receive(now=now)
        rows = {file.name: await db.connection().fetchval(f"SELECT count(*) FROM raw_{file.name}") for file in files.FILES}
        with progress.stage("check", total=sum(rows.values()), unit="rows") as done:
            for file in files.FILES:
                await _take_file(file, brand, number)
                await _report(file, brand, number)
                done(rows[file.name])
        await order.meet_live(intake=number)
        await refund.take_cards(brand=brand, intake=number, now=now)
    return number


async def _take_file(file: files.File, brand: Brand, number: int) -> None:
    await checks.check(file, brand)
    staged = f"checked_{file.name}"
    if file.name in ADDS:
        await ADDS[file.name](staged=staged)
    elif file.name == "placements":
        # joins and moves are judged together, by date
        await network.judge(brand)
        await reseller.add(resellers="checked_resellers", placements=staged)
    elif file.name in ACCEPTS:
        if file.name in SUMS:
            await db.run_script(SUMS[file.name].read_text(encoding="utf-8"))
        await ACCEPTS[file.name](staged=staged, intake=number)


async def _report(file: files.File, brand: Brand, number: int) -> None:
    """Writes down what became of the file's rows; resellers are final only with the placements."""
    for name in {"resellers": (), "placements": ("resellers", "placements")}.get(file.name, (file.name,)):
        await db.connection().execute(
            f"""INSERT INTO intake_file (brand_id, intake, file, rows, imported, duplicate, rejected)
                SELECT current_brand(), {number}, '{name}.csv', count(*), count(*) FILTER (WHERE fault IS NULL),
                       count(*) FILTER (WHERE fault = 'duplicate'), count(*) FILTER (WHERE fault <> 'duplicate') FROM checked_{name};
                CREATE TEMP TABLE sentence_{name} (fault text PRIMARY KEY, sentence text) ON COMMIT DROP;"""
        )
        faults = [
            row[0] for row in await db.connection().fetch(f"SELECT DISTINCT fault FROM checked_{name} WHERE fault <> 'duplicate'")
        ]
        await db.connection().executemany(
            f"INSERT INTO sentence_{name} VALUES ($1, $2)", [(fault, messages.sentence(fault, name, brand)) for fault in faults]
        )
        await db.connection().execute(
            f"""INSERT INTO rejection (brand_id, intake, file, source_row, code, message)
                SELECT current_brand(), {number}, '{name}.csv', c.row, split_part(c.fault, ':', 1), s.sentence
                FROM checked_{name} c JOIN sentence_{name} s USING (fault)"""
        )
