"""The form of a product: what was typed into it, and the facts that it says."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

import msgspec

from qucheng.catalog import queries, rules, sku_sheet
from qucheng.core import money

PLACES = 6
"""Of parts beside those that there are."""
MOST_PLACES = rules.MOST_PARTS
NAMES = (
    "code",
    "name",
    "category",
    "list_price",
    "cost",
    "kind",
    "face_value",
    "valid_days",
    "valid_until",
    "rules_zh",
    "rules_en",
    "hold_from",
    "tags",
)
DIGITS = re.compile(r"[0-9]{1,6}", re.ASCII)


class PartTyped(msgspec.Struct, frozen=True):
    sku: str = ""
    quantity: str = ""
    share: str = ""

    def is_blank(self) -> bool:
        return not (self.sku or self.quantity or self.share)


class Typed(msgspec.Struct, frozen=True, kw_only=True):
    """As it stands in the form. values: by the names of NAMES."""

    values: dict[str, str]
    parts: tuple[PartTyped, ...]

    def rows(self) -> list[PartTyped]:
        """With places for more."""
        filled = [part for part in self.parts if not part.is_blank()]
        return (filled + [PartTyped()] * PLACES)[: max(len(filled), min(MOST_PLACES, len(filled) + PLACES))]


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """faults: what could not be read, and so is not in the facts."""

    facts: rules.Facts
    cost_minor: int
    faults: list[rules.Fault]


def blank() -> Typed:
    return Typed(values={**dict.fromkeys(NAMES, ""), "kind": "card_secret", "hold_from": "paid"}, parts=())


def of(sku: queries.Sku, decimals: int) -> Typed:
    cells = dict(zip(sku_sheet.NAMES, sku_sheet.cells_of(sku, decimals), strict=True))
    parts = tuple(PartTyped(part.sku, str(part.quantity), sku_sheet.percent(part.share_ppm)) for part in sku.parts)
    return Typed(values={name: cells[name] for name in NAMES}, parts=parts)


def typed(sent: dict[str, str]) -> Typed:
    values = {name: sent.get(name, "").replace("\r\n", "\n").strip() for name in NAMES}
    parts = tuple(
        PartTyped(*(sent.get(f"{name}_{place}", "").strip() for name in ("part", "quantity", "share")))
        for place in range(1, MOST_PLACES + 1)
    )
    return Typed(values=values, parts=tuple(part for part in parts if not part.is_blank()))


def said(given: Typed, *, on_sale: bool, decimals: int) -> Said:
    """What was typed, read. Parts count for a package alone."""
    reader = _Reader(given.values)
    parts = _parts(given.parts, reader) if given.values["kind"] == "package" else ()
    facts = rules.Facts(
        name=given.values["name"],
        category=given.values["category"],
        list_price_minor=reader.read("list_price", lambda text: money.parse_typed(text, decimals), "amount.invalid") or 0,
        kind=reader.one_of("kind", rules.KINDS, "kind.unknown") or "other",
        face_value_minor=reader.maybe("face_value", lambda text: money.parse_typed(text, decimals), "amount.invalid"),
        valid_days=reader.maybe("valid_days", _digits, "days.invalid"),
        valid_until=reader.maybe("valid_until", dt.date.fromisoformat, "day.invalid"),
        rules_zh=given.values["rules_zh"] or None,
        rules_en=given.values["rules_en"] or None,
        hold_from=reader.one_of("hold_from", rules.HOLDS, "hold_from.unknown") or "paid",
        on_sale=on_sale,
        tags=rules.read_tags(given.values["tags"]),
        parts=parts,
    )
    cost = reader.maybe("cost", lambda text: money.parse_typed(text, decimals), "amount.invalid") or 0
    return Said(facts=facts, cost_minor=cost, faults=reader.faults)


class _Reader:
    def __init__(self, values: dict[str, str]) -> None:
        self._values = values
        self.faults: list[rules.Fault] = []

    def read(self, name: str, how: Callable[[str], Any], code: str) -> Any:  # noqa: ANN401 - what it is read as
        try:
            return how(self._values[name])
        except ValueError:
            self.faults.append(rules.Fault(name, code))
            return None

    def maybe(self, name: str, how: Callable[[str], Any], code: str) -> Any:  # noqa: ANN401 - what it is read as
        return self.read(name, how, code) if self._values[name] else None

    def one_of(self, name: str, known: tuple[Any, ...], code: str) -> Any:  # noqa: ANN401 - one of them
        if self._values[name] in known:
            return self._values[name]
        self.faults.append(rules.Fault(name, code))
        return None


def _parts(given: tuple[PartTyped, ...], reader: _Reader) -> tuple[rules.Part, ...]:
    found = []
    for place, part in enumerate(given):
        share_ppm = sku_sheet.read_percent(part.share)
        if share_ppm is None:
            reader.faults.append(rules.Fault("parts", "part.share", place))
        quantity = int(part.quantity) if DIGITS.fullmatch(part.quantity) else 0
        found.append(rules.Part(sku=part.sku, quantity=quantity, share_ppm=share_ppm or 0))
    return tuple(found)


def _digits(text: str) -> int:
    if DIGITS.fullmatch(text) is None:
        raise ValueError("not a number of days")
    return int(text)
