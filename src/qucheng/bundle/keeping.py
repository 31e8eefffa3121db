"""A bundle taken into a brand that stays: created, or found with the same settings, and given the rows it does not have yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import asyncpg
import msgspec

from qucheng.bundle import books, brand_file, importing
from qucheng.core import db, errors
from qucheng.identity import brand as brands
from qucheng.identity import legal_opinion

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from qucheng.bundle.progress import Progress
    from qucheng.identity.brand import Brand

REJECTIONS_SHOWN = 20
# A brand that two imports bring at once is there when the second looks again; more often than this it cannot vanish.
MOST_TRIES = 3
REJECTIONS = "SELECT file, source_row AS row, code, message FROM rejection WHERE intake = $1 ORDER BY file, source_row LIMIT $2"
# Rules of this intake in force on a day with sales that have been accrued, in the order of their codes.
LATE_RULES = """
    WITH accrued AS MATERIALIZED (
        SELECT DISTINCT l.paid_on FROM order_line l JOIN intake i ON i.brand_id = l.brand_id AND i.number = l.intake WHERE i.accrued_at IS NOT NULL)
    SELECT r.code FROM rule r WHERE r.intake = $1 AND EXISTS (
        SELECT 1 FROM accrued a WHERE (r.starts_on IS NULL OR a.paid_on >= r.starts_on) AND (r.ends_on IS NULL OR a.paid_on < r.ends_on))
    ORDER BY r.code"""


class SettingsDifferError(errors.RefusedError):
    """brand.toml says something else than what is stored of the brand: nothing is imported."""

    code: ClassVar[str] = "brand.settings_differ"
    status: ClassVar[int] = 409


class Rejected(msgspec.Struct, frozen=True):
    file: str
    row: int
    code: str
    message: str


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a bundle. intake: None where it had nothing new, and nothing was stored.

    rejections: the first of them. late_rules: codes of new rules that cover days whose sales were accrued before; they count
    for what is accrued from now on.
    """

    brand: str
    created: bool
    intake: int | None
    files: list[importing.FileCount]
    rejections: list[Rejected]
    late_rules: list[str]

    @property
    def imported(self) -> int:
        return sum(file.imported for file in self.files)

    @property
    def rejected(self) -> int:
        return sum(file.rejected for file in self.files)


class _NothingNewError(Exception):
    """Ends a transaction that would store only that nothing was new."""

    def __init__(self, kept: Kept) -> None:
        super().__init__()
        self.kept = kept


async def take_in(*, folder: Path, out: Path | None, now: dt.datetime, progress: Progress) -> Kept:
    """Imports the bundle into the platform's database, all of it or nothing. out: where rejected.csv and flags.csv go, if anywhere.

    Raises a RefusedError where the import was stopped.
    """
    given = brand_file.read(folder / "brand.toml")
    kept, brand = await _stored(folder, given, out, now, progress)
    if kept.intake is not None:
        await db.refresh_statistics()
        if out is not None:
            await books.write_delivery(brand=brand, out=out, intake=kept.intake)
    return kept


async def _stored(folder: Path, given: Brand, out: Path | None, now: dt.datetime, progress: Progress) -> tuple[Kept, Brand]:
    for _ in range(MOST_TRIES):
        stored = await brands.named(given.code)
        brand = stored or given
        require_same(brand, given)
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
        try:
            async with db.atomic(brand.id):
                if stored is None:
                    await brands.create(brand=brand)
                number = await importing.take_in(folder=folder, brand=brand, now=now, progress=progress)
                kept = await _kept(brand, number, created=stored is None)
                if stored is not None:
                    await _require_news(brand, kept, number, out)
        except _NothingNewError as nothing:
            return nothing.kept, brand
        except asyncpg.UniqueViolationError as error:
            if error.constraint_name != "brand_code_key":
                raise
        else:
            return kept, brand
    raise RuntimeError(f"the brand {given.code} was there and was not, {MOST_TRIES} times")


async def _require_news(brand: Brand, kept: Kept, number: int, out: Path | None) -> None:
    if not kept.imported:
        if out is not None:
            await books.write_delivery(brand=brand, out=out, intake=number)
        raise _NothingNewError(msgspec.structs.replace(kept, intake=None))


def require_same(stored: Brand, given: Brand) -> None:
    """Raises SettingsDifferError, which names what differs.

    In a brand that was founded here no opinion holds by what a bundle says of it, so its last day there makes no difference.
    """
    if stored.expires_on == legal_opinion.NEVER and given.expires_on is not None:
        given = msgspec.structs.replace(given, expires_on=stored.expires_on)
    ours, theirs = (
        {f"{table}.{key}": v for table, keys in brand_file.settings(b).items() for key, v in keys.items()}
        for b in (stored, given)
    )
    differing = [key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
    if differing:
        listed = "; ".join(f"{key} is {_shown(ours.get(key))}, given {_shown(theirs.get(key))}" for key in differing)
        raise SettingsDifferError(
            f"brand.toml differs from what is stored of {stored.code}: {listed}. Nothing was imported. An import does not change settings:"
            " they are changed on the platform, with the date from which they hold. Put the stored values back into brand.toml."
        )


def _shown(value: brand_file.Value | None) -> str:
    """As brand.toml has it; blank where a key is not there."""
    if value is None:
        return "blank"
    return f'"{value}"' if isinstance(value, str) else str(value)


async def _kept(brand: Brand, number: int, *, created: bool) -> Kept:
    connection = db.connection()
    return Kept(
        brand=brand.code,
        created=created,
        intake=number,
        files=await importing.counts(number=number),
        rejections=[Rejected(**dict(row)) for row in await connection.fetch(REJECTIONS, number, REJECTIONS_SHOWN)],
        late_rules=[row[0] for row in await connection.fetch(LATE_RULES, number)],
    )
