"""Codes that a supplier sends as a file: sealed while they are received, judged and taken in by a task, reported row by row.

The whole file is read once before anything of it is stored: one that cannot be read leaves no card. A row that is refused leaves
its number, the reason and the end of its code.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import re
from typing import TYPE_CHECKING, ClassVar

import msgspec

from qucheng.core import audit, cells, crashpoint, db, key_provider, task, telling
from qucheng.stock import batch as batches
from qucheng.stock import card_intake, code, code_sheet, rules, sealed_file, secret, workbook

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from qucheng.core import crypto
    from qucheng.identity.brand import Brand

KIND = "cards.import"
FOLDER = "card-imports"
"""Under `var`."""
LONGEST_NAME = 200
KEPT_SECONDS = 7 * 24 * 3600
PAGE = 100
CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
FAULTS = ("malformed", "weak", "pin", "expires_on", "expired", "twice_in_file", "in_stock")
IN_STOCK = """
    SELECT k.place::int - 1 AS place, s.batch FROM unnest($1::bytea[]) WITH ORDINALITY k (blind, place)
    JOIN card_secret s ON s.brand_id = $2 AND s.blind = k.blind"""


class TooManyRowsError(code_sheet.SheetUnfitError):
    code: ClassVar[str] = "card_file.too_many"


class NoRowsError(code_sheet.SheetUnfitError):
    code: ClassVar[str] = "card_file.no_rows"


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """A row that became no card."""

    source_row: int
    fault: str
    last_four: str


class _Judged(msgspec.Struct, frozen=True):
    """card: None where there is a fault."""

    line: code_sheet.Line
    card: card_intake.Fresh | None
    fault: str | None


class _Terms(msgspec.Struct, frozen=True):
    """What the rows of a file are judged by."""

    today: dt.date
    expires_on: dt.date | None
    refuse_weak: bool


async def keep(
    *,
    incoming: sealed_file.Incoming,
    brand: Brand,
    keys: crypto.Keys,
    sku: str,
    file_name: str,
    expires_on: dt.date | None = None,
    refuse_weak: bool = False,
    face_value_minor: int | None = None,
    pool: int = 0,
    note: str | None = None,
    actor: audit.Actor,
    now: dt.datetime,
) -> int:
    """Writes down that the file came, with the batch it fills and the task that does so; returns the batch's number."""
    await asyncio.to_thread(incoming.finish)
    name = CONTROL.sub(" ", file_name).strip()[:LONGEST_NAME] or "?"
    wrapped = key_provider.Ring(keys).wrap(incoming.key, place=_place(brand.id, incoming.id))
    async with db.atomic(brand.id):
        number = await batches.open_batch(
            brand_id=brand.id,
            sku=sku,
            source="imported",
            quantity=card_intake.MOST,
            pool=pool,
            face_value_minor=face_value_minor,
            note=note,
            actor=actor,
            now=now,
        )
        await card_intake.new_key(keys=keys, brand_id=brand.id, batch=number, now=now)
        task_id = await task.add(kind=KIND, queue="rest", brand_id=brand.id, subject={"batch": number})
        await db.connection().execute(
            "INSERT INTO card_intake (brand_id, batch, way, task, expires_on, file_name, bytes, refuse_weak, file, wrapped, asked_at)"
            " VALUES ($1, $2, 'imported', $3, $4, $5, $6, $7, $8, $9, $10)",
            brand.id,
            number,
            task_id,
            expires_on,
            name,
            incoming.bytes,
            refuse_weak,
            incoming.id,
            wrapped,
            now,
        )
        after = {"sku": sku, "file_name": name, "bytes": incoming.bytes, "expires_on": expires_on}
        await audit.record(brand_id=brand.id, actor=actor, action="batch.import", subject=str(number), after=after)
    incoming.kept = True
    return number


async def run(*, work: task.Work, brand: Brand, keys: crypto.Keys, folder: Path, now: dt.datetime) -> None:
    """Does what keep() asked for, from where an attempt before has stopped."""
    intake = await card_intake.read(brand_id=brand.id, batch=work.task.subject["batch"])
    if intake.file is None or intake.state in ("done", "refused"):
        return
    path = sealed_file.place(folder, brand.id, intake.file)
    try:
        key = await _file_key(brand, keys, intake)
        source = _Source(path, key, intake.file)
        if intake.wanted is None:
            intake = await _counted(work, brand, intake, source)
        await _take_in(work, brand, keys, intake, source, now)
    except (code_sheet.SheetUnfitError, sealed_file.FileGoneError) as refusal:
        async with work.finishing(brand.id):
            await card_intake.finish(intake=intake, now=now, refusal=refusal.code)
            after = {"code": refusal.code}
            await audit.record(
                brand_id=brand.id, actor=audit.SYSTEM, action="batch.import.refuse", subject=str(intake.batch), after=after
            )
    await asyncio.to_thread(path.unlink, missing_ok=True)


class _Source:
    """The file, opened as often as it is read."""

    def __init__(self, path: Path, key: bytes, file_id: uuid.UUID) -> None:
        self._path, self._key, self._id = path, key, file_id

    def lines(self) -> Iterator[code_sheet.Line]:
        return code_sheet.lines(lambda: sealed_file.frames(self._path, self._key, self._id))

    def count(self) -> int:
        return sum(1 for _ in itertools.islice(self.lines(), card_intake.MOST + 1))


async def _file_key(brand: Brand, keys: crypto.Keys, intake: card_intake.Intake) -> bytes:
    async with db.atomic(brand.id):
        wrapped = await db.connection().fetchval("SELECT wrapped FROM card_intake WHERE batch = $1", intake.batch)
    if wrapped is None or intake.file is None:
        raise sealed_file.FileGoneError("The file is no longer there: send it again.")
    return key_provider.Ring(keys).unwrap(wrapped, place=_place(brand.id, intake.file))


async def _counted(work: task.Work, brand: Brand, intake: card_intake.Intake, source: _Source) -> card_intake.Intake:
    count = await asyncio.to_thread(source.count)
    if not count:
        raise NoRowsError("The file has no rows.")
    if count > card_intake.MOST:
        raise TooManyRowsError(f"A batch has at most {card_intake.MOST} cards: send the file in parts.")
    async with work.effect(brand.id):
        await db.connection().execute(
            "UPDATE card_intake SET wanted = $2 WHERE batch = $1 AND wanted IS NULL", intake.batch, count
        )
    return await card_intake.read(brand_id=brand.id, batch=intake.batch)


async def _take_in(
    work: task.Work, brand: Brand, keys: crypto.Keys, intake: card_intake.Intake, source: _Source, now: dt.datetime
) -> None:
    sealing = await card_intake.sealing(keys=keys, brand=brand, intake=intake)
    today = rules.local_day(now, brand.time_zone)
    terms = _Terms(today, intake.expires_on, bool(intake.refuse_weak))
    told = telling.Rows(intake.wanted)
    told.more(intake.rows_done)
    lines = itertools.islice(source.lines(), intake.rows_done, None)
    async with telling.telling(work, told.how_far):
        while chunk := await asyncio.to_thread(list, itertools.islice(lines, card_intake.CHUNK)):
            judged = await asyncio.to_thread(_judge_all, chunk, terms)
            async with work.effect(brand.id):
                await _chunk(brand, intake, sealing, judged)
            crashpoint.reached(card_intake.COMMITTED)
            told.more(len(chunk))
            intake = await card_intake.read(brand_id=brand.id, batch=intake.batch)
        async with work.finishing(brand.id):
            await card_intake.finish(intake=intake, now=now)


def _judge_all(lines: Sequence[code_sheet.Line], terms: _Terms) -> list[_Judged]:
    return [_judge(line, terms) for line in lines]


def _judge(line: code_sheet.Line, terms: _Terms) -> _Judged:
    """What can be said of a row by itself."""
    day = workbook.day(line.expires_on) if line.expires_on else terms.expires_on
    fault = None
    if not code.fit(line.code) or workbook.LOST in line.code:
        fault = "malformed"
    elif line.pin and (not line.pin.isprintable() or len(line.pin) > code.LONGEST or workbook.LOST in line.pin):
        fault = "pin"
    elif line.expires_on and day is None:
        fault = "expires_on"
    elif day is not None and day <= terms.today:
        fault = "expired"
    elif terms.refuse_weak and code.weak(line.code, pin=bool(line.pin)):
        fault = "weak"
    if fault is not None:
        return _Judged(line, None, fault)
    text = secret.held(line.code, line.pin)
    return _Judged(line, card_intake.Fresh(text, code.joined(line.code), code.tail(line.code), day), None)


async def _chunk(brand: Brand, intake: card_intake.Intake, sealing: card_intake.Sealing, judged: Sequence[_Judged]) -> None:
    """Inside a transaction. One file at a time of a brand asks what is in stock: two with the same code do not both find it new."""
    await db.connection().execute("SELECT lock_brand($1, 'cards.import')", brand.id)
    fresh = [each for each in judged if each.card is not None]
    blinds = sealing.index.many([each.card.plain for each in fresh if each.card is not None])
    stored = {row["place"]: row["batch"] for row in await db.connection().fetch(IN_STOCK, blinds, brand.id)}
    seen: set[bytes] = set()
    faults = [(each.line, each.fault) for each in judged if each.fault is not None]
    cards = []
    for place, (each, blind) in enumerate(zip(fresh, blinds, strict=True)):
        if blind in seen or stored.get(place) == intake.batch:
            faults.append((each.line, "twice_in_file"))
        elif place in stored:
            faults.append((each.line, "in_stock"))
        elif each.card is not None:
            cards.append(each.card)
        seen.add(blind)
    if not await card_intake.advance(intake=intake, rows=intake.rows_done + len(judged), made=len(cards)):
        raise task.LeaseLostError(f"batch {intake.batch} is being filled by another attempt")
    await db.connection().executemany(
        "INSERT INTO card_rejection (brand_id, batch, source_row, fault, last_four) VALUES ($1, $2, $3, $4, $5)",
        [(brand.id, intake.batch, line.number, fault, code.tail(line.code)) for line, fault in faults],
    )
    if cards:
        await card_intake.store(brand_id=brand.id, intake=intake, sealing=sealing, first=intake.made + 1, cards=cards)


async def rejections(*, brand_id: uuid.UUID, batch: int, after: int = 0, most: int = PAGE) -> list[Rejection]:
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            "SELECT source_row, fault, last_four FROM card_rejection WHERE batch = $1 AND source_row > $2 ORDER BY source_row LIMIT $3",
            batch,
            after,
            most,
        )
    return [Rejection(**dict(row)) for row in rows]


async def counts(*, brand_id: uuid.UUID, batch: int) -> dict[str, int]:
    """How many rows were refused, by reason."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            "SELECT fault, count(*) AS rows FROM card_rejection WHERE batch = $1 GROUP BY 1 ORDER BY 1", batch
        )
    return {row["fault"]: row["rows"] for row in rows}


async def write_report(*, brand_id: uuid.UUID, batch: int, out: Path) -> None:
    """All refused rows as a CSV."""
    async with db.atomic(brand_id):
        await db.connection().copy_from_query(
            f"SELECT source_row AS row, fault, {cells.sql_inert('last_four')} AS last_four FROM ("
            "SELECT source_row, fault, nullif(last_four, '') AS last_four FROM card_rejection WHERE batch = $1) r ORDER BY source_row",
            batch,
            output=out,
            format="csv",
            header=True,
        )


def prune(*, folder: Path, now: dt.datetime) -> None:
    """Files that no task has taken in for a week: what they say is asked for again, and until then it is nowhere."""
    for path in folder.glob("*/*") if folder.is_dir() else ():
        if path.stat().st_mtime < now.timestamp() - KEPT_SECONDS:
            path.unlink(missing_ok=True)


def _place(brand_id: uuid.UUID, file_id: uuid.UUID) -> str:
    return f"card_file/{brand_id}/{file_id}"
