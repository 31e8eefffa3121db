"""SKUs from a file: sent and kept, judged row by row against the catalogue as it is, and applied as it was shown or not at all."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import uuid
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec

from qucheng.catalog import queries, sku, sku_sheet, writing
from qucheng.core import audit, db, errors, ids, sheets

if TYPE_CHECKING:
    from qucheng.catalog import rules
    from qucheng.identity.brand import Brand

Verdict = Literal["new", "changed", "same", "refused"]
VERDICTS: tuple[Verdict, ...] = ("new", "changed", "same", "refused")
LONGEST_NAME = 200
MOST_ROWS = 5000
READ = "SELECT id, file_name, sheet::text AS sheet, state, sent_by, sent_at, ended_at FROM catalog_import WHERE id = $1"


class ImportUnknownError(errors.RefusedError):
    code: ClassVar[str] = "catalog_import.unknown"
    status: ClassVar[int] = 404


class ImportEndedError(errors.RefusedError):
    """It was applied or discarded already."""

    code: ClassVar[str] = "catalog_import.ended"


class ImportStaleError(errors.RefusedError):
    """The catalogue is not what the rows were judged against: what they would do is something else now."""

    code: ClassVar[str] = "catalog_import.stale"


class ImportEmptyError(errors.RefusedError):
    """The file has no row, or more than are taken at once."""

    code: ClassVar[str] = "catalog_import.rows"
    status: ClassVar[int] = 422


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What a row would do. faults: column and code. before, after: what of the SKU is another thing."""

    row: int
    code: str
    verdict: Verdict
    faults: list[tuple[str, str]] = []
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}


class Import(msgspec.Struct, frozen=True, kw_only=True):
    id: uuid.UUID
    file_name: str
    sheet: sheets.Sheet
    state: Literal["waiting", "applied", "discarded"]
    sent_by: uuid.UUID
    sent_at: dt.datetime
    ended_at: dt.datetime | None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """digest: of the rows as they were judged; who applies them says which they saw."""

    rows: list[Judged]
    digest: str

    def count(self, verdict: Verdict) -> int:
        return sum(row.verdict == verdict for row in self.rows)


class _Work(msgspec.Struct, frozen=True):
    """What is to be written for the rows that are new or changed."""

    new: list[writing.Change]
    changed: list[writing.Change]


async def keep(*, brand: Brand, file_name: str, content: bytes, actor: audit.Actor, now: dt.datetime) -> uuid.UUID:
    """Reads the file and writes down what it holds; of the catalogue nothing changes.

    Raises ImportEmptyError, and what sheets.read() raises.
    """
    if actor.user_id is None:
        raise RuntimeError("a file is somebody's")
    sheet = await sheets.read(content, names=sku_sheet.NAMES, needed=sku_sheet.NEEDED)
    if not 1 <= len(sheet.lines) <= MOST_ROWS:
        raise ImportEmptyError(f"A file has 1 to {MOST_ROWS} rows, this one {len(sheet.lines)}.")
    import_id = ids.new_id()
    name = "".join(letter for letter in file_name if letter.isprintable())[:LONGEST_NAME] or "file"
    async with db.atomic(brand.id):
        await db.connection().execute(
            "INSERT INTO catalog_import (brand_id, id, file_name, sheet, sent_by, sent_at) VALUES ($1, $2, $3, $4, $5, $6)",
            brand.id,
            import_id,
            name,
            msgspec.json.encode(sheet).decode(),
            actor.user_id,
            now,
        )
        after = {"file_name": name, "rows": len(sheet.lines)}
        await audit.record(brand_id=brand.id, actor=actor, action="catalog.import.send", subject=str(import_id), after=after)
    return import_id


async def read(*, brand: Brand, import_id: uuid.UUID, locked: bool = False) -> Import:
    """Raises ImportUnknownError."""
    async with db.atomic(brand.id):
        row = await db.connection().fetchrow(READ + (" FOR UPDATE" if locked else ""), import_id)
    if row is None:
        raise ImportUnknownError("There is no such file.")
    return Import(**{**dict(row), "sheet": msgspec.json.decode(row["sheet"], type=sheets.Sheet)})


async def report(*, brand: Brand, given: Import) -> Report:
    """What the rows would do now."""
    async with db.atomic(brand.id):
        rows, _ = await _judged(brand, given, locked=False)
    return _report(rows)


async def apply(
    *,
    brand: Brand,
    import_id: uuid.UUID,
    digest: str,
    actor: audit.Actor,
    now: dt.datetime,
    around: contextlib.AbstractAsyncContextManager[None] | None = None,
) -> Report:
    """Writes the rows that are new or changed; the refused ones are left out. around: what else looks at it, in the same transaction.

    Raises ImportUnknownError, ImportEndedError and ImportStaleError; SkuUnfitError where somebody else was quicker.
    """
    with sku.meanwhile():
        async with db.atomic(brand.id), around or contextlib.nullcontext():
            given = await _waiting(brand, import_id)
            rows, work = await _judged(brand, given, locked=True)
            found = _report(rows)
            if found.digest != digest or await writing.add(work.new) != {each.code for each in work.new}:
                raise ImportStaleError("The catalogue was changed since: look at what the file would do now.")
            await writing.change(work.changed, now=now)
            await writing.record("sku.create", work.new, actor=actor)
            await writing.record("sku.change", work.changed, actor=actor)
            counts: dict[str, int] = {verdict: found.count(verdict) for verdict in VERDICTS}
            await _end(brand, import_id, "applied", counts, actor, now)
    return found


async def discard(*, brand: Brand, import_id: uuid.UUID, actor: audit.Actor, now: dt.datetime) -> None:
    """Raises ImportUnknownError and ImportEndedError."""
    async with db.atomic(brand.id):
        await _waiting(brand, import_id)
        await _end(brand, import_id, "discarded", None, actor, now)


async def _waiting(brand: Brand, import_id: uuid.UUID) -> Import:
    given = await read(brand=brand, import_id=import_id, locked=True)
    if given.state != "waiting":
        raise ImportEndedError("This file was applied or discarded already.")
    return given


async def _end(
    brand: Brand, import_id: uuid.UUID, state: str, counts: dict[str, int] | None, actor: audit.Actor, now: dt.datetime
) -> None:
    await db.connection().execute("UPDATE catalog_import SET state = $2, ended_at = $3 WHERE id = $1", import_id, state, now)
    action = "catalog.import.apply" if state == "applied" else "catalog.import.discard"
    await audit.record(brand_id=brand.id, actor=actor, action=action, subject=str(import_id), after=counts)


def _report(rows: list[Judged]) -> Report:
    return Report(rows=rows, digest=hashlib.sha256(msgspec.json.encode(rows, order="sorted")).hexdigest())


async def _judged(brand: Brand, given: Import, *, locked: bool) -> tuple[list[Judged], _Work]:
    codes = [line.values["code"] for line in given.sheet.lines]
    stored = await queries.whole(brand_id=brand.id, codes=codes, locked=locked)
    said = [
        sku_sheet.read(line, given.sheet.names, stored.get(line.values["code"]), brand.decimals) for line in given.sheet.lines
    ]
    refused = await _refused(brand, said)
    rows, work = [], _Work([], [])
    for each in said:
        current = stored.get(each.code)
        if each.row in refused:
            rows.append(Judged(row=each.row, code=each.code, verdict="refused", faults=refused[each.row]))
            continue
        change = sku.addition(each.code, each.facts, each.cost_minor) if current is None else sku.difference(current, each.facts)
        if change is not None:
            (work.new if current is None else work.changed).append(change)
        rows.append(
            Judged(
                row=each.row,
                code=each.code,
                verdict="same" if change is None else "new" if current is None else "changed",
                before=(change.before or {}) if change is not None else {},
                after=change.after if change is not None else {},
            )
        )
    return rows, work


async def _refused(brand: Brand, said: list[sku_sheet.Said]) -> dict[int, list[tuple[str, str]]]:
    """By row. What refers to a refused row is refused as well, and so on until nothing more is."""
    refused = {each.row: each.faults for each in said if each.faults}
    seen: set[str] = set()
    for each in said:
        if each.code in seen:
            refused.setdefault(each.row, [("code", "code.twice")])
        seen.add(each.code)
    while True:
        wanted: dict[str, rules.Facts] = {each.code: each.facts for each in said if each.row not in refused}
        found = await sku.faults_of_parts(brand_id=brand.id, wanted=wanted)
        if not found:
            return refused
        for each in said:
            if each.row not in refused and each.code in found:
                refused[each.row] = [(fault.field, fault.code) for fault in found[each.code]]
