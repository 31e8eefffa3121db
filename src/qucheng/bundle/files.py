"""The files of a bundle: their columns, what a readable value is, and what a row refers to."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Kind(enum.Enum):
    """What a readable value is; bundle/values.py has the forms."""

    CODE = enum.auto()
    TEXT = enum.auto()
    REASON = enum.auto()
    HASH = enum.auto()
    PLAIN = enum.auto()
    MONEY = enum.auto()
    SIGNED_MONEY = enum.auto()
    DATE = enum.auto()
    INSTANT = enum.auto()
    RANK = enum.auto()
    QUANTITY = enum.auto()
    REFUNDED_QUANTITY = enum.auto()
    LEVEL = enum.auto()
    PRIORITY = enum.auto()
    RESELLER_KIND = enum.auto()
    CHANNEL_KIND = enum.auto()
    HOLD_FROM = enum.auto()
    FULFILMENT = enum.auto()


@dataclass(frozen=True)
class Column:
    """A column of a file. `name` is the file's, `stored` the table's, `refers` the table whose code the value is."""

    name: str
    kind: Kind
    required: bool = False
    default: str | None = None
    stored: str = ""
    refers: str = ""

    @property
    def field(self) -> str:
        return self.stored or self.name


@dataclass(frozen=True)
class File:
    """`key`: the stored columns that identify a row. `table` holds what earlier imports accepted."""

    name: str
    table: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    optional: bool = False

    @property
    def file_name(self) -> str:
        return f"{self.name}.csv"


CODE = Column("code", Kind.CODE, required=True)
NAME = Column("name", Kind.TEXT, required=True)
ORDER = Column("order", Kind.CODE, required=True, stored="order_no")
LINE = Column("line", Kind.CODE, required=True, stored="line_no")
STARTS_ON = Column("starts_on", Kind.DATE)
ENDS_ON = Column("ends_on", Kind.DATE)

# In the order in which they are checked: a file stands after those it refers to.
FILES = (
    File("tiers", "tier", ("code",), (CODE, NAME, Column("rank", Kind.RANK, required=True))),
    File("channels", "channel", ("code",), (CODE, NAME, Column("kind", Kind.CHANNEL_KIND, default="agency"))),
    File(
        "resellers",
        "reseller",
        ("code",),
        (
            CODE,
            NAME,
            Column("kind", Kind.RESELLER_KIND, required=True),
            Column("parent", Kind.CODE),  # refers to its own file: bundle/network.py
            Column("tier", Kind.CODE, required=True, refers="tier"),
            Column("joined_on", Kind.DATE, required=True),
            Column("identity", Kind.HASH),
        ),
    ),
    File(
        "placements",
        "placement",
        ("reseller", "effective_on"),
        (
            Column("reseller", Kind.CODE, required=True),
            Column("parent", Kind.CODE),
            Column("tier", Kind.CODE, required=True, refers="tier"),
            Column("effective_on", Kind.DATE, required=True),
        ),
        optional=True,
    ),
    File(
        "skus",
        "sku",
        ("code",),
        (
            CODE,
            NAME,
            Column("category", Kind.TEXT, required=True),
            Column("list_price", Kind.MONEY, required=True, stored="list_price_minor"),
            Column("cost", Kind.MONEY, default="0", stored="cost_minor"),
            Column("hold_from", Kind.HOLD_FROM, default="paid"),
        ),
    ),
    File(
        "prices",
        "channel_price",
        ("sku", "channel", "tier", "starts_on"),
        (
            Column("sku", Kind.CODE, required=True, refers="sku"),
            Column("channel", Kind.CODE, refers="channel"),
            Column("tier", Kind.CODE, refers="tier"),
            Column("price", Kind.MONEY, required=True, stored="price_minor"),
            Column("floor", Kind.MONEY, stored="floor_minor"),
            Column("starts_on", Kind.DATE, required=True),
            ENDS_ON,
        ),
        optional=True,
    ),
    File(
        "rules",
        "rule",
        ("code",),
        (
            CODE,
            Column("kind", Kind.PLAIN, required=True),
            Column("level", Kind.LEVEL),
            Column("sku", Kind.CODE, refers="sku"),
            Column("category", Kind.TEXT),
            Column("channel", Kind.CODE, refers="channel"),
            Column("tier", Kind.CODE, refers="tier"),
            Column("basis", Kind.PLAIN, required=True),
            Column("rate", Kind.PLAIN, required=True, stored="rate_text"),
            Column("priority", Kind.PRIORITY, default="0"),
            STARTS_ON,
            ENDS_ON,
        ),
    ),
    File(
        "orders",
        "order_line",
        ("order_no", "line_no"),
        (
            ORDER,
            LINE,
            Column("paid_at", Kind.INSTANT, required=True),
            Column("reseller", Kind.CODE, required=True, refers="reseller"),
            Column("channel", Kind.CODE, required=True, refers="channel"),
            Column("sku", Kind.CODE, required=True, refers="sku"),
            Column("quantity", Kind.QUANTITY, required=True),
            Column("gross", Kind.MONEY, required=True, stored="gross_minor"),
            Column("discount", Kind.MONEY, default="0", stored="discount_minor"),
            Column("buyer", Kind.HASH),
        ),
    ),
    File(
        "refunds",
        "refund",
        ("refund_no", "order_no", "line_no"),
        (
            Column("refund", Kind.CODE, required=True, stored="refund_no"),
            ORDER,
            LINE,
            Column("refunded_at", Kind.INSTANT, required=True),
            Column("quantity", Kind.REFUNDED_QUANTITY, required=True),
            Column("amount", Kind.MONEY, required=True, stored="amount_minor"),
        ),
        optional=True,
    ),
    File(
        "fulfilments",
        "fulfilment",
        ("order_no", "line_no", "event", "at"),
        (
            ORDER,
            LINE,
            Column("event", Kind.FULFILMENT, required=True),
            Column("at", Kind.INSTANT, required=True),
            Column("quantity", Kind.QUANTITY, required=True),
        ),
        optional=True,
    ),
    File(
        "adjustments",
        "adjustment",
        ("code",),
        (
            Column("adjustment", Kind.CODE, required=True, stored="code"),
            Column("reseller", Kind.CODE, required=True, refers="reseller"),
            Column("occurred_at", Kind.INSTANT, required=True),
            Column("amount", Kind.SIGNED_MONEY, required=True, stored="amount_minor"),
            Column("reason", Kind.REASON, required=True),
        ),
        optional=True,
    ),
)
