"""What the demo brand has sold since its bundle ends: the running month up to now, as a delivery of its own.

Each day has its own chance: a delivery that is made again an hour later says the same of every hour before.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import zoneinfo
from typing import TYPE_CHECKING, Final

from qucheng.bundle import demo, demo_chance, demo_sales, files

if TYPE_CHECKING:
    from pathlib import Path

FIRST_DAY: Final = dt.date(2026, 11, 1)
_ZONE: Final = zoneinfo.ZoneInfo("Asia/Shanghai")
_ONE_DAY: Final = dt.timedelta(days=1)
_LINES_OF_A_WEIGHT: Final = 700


def write(folder: Path, *, now: dt.datetime) -> int:
    """Writes a bundle with only what is new in it; returns how many order lines that are, none before the bundle has ended."""
    until = now.astimezone(_ZONE).replace(tzinfo=None)
    sold, given_back = _since(max(FIRST_DAY, until.date().replace(day=1)), until)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "brand.toml").write_text(demo.BRAND, encoding="utf-8")
    for file in files.FILES:
        header = ",".join(column.name for column in file.columns) + "\n"
        (folder / file.file_name).write_text(header, encoding="utf-8")
    if sold:
        (folder / "orders.csv").write_bytes(demo.csv_bytes(map(demo.order_row, sold)))
    if given_back:
        (folder / "refunds.csv").write_bytes(demo.csv_bytes(map(demo.refund_row, given_back)))
    return len(sold)


def _since(first_day: dt.date, until: dt.datetime) -> tuple[list[demo_sales.Line], list[demo_sales.Refund]]:
    sold: list[demo_sales.Line] = []
    given_back: list[demo_sales.Refund] = []
    day = first_day
    while day <= until.date():
        chance = demo_chance.Chance(demo.SEED + day.toordinal())
        of_day = demo_sales.lines(chance, demo_sales.busyness(day) // _LINES_OF_A_WEIGHT, first_day=day, days=1)
        sold += [line for line in of_day if line.paid_at <= until]
        given_back += _coded([refund for refund in demo_sales.refunds(chance, of_day) if refund.refunded_at <= until])
        day += _ONE_DAY
    return sold, given_back


def _coded(found: list[demo_sales.Refund]) -> list[demo_sales.Refund]:
    """Named by what they take back: a number in a row would change with what came between."""
    names: dict[tuple[str, int], int] = {}
    coded = []
    for refund in found:
        line = (refund.order, refund.line)
        names[line] = names.get(line, 0) + 1
        coded.append(dataclasses.replace(refund, code=f"RF-{refund.order}-{refund.line}-{names[line]}"))
    return coded
