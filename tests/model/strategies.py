"""Small but nasty bundles, drawn by Hypothesis, as text of files by name."""

from __future__ import annotations

import csv
import io
import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, TypeVar
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from tests.model import nasty, periods, values
from tests.model.reading import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.model.nasty import Era

T = TypeVar("T")
Row = dict[str, str]
CAPS = {
    "cn-strict": ("0.3", "0.25", "0.000001"),
    "cn-two-tier": ("0.30", "0.2", "0.1"),
    "intl": ("0.5", "0.15", "0.333333", "0.05"),
}
RATES = ("0.05", "0.1", "0.125", "0.333333", "0.5", "1", "0.0005", "0.000001", "0.15", "0", "0.2500", "1.000000")
MONEYS = ("0", "1", "0.01", "0.50", "3.47", "834.00", "999999")
BRACKETS = (
    "0:0;100:0.05",
    "0:0.0010;5000.0:0.02",
    "0:0.003;0.01:0.0105;1000:1",
    "0:1",
    "0.0:0;0.5:0.000001",
    "0:0;10:0.5;20:0.25",
)
LIMITS = {
    "orders": 24,
    "refunds": 30,
    "fulfilments": 24,
    "rules": 8,
    "resellers": 9,
    "placements": 5,
    "prices": 6,
    "adjustments": 3,
    "spoilt": 8,
}
SALES = (
    "orders",
    "refunds",
    "fulfilments",
    "rules",
    "adjustments",
    "placements",
    "prices",
)  # a bad row here spoils no other table
PIECES = ("0:0;10:0.50;100:1.29", "0:1", "0:0.01;1:0;2:5", "0:0.00;17:999999")


@dataclass(frozen=True)
class Bundle:
    files: dict[str, str]
    through: str

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in self.files.items():
            (folder / name).write_bytes(text.encode())
        return folder


def table(columns: Sequence[str], rows: list[list[str]], *, quoting: bool = False, ending: str = "\n") -> str:
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator=ending, quoting=csv.QUOTE_ALL if quoting else csv.QUOTE_MINIMAL)
    writer.writerow(columns)
    writer.writerows(rows)
    return file.getvalue()


@dataclass
class Maker:
    """Makes one bundle, table by table: Hypothesis draws the seed and how much of each table there may be, and shrinks that."""

    seed: int
    most: dict[str, int]
    tidy: bool
    chances: random.Random = field(default_factory=random.Random)
    era: Era = nasty.ERAS[0]
    decimals: int = 2
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    tables: dict[str, list[Row]] = field(default_factory=dict)

    def pick(self, options: Sequence[T]) -> T:
        return options[self.between(0, len(options) - 1)]

    def begin(self, table: str) -> int:
        """Chances of its own for each table, so that less of one leaves the others as they are; the most rows it may have."""
        self.chances = random.Random(f"{self.seed} {table}")
        return self.most.get(table, 0)

    def between(self, least: int, most: int) -> int:
        return self.chances.randint(least, most)

    def chance(self, of: int) -> bool:
        return self.between(0, of - 1) == of - 1

    def some(self, options: Sequence[T], least: int, most: int) -> list[T]:
        """A few of them, each once."""
        return self.chances.sample(options, min(self.between(least, most), len(options)))

    def day(self) -> date:
        return self.pick(self.era.days())

    def amount(self, most: int = 10**10) -> int:
        """In minor units, less than `most` major ones."""
        largest: int = most * 10**self.decimals - 1
        size = self.pick((100, 1000, 10_000, 100_000, 1_000_000, 10**9, self.between(0, 1), largest))
        return min(largest, self.between(size // 3, size))

    def text(self, minor: int) -> str:
        plain = values.money(minor, self.decimals)
        form = self.between(0, 7)
        if form == 0:
            return values.shortest(minor, self.decimals)
        return f"00{plain}" if form == 1 and minor >= 0 else plain

    def instant(self, day: date) -> str:
        text = f"{day.isoformat()}T{self.pick(nasty.TIMES)}"
        return text + self.pick(("", "", "", "Z", "+08:00", "-04:00", "+14:00", "-09:30"))

    def code(self, name: str) -> str:
        """A code of that table, seldom one that is not there."""
        if not self.tidy and self.chance(60):
            return self.pick(("nobody", "r99"))
        return self.pick(self.tables[name])["code"]

    def brand(self) -> tuple[str, str]:
        self.begin("brand")
        self.era = self.pick(nasty.ERAS)
        self.zone = ZoneInfo(self.era.zone)
        policy, currency = self.pick(("intl", "cn-two-tier", "cn-strict")), self.pick(("CNY", "CNY", "JPY", "USD"))
        self.decimals = 0 if currency == "JPY" else 2
        compliance = [f'policy = "{policy}"']
        if policy == "cn-two-tier":
            compliance += ['legal_opinion = "LO-1"', f"expires_on = {self.day()}"]
        if self.chance(2):
            compliance.append(f'max_total_rate = "{self.pick(CAPS[policy])}"')
        if self.chance(6):
            compliance.append(f"max_depth = {self.between(1, 2)}")
        if self.chance(6):
            compliance.append("max_levels = 1")
        scheme = self.pick(("cn-platform", "cn-labor", "none") if currency == "CNY" else ("none",))
        settlement = [
            f"hold_days = {self.pick((0, 1, 7, 30, 90))}",
            f'min_payout = "{self.text(self.pick((0, 0, 1, 100, 10_000, 80_000)))}"',
            f'withholding = "{scheme}"',
        ]
        head = ['code = "aurora"', 'name = "极光权益"', f'currency = "{currency}"', f'time_zone = "{self.era.zone}"']
        sections = (("brand", head), ("compliance", compliance), ("settlement", settlement))
        return policy, "\n".join(f"[{name}]\n" + "\n".join(lines) + "\n" for name, lines in sections)

    def network(self, policy: str) -> None:
        self.begin("tiers")
        tiers = self.some(nasty.CODES, 1, 3)
        self.tables["tiers"] = [
            {"code": code, "name": self.pick(nasty.NAMES), "rank": str(at + 1)} for at, code in enumerate(tiers)
        ]
        crowd = policy == "intl" and self.chance(8)
        people: list[Row] = [self.person(f"h{at:02d}", "h00" if at else "", date(2009, 1, 1)) for at in range(29 if crowd else 0)]
        codes = self.some(nasty.RESELLERS, 1, 9)[: max(1, self.begin("resellers"))]
        deepest, depths = 3 if policy == "intl" else 2, dict.fromkeys(codes, 1)
        joins = self.some(self.era.days(), len(codes), len(codes)) if crowd else [self.day() for _ in codes]
        for at, (code, joined_on) in enumerate(zip(codes, joins, strict=True)):
            near = [code for code in codes[:at] if depths[code] < deepest or self.chance(8)] + (["h00", "h01"] if crowd else [])
            parent = self.pick(near) if near and self.between(0, 3) else ""
            if not self.tidy and self.chance(20):
                parent = self.pick((*codes, "nobody"))
            depths[code] = depths.get(parent, 1) + 1 if parent else 1
            usual = self.era.around - timedelta(days=60 - at)
            people.append(self.person(code, parent, joined_on if crowd or self.chance(4) else usual))
        self.tables["resellers"] = people
        moves: dict[tuple[str, str], Row] = {}
        for _ in range(self.begin("placements")):
            row = {"reseller": self.code("resellers"), "parent": self.code("resellers") if self.between(0, 3) else ""}
            row |= {"tier": self.code("tiers"), "effective_on": self.day().isoformat()}
            moves[row["reseller"], row["effective_on"]] = row
        self.tables["placements"] = list(moves.values())

    def person(self, code: str, parent: str, joined_on: date) -> Row:
        kind, identity = self.pick(("individual", "individual", "company")), self.pick(("", *nasty.IDENTITIES))
        row = {"code": code, "name": self.pick(nasty.NAMES), "kind": kind, "parent": parent, "tier": self.code("tiers")}
        return row | {"joined_on": joined_on.isoformat(), "identity": identity}

    def catalog(self) -> None:
        self.begin("catalog")
        kinds = ("", "agency", "wholesale") if self.chance(2) else ("", "agency")
        self.tables["channels"] = [
            {"code": code, "name": self.pick(nasty.NAMES), "kind": self.pick(kinds)} for code in self.some(nasty.CODES, 1, 3)
        ]
        self.tables["skus"] = [
            {"code": code, "name": self.pick(nasty.NAMES), "category": self.pick(nasty.CATEGORIES)}
            | {"list_price": self.text(self.amount()), "cost": self.text(self.amount(1000)) if self.chance(2) else ""}
            for code in self.some(nasty.CODES, 1, 3)
        ]
        cells: dict[tuple[str, ...], Row] = {}
        for _ in range(self.begin("prices")):
            row = {"sku": self.code("skus"), "channel": self.blank_or("channels"), "tier": self.blank_or("tiers")}
            row |= {"price": self.pick(("1", "0", "100", "7")), "floor": self.pick(("", "1"))} | self.dates(must_start=True)
            cells[row["sku"], row["channel"], row["tier"], row["starts_on"]] = row
        self.tables["prices"] = list(cells.values())

    def blank_or(self, name: str) -> str:
        return self.code(name) if self.chance(5) else ""

    def dates(self, *, must_start: bool = False) -> Row:
        starts = self.day() if must_start or self.chance(3) else None
        ends = self.day() if self.chance(4) else None
        if starts and ends and ends <= starts and (self.tidy or self.between(0, 5)):
            ends = starts + timedelta(days=1)
        return {"starts_on": starts.isoformat() if starts else "", "ends_on": ends.isoformat() if ends else ""}

    def rules(self, policy: str) -> None:
        most = {"cn-strict": 1, "cn-two-tier": 2, "intl": 3}[policy]
        codes = ("k1", "K1", "k10", "k2", "k-1", "k_1", "z", "A")[: self.begin("rules")]
        self.tables["rules"] = [self.rule(code, most) for code in self.shuffled(list(codes))]

    def rule(self, code: str, most_levels: int) -> Row:
        kind = self.pick(("percent", "percent", "percent", "per_unit", "graduated", "slab"))
        row = {"code": code, "kind": kind, "level": "", "sku": "", "channel": "", "tier": "", "category": ""}
        row |= {"priority": self.pick(("", "0", "5", "-1")), "starts_on": "", "ends_on": ""}
        if self.chance(2):
            row |= {"sku": self.blank_or("skus"), "channel": self.blank_or("channels"), "tier": self.blank_or("tiers")}
            row |= {"category": self.pick(("",) * 9 + nasty.CATEGORIES)} | self.dates()
        if kind in ("percent", "per_unit"):
            row["level"] = str(self.between(1, most_levels))
            row["basis"] = "unit" if kind == "per_unit" else self.pick(("net", "gross", "margin"))
            row["rate"] = self.pick(RATES) if kind == "percent" else self.money_per_unit()
        else:
            row["basis"] = self.pick(("net", "gross", "unit"))
            row["rate"] = self.pick(PIECES if row["basis"] == "unit" else BRACKETS)
            if not self.decimals:
                row["rate"] = self.pick(("0:0;10:1", "0:2") if row["basis"] == "unit" else ("0:0.01;50:0.000001", "0:1"))
        return row

    def money_per_unit(self) -> str:
        return self.pick(tuple(money for money in MONEYS if self.decimals or "." not in money))

    def sales(self) -> None:
        orders: dict[tuple[str, str], Row] = {}
        days: dict[tuple[str, str], date] = {}
        refunds: dict[tuple[str, str, str], Row] = {}
        for _ in range(self.begin("orders")):
            key = self.pick(nasty.ORDERS), self.pick(nasty.LINES)
            if key in orders:
                continue
            day = self.day()
            orders[key] = self.sale(*key, day)
            days[key] = day
        most = self.begin("refunds")
        for key, row in orders.items():
            codes = self.some(("f1", "F1", "f10", "f2", "f-1"), 0, 4) if self.between(0, 2) else []
            for refund in codes[: most - len(refunds)]:
                refunds[refund, *key] = self.give_back(refund, row, days[key])
        self.tables["orders"] = self.shuffled(list(orders.values()))
        self.tables["refunds"] = self.shuffled(list(refunds.values()))

    def sale(self, order: str, line: str, day: date) -> Row:
        quantity, gross = self.pick((1, 2, 3, 7, 17, 10**6)), self.amount()
        if self.chance(3):
            gross = min(quantity * 10**self.decimals, 10 ** (10 + self.decimals) - 1)
        discount = self.pick((0, 0, 0, 0, gross // 3, gross // 2, gross))
        if not self.tidy and self.chance(40):
            discount = gross + 1
        row = {"order": order, "line": line, "paid_at": self.instant(day), "reseller": self.code("resellers")}
        row |= {"channel": self.code("channels"), "sku": self.code("skus"), "quantity": str(quantity), "gross": self.text(gross)}
        buyer = self.pick(("", "c1", "c2", "c3", "c4", *nasty.IDENTITIES))
        return row | {"discount": self.text(discount) if discount else self.pick(("", "0")), "buyer": buyer}

    def give_back(self, refund: str, row: Row, day: date) -> Row:
        net = values.amount(row["gross"], self.decimals) - values.amount(row["discount"] or "0", self.decimals)
        quantity = int(row["quantity"])
        back = self.pick((net, net // 3, net - net // 3, 1, 0, net // 2)) if net > 0 else 0
        later = day + timedelta(days=self.pick((1, 1, 2, 20, 35, 70, -1)))
        return {"refund": refund, "order": row["order"], "line": row["line"], "refunded_at": self.instant(later)} | {
            "quantity": str(self.pick((0, quantity, quantity // 3, 1, quantity - quantity // 3))),
            "amount": self.text(back),
        }

    def fulfilments(self) -> None:
        """SKUs that are held until an event, and the events of their lines: some of another kind, too many, too early or missing."""
        most = self.begin("fulfilments")
        for row in self.tables["skus"]:
            row["hold_from"] = self.pick(("", "paid", "delivered", "redeemed")) if most else ""
        held = {row["code"]: row["hold_from"] for row in self.tables["skus"]}
        found: dict[tuple[object, ...], Row] = {}
        for row in self.tables["orders"] if most else ():
            event = held.get(row["sku"]) or "paid"
            if event == "paid" or self.chance(6):
                event = self.pick(("delivered", "redeemed"))
            day = values.instant(row["paid_at"], self.zone).date()
            for units in self.pieces(int(row["quantity"])):
                at = self.instant(day + timedelta(days=self.pick((1, 1, 2, 3, 21, 36, 64, 0))))
                key = (row["order"], row["line"], event, values.instant(at, self.zone))
                made = {"order": row["order"], "line": row["line"], "event": event, "at": at, "quantity": str(units)}
                found.setdefault(key, made)
        self.tables["fulfilments"] = self.shuffled(list(found.values())[:most])

    def pieces(self, quantity: int) -> tuple[int, ...]:
        """All of it at once, in parts, in part, too much of it, or nothing."""
        third = max(1, quantity // 3)
        rest = max(1, quantity - third)
        return self.pick(((quantity,), (quantity,), (third, rest), (rest,), (third, third, 1), (quantity, 1), ()))

    def adjustments(self) -> None:
        self.tables["adjustments"] = [
            {"adjustment": code, "reseller": self.code("resellers"), "occurred_at": self.instant(self.day())}
            | {"amount": self.text(self.pick((1, -1)) * self.amount()), "reason": self.pick(("手工调整", "=1+1", "a, b"))}
            for code in ("a1", "A1", "a10", "a2")[: self.begin("adjustments")]
        ]

    def shuffled(self, rows: list[T]) -> list[T]:
        return self.some(rows, len(rows), len(rows))

    def spoil(self) -> None:
        """A few rows made bad, repeated in other words, or in conflict."""
        for _ in range(0 if self.tidy else self.begin("spoilt")):
            name = self.pick((*COLUMNS, *SALES, *SALES))
            rows = self.tables.get(name)
            if not rows:
                continue
            at = self.between(0, len(rows) - 1)
            row, kind = dict(rows[at]), self.between(0, 6)
            column = self.pick(tuple(row))
            if kind == 0:
                row[column] = ""
            elif kind <= 2 or (kind == 3 and column not in nasty.REFERENCES):
                row[column] = self.pick(nasty.BAD[column])
            elif kind == 3:
                row[column] = "nobody"
            elif kind == 4:
                row[column] = self.pick(rows)[column]  # a conflict, a duplicate, or just another row
            else:
                row = {key: self.reworded(name, key, value) for key, value in row.items()}
            if kind >= 4 or name not in SALES or self.chance(2):
                rows.insert(self.between(0, len(rows)), row)
            else:
                rows[at] = row

    def reworded(self, name: str, column: str, value: str) -> str:
        if column in ("paid_at", "refunded_at", "occurred_at", "at"):
            return nasty.rewritten(value, self.zone)
        money = column in ("list_price", "cost", "price", "gross", "discount") or (name == "refunds" and column == "amount")
        return f"0{value}" if money and value else value

    def written(self, name: str) -> str:
        self.begin(f"text of {name}")
        required, others = (part.split() for part in COLUMNS[name])
        rows = self.tables[name]
        columns = required + [column for column in others if any(row.get(column) for row in rows) or self.chance(2)]
        columns = self.shuffled(columns) if self.chance(4) else columns
        lines = [[row.get(column, "") for column in columns] for row in rows]
        if lines and not self.tidy and self.chance(8):
            lines[-1] = [*lines[-1], "more"] if self.chance(2) else lines[-1][: self.between(1, len(columns))]
        text = table(columns, lines, quoting=self.chance(6), ending=self.pick(("\n", "\n", "\r\n")))
        if self.chance(6) and "\n" not in "".join(sum(lines, [])):  # noqa: RUF017 - a few short rows
            text = text.replace("\n", "\n\n") + "\n"
        return "\ufeff" + text if self.chance(6) else text


def build(seed: int, most: dict[str, int], *, tidy: bool) -> Bundle:
    maker = Maker(seed, most, tidy)
    policy, brand = maker.brand()
    maker.network(policy)
    maker.catalog()
    maker.rules(policy)
    maker.sales()
    maker.fulfilments()
    maker.adjustments()
    maker.spoil()
    files = {"brand.toml": brand}
    maker.begin("files")
    for name in COLUMNS:
        if maker.tables[name] or name in ("tiers", "channels", "resellers", "skus", "rules", "orders") or maker.chance(2):
            files[f"{name}.csv"] = maker.written(name)
    around = maker.era.around
    through = periods.Period(around.year, around.month)
    for _ in range(maker.pick((7, 7, 7, 7, 2, 1, 0))):
        through = through.next
    return Bundle(files, str(through))


@st.composite
def bundles(draw: st.DrawFn, *, tidy: bool = False) -> Bundle:
    """Any bundle; a tidy one has no row that is bad by itself, no duplicate and no conflict."""
    most = {name: draw(st.integers(0, limit), label=name) for name, limit in LIMITS.items()}
    return build(draw(st.integers(0, 10**9), label="seed"), most, tidy=tidy)
