"""What a statement says: the frozen facts from which its PDF, its canonical JSON and its hash are made.

Every amount is an `int` in minor units of the brand's currency. Whoever fills these structs has summed in SQL; `verify` adds
everything up again and refuses a document that does not prove itself. Nothing here is rounded or estimated.

**Which hundred lines.** With at most `LINES_SHOWN` accruals and reversals the paper has them all. With more it has the
`LINES_SHOWN` largest by |amount| (ties: as sorted below), *in order of time*, and sums all the others by day. An accountant
checks the lines that make the money, and a large refund must not disappear in a sum because it came late in the month. To add the
days up again one filters the attached CSV for rows without a number in `row`; the others carry the number they have on paper.

**Sorted by** `occurred_at`, `order`, `line`, `kind`, `refund`, `rule`, `of_period`; text by its bytes, blank first.
"""

import datetime as dt
import hashlib
from collections.abc import Iterable
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

SKUS_SHOWN = 30
LINES_SHOWN = 100
BONUSES_SHOWN = 50
ADJUSTMENTS_SHOWN = 50
EARLIER_DAYS = 31
"""Days before the period's first that are still summed one by one in `days_rest`; what is older is one row without a date."""

CSV_COLUMNS = (
    "row", "kind", "level", "order", "line", "refund", "rule", "of_period", "sku", "quantity", "net",
    "basis", "basis_amount", "rate", "amount", "occurred_at", "matures_at",
)  # fmt: skip
"""The attached CSV: every entry of the statement, of all four kinds, sorted as above, written as `entries.csv` is (spec §1, §9:
LF, no BOM, amounts as plain decimals, an adjustment's code in `order`).

`row` is 1, 2, 3 … for the accruals and reversals in `lines` and blank for every other entry. `sku`, `quantity`, `net` and `basis`
are the `Line` fields, blank for bonuses and adjustments but for a bonus's `basis`. Codes only, no names: a name may look like a
formula to a spreadsheet."""


class NotProvenError(ValueError):
    """The figures of a document contradict each other, or the attachment is not the one it was made with."""


class _Fact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Sku(_Fact, frozen=True):
    """What one SKU brought on this statement. Of all its accruals and reversals, whether or not their lines are shown:"""

    code: str
    name: str
    lines: int
    """Number of accruals."""
    quantity: int
    """Σ `Line.quantity`."""
    net: int
    """Σ `Line.net`."""
    commission: int
    """Σ `Line.amount`."""


class SkusRest(_Fact, frozen=True):
    """The SKUs that are not among the `SKUS_SHOWN`, summed as in `Sku`."""

    skus: int = 0
    lines: int = 0
    quantity: int = 0
    net: int = 0
    commission: int = 0


class Bonus(_Fact, frozen=True):
    rule: str
    kind: Literal["graduated", "slab"]
    of_period: str
    """`YYYY-MM`: the volume's period."""
    basis: Literal["net", "gross", "unit"]
    basis_amount: int
    """The volume V: minor units, for basis `unit` the plain count."""
    brackets: str
    """As `rate` in entries.csv: `0:0;5000:0.01`."""
    amount: int


class Adjustment(_Fact, frozen=True):
    code: str
    date: dt.date
    """Local date of `occurred_at`."""
    reason: str
    amount: int


class Rest(_Fact, frozen=True):
    """Rows that are in the attachment only."""

    count: int = 0
    amount: int = 0


class Line(_Fact, frozen=True):
    """An accrual or a reversal, with the order line or the refund it comes from."""

    date: dt.date
    """Local date of `occurred_at`: when it was paid, or refunded."""
    kind: Literal["accrual", "reversal"]
    order: str
    line: str
    refund: str | None
    """The refund's code for a reversal, None for an accrual."""
    level: int
    sku: str
    sku_name: str
    quantity: int
    """An accrual: the order line's quantity. A reversal: the refund's quantity, negative (or 0)."""
    net: int
    """An accrual: gross − discount of the order line. A reversal: the refund's amount, negative (or 0)."""
    basis: Literal["net", "gross", "margin", "unit"]
    basis_amount: int
    """As in entries.csv: minor units, for basis `unit` the plain count; a reversal's: of what is left."""
    rate: str
    """As in entries.csv: `0.1`; with basis `unit` money per unit, `0.50`."""
    amount: int


class DayRest(_Fact, frozen=True):
    """The accruals and reversals of one local date (of `occurred_at`) that are not in `lines`."""

    date: dt.date | None
    """None: every date before `rest_from(first_day)` in one row, so that the paper stays short whatever comes late."""
    count: int
    net: int
    """Σ `Line.net`."""
    amount: int


class Counts(_Fact, frozen=True):
    """Number of entries on the statement, of each kind."""

    accruals: int
    reversals: int
    bonuses: int
    adjustments: int


class Withholding(_Fact, frozen=True):
    """Why `tax` is what it is. The three figures are known where the scheme is not `none`, the reseller is an individual and the
    statement is paid (payable > 0 and payable ≥ min_payout); otherwise they are None.
    """

    scheme: Literal["none", "cn-labor", "cn-platform"]
    """The scheme in force in the period: `cn-labor` for a brand on `cn-platform` before 2025-10."""
    income: int | None = None
    """Σ payables paid to the payee so far, this one included: of the month (`cn-labor`), of the calendar year (`cn-platform`)."""
    withheld: int | None = None
    """Σ tax already withheld on the others of them."""
    months: int | None = None
    """`cn-platform` only: from the first month of the year with a payment to this one, both counted."""


class StatementDocument(_Fact, frozen=True, kw_only=True):
    """One statement, complete. The fields named as in spec §6 are the stored ones, not recomputed."""

    format: Literal["qucheng.statement/1"] = "qucheng.statement/1"

    brand_code: str
    brand_name: str
    currency: str
    decimals: int
    time_zone: str
    locale: Literal["zh-CN", "en"]

    reseller_code: str
    reseller_name: str
    reseller_kind: Literal["individual", "company"]
    tier_name: str
    """The tier's name as placed on the period's last day."""

    statement_no: str
    period: str
    """`YYYY-MM`."""
    first_day: dt.date
    last_day: dt.date
    """The period's last local date (inclusive): 2026-03-31."""

    opening: int
    accrued: int
    reversed: int
    bonus: int
    adjustment: int
    gross: int
    payable: int
    tax: int
    net: int
    carried: int
    withholding: Withholding

    hold_days: int
    held: int | msgspec.UnsetType = msgspec.UNSET
    """How many of the entries are of lines whose hold counts from delivery or redemption; not there where none is."""
    min_payout: int
    max_depth: int
    """Of the brand's policy, tightened where brand.toml does."""
    max_levels: int

    counts: Counts
    skus: tuple[Sku, ...]
    """The `SKUS_SHOWN` largest by commission descending, then code."""
    skus_rest: SkusRest
    bonuses: tuple[Bonus, ...]
    """The first `BONUSES_SHOWN` by of_period, rule."""
    bonuses_rest: Rest
    adjustments: tuple[Adjustment, ...]
    """The first `ADJUSTMENTS_SHOWN` by occurred_at, code."""
    adjustments_rest: Rest
    lines: tuple[Line, ...]
    """See the module: all, or the `LINES_SHOWN` largest, sorted."""
    days_rest: tuple[DayRest, ...]
    """By date, the row without a date first; empty where all lines are shown."""

    csv_sha256: str
    """SHA-256 (hex) of the attached CSV's bytes, so that the hash of the statement covers every entry."""


def rest_from(first_day: dt.date) -> dt.date:
    """Entries before this local date that are not in `lines` are summed in one row without a date."""
    return first_day - dt.timedelta(days=EARLIER_DAYS)


def ended_at(document: StatementDocument) -> dt.datetime:
    """The instant the period ended: the only date that a statement has of itself."""
    return dt.datetime.combine(document.last_day + dt.timedelta(days=1), dt.time(), ZoneInfo(document.time_zone))


def canonical_json(document: StatementDocument) -> bytes:
    """Sorted keys, no spaces, UTF-8, amounts as integers of minor units. Its SHA-256 is the statement's hash."""
    return msgspec.json.encode(document, order="sorted")


def content_hash(document: StatementDocument) -> str:
    return hashlib.sha256(canonical_json(document)).hexdigest()


def check_text(document: StatementDocument, sha256: str, public_url: str | None) -> str:
    """What the QR code says: the address of the check page, or number and hash where there is no such page."""
    if public_url:
        return f"{public_url.rstrip('/')}/s/{document.statement_no}?h={sha256[:20]}"
    return f"{document.statement_no} {sha256}"


def verify(document: StatementDocument, lines_csv: bytes) -> None:
    """Raise NotProvenError unless every sum of the document adds up and `lines_csv` is its attachment."""
    d = document
    commission = d.accrued + d.reversed
    entries = d.counts.accruals + d.counts.reversals
    earned = sum(x.commission for x in d.skus) + d.skus_rest.commission
    itemised = sum(x.amount for x in d.lines) + sum(x.amount for x in d.days_rest)
    checks = {
        "gross": d.gross == commission + d.bonus + d.adjustment,
        "payable": d.payable == d.opening + d.gross,
        "paid": (d.net, d.carried) == ((0, d.payable) if d.carried else (d.payable - d.tax, 0)),
        "tax": 0 <= d.tax <= max(d.payable, 0) and not (d.tax and d.carried),
        "skus": earned == commission and _total(d.skus, "lines") + d.skus_rest.lines == d.counts.accruals,
        "lines": itemised == commission and len(d.lines) + _total(d.days_rest, "count") == entries,
        "volume": _total(d.lines, "net") + _total(d.days_rest, "net") == _total(d.skus, "net") + d.skus_rest.net,
        "bonuses": _total(d.bonuses, "amount") + d.bonuses_rest.amount == d.bonus
        and len(d.bonuses) + d.bonuses_rest.count == d.counts.bonuses,
        "adjustments": _total(d.adjustments, "amount") + d.adjustments_rest.amount == d.adjustment
        and len(d.adjustments) + d.adjustments_rest.count == d.counts.adjustments,
        "attachment": hashlib.sha256(lines_csv).hexdigest() == d.csv_sha256,
    }
    wrong = [name for name, holds in checks.items() if not holds]
    if wrong:
        raise NotProvenError(f"statement {d.statement_no} does not add up: {', '.join(wrong)}")


def _total(rows: Iterable[_Fact], field: str) -> int:
    return sum(int(getattr(row, field)) for row in rows)
