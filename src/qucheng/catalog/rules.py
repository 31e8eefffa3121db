"""What may be said of a SKU, and what a package's parts are of its price. Nothing here asks a database."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Literal

import msgspec

from qucheng.network import blocklist

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind = Literal["card_secret", "top_up", "membership", "discount", "package", "other"]
KINDS: tuple[Kind, ...] = ("card_secret", "top_up", "membership", "discount", "package", "other")
HoldFrom = Literal["paid", "delivered", "redeemed"]
HOLDS: tuple[HoldFrom, ...] = ("paid", "delivered", "redeemed")
WHOLE_PPM = 1_000_000
LONGEST_NAME, LONGEST_RULES, LONGEST_TAG = 80, 2000, 40
MOST_DAYS = 36_500
MOST_TAGS, MOST_PARTS, MOST_OF_A_PART = 20, 20, 1000
# an amount in minor units that every currency's file can hold
MOST_MINOR = 10**13
CODE = re.compile(r"[A-Za-z0-9._-]{1,40}", re.ASCII)
# stand in the addresses of the pages where a code stands
RESERVED = frozenset({"new", "import", "export", "bulk"})
# texts of several lines may break them
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
TAG = re.compile(rf"[^\x00-\x1f\x7f;,]{{1,{LONGEST_TAG}}}")
# a text that promises income
PROMISE = "text.promise"
FIRST_DAY, LAST_DAY = dt.date(1900, 1, 1), dt.date(2199, 12, 31)


class Part(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Of a package: so many of a SKU, for that share of the package's price."""

    sku: str
    quantity: int
    share_ppm: int


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a SKU and may be changed. valid_days: after delivery; valid_until: the last day; neither: for ever."""

    name: str
    category: str
    list_price_minor: int
    kind: Kind = "other"
    face_value_minor: int | None = None
    valid_days: int | None = None
    valid_until: dt.date | None = None
    rules_zh: str | None = None
    rules_en: str | None = None
    hold_from: HoldFrom = "paid"
    on_sale: bool = True
    tags: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()


class Fault(msgspec.Struct, frozen=True):
    """What is wrong with a field; at: the place of a part, counted from 0."""

    field: str
    code: str
    at: int | None = None


def faults(facts: Facts) -> list[Fault]:
    """All that is wrong with what is said, whatever else the catalogue holds."""
    found = [
        _unless(is_line(facts.name), "name", "name.invalid"),
        _unless(is_line(facts.category), "category", "category.invalid"),
        _unless(0 <= facts.list_price_minor < MOST_MINOR, "list_price", "amount.invalid"),
        _unless(facts.kind in KINDS, "kind", "kind.unknown"),
        _unless(facts.face_value_minor is None or 0 <= facts.face_value_minor < MOST_MINOR, "face_value", "amount.invalid"),
        _unless(facts.valid_days is None or 1 <= facts.valid_days <= MOST_DAYS, "valid_days", "days.invalid"),
        _unless(facts.valid_until is None or FIRST_DAY <= facts.valid_until <= LAST_DAY, "valid_until", "day.invalid"),
        _unless(facts.valid_days is None or facts.valid_until is None, "valid_until", "validity.both"),
        _unless(_text(facts.rules_zh), "rules_zh", "rules.invalid"),
        _unless(_text(facts.rules_en), "rules_en", "rules.invalid"),
        _unless(facts.hold_from in HOLDS, "hold_from", "hold_from.unknown"),
        _unless(len(facts.tags) <= MOST_TAGS and all(is_tag(tag) for tag in facts.tags), "tags", "tags.invalid"),
        *(_unless(not blocklist.faults(text), field, PROMISE) for field, text in _seen_by_resellers(facts)),
    ]
    return [fault for fault in found if fault is not None] + _faults_of_parts(facts)


def _seen_by_resellers(facts: Facts) -> list[tuple[str, str]]:
    told = [("name", facts.name), ("category", facts.category), ("rules_zh", facts.rules_zh), ("rules_en", facts.rules_en)]
    return [(field, text) for field, text in (*told, ("tags", "\n".join(facts.tags))) if text]


def _faults_of_parts(facts: Facts) -> list[Fault]:
    if facts.kind != "package":
        return [Fault("kind", "parts.not_package")] if facts.parts else []
    found = []
    seen: set[str] = set()
    for place, part in enumerate(facts.parts):
        if part.sku in seen:
            found.append(Fault("parts", "part.twice", place))
        seen.add(part.sku)
        if not 1 <= part.quantity <= MOST_OF_A_PART:
            found.append(Fault("parts", "part.quantity", place))
        if not 0 <= part.share_ppm <= WHOLE_PPM:
            found.append(Fault("parts", "part.share", place))
    if not facts.parts or sum(part.quantity for part in facts.parts) == 1 or len(facts.parts) > MOST_PARTS:
        found.append(Fault("parts", "parts.several"))
    elif sum(part.share_ppm for part in facts.parts) != WHOLE_PPM:
        found.append(Fault("parts", "parts.whole"))
    return found


def _unless(good: bool, field: str, code: str) -> Fault | None:  # noqa: FBT001 - a condition
    return None if good else Fault(field, code)


def is_line(text: str) -> bool:
    return 1 <= len(text) <= LONGEST_NAME and text.isprintable() and text == text.strip()


def _text(text: str | None) -> bool:
    return text is None or (1 <= len(text) <= LONGEST_RULES and CONTROL.search(text) is None)


def is_tag(text: str) -> bool:
    return TAG.fullmatch(text) is not None and text.isprintable() and text == text.strip()


def is_code(text: str) -> bool:
    """Of something that a person names; a bundle's may be a reserved one."""
    return CODE.fullmatch(text) is not None and text not in RESERVED


def shares(price_minor: int, parts: Sequence[Part]) -> list[int]:
    """What of the price each part is, in the order of the parts: together exactly the price.

    Each gets its share rounded down; what is left goes, one minor unit each, to those of which the most was cut off, and among
    equals to the first.
    """
    if price_minor < 0 or sum(part.share_ppm for part in parts) != WHOLE_PPM:
        raise ValueError("a price that is not negative, and shares that are the whole of it")
    divided = [divmod(price_minor * part.share_ppm, WHOLE_PPM) for part in parts]
    amounts = [whole for whole, _ in divided]
    for place in sorted(range(len(parts)), key=lambda place: (-divided[place][1], place))[: price_minor - sum(amounts)]:
        amounts[place] += 1
    return amounts


def read_tags(text: str) -> tuple[str, ...]:
    """`a; b，c`: each once, in the order of the alphabet; what is no tag is among them, for faults() to find."""
    return tuple(sorted({tag.strip() for tag in re.split("[;；,，]", text) if tag.strip()}))
