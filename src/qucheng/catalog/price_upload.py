"""Rows of a price file between its preview and its being taken into the draft: kept for a day, for who edits the brand's prices."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import uuid
from typing import TYPE_CHECKING, ClassVar

import msgspec

from qucheng.catalog import price_records
from qucheng.core import errors, ids

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FOLDER = "price-files"
"""Under `var`."""
KEPT = dt.timedelta(days=1)


class PriceFileUnknownError(errors.RefusedError):
    """Another brand's, or no longer kept."""

    code: ClassVar[str] = "price.file_unknown"
    status: ClassVar[int] = 404


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    file_name: str
    sent_by: uuid.UUID
    sent_at: dt.datetime
    rows: list[price_records.RowIn]


async def keep(
    *,
    folder: Path,
    brand_id: uuid.UUID,
    file_name: str,
    rows: Sequence[price_records.RowIn],
    sent_by: uuid.UUID,
    now: dt.datetime,
) -> uuid.UUID:
    """Removes the brand's older ones."""
    kept = Kept(file_name=file_name, sent_by=sent_by, sent_at=now, rows=list(rows))
    file_id = ids.new_id()
    await asyncio.to_thread(_write, folder / str(brand_id), file_id, kept, now)
    return file_id


async def read(*, folder: Path, brand_id: uuid.UUID, file_id: uuid.UUID, now: dt.datetime) -> Kept:
    """Raises PriceFileUnknownError."""
    kept = await asyncio.to_thread(_read, folder / str(brand_id) / f"{file_id}.json")
    if kept is None or kept.sent_at + KEPT <= now:
        raise PriceFileUnknownError("There is no such file, or it is no longer kept.")
    return kept


async def remove(*, folder: Path, brand_id: uuid.UUID, file_id: uuid.UUID) -> None:
    await asyncio.to_thread((folder / str(brand_id) / f"{file_id}.json").unlink, missing_ok=True)


def _write(where: Path, file_id: uuid.UUID, kept: Kept, now: dt.datetime) -> None:
    where.mkdir(parents=True, exist_ok=True, mode=0o700)
    for old in where.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if dt.datetime.fromtimestamp(old.stat().st_mtime, dt.UTC) + KEPT <= now:
                old.unlink()
    fresh = where / f".{file_id}"
    fresh.write_bytes(msgspec.json.encode(kept))
    fresh.replace(where / f"{file_id}.json")


def _read(place: Path) -> Kept | None:
    try:
        return msgspec.json.decode(place.read_bytes(), type=Kept)
    except FileNotFoundError:
        return None
