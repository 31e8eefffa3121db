"""A plan described in a file: CSV with the columns of a rule, or TOML, which can also say what joining, a tier or a product asks for.

[joining]
fee = "100.00"
[[tier]]
code = "gold"
purchase = "500.00"
[[product]]
sku = "kit"
grants = "distribution"
[[rule]]
code = "OWN"
kind = "percent"
level = 1
basis = "net"
rate = "6%"
"""

from __future__ import annotations

import csv
import io
import tomllib
from typing import TYPE_CHECKING, Any, ClassVar

from qucheng.commission import plan_words
from qucheng.commission.plan_words import RuleText
from qucheng.core import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

CONDITIONS = {"fee": "entry_fee", "deposit": "deposit", "purchase": "purchase"}
PARTS = {"joining", "tier", "product", "rule"}
MOST_RULES = 2000
LONGEST = 1_000_000


class DescriptionError(errors.RefusedError):
    """The file is no description of a plan: it says what is wrong with it."""

    code: ClassVar[str] = "plan.description"
    status: ClassVar[int] = 422


def describe(text: str) -> list[RuleText]:
    """Rules as they stand in the file, not read yet; what a plan asks of people becomes rules of the kinds that are forbidden."""
    if len(text) > LONGEST:
        raise DescriptionError("A description of a plan has at most a million characters.")
    text = text.removeprefix("\ufeff")
    first = next((line for line in text.splitlines() if line.strip()), "")
    found = list(_toml(text) if first.lstrip().startswith(("[", "#")) else _csv(text))
    if not found:
        raise DescriptionError("There is no rule in it.")
    if len(found) > MOST_RULES:
        raise DescriptionError(f"A plan has at most {MOST_RULES} rules.")
    return found


def _csv(text: str) -> Iterator[RuleText]:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(rows, [])]
        unknown = [name for name in header if name not in plan_words.COLUMNS]
        if unknown or len(set(header)) < len(header) or not {"code", "kind"} <= set(header):
            raise DescriptionError(
                f"The columns are {', '.join(plan_words.COLUMNS)}; code and kind must be there, each once."
                + (f" Not known: {', '.join(unknown[:5])}." if unknown else "")
            )
        for row in rows:
            if not any(value.strip() for value in row):
                continue
            if len(row) > len(header):
                raise DescriptionError(f"Line {rows.line_num} has more fields than there are columns.")
            yield RuleText(**dict(zip(header, row, strict=False)))
    except csv.Error as error:
        raise DescriptionError(f"Line {rows.line_num} cannot be read: {error}.") from error


def _toml(text: str) -> Iterator[RuleText]:
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DescriptionError(f"It cannot be read: {error}.") from error
    _require_known(set(said), PARTS)
    yield from _conditions("joining", _table(said.get("joining", {})), {})
    for tier in _tables(said, "tier"):
        _require_known(set(tier), {"code", *CONDITIONS})
        code = str(tier.pop("code", ""))
        yield from _conditions(f"tier-{code}", tier, {"tier": code})
    for product in _tables(said, "product"):
        _require_known(set(product), {"sku", "grants"})
        if product.get("grants") not in (None, "distribution"):
            raise DescriptionError("What a product grants is `distribution`, or nothing.")
        if product.get("grants"):
            sku = str(product.get("sku", ""))
            yield RuleText(code=f"product-{sku}"[: plan_words.LONGEST_CODE], kind="right", sku=sku)
    for rule in _tables(said, "rule"):
        _require_known(set(rule), set(plan_words.COLUMNS))
        yield RuleText(**{name: str(value) for name, value in rule.items()})


def _conditions(code: str, asked: dict[str, Any], of: dict[str, str]) -> Iterator[RuleText]:
    _require_known(set(asked), set(CONDITIONS))
    for name, amount in asked.items():
        named = f"{code}-{name}"[: plan_words.LONGEST_CODE]
        yield RuleText(code=named, kind=CONDITIONS[name], rate=str(amount), **of)


def _tables(said: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = said.get(name, [])
    if not isinstance(found, list):
        raise DescriptionError(f"{name} is written as [[{name}]].")
    return [_table(each) for each in found]


def _table(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DescriptionError("A value stands where a table is expected.")
    return dict(value)


def _require_known(found: set[str], known: set[str]) -> None:
    unknown = sorted(found - known)
    if unknown:
        raise DescriptionError(f"Not known: {', '.join(unknown[:5])}; there is {', '.join(sorted(known))}.")
