"""What must hold of the five files by themselves, whoever wrote them: amounts are read from their text, nothing is recomputed."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.model import kernel, periods, reading, values

if TYPE_CHECKING:
    from pathlib import Path

    from tests.model import Result

Row = dict[str, str]
KINDS = {"accrual": "accrued", "reversal": "reversed", "bonus": "bonus", "adjustment": "adjustment"}
FILES = ("statements", "entries", "journal", "rejected", "flags")


@dataclass(frozen=True)
class Books:
    """The outputs of a settlement, as rows."""

    decimals: int
    statements: list[Row]
    entries: list[Row]
    journal: list[Row]
    rejected: list[Row]
    flags: list[Row]

    def money(self, text: str) -> int:
        return values.decimal(text, decimals=self.decimals, signed=True) if text else 0


def rows(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def books(out: Path, decimals: int) -> Books:
    return Books(decimals, *(rows(out / f"{name}.csv") for name in FILES))


def keep(result: Result, out: Path) -> Path:
    """The files that the model would write."""
    out.mkdir(parents=True)
    for name in ("statements", "entries", "journal"):
        (out / f"{name}.csv").write_bytes(getattr(result, f"{name}_csv"))
    for name, found in (("rejected", result.rejected), ("flags", result.flags)):
        lines = ["file,row,code", *(f"{file},{row},{code}" for file, row, code in found)]
        (out / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return out


def three_columns(found: list[Row]) -> list[tuple[str, int, str]]:
    return [(row["file"], int(row["row"]), row["code"]) for row in found]


def same_as_the_model(out: Path, result: Result) -> None:
    assert (out / "statements.csv").read_bytes() == result.statements_csv
    assert (out / "entries.csv").read_bytes() == result.entries_csv
    assert (out / "journal.csv").read_bytes() == result.journal_csv
    assert three_columns(rows(out / "rejected.csv")) == result.rejected
    assert three_columns(rows(out / "flags.csv")) == result.flags


def statements_add_up(book: Books) -> None:
    carried: dict[str, int] = defaultdict(int)
    places: Counter[str] = Counter()
    for row in book.statements:
        amount = {
            name: book.money(text) for name, text in row.items() if name not in ("statement_no", "period", "reseller", "kind")
        }
        places[row["period"]] += 1
        assert row["statement_no"].endswith(f"-{row['period'].replace('-', '')}-{places[row['period']]:06d}")
        assert amount["opening"] == carried[row["reseller"]]
        assert amount["gross"] == sum(amount[name] for name in KINDS.values())
        assert amount["payable"] == amount["opening"] + amount["gross"]
        assert amount["payable"] == amount["net"] + amount["tax"] + amount["carried"]
        assert 0 <= amount["tax"] <= max(amount["payable"], 0)
        assert amount["net"] >= 0
        carried[row["reseller"]] = amount["carried"]


def entries_are_the_statements(book: Books) -> None:
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    owners = {row["statement_no"]: (row["period"], row["reseller"]) for row in book.statements}
    seen: set[tuple[str, ...]] = set()
    for row in book.entries:
        assert owners[row["statement_no"]] == (row["period"], row["reseller"])
        key = tuple(row[name] for name in ("reseller", "kind", "order", "line", "level", "refund", "rule", "of_period"))
        key = (*key, row["period"]) if row["kind"] == "bonus" else key
        assert key not in seen, "an entry is on one statement only"
        seen.add(key)
        sums[row["statement_no"]][row["kind"]] += book.money(row["amount"])
    for row in book.statements:
        for kind, column in KINDS.items():
            assert sums[row["statement_no"]][kind] == book.money(row[column])


def journal_is_the_statements(book: Books) -> None:
    entries: Counter[str] = Counter()
    accounts: Counter[str] = Counter()
    last = {row["reseller"]: book.money(row["carried"]) for row in book.statements}
    for row in book.journal:
        debit, credit = book.money(row["debit"]), book.money(row["credit"])
        assert (debit > 0) != (credit > 0)
        assert row["entry"].startswith(f"{row['statement_no']}/")
        entries[row["entry"]] += debit - credit
        accounts[row["account"]] += credit - debit
    assert set(entries.values()) <= {0}, "debits equal credits in every entry"
    for reseller, carried in last.items():
        assert accounts[f"liability:reseller:{reseller}"] == carried
    assert accounts["asset:bank"] == sum(book.money(row["net"]) for row in book.statements)
    assert accounts["liability:tax"] == sum(book.money(row["tax"]) for row in book.statements)
    gross = sum(book.money(row["gross"]) for row in book.statements)
    assert -accounts["expense:commission"] == gross


def earned_by_line(book: Books) -> dict[tuple[str, str], dict[tuple[str, str], int]]:
    """Order line: (level, refund): amount."""
    found: dict[tuple[str, str], dict[tuple[str, str], int]] = defaultdict(dict)
    for row in book.entries:
        if row["kind"] in ("accrual", "reversal"):
            found[row["order"], row["line"]][row["level"], row["refund"]] = book.money(row["amount"])
    return found


def lines_stay_under_their_cap(book: Books, result: Result, through: str) -> None:
    """After each refund; and what is fully refunded sums to zero over each level."""
    end = periods.end(periods.parse(through), result.brand.zone)
    earned = earned_by_line(book)
    for line, refunds in result.lines:
        amounts = earned[line.order.key]
        if line.matures_at is None or line.matures_at >= end:
            assert not amounts
            continue
        sums: Counter[str] = Counter()
        for refund, left in kernel.lives(line, refunds):
            if refund is not None and max(refund.refunded_at, line.matures_at) >= end:
                break
            code = refund.refund if refund else ""
            for (level, of), amount in amounts.items():
                if of == code:
                    sums[level] += amount
                    assert amount > 0 if refund is None else amount < 0
            assert min(sums.values(), default=0) >= 0
            assert sum(sums.values()) <= result.brand.max_total_rate * left.net // 10**6
            if left.net == 0:
                assert set(sums.values()) <= {0}, "fully refunded"


def every_row_ends_in_one_place(book: Books, bundle: Path, counts: dict[str, tuple[int, int, int, int]]) -> None:
    rejected = [(row["file"], int(row["row"])) for row in book.rejected]
    assert len(set(rejected)) == len(rejected)
    assert rejected == sorted(rejected)
    assert not set(rejected) & {(row["file"], int(row["row"])) for row in book.flags}
    refused = Counter(file for file, _ in rejected)
    for name in reading.COLUMNS:
        file = f"{name}.csv"
        there = len(reading.read(bundle, name))
        assert all(1 <= row <= there for of, row in rejected if of == file)
        if file in counts:
            read, imported, duplicate, told = counts[file]
            assert (read, told) == (there, refused[file])
            assert read == imported + duplicate + told


def all_of(out: Path, result: Result, bundle: Path, through: str, counts: dict[str, tuple[int, int, int, int]]) -> None:
    book = books(out, result.brand.decimals)
    statements_add_up(book)
    entries_are_the_statements(book)
    journal_is_the_statements(book)
    lines_stay_under_their_cap(book, result, through)
    every_row_ends_in_one_place(book, bundle, counts)
