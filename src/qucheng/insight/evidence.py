"""The evidence pack: all that shows how a root and those under it came to earn what they earned in a period, as one archive.

Tables, the certificates of the plans, a text that explains each file, and a list of all with their hashes. Of the same data the
archive has the same bytes. It is written as it is read, so that its size does not matter.
"""

from __future__ import annotations

import datetime as dt
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from qucheng.core import archive, cells, clock, db, errors, exports, telling
from qucheng.insight import evidence_parts
from qucheng.network import thermometer

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable

    from qucheng.core import audit, task
    from qucheng.identity.brand import Brand

PACK = "compliance.pack"
PERMISSION = "compliance.export"
SQL = Path(__file__).with_name("evidence.sql")
MOST_MONTHS = 36
README, MANIFEST = "README.txt", "manifest.json"
# archives keep a time for each part; the pack's is always this one
PART_TIME = (1980, 1, 1, 0, 0, 0)
FORMAT = 1


class PackRefusedError(errors.RefusedError):
    """There is no such root in these months, or they are too many, or not over."""

    code: ClassVar[str] = "compliance.pack_refused"
    status: ClassVar[int] = 422

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """first and last: months by their first days, both included."""

    root: str
    first: dt.date
    last: dt.date

    @property
    def ends_on(self) -> dt.date:
        return clock.month_after(self.last)


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the pack, as its list names it. rows: None for what is no table."""

    name: str
    rows: int | None
    bytes: int
    sha256: str


async def request(*, brand: Brand, wanted: Wanted, actor: audit.Actor, now: dt.datetime) -> uuid.UUID:
    """Asks for the pack; returns the export's id. Raises PackRefusedError."""
    if wanted.last < wanted.first or (wanted.ends_on - wanted.first).days > 31 * MOST_MONTHS:
        raise PackRefusedError("last", f"A pack is of 1 to {MOST_MONTHS} months, the first before the last.")
    if wanted.first > now.date():
        raise PackRefusedError("first", "The months have not begun.")
    async with db.atomic(brand.id):
        rows = await db.connection().fetchval(
            "SELECT (SELECT count(*) FROM order_line l WHERE l.paid_on >= $2 AND l.paid_on < $3"
            "         AND l.reseller IN (SELECT c.reseller FROM chain c WHERE c.root = $1 AND c.starts_on < $3 AND $2 < c.ends_on))"
            " WHERE EXISTS (SELECT 1 FROM chain c WHERE c.root = $1 AND c.starts_on < $3 AND $2 < c.ends_on)",
            *(wanted.root, wanted.first, wanted.ends_on),
        )
        if rows is None:
            raise PackRefusedError("root", f"{wanted.root!r} was no root in these months.")
        return await exports.request(
            brand_id=brand.id,
            kind=PACK,
            queue="rest",
            permission=PERMISSION,
            parameters=msgspec.to_builtins(wanted),
            file_name=f"{brand.code}-{wanted.root}-{wanted.first:%Y%m}-{wanted.last:%Y%m}.zip",
            rows=2 * rows,
            actor=actor,
            now=now,
        )


async def make(*, work: task.Work, brand: Brand, folder: Path, now: dt.datetime) -> None:
    """Does what was asked for with request()."""
    asked = await exports.of_work(work)
    rows = telling.Rows(asked.rows)
    async with telling.telling(work, rows.how_far), exports.written(work=work, folder=folder, now=now) as out:
        await write(brand=brand, wanted=msgspec.convert(asked.parameters, Wanted), out=out, done=rows.more)


async def write(*, brand: Brand, wanted: Wanted, out: Path, done: Callable[[int], None] | None = None) -> None:
    """done: told of rows of orders and commissions. Deliveries wait meanwhile, so that all files tell of the same books."""
    parts = evidence_parts.parts(brand.decimals)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as pack:
        async with db.atomic(brand.id):
            await db.connection().execute("SELECT lock_brand($1, 'intake')", brand.id)
            await _stage(brand, wanted)
            listed = []
            for part in parts:
                listed.append(await _table(pack, part))
                if done is not None and part.name in {"order_lines.csv", "commissions.csv"}:
                    done(listed[-1].rows or 0)
            listed += await _certificates(pack)
        listed.append(_file(pack, README, _readme(brand, wanted, parts).encode()))
        _file(pack, MANIFEST, msgspec.json.format(msgspec.json.encode(_manifest(brand, wanted, listed)), indent=1))


async def _stage(brand: Brand, wanted: Wanted) -> None:
    starts_at, _ = clock.month_bounds(wanted.first, brand.time_zone)
    _, ends_at = clock.month_bounds(wanted.last, brand.time_zone)
    await db.connection().execute(
        "CREATE TEMP TABLE pack_scope (root text, starts_on date, ends_on date, starts_at timestamptz, ends_at timestamptz) ON COMMIT DROP"
    )
    await db.connection().execute(
        "INSERT INTO pack_scope VALUES ($1, $2, $3, $4, $5)", wanted.root, wanted.first, wanted.ends_on, starts_at, ends_at
    )
    await db.connection().execute(SQL.read_text(encoding="utf-8"))


class _Through:
    """Hands on what is written, and counts and hashes it."""

    def __init__(self, member: Any) -> None:  # noqa: ANN401 - a file of the archive
        self._member = member
        self.digest = archive.Digest()

    def write(self, chunk: bytes) -> None:
        self.digest.update(chunk)
        self._member.write(chunk)


async def _table(pack: zipfile.ZipFile, part: evidence_parts.Part) -> Listed:
    with pack.open(_named(part.name), "w", force_zip64=True) as member:
        through = _Through(member)
        through.write(cells.MARK)
        status: str = await db.connection().copy_from_query(part.query, output=through, format="csv", header=True)
    counted = through.digest.part(part.name)
    return Listed(name=part.name, rows=int(status.removeprefix("COPY ")), bytes=counted.bytes, sha256=counted.sha256)


async def _certificates(pack: zipfile.ZipFile) -> list[Listed]:
    versions = await db.connection().fetch(
        "SELECT c.version FROM pack_scope s JOIN plan_version v ON v.brand_id = current_brand() AND v.state = 'approved' AND v.effective_on < s.ends_on"
        " JOIN plan_certificate c ON c.brand_id = v.brand_id AND c.version = v.number ORDER BY c.version"
    )
    return [
        _file(
            pack,
            f"certificates/plan-{row['version']:04}.pdf",
            await db.connection().fetchval("SELECT pdf FROM plan_certificate WHERE version = $1", row["version"]),
        )
        for row in versions
    ]


def _file(pack: zipfile.ZipFile, name: str, content: bytes) -> Listed:
    pack.writestr(_named(name), content)
    digest = archive.Digest()
    digest.update(content)
    counted = digest.part(name)
    return Listed(name=name, rows=None, bytes=counted.bytes, sha256=counted.sha256)


def _named(name: str) -> zipfile.ZipInfo:
    named = zipfile.ZipInfo(name, date_time=PART_TIME)
    named.compress_type = zipfile.ZIP_DEFLATED
    named.external_attr = 0o600 << 16
    return named


def _manifest(brand: Brand, wanted: Wanted, listed: list[Listed]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "brand": brand.code,
        "currency": brand.currency,
        "time_zone": brand.time_zone,
        "root": wanted.root,
        "from": wanted.first.isoformat(),
        "until": wanted.ends_on.isoformat(),
        "files": listed,
    }


def _readme(brand: Brand, wanted: Wanted, parts: list[evidence_parts.Part]) -> str:
    period = f"{wanted.first} – {wanted.ends_on}"
    chinese = [
        f"合规证据包 · {brand.name}（{brand.code}）· 根节点 {wanted.root} · {period}（止日不含，时区 {brand.time_zone}）",
        f"金额单位为 {brand.currency}；时间为 UTC；各表为 UTF-8 编码的 CSV；人员以内部编号表示。{MANIFEST} 列出每个文件的 SHA-256。",
        f"红黄线：含根节点本人的人数，{thermometer.AMBER_HEADS} 人起为黄，{thermometer.RED_HEADS} 人起为红。",
        *(f"{part.name}：{part.zh}" for part in parts),
    ]
    english = [
        f"Evidence pack · {brand.name} ({brand.code}) · root {wanted.root} · {period} (the last day not included, time zone {brand.time_zone})",
        f"Amounts in {brand.currency}, times in UTC, tables as CSV in UTF-8; people are shown by their internal ids. {MANIFEST} lists the SHA-256 of each file.",
        f"Thermometer: heads with the root itself, amber from {thermometer.AMBER_HEADS}, red from {thermometer.RED_HEADS}.",
        *(f"{part.name}: {part.en}" for part in parts),
    ]
    return "\r\n".join([*chinese, "", *english, ""])
