"""Values for generated bundles: good ones at the edges, and bad ones by column."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

RESELLERS = ("r1", "R1", "r-1", "r.1", "r_1", "r10", "r2", "Z", "a", "0", "x" * 40, "B-b")
ORDERS = ("o1", "O1", "o10", "o2", "o-1", "o_1", "9", "10")
LINES = ("1", "10", "2", "01", "a", "A")
CODES = ("m", "M", "m-1", "m.1", "m_1", "m1", "n" * 40)  # of anything else
NAMES = (
    "极光权益",
    "=1+1",
    "@SUM(A1:A9)",
    "+1",
    "-1",
    'with "quotes", and commas',
    " spaces ",
    "x" * 80,
    "极" * 80,
    "é",
    "𠮷",
    "0",
)
IDENTITIES = ("id-A", "id-B", "id-C")
CATEGORIES = ("music", "餐饮", "video, audio")
TOO_LONG = "x" * 41


@dataclass(frozen=True)
class Era:
    """A time zone, and a day around which its clocks or the law do something."""

    zone: str
    around: date

    def days(self) -> list[date]:
        """Days on which things happen: near the middle, ends of months and a long tail."""
        near = [self.around + timedelta(days=away) for away in (-3, -2, -1, 0, 1, 2, 3)]
        month = self.around.replace(day=1)
        ends = [month + timedelta(days=away) for away in (-1, 0, 27, 28, 29, 30, 31, 58, 59, 60, 61)]
        return near + ends + [self.around + timedelta(days=away) for away in (-20, 9, 16, 23, 45, 70)]


ERAS = (
    Era("Asia/Shanghai", date(2026, 2, 1)),
    Era("Asia/Shanghai", date(2025, 10, 1)),  # cumulative withholding begins
    Era("Asia/Shanghai", date(2026, 1, 1)),  # a new year of it
    Era("UTC", date(2026, 3, 1)),
    Era("America/New_York", date(2026, 3, 8)),  # a gap
    Era("America/New_York", date(2026, 11, 1)),  # an hour twice, on the first of a month
    Era("America/Havana", date(2026, 11, 1)),  # midnight itself twice
    Era("America/St_Johns", date(2009, 11, 1)),  # back over midnight into the month before
    Era("America/Asuncion", date(2017, 10, 1)),  # no midnight on the first of a month
    Era("Pacific/Apia", date(2011, 12, 30)),  # a day that did not exist
    Era("Australia/Lord_Howe", date(2026, 4, 5)),  # half an hour
    Era("Asia/Kathmandu", date(2024, 2, 29)),
    Era("Europe/London", date(2026, 3, 29)),
)

TIMES = (
    "00:00",
    "00:00:00",
    "00:00:30",
    "00:30:00",
    "01:30",
    "02:00:00",
    "02:15:00",
    "02:30:00",
    "01:59:59.999999",
    "12:00:00.5",
    "23:01:30",
    "23:59:59",
    "23:59:59.999999",
)


def rewritten(text: str, zone: ZoneInfo) -> str:
    """The same instant in other words; what is none stays."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    moment = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC) + timedelta(hours=5, minutes=45)
    return f"{moment.year:04d}{moment:-%m-%dT%H:%M:%S.%f}+05:45"


BAD_AMOUNTS = (
    "1e3",
    "-1",
    "+1",
    "1.",
    ".5",
    " 1",
    "1 ",
    "1.001",
    "10000000000",
    "abc",
    "１",
    "1,0",
    "NaN",
    "9" * 4000,
    "0x1",
    "1\t",
)
BAD_DATES = (
    "2026-02-30",
    "2026-2-3",
    "1899-12-31",
    "2200-01-01",
    "20260201",
    "2026-02-01T00:00",
    "2026-02",
    "today",
    " 2026-02-01",
)
BAD_INSTANTS = (
    "2026-02-30T00:00:00",
    "2026-02-20",
    "2026-02-20 00:00",
    "1800-01-01T00:00:00",
    "2200-01-01T00:00:00",
    "2026-02-20T24:01:00",
    "2026-02-20T00:60:00",
    "2026-02-20T00:00:00+15:00",
    "2026-02-20T00:00:00+14:01",
    "2026-02-20T00:00:00+8",
    "2026-02-20T00",
    "now",
)
BAD_CODES = ("bad code", TOO_LONG, "é", "a/b", "a\tb", "极", "a,b")
BAD_NAMES = ("x" * 81, "极" * 81, "a\tb", "a\nb", "\x7f", "a\x00b", "\x1f")
BAD_HASHES = ("a\tb", "\x01", "a\x7f", "a\r\nb")
BAD_WHOLES = ("1.5", "1e2", "x", "--1", "+1", " 1", "1\n")
BAD_LEVELS = ("0", "-1", "x", "1.5", "+1", "9" * 4000, "4", "99")
BAD_RATES = ("1.5", "0.1234567", "x", "-0.1", "1.", "1000000", "0:0.1", "5%")
BAD_BRACKETS = ("5:0.1", "0:0.1;0:0.2", "0:0;10:0.1;5:0.2", "0", "0:1000000", ":", "0:0,5:1", "0:0;", "-1:0", "0:0; 5:0.1", "x:0")

BAD: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("list_price", "cost", "price", "floor", "gross", "discount"), BAD_AMOUNTS),
    "amount": tuple(value for value in BAD_AMOUNTS if value != "-1"),
    **dict.fromkeys(("joined_on", "effective_on", "starts_on", "ends_on"), BAD_DATES),
    **dict.fromkeys(("paid_at", "refunded_at", "occurred_at", "at"), BAD_INSTANTS),
    **dict.fromkeys(("code", "parent", "tier", "reseller", "channel", "sku", "order", "line", "refund", "adjustment"), BAD_CODES),
    **dict.fromkeys(("name", "category"), BAD_NAMES),
    **dict.fromkeys(("identity", "buyer", "reason"), BAD_HASHES),
    "rank": (*BAD_WHOLES, "0", "-1"),
    "priority": BAD_WHOLES,
    "quantity": (*BAD_WHOLES, "-1", "1000001", "9" * 4000),
    "kind": ("alien", "Individual", "percent ", "TEAM"),
    "hold_from": ("Paid", "sold", "delivered "),
    "event": ("paid", "Delivered", "sent"),
    "basis": ("volume", "Net", "unit "),
    "level": BAD_LEVELS,
    "rate": BAD_RATES + BAD_BRACKETS,
}
REFERENCES = {"parent", "tier", "reseller", "channel", "sku", "order", "line"}
