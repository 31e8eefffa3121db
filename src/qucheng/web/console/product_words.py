"""What the facts of a product are called on its pages, and what is wrong with those that cannot be."""

from __future__ import annotations

from typing import Any

from litestar import Request

from qucheng.catalog import rules, sku, sku_sheet
from qucheng.commission import sku_plan
from qucheng.core import audit, money
from qucheng.identity.brand import Brand
from qucheng.web import pages, texts
from qucheng.web.texts import n_

KINDS: dict[rules.Kind, str] = {
    "card_secret": n_("Card secret"),
    "top_up": n_("Top-up"),
    "membership": n_("Membership time"),
    "discount": n_("Discount coupon"),
    "package": n_("Package"),
    "other": n_("Other"),
}
HOLDS: dict[rules.HoldFrom, str] = {
    "paid": n_("Payment"),
    "delivered": n_("Delivery"),
    "redeemed": n_("Redemption"),
}
NAMED: dict[str, str] = {**KINDS, **HOLDS}  # type: ignore[dict-item] # their names are texts
FIELDS = {
    "code": n_("Product code"),
    "name": n_("Product name"),
    "category": n_("Category"),
    "list_price": n_("List price"),
    "cost": n_("Cost"),
    "kind": n_("Kind"),
    "face_value": n_("Face value"),
    "valid_days": n_("Valid for days"),
    "valid_until": n_("Valid until"),
    "rules_zh": n_("Rules of use, Chinese"),
    "rules_en": n_("Rules of use, English"),
    "hold_from": n_("Hold counts from"),
    "on_sale": n_("On sale"),
    "tags": n_("Tags"),
    "parts": n_("Parts"),
    "image": n_("Image"),
    "tag_added": n_("Tag added"),
    "tag_removed": n_("Tag removed"),
}
FAULTS = {
    "code.invalid": n_(
        "A code has 1 to 40 letters, digits, dots, hyphens and underscores, and is not new, import, export or bulk."
    ),
    "code.twice": n_("Another row of the file has this code already."),
    "sku.taken": n_("There is a product of this code already."),
    "name.invalid": n_("The name of a product has 1 to 80 characters."),
    "category.invalid": n_("A category has 1 to 80 characters."),
    "amount.invalid": n_("Write an amount such as 25.00 or 1,200."),
    "value.missing": n_("Nothing stands here."),
    "value.invalid": n_("This is no value of this column."),
    "cost.kept": n_("The cost of a product that is here has dates: change it in the price book."),
    "kind.unknown": n_("Choose a kind."),
    "kind.is_part": n_("It is a part of a package, so it can't be one itself."),
    "days.invalid": n_("Write a number of days from 1 to 36,500."),
    "day.invalid": n_("Write a day such as 2027-06-30."),
    "validity.both": n_("A product is valid for days after delivery or until a day, not both."),
    "text.promise": n_("This promises income. Say what is paid for, not what can be earned."),
    "rules.invalid": n_("Rules of use have at most 2,000 characters."),
    "hold_from.unknown": n_("Choose from when the hold counts."),
    "tags.invalid": n_("A tag has 1 to 40 characters, and a product at most 20 of them."),
    "parts.not_package": n_("Only a package has parts."),
    "parts.several": n_("A package has at least two things in it, and at most 20 kinds of them."),
    "parts.whole": n_("The shares of all parts are 100% together."),
    "parts.meanwhile": n_("Somebody has just made something else of one of these products. Look again, then save."),
    "part.twice": n_("A part stands there twice."),
    "part.quantity": n_("A part is in the package 1 to 1,000 times."),
    "part.share": n_("A share is from 0% to 100%, with at most 4 decimals."),
    "part.unknown": n_("There is no product of this code."),
    "part.package": n_("A part can't be a package itself."),
}
YES, NO = n_("Yes"), n_("No")
LONGEST_SHOWN = 200
_COLUMNS = {"list_price_minor": "list_price", "face_value_minor": "face_value", "cost_minor": "cost"}

# of a plan that a category would break
CASES = 5


def fault(request: Request[Any, Any, Any], field: str, code: str, at: int | None = None) -> pages.Fault:
    """at: the place of the part, whose field it is then."""
    named = f"part_{at + 1}" if at is not None else "part_1" if field == "parts" else field
    return pages.Fault(field=named, message=pages.words(request).gettext(FAULTS[code]))


def faults(request: Request[Any, Any, Any], refusal: sku.SkuUnfitError | sku.SkuTakenError) -> list[pages.Fault]:
    if isinstance(refusal, sku.SkuTakenError):
        return [fault(request, "code", refusal.code)]
    return [fault(request, each.field, each.code, each.at) for each in refusal.faults]


def broken(request: Request[Any, Any, Any], refusal: sku_plan.SkuPlanError, field: str | None) -> list[pages.Fault]:
    """What the plan would pay too much in the new category, case by case."""
    chinese = pages.language_of(request) == "zh-CN"
    return [pages.Fault(field=field, message=each.zh if chinese else each.en) for each in refusal.findings[:CASES]]


def options(request: Request[Any, Any, Any], named: dict[Any, str]) -> list[tuple[str, str]]:
    words = pages.words(request)
    return [(value, words.gettext(word)) for value, word in named.items()]


def shown(request: Request[Any, Any, Any], brand: Brand, name: str, value: Any) -> str:  # noqa: ANN401 - of any field
    """A value as people read it."""
    field, words = _COLUMNS.get(name, name), pages.words(request)
    if value is None or value in ("", [], ()):
        return "—"
    if isinstance(value, bool):
        return words.gettext(YES if value else NO)
    if field in ("list_price", "face_value", "cost"):
        return money.format_display(value, brand.decimals)
    return _text(field, value, words)


def _text(field: str, value: Any, words: texts.Texts) -> str:  # noqa: ANN401 - of any field
    if field == "tags":
        return " · ".join(value)
    if field == "parts":
        parts = [each if isinstance(each, rules.Part) else rules.Part(**each) for each in value]
        return " · ".join(f"{part.sku} × {part.quantity}: {sku_sheet.percent(part.share_ppm)}%" for part in parts)
    text = str(value)
    if field in ("kind", "hold_from"):
        return words.gettext(NAMED[text])
    return text[:12] if field == "image" else text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def changes(
    request: Request[Any, Any, Any], brand: Brand, before: dict[str, Any] | None, after: dict[str, Any] | None
) -> list[tuple[str, str | None, str | None]]:
    """Label, before and after of each field that was changed; None where that side is not known."""
    words, sides = pages.words(request), (before or {}, after or {})
    named = [name for name in (*_COLUMNS, *FIELDS) if name in sides[0] or name in sides[1]]

    def side(place: int, name: str) -> str | None:
        return shown(request, brand, name, sides[place][name]) if name in sides[place] else None

    return [(words.gettext(FIELDS[_COLUMNS.get(name, name)]), side(0, name), side(1, name)) for name in named]


def history(
    request: Request[Any, Any, Any], brand: Brand, records: list[audit.Record]
) -> list[tuple[audit.Record, list[tuple[str, str | None, str | None]]]]:
    return [(record, changes(request, brand, record.before, record.after)) for record in records]
