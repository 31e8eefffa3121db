"""Sales of a range of months by one side of them: channel, SKU, category, reseller or tier. Nothing of a buyer is in it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec

from qucheng.core import clock, db

if TYPE_CHECKING:
    import asyncpg

    from qucheng.identity.brand import Brand

SQL = Path(__file__).with_name("analytics.sql")
By = Literal["channel", "sku", "category", "reseller", "tier"]
BYS: tuple[By, ...] = get_args(By)
Column = Literal[
    "name", "net", "before", "change", "units", "refunded", "refund_share", "commission", "commission_share", "discount_share", "own_share"
]  # fmt: skip
COLUMNS: tuple[Column, ...] = get_args(Column)
SORTED: dict[Column, str] = {
    "name": "name",
    "net": "net_minor",
    "before": "before_minor",
    "change": "change_ppm",
    "units": "units",
    "refunded": "refunded_minor",
    "refund_share": "refund_ppm",
    "commission": "commission_minor",
    "commission_share": "commission_ppm",
    "discount_share": "discount_ppm",
    "own_share": "own_ppm",
}
# its name where it has one, and where that stands
NAMED: dict[By, tuple[str, str]] = {
    "category": ("f.code", ""),
    **{
        by: ("n.name", f"LEFT JOIN {by} n ON n.brand_id = current_brand() AND n.code = f.code")
        for by in ("channel", "sku", "reseller", "tier")
    },
}
PAGE, MOST_MONTHS = 20, 24
BARS = """
    SELECT CASE WHEN $3 THEN paid_on ELSE date_trunc('month', paid_on)::date END AS first, sum(net_minor)::bigint AS net_minor
    FROM order_line WHERE paid_on >= $1 AND paid_on < $2 GROUP BY 1"""


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """Months by their first days, both counted."""

    first: dt.date
    last: dt.date

    @property
    def ends(self) -> dt.date:
        """The day after the last."""
        return clock.month_after(self.last)

    @property
    def months(self) -> int:
        return (self.last.year - self.first.year) * 12 + self.last.month - self.first.month + 1

    @property
    def before(self) -> Range:
        """As many months."""
        return Range(first=_earlier(self.first, self.months), last=_earlier(self.first, 1))


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    by: By = "channel"
    range: Range
    sort: Column = "net"
    falling: bool = True


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """net_minor, units, gross and discount: of the lines that were paid in the range, own_minor of them to the sellers' own. refunded and
    commission: of these lines, whenever it came; commission less what was taken back. before_minor: net of the range before.
    The shares are of net, discount_ppm of gross; None of nothing. code: None of the totals.
    """

    code: str | None
    name: str | None
    units: int
    gross_minor: int
    discount_minor: int
    net_minor: int
    own_minor: int
    refunded_minor: int
    commission_minor: int
    before_minor: int
    refund_ppm: int | None
    commission_ppm: int | None
    discount_ppm: int | None
    own_ppm: int | None
    change_ppm: int | None


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """total: of all rows, of which count are."""

    rows: list[Row]
    total: Row
    count: int


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """A month by its first day, or of a single month a day."""

    first: dt.date
    net_minor: int


async def table(*, brand: Brand, wanted: Wanted, page: int = 1, size: int = PAGE) -> Table:
    async with db.atomic(brand.id):
        rows = await db.connection().fetch(
            f"SELECT * FROM ({query(wanted)}) q WHERE code IS NULL OR place > $5 AND place <= $6 ORDER BY place",
            *values(brand, wanted),
            (page - 1) * size,
            page * size,
        )
    (total,) = (row for row in rows if row["code"] is None)
    return Table(rows=[_row(row) for row in rows if row["code"] is not None], total=_row(total), count=total["rows"] or 0)


async def count(*, brand: Brand, wanted: Wanted) -> int:
    return (await table(brand=brand, wanted=wanted, size=1)).count


async def bars(*, brand: Brand, chosen: Range) -> list[Bar]:
    """Every month of the range, or every day of one month."""
    daily = chosen.months == 1
    async with db.atomic(brand.id):
        rows = await db.connection().fetch(BARS, chosen.first, chosen.ends, daily)
    found = {row["first"]: row["net_minor"] for row in rows}
    firsts, each = [], chosen.first
    while each < chosen.ends:
        firsts.append(each)
        each = each + dt.timedelta(days=1) if daily else clock.month_after(each)
    return [Bar(first=first, net_minor=found.get(first, 0)) for first in firsts]


def query(wanted: Wanted) -> str:
    """All rows with their place in the order, and the totals, which have no code."""
    name, named = NAMED[wanted.by]
    script = SQL.read_text(encoding="utf-8").format(key=wanted.by, name=name, named=named)
    column, falling = SORTED[wanted.sort], "DESC" if wanted.falling else "ASC"
    return f"SELECT *, row_number() OVER (ORDER BY code IS NULL, {column} {falling} NULLS LAST, code) AS place FROM ({script}) f"


def values(brand: Brand, wanted: Wanted) -> list[object]:
    chosen = wanted.range
    return [chosen.before.first, chosen.first, chosen.ends, clock.month_bounds(chosen.first, brand.time_zone)[0]]


def _earlier(month: dt.date, months: int) -> dt.date:
    number = month.year * 12 + month.month - 1 - months
    return dt.date(number // 12, number % 12 + 1, 1)


def _row(row: asyncpg.Record) -> Row:
    found: dict[str, Any] = {name: row[name] for name in Row.__struct_fields__}
    # sums of no row at all
    empty = {name: 0 for name, value in found.items() if value is None and name.endswith(("_minor", "units"))}
    return Row(**{**found, **empty})
