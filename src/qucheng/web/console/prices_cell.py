"""One cell of the matrix: its price and where it comes from, what may be typed, what others typed meanwhile, and how it came to be."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException

from qucheng.catalog import price_matrix, price_records
from qucheng.core import clock, money
from qucheng.identity.brand import Brand
from qucheng.web import pages
from qucheng.web.console import prices_asked, prices_table
from qucheng.web.finance import facts
from qucheng.web.texts import n_

Source = Literal["own", "inherit", "close"]
SOURCES: tuple[Source, ...] = ("own", "inherit", "close")
ACTIONS: dict[Source, Literal["set", "clear", "close"]] = {"own": "set", "inherit": "clear", "close": "close"}
LONGEST_REASON = 200
HISTORY = 8
FAULTS = {
    "price.amount": ("price", n_("Write a price such as 26.50 or 1,200.")),
    "price.dates": ("from", n_("A price begins before it ends, and a day is written like 2026-11-10.")),
    "price.close": ("source", n_("What is not sold is closed for a whole channel, not for a tier and not for the base.")),
    "price.sku_unknown": (None, n_("There is no such product.")),
    "price.channel_unknown": (None, n_("There is no such channel.")),
    "price.tier_unknown": (None, n_("There is no such tier.")),
    "price.repeated": (None, n_("This cell was sent twice.")),
    "reason": ("reason", n_("A reason has at most 200 characters.")),
}


class Typed(msgspec.Struct, frozen=True, kw_only=True):
    """As it stands in the form. seen: the revision that it was typed over."""

    source: Source = "inherit"
    price: str = ""
    starts: str = ""
    ends: str = ""
    reason: str = ""
    seen: int = 0
    quick: bool = False


class Inspector(msgspec.Struct, frozen=True, kw_only=True):
    """of: the cell. conflict: what somebody else saved meanwhile. others: another cell that keeps the draft from being submitted."""

    key: prices_asked.Key
    head: prices_table.Head
    row: price_records.Row
    cell: price_records.Cell
    found: price_records.Inspect
    typed: Typed
    faults: Sequence[pages.Fault]
    conflict: price_records.Stand | None
    inherits: str | None
    margin: tuple[int, str] | None
    others: price_records.Fault | None
    names: dict[uuid.UUID, str]
    saved: bool


async def inspect(
    request: Request[Any, Any, Any],
    brand: Brand,
    table: prices_table.Table,
    key: prices_asked.Key,
    *,
    typed: Typed | None = None,
    faults: Sequence[pages.Fault] = (),
    conflict: price_records.Stand | None = None,
    saved: bool = False,
) -> Inspector:
    """Raises NotFoundException for a cell that the matrix does not have."""
    place = _column(table, key)
    row = await _row(brand, table, key.sku)
    version = prices_table.number_of(table.asked, table.current) or table.current.live
    if version is None:
        raise NotFoundException
    # what is in force is read beside versions to come, a version by itself
    shown = None if prices_table.number_of(table.asked, table.current) is None else row.cells[place]
    found = await price_matrix.cell(
        brand_id=brand.id, version=version, key=key.pair(), day=table.day, now=clock.now(), shown=shown
    )
    if found is None:
        raise NotFoundException
    people = [found.stand.edited_by, conflict.edited_by if conflict else None, *(past.approver for past in found.history)]
    return Inspector(
        key=key,
        head=table.heads[place],
        row=row,
        cell=found.cell,
        found=msgspec.structs.replace(found, history=found.history[:HISTORY]),
        typed=_with_days(typed, standing(found, table.day, brand.decimals)),
        faults=faults,
        conflict=conflict,
        inherits=_inherits(brand, table, row, key),
        margin=margin(found.cell.price_minor, row.cost_minor),
        others=_other(table, key),
        names=await facts.names(request, people),
        saved=saved,
    )


def _column(table: prices_table.Table, key: prices_asked.Key) -> int:
    found = next((n for n, head in enumerate(table.heads) if (head.channel, head.tier) == (key.channel, key.tier)), None)
    if found is None:
        raise NotFoundException
    return found


async def _row(brand: Brand, table: prices_table.Table, sku: str) -> price_records.Row:
    """As the page has it; one that its filters leave out is read for itself. Raises NotFoundException."""
    shown = next((line.row for line in table.lines() if line.row.sku == sku), None)
    if shown is not None:
        return shown
    found = await price_matrix.matrix(
        brand_id=brand.id,
        version=prices_table.number_of(table.asked, table.current),
        columns=[price_records.Column(channel=head.channel or None, tier=head.tier or None) for head in table.heads],
        day=table.day,
        now=clock.now(),
        chosen=table.asked.chosen((sku,)),
        skip=0,
        most=1,
    )
    if not found.rows:
        raise NotFoundException
    return found.rows[0]


def _inherits(brand: Brand, table: prices_table.Table, row: price_records.Row, key: prices_asked.Key) -> str | None:
    """The price that it would have without one of its own; None where there is none. A tier that has no column has no price."""
    above = [(key.channel, ""), ("", key.tier), ("", "")] if key.channel else [("", "")]
    cells = {(head.channel, head.tier): cell for head, cell in zip(table.heads, row.cells, strict=True)}
    places = [place for place in above if place != (key.channel, key.tier) and place in cells and cells[place].own]
    price = cells[places[0]].price_minor if places else None
    return None if price is None else money.format_display(price, brand.decimals)


def _other(table: prices_table.Table, key: prices_asked.Key) -> price_records.Fault | None:
    if table.blockers is None:
        return None
    return next((each for each in table.blockers.rows if (each.sku, each.channel, each.tier) != key.pair()), None)


def standing(found: price_records.Inspect, day: dt.date, decimals: int) -> Typed:
    """What the form shows at first: the own price in force that day, or the days until the next own one."""
    piece = in_force(found.stand.pieces, day)
    seen = found.stand.revision
    if piece is not None:
        closed = piece.price_minor is None
        return Typed(
            source="close" if closed else "own",
            price="" if piece.price_minor is None else money.format_plain(piece.price_minor, decimals),
            starts=piece.starts_on.isoformat(),
            ends=piece.ends_on.isoformat() if piece.ends_on else "",
            reason=found.stand.reason or "",
            seen=seen,
        )
    later = min((each.starts_on for each in found.stand.pieces if each.starts_on > day), default=None)
    return Typed(starts=day.isoformat(), ends=later.isoformat() if later else "", seen=seen)


def _with_days(typed_: Typed | None, shown: Typed) -> Typed:
    """What was typed; into a cell without days, with those that it has."""
    if typed_ is None:
        return shown
    return msgspec.structs.replace(typed_, starts=shown.starts, ends=shown.ends, quick=False) if typed_.quick else typed_


def in_force(pieces: Sequence[price_records.Piece | price_records.Limit], day: dt.date) -> price_records.Piece | None:
    spans = (each for each in pieces if isinstance(each, price_records.Piece))
    return next((each for each in spans if each.starts_on <= day and (each.ends_on is None or day < each.ends_on)), None)


def margin(price: int | None, cost: int | None) -> tuple[int, str] | None:
    """What is left of the price, and how much of it that is: `7.2%`."""
    if price is None or cost is None or price <= 0:
        return None
    left = price - cost
    tenths = (2000 * abs(left) + price) // (2 * price)
    sign = money.MINUS if left < 0 else ""
    return left, f"{sign}{tenths // 10}.{tenths % 10}%"


def typed(sent: Mapping[str, str]) -> Typed:
    seen = sent.get("seen", "")
    return Typed(
        source=next((source for source in SOURCES if source == sent.get("source")), "inherit"),
        price=sent.get("price", "").strip(),
        starts=sent.get("from", "").strip(),
        ends=sent.get("until", "").strip(),
        reason=sent.get("reason", "").strip(),
        seen=int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 10 else 0,  # noqa: PLR2004 - as an integer of the database
        quick=bool(sent.get("quick")),
    )


def change(key: prices_asked.Key, typed_: Typed, decimals: int) -> price_records.Change | str:
    """The change that is meant, or the code of what is wrong with it."""
    sku, channel, tier = key.pair()
    price = None
    if typed_.source == "own":
        try:
            price = money.parse_typed(typed_.price, decimals)
        except ValueError:
            return "price.amount"
    try:
        starts, ends = (
            dt.date.fromisoformat(text) if text and not typed_.quick else None for text in (typed_.starts, typed_.ends)
        )
    except ValueError:
        return "price.dates"
    if len(typed_.reason) > LONGEST_REASON:
        return "reason"
    return price_records.Change(
        sku=sku,
        channel=channel,
        tier=tier,
        action=ACTIONS[typed_.source],
        price_minor=price,
        starts_on=starts,
        ends_on=ends,
        seen=typed_.seen,
        reason=typed_.reason or None,
    )


def fault(request: Request[Any, Any, Any], code: str) -> pages.Fault:
    field, sentence = FAULTS[code]
    return pages.Fault(field=field, message=pages.words(request).gettext(sentence))
