"""What the price book is read as, and what is sent to change it. channel None: the base; tier None: any tier."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Literal, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

State = Literal["draft", "submitted", "approved", "discarded"]
Standing = Literal["draft", "submitted", "scheduled", "live", "ended", "discarded"]
Level = Literal["channel+tier", "channel", "base+tier", "base"]


class Key(NamedTuple):
    """What has prices of its own."""

    sku: str
    channel: str | None = None
    tier: str | None = None


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """effective_at: None where a bundle brought it, in force since ever, or where it was not chosen yet. changes: keys in which it
    differs from the version it was made from.
    """

    number: int
    state: State
    standing: Standing
    based_on: int | None
    restores: int | None
    imported: bool
    effective_at: dt.datetime | None
    name: str | None
    maker: uuid.UUID | None
    opened_at: dt.datetime
    submitted_at: dt.datetime | None
    approval: uuid.UUID | None
    approval_state: str | None
    approver: uuid.UUID | None
    approved_at: dt.datetime | None
    changes: int
    sha256: str | None


class Current(msgspec.Struct, frozen=True, kw_only=True):
    """live: in force now. newest: of the approved, in force or to come. draft: that, or the one that was submitted."""

    live: int | None
    newest: int | None
    draft: Version | None


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """price_minor None: not sold in the channel on these days."""

    starts_on: dt.date
    ends_on: dt.date | None
    price_minor: int | None


class Limit(msgspec.Struct, frozen=True, array_like=True):
    """cost_minor None: as it stands at the SKU."""

    starts_on: dt.date
    ends_on: dt.date | None
    floor_minor: int | None
    cost_minor: int | None


class Stand(msgspec.Struct, frozen=True, kw_only=True):
    """How a key stands in a draft, and who edited it last. limits: its pieces are the SKU's floors and costs."""

    key: Key
    limits: bool
    revision: int
    pieces: tuple[Piece, ...] | tuple[Limit, ...]
    edited_by: uuid.UUID | None = None
    edited_at: dt.datetime | None = None
    reason: str | None = None


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """stale: somebody has edited them since; they stand as they do, and nothing was written over. faults: key and code."""

    saved: tuple[Stand, ...]
    stale: tuple[Stand, ...]
    faults: tuple[tuple[Key, str], ...]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """set: a price. clear: none of its own, so that it inherits. close: not sold in the channel. seen: the revision that was read.

    starts_on None: the dates of the key's own price of the day, or from that day until its next one.
    """

    sku: str
    channel: str | None
    tier: str | None
    action: Literal["set", "clear", "close"]
    price_minor: int | None = None
    starts_on: dt.date | None = None
    ends_on: dt.date | None = None
    seen: int = 0
    reason: str | None = None


class LimitChange(msgspec.Struct, frozen=True, kw_only=True):
    """UNSET: as it is. None: none, or the cost that stands at the SKU."""

    sku: str
    floor_minor: int | UnsetType | None = UNSET
    cost_minor: int | UnsetType | None = UNSET
    starts_on: dt.date | None = None
    ends_on: dt.date | None = None
    seen: int = 0
    reason: str | None = None


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """price.under_floor, price.floor_under_cost, or price.closed: a price for a tier where the SKU is not sold."""

    code: str
    sku: str
    channel: str | None
    tier: str | None
    starts_on: dt.date
    ends_on: dt.date | None
    price_minor: int | None
    floor_minor: int | None
    cost_minor: int | None


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """rows: the first of them."""

    rows: tuple[Fault, ...]
    count: int


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A key in which two versions differ."""

    sku: str
    channel: str | None
    tier: str | None
    limit: bool
    before: tuple[Piece, ...] | tuple[Limit, ...]
    after: tuple[Piece, ...] | tuple[Limit, ...]


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    rows: tuple[Difference, ...]
    total: int


class Rebased(msgspec.Struct, frozen=True, kw_only=True):
    """taken: what came from the versions approved since. both: changed there and here; what stands here stays."""

    number: int
    taken: tuple[Difference, ...]
    both: tuple[Difference, ...]


class Concerned(msgspec.Struct, frozen=True, kw_only=True):
    """A reseller for whom a price changes. on: the day from which."""

    reseller: str
    name: str
    tier: str
    sku: str
    sku_name: str
    channel: str
    on: dt.date
    old_minor: int | None
    new_minor: int | None


class Affected(msgspec.Struct, frozen=True, kw_only=True):
    rows: tuple[Concerned, ...]
    resellers: int
    total: int


class Column(msgspec.Struct, frozen=True, kw_only=True):
    channel: str | None = None
    tier: str | None = None


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which SKUs. under_floor: a price of it is, on the day or later; scheduled: a price of it changes later."""

    text: str | None = None
    category: str | None = None
    tag: str | None = None
    changed: bool = False
    under_floor: bool = False
    scheduled: bool = False
    skus: tuple[str, ...] | None = None


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """own: the price is the column's own, and not inherited. live_minor: what is in force on that day without the draft.

    changed: the key differs from the version the draft was made from. next_on None: nothing else is known to come.
    """

    price_minor: int | None
    closed: bool
    level: Level | None
    own: bool
    starts_on: dt.date | None
    ends_on: dt.date | None
    live_minor: int | None
    changed: bool
    revision: int
    under_floor: bool
    next_minor: int | None
    next_on: dt.date | None


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """cost_minor: of the day."""

    sku: str
    name: str
    category: str
    list_price_minor: int
    floor_minor: int | None
    cost_minor: int
    limit_revision: int
    cells: tuple[Cell, ...]


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    rows: tuple[Row, ...]
    total: int
    version: int | None
    live: int | None


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """A version in which the key's own prices are others than in the one before."""

    version: int
    standing: Standing
    effective_at: dt.datetime | None
    pieces: tuple[Piece, ...]
    approver: uuid.UUID | None


class Inspect(msgspec.Struct, frozen=True, kw_only=True):
    """base: the key's pieces in the version the draft was made from. floor: the SKU's floors and costs in the version shown."""

    key: Key
    stand: Stand
    base: tuple[Piece, ...]
    cell: Cell
    floor: tuple[Limit, ...]
    history: tuple[Past, ...]


class RowIn(msgspec.Struct, frozen=True, kw_only=True):
    """A row of a file, as texts. channel blank: the base; tier blank: any; price `-`: not sold there."""

    row: int
    sku: str
    channel: str
    tier: str
    price: str
    starts_on: str
    ends_on: str


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What would become of a row of a file. code and column: why it is refused."""

    row: int
    verdict: Literal["new", "changed", "same", "refused"]
    code: str | None
    column: str | None
    sku: str
    channel: str | None
    tier: str | None
    price_minor: int | None
    starts_on: dt.date | None
    ends_on: dt.date | None


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    changed: int
    same: int


class RowOut(msgspec.Struct, frozen=True, kw_only=True):
    """price_minor None: not sold in the channel."""

    sku: str
    name: str
    channel: str | None
    tier: str | None
    price_minor: int | None
    starts_on: dt.date
    ends_on: dt.date | None
