"""The price matrix as a page shows it: columns with their names, and of each cell what it says and how it looks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any
from urllib import parse

import msgspec
from litestar import Request

from qucheng.catalog import price_faults, price_labels, price_matrix, price_records, price_version
from qucheng.core import clock, money
from qucheng.identity.brand import Brand
from qucheng.web import auth, pages, texts
from qucheng.web.console import prices_asked
from qucheng.web.texts import n_

MOST_CELLS = 8000
"""On one page."""
NOTHING = "—"
INHERITED = {
    "base": n_("inherits base"),
    "channel": n_("inherits channel"),
    "base+tier": n_("inherits tier's base"),
}
OWN, NOT_SOLD, NO_PRICE, DRAFT = n_("own price"), n_("not sold"), n_("no price"), n_("draft")
UNDER_FLOOR, FROM, FROM_ON, SOLD_UNTIL = (
    n_("under floor"),
    n_("from %(day)s"),
    n_("%(price)s from %(day)s"),
    n_("not sold from %(day)s"),
)


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """Of a column. channel and tier: their codes, blank for the base and for any; query: of the cells under it."""

    channel: str
    tier: str
    name: str
    sub: str | None
    resellers: int | None
    query: str


class Look(msgspec.Struct, frozen=True):
    """kind: its class. quiet: what is below the price is heard and not seen. own: the column's own price as one types it; seen: its revision."""

    kind: str
    price: str
    old: str | None
    drawing: str | None
    meta: str | None
    quiet: bool
    own: str
    seen: int


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A SKU. place: the id of its row on the page."""

    place: str
    query: str
    row: price_records.Row
    looks: list[Look]


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """number: of the version shown, None where nothing was ever priced. editable: it is the draft, and this person may change it."""

    asked: prices_asked.Asked
    day: dt.date
    today: dt.date
    current: price_records.Current
    shown: price_records.Version | None
    live: price_records.Version | None
    draft: price_records.Version | None
    editable: bool
    heads: list[Head]
    groups: list[tuple[str, list[Line]]]
    total: int
    rows: int
    blockers: price_records.Faults | None
    labels: price_labels.Labels

    def lines(self) -> list[Line]:
        return [line for _, lines in self.groups for line in lines]

    def under_floor(self) -> int:
        return self.blockers.count if self.blockers else 0


async def read(request: Request[Any, Any, Any], brand: Brand, asked: prices_asked.Asked, *, sku: str | None = None) -> Table:
    """sku: of this one alone, as its row is put into a page that is open."""
    now, today = clock.now(), prices_asked.today(brand)
    day = asked.day or today
    current = await price_version.current(brand_id=brand.id, now=now)
    number = number_of(asked, current)
    draft = current.draft
    live = await _version(brand, current.live, now)
    shown = live if number is None else draft if draft and draft.number == number else await _version(brand, number, now)
    labels = await price_labels.labels(brand_id=brand.id, day=today)
    columns = await _columns(brand, asked, number, labels)
    rows = min(asked.rows, max(25, MOST_CELLS // len(columns)))
    found = await price_matrix.matrix(
        brand_id=brand.id,
        version=number,
        columns=columns,
        day=day,
        now=now,
        chosen=asked.chosen((sku,) if sku is not None else None),
        skip=0 if sku is not None else (asked.page - 1) * rows,
        most=rows,
    )
    is_draft = draft is not None and draft.state == "draft"
    return Table(
        asked=asked,
        day=day,
        today=today,
        current=current,
        shown=shown,
        live=live,
        draft=draft,
        editable=is_draft
        and draft is not None
        and number == draft.number
        and "prices.edit" in auth.principal(request).permissions,
        heads=[_head(column, labels, pages.words(request)) for column in columns],
        groups=_groups(found.rows, brand, pages.words(request)),
        total=found.total,
        rows=rows,
        blockers=await _blockers(brand, draft, today) if is_draft else None,
        labels=labels,
    )


def number_of(asked: prices_asked.Asked, current: price_records.Current) -> int | None:
    """None for what is live."""
    if asked.version == prices_asked.LIVE:
        return None
    if asked.version:
        return int(asked.version)
    return current.draft.number if current.draft else None


async def _version(brand: Brand, number: int | None, now: dt.datetime) -> price_records.Version | None:
    return None if number is None else await price_version.read(brand_id=brand.id, number=number, now=now, counted=False)


async def _blockers(brand: Brand, draft: price_records.Version | None, today: dt.date) -> price_records.Faults | None:
    if draft is None:
        return None
    return await price_faults.faults(brand_id=brand.id, version=draft.number, from_day=today + dt.timedelta(days=1))


async def _columns(
    brand: Brand, asked: prices_asked.Asked, number: int | None, labels: price_labels.Labels
) -> list[price_records.Column]:
    """The base, then each channel; behind each the tiers that have prices of their own there, or all of them."""
    found = await price_matrix.columns(brand_id=brand.id, version=number, now=clock.now())
    if asked.tiers == "all":
        places = [None, *labels.channels]
        found = [price_records.Column(channel=place, tier=tier) for place in places for tier in (None, *labels.tiers)]
    channels, tiers = list(labels.channels), list(labels.tiers)
    return sorted(
        found,
        key=lambda each: (
            channels.index(each.channel) + 1 if each.channel in channels else 0,
            tiers.index(each.tier) + 1 if each.tier in tiers else 0,
        ),
    )


def _head(column: price_records.Column, labels: price_labels.Labels, words: texts.Texts) -> Head:
    channel, tier = column.channel or "", column.tier or ""
    place = labels.channels[channel].name if channel in labels.channels else words.gettext("Base price")
    wholesale = channel in labels.channels and labels.channels[channel].kind == "wholesale"
    if tier:
        sub, resellers = labels.tiers[tier].name, labels.tiers[tier].resellers
    else:
        sub = (
            words.gettext("wholesale") if wholesale else words.gettext("all tiers") if channel else words.gettext("all channels")
        )
        resellers = None
    query = parse.urlencode({"channel": channel, "tier": tier})
    return Head(channel=channel, tier=tier, name=place, sub=sub, resellers=resellers, query=query)


def _groups(rows: Sequence[price_records.Row], brand: Brand, words: texts.Texts) -> list[tuple[str, list[Line]]]:
    looks = Looks(brand, words)
    groups: dict[str, list[Line]] = {}
    for row in rows:
        line = Line(
            place=f"r-{row.sku.encode().hex()}",
            query=parse.urlencode({"sku": row.sku}),
            row=row,
            looks=[looks.of(cell) for cell in row.cells],
        )
        groups.setdefault(row.category, []).append(line)
    return list(groups.items())


class Looks:
    """What a cell says, in one language: some thousands of them are asked for a page."""

    def __init__(self, brand: Brand, words: texts.Texts) -> None:
        self._decimals = brand.decimals
        self._inherited = {level: words.gettext(word) for level, word in INHERITED.items()}
        self._own, self._not_sold, self._no_price, self._draft = (
            words.gettext(word) for word in (OWN, NOT_SOLD, NO_PRICE, DRAFT)
        )
        self._under, self._from, self._from_on, self._until = (
            words.gettext(word) for word in (UNDER_FLOOR, FROM, FROM_ON, SOLD_UNTIL)
        )

    def of(self, cell: price_records.Cell) -> Look:
        price = self._figure(cell.price_minor)
        old = self._figure(cell.live_minor) if cell.live_minor not in {None, cell.price_minor} else None
        own = money.format_plain(cell.price_minor, self._decimals) if cell.own and cell.price_minor is not None else ""
        kind, drawing, meta, quiet = self._said(cell)
        return Look(kind, price, old if kind == "draft" else None, drawing, meta, quiet, own, cell.revision)

    def _said(self, cell: price_records.Cell) -> tuple[str, str | None, str, bool]:  # noqa: PLR0911 - one for each look
        if cell.under_floor:
            return "floor", "triangle-alert", self._under, False
        if cell.changed:
            later = cell.next_on is not None and cell.live_minor == cell.price_minor
            return (
                ("draft", "calendar-clock", self._next(cell), False)
                if later
                else ("draft", "pencil", self._draft_word(cell), False)
            )
        if cell.next_on is not None:
            return "sched", "calendar-clock", self._next(cell), False
        if cell.closed:
            return "off", None, self._not_sold, False
        if cell.price_minor is None:
            return "off", None, self._no_price, False
        if cell.own:
            return "", None, self._own, True
        return "inherit", "corner-down-right", self._inherited[cell.level or "base"], False

    def _draft_word(self, cell: price_records.Cell) -> str:
        if cell.closed:
            return self._not_sold
        return self._draft if cell.own or cell.price_minor is None else self._inherited[cell.level or "base"]

    def _next(self, cell: price_records.Cell) -> str:
        day = f"{cell.next_on:%m-%d}" if cell.next_on else ""
        if cell.next_minor is None:
            return self._until % {"day": day}
        if cell.next_minor == cell.price_minor:
            return self._from % {"day": day}
        return self._from_on % {"day": day, "price": self._figure(cell.next_minor)}

    def _figure(self, minor: int | None) -> str:
        return NOTHING if minor is None else money.format_display(minor, self._decimals)
