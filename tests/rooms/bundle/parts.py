"""A golden bundle cut into parts that arrive one after the other and say the same as the whole.

Network, catalogue and rules come with the first part. Of the others each accepted row goes to the part that is asked for,
but not before what it refers to: a refund may come before an earlier one of its line. Rows that the whole refuses or passes
over come last, in the order of the file.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from typing import TYPE_CHECKING

from tests import books

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEYS = {"orders": ("order", "line"), "refunds": ("refund", "order", "line"), "adjustments": ("adjustment",)}
Row = dict[str, str]


def cut(case: str, folder: Path, count: int, part_of: Callable[[str, int], int]) -> list[Path]:
    """part_of: from the name of a file and the number of a row to a part, from 0 to count - 1."""
    source = books.GOLDEN / case / "bundle"
    found = [{name: [] for name in KEYS} for _ in range(count)]  # type: list[dict[str, list[Row]]]
    part_of_line: dict[tuple[str, str], int] = {}
    for name in KEYS:
        rows = read(source / f"{name}.csv")
        accepted = taken(case, name, rows)
        chosen = dict.fromkeys(range(len(rows)), count - 1)
        for at in accepted:
            line = (rows[at].get("order", ""), rows[at].get("line", ""))
            chosen[at] = max(part_of(name, at), part_of_line.get(line, 0))
            if name == "orders":
                part_of_line[line] = chosen[at]
        for at, row in enumerate(rows):
            found[chosen[at]][name].append(row)
    return [written(source, folder / str(number), part, first=number == 0) for number, part in enumerate(found)]


def read(path: Path) -> list[Row]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, strict=True)
        header = next(row for row in reader if row)
        return [dict(zip([*header, "too many"], [*row, *[""] * (len(header) - len(row))], strict=False)) for row in reader if row]


def taken(case: str, name: str, rows: list[Row]) -> list[int]:
    """The rows that the whole accepts, each key once."""
    with (books.GOLDEN / case / "expected" / "rejected.csv").open(encoding="utf-8", newline="") as text:
        refused = {int(row["row"]) - 1 for row in csv.DictReader(text) if row["file"] == f"{name}.csv"}
    keys = [tuple(row[column] for column in KEYS[name]) for row in rows]
    seen: Counter[tuple[str, ...]] = Counter()
    accepted = []
    for at, key in enumerate(keys):
        if at not in refused and not seen[key]:
            seen[key] += 1
            accepted.append(at)
    return accepted


def written(source: Path, folder: Path, part: dict[str, list[Row]], *, first: bool) -> Path:
    folder.mkdir(parents=True)
    for path in source.iterdir():
        if path.stem in KEYS or path.name == "brand.toml" or first:
            (folder / path.name).write_bytes(path.read_bytes())
        else:
            (folder / path.name).write_text(",".join(books.COLUMNS[path.stem]) + "\n", encoding="utf-8")
    for name, rows in part.items():
        if (source / f"{name}.csv").exists():
            (folder / f"{name}.csv").write_text(table(source / f"{name}.csv", rows), encoding="utf-8")
    return folder


def table(path: Path, rows: list[Row]) -> str:
    with path.open(encoding="utf-8-sig", newline="") as text:
        header = next(row for row in csv.reader(text) if row)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([[row[name] for name in header] + ([row["too many"]] if "too many" in row else []) for row in rows])
    return out.getvalue()
