"""SKUs as rows of a table: which columns there are, what stands in them, and what a row that somebody wrote says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from qucheng.catalog import rules
from qucheng.core import money, sheets

if TYPE_CHECKING:
    from collections.abc import Callable

    from qucheng.catalog.queries import Sku

NAMES: Final[dict[str, tuple[str, ...]]] = {
    "code": ("商品编码", "sku"),
    "name": ("名称", "商品名称"),
    "kind": ("类型",),
    "category": ("类目",),
    "list_price": ("标价",),
    "cost": ("成本",),
    "face_value": ("面值",),
    "valid_days": ("有效天数",),
    "valid_until": ("有效期至",),
    "rules_zh": ("使用规则",),
    "rules_en": ("使用规则（英文）",),
    "hold_from": ("等待期起点",),
    "on_sale": ("在售",),
    "tags": ("标签",),
    "parts": ("组成",),
}
NEEDED = ("code",)
FIGURES = frozenset(place for place, name in enumerate(NAMES) if name in {"list_price", "cost", "face_value"})
KIND_WORDS: dict[str, rules.Kind] = {
    "卡密": "card_secret",
    "直充": "top_up",
    "会员时长": "membership",
    "优惠券": "discount",
    "权益包": "package",
    "其他": "other",
}
HOLD_WORDS: dict[str, rules.HoldFrom] = {"付款": "paid", "发放": "delivered", "核销": "redeemed"}
YES, NO = frozenset({"yes", "true", "1", "是"}), frozenset({"no", "false", "0", "否"})
WHOLE = re.compile(r"[0-9]{1,5}", re.ASCII)
PART = re.compile(r"([A-Za-z0-9._-]{1,40})\s*[*×]\s*([0-9]{1,4})\s*=\s*([0-9]{1,3})(?:\.([0-9]{1,4}))?\s*%", re.ASCII)
# columns that a SKU may not lack
REQUIRED = ("name", "category", "list_price", "kind", "hold_from", "on_sale")
_STORED = {"list_price": "list_price_minor", "face_value": "face_value_minor"}
BLANK_FACTS = rules.Facts(name="", category="", list_price_minor=0)


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a row says: facts with those of the SKU where it says nothing. faults: column and code."""

    row: int
    code: str
    facts: rules.Facts
    cost_minor: int
    faults: list[tuple[str, str]]


def cells_of(sku: Sku, decimals: int) -> list[str]:
    """In the order of NAMES."""
    return [
        sku.code,
        sku.name,
        sku.kind,
        sku.category,
        money.format_plain(sku.list_price_minor, decimals),
        money.format_plain(sku.cost_minor, decimals),
        "" if sku.face_value_minor is None else money.format_plain(sku.face_value_minor, decimals),
        str(sku.valid_days or ""),
        str(sku.valid_until or ""),
        sku.rules_zh or "",
        sku.rules_en or "",
        sku.hold_from,
        "yes" if sku.on_sale else "no",
        "; ".join(sku.tags),
        parts_text(sku.parts),
    ]


def parts_text(parts: tuple[rules.Part, ...]) -> str:
    return "; ".join(f"{part.sku}*{part.quantity}={percent(part.share_ppm)}%" for part in parts)


def percent(ppm: int) -> str:
    """`333333` is 33.3333, `500000` is 50."""
    whole, rest = divmod(ppm, 10_000)
    return str(whole) + (f".{rest:04}".rstrip("0") if rest else "")


def read_percent(text: str) -> int | None:
    """In millionths; None for what is no percentage of at most four decimals."""
    found = re.fullmatch(r"([0-9]{1,3})(?:\.([0-9]{1,4}))?", text.strip().removesuffix("%").strip(), re.ASCII)
    return None if found is None else int(found[1]) * 10_000 + int((found[2] or "").ljust(4, "0"))


def read(line: sheets.Line, names: tuple[str, ...], current: Sku | None, decimals: int) -> Said:
    """names: the columns that the file has. What a column that is there leaves blank is taken away, where it may be."""
    code = line.values["code"]
    faults = [] if current is not None or rules.is_code(code) else [("code", "code.invalid")]
    given: dict[str, Any] = {}
    for name in names:
        text = line.values[name]
        if name in ("code", "cost"):
            continue
        if not text and name in REQUIRED:
            if current is not None or name in ("name", "category", "list_price"):
                faults.append((name, "value.missing"))
            continue
        try:
            given[_STORED.get(name, name)] = _READERS[name](text, decimals)
        except (ValueError, KeyError):
            faults.append((name, "value.invalid"))
    if current is None:
        faults += [(name, "value.missing") for name in ("name", "category", "list_price") if name not in names]
    facts = msgspec.structs.replace(BLANK_FACTS if current is None else current.facts(), **given)
    cost_minor, unfit = _cost(line.values["cost"], "cost" in names, current, decimals)
    faults += unfit
    if not faults:
        faults = [(fault.field, fault.code) for fault in rules.faults(facts)]
    return Said(row=line.number, code=code, facts=facts, cost_minor=cost_minor, faults=faults)


def _cost(text: str, there: bool, current: Sku | None, decimals: int) -> tuple[int, list[tuple[str, str]]]:  # noqa: FBT001 - a fact
    """Of a new SKU. That of one that is there is in the price book, by date."""
    try:
        minor = money.parse_plain(text, decimals) if text else (current.cost_minor if current is not None else 0)
    except ValueError:
        return 0, [("cost", "value.invalid")]
    changed = current is not None and there and minor != current.cost_minor
    return minor, [("cost", "cost.kept")] if changed else []


def _maybe(read: Callable[[str], Any]) -> Callable[[str, int], Any]:
    return lambda text, _: read(text) if text else None


def _whole(text: str) -> int:
    if WHOLE.fullmatch(text) is None:
        raise ValueError("not a whole number")
    return int(text)


def _yes(text: str, _: int) -> bool:
    if text.casefold() in YES | NO:
        return text.casefold() in YES
    raise ValueError("neither yes nor no")


def read_parts(text: str) -> tuple[rules.Part, ...]:
    """`tea*2=60%; cup*1=40%`. ValueError for anything else."""
    found = []
    for piece in (piece.strip() for piece in re.split("[;；]", text) if piece.strip()):
        match = PART.fullmatch(piece)
        if match is None:
            raise ValueError("not a part")
        share_ppm = int(match[3]) * 10_000 + int((match[4] or "").ljust(4, "0"))
        found.append(rules.Part(sku=match[1], quantity=int(match[2]), share_ppm=share_ppm))
    return tuple(sorted(found))


_READERS: dict[str, Callable[[str, int], Any]] = {
    "name": lambda text, _: text,
    "kind": lambda text, _: KIND_WORDS.get(text) or msgspec.convert(text, rules.Kind),
    "category": lambda text, _: text,
    "list_price": money.parse_plain,
    "face_value": lambda text, decimals: money.parse_plain(text, decimals) if text else None,
    "valid_days": _maybe(_whole),
    "valid_until": _maybe(sheets.day),
    "rules_zh": _maybe(str),
    "rules_en": _maybe(str),
    "hold_from": lambda text, _: HOLD_WORDS.get(text) or msgspec.convert(text, rules.HoldFrom),
    "on_sale": _yes,
    "tags": lambda text, _: rules.read_tags(text),
    "parts": lambda text, _: read_parts(text),
}
