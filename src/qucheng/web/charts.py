"""Charts as plain SVG: geometry in attributes, colours in classes, words in HTML beside the drawing, where they do not scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

import markupsafe
import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HEIGHT = 176
LINES = 4
# a grid line stands at a round number: these, times a power of ten
ROUND = (10, 15, 20, 25, 30, 40, 50, 60, 80)
GAP_PPM, BAR_PPM = 210_000, 580_000
MILLION = 1_000_000


class Bar(msgspec.Struct, frozen=True):
    """note: what the pointer is told. final: False of a day that is not over."""

    value: int
    note: str
    final: bool = True


def step_of(largest: int, unit: int) -> int:
    """The distance of two grid lines: round, whole units, and four of them hold the largest value."""
    wanted, power = -(-max(largest, 0) // (LINES * unit)), 1
    while True:
        for each in ROUND:
            step, rest = divmod(each * power, 10)
            if not rest and step >= wanted:
                return step * unit
        power *= 10


def bars(found: Sequence[Bar], *, unit: int, label: str, below: Sequence[str], show: Callable[[int], str]) -> markupsafe.Markup:
    """unit: how many of the values make one of what the axis counts. below: words under the first bar to the last, evenly apart."""
    step = step_of(max((bar.value for bar in found), default=0), unit)
    parts = [_grid(number) for number in range(LINES + 1)]
    for place, bar in enumerate(found):
        parts += _bar(bar, place, len(found), step * LINES)
    return markupsafe.Markup(
        '<div class="chart" role="img" aria-label="{}"><div class="chart-y" aria-hidden="true">{}</div>'
        '<div class="chart-plot" aria-hidden="true"><svg height="{}" focusable="false">{}</svg></div>'
        '<div class="chart-x" aria-hidden="true">{}</div></div>'
    ).format(
        label,
        _words([show(step * number) for number in range(LINES, -1, -1)]),
        HEIGHT,
        markupsafe.Markup().join(parts),
        _words(below),
    )


def _bar(bar: Bar, place: int, count: int, top: int) -> list[markupsafe.Markup]:
    width = MILLION * 100 // count
    height = HEIGHT * 100 * max(bar.value, 0) // top
    drawn = markupsafe.Markup('<rect class="s1{}" x="{}%" width="{}%" y="{}" height="{}" rx="1.5"/>').format(
        "" if bar.final else " part",
        _decimal(width * place + width * GAP_PPM // MILLION, 6),
        _decimal(width * BAR_PPM // MILLION, 6),
        _decimal(HEIGHT * 100 - height, 2),
        _decimal(height, 2),
    )
    felt = markupsafe.Markup('<rect class="bar-hit" x="{}%" width="{}%" y="0" height="{}"><title>{}</title></rect>').format(
        _decimal(width * place, 6), _decimal(width, 6), HEIGHT, bar.note
    )
    return [drawn, felt] if height else [felt]


def _grid(number: int) -> markupsafe.Markup:
    at = HEIGHT * number // LINES
    return markupsafe.Markup('<line class="{}" x1="0" x2="100%" y1="{}" y2="{}"/>').format(
        "axis-line" if number == LINES else "grid-line", at, at
    )


def _words(found: Sequence[str]) -> markupsafe.Markup:
    return markupsafe.Markup().join(markupsafe.Markup("<span>{}</span>").format(word) for word in found)


def _decimal(value: int, places: int) -> str:
    """`12.3` of 12300 with three places."""
    whole, part = divmod(value, 10**places)
    return f"{whole}.{part:0{places}}".rstrip("0").rstrip(".")
