"""Articles for programs: one with its version, and changes to it that name the version that was read."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from litestar import Request, Response, get, params, patch
from msgspec import UNSET, Meta, UnsetType

from qucheng.catalog import queries, rules, sku
from qucheng.commission import sku_plan
from qucheng.core import clock, money
from qucheng.identity import api_caller
from qucheng.identity import brand as brands
from qucheng.web import guards, machines
from qucheng.web.open_api import editing, operations, reading, shapes
from qucheng.web.open_api.operations import Operation
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

PATH = "/api/v1/skus/{code:str}"
MOST_BROKEN = 10
Name = Annotated[str, Meta(max_length=rules.LONGEST_NAME, examples=["VIP year"])]
Rules = Annotated[str, Meta(max_length=rules.LONGEST_RULES, description=n_("Rules of use."))]
Days = Annotated[int, Meta(ge=1, le=rules.MOST_DAYS, description=n_("How many days it holds after delivery."))]
Until = Annotated[dt.date, Meta(description=n_("The last day on which it holds."), examples=["2027-12-31"])]
FIELDS = {"list_price": "listPrice", "face_value": "faceValue", "valid_days": "validDays", "valid_until": "validUntil",
          "rules_zh": "rulesZh", "rules_en": "rulesEn", "hold_from": "holdFrom", "on_sale": "onSale"}  # fmt: skip
SENTENCES = {
    "text.promise": "This promises income. Say what is paid for, not what can be earned.",
    "amount.currency": "The brand settles in another currency.",
    "amount.invalid": "An amount that is not negative, with no more decimals than the currency has, and less than 10^13.",
    "validity.both": "It holds for a number of days or until a day, not both.",
    "parts.not_package": "What is no package has no parts.",
    "parts.several": "A package has several parts: they are given on its page.",
    "tags.invalid": "At most 20 tags, each a short text without punctuation.",
    "day.invalid": "A day of this century.",
}


class Sku(shapes.Shape, frozen=True):
    """faceValue: what is printed on it. validDays and validUntil: at most one of them."""

    code: Annotated[str, Meta(examples=["VIP-Y"])]
    name: Name
    category: Name
    list_price: shapes.Money
    kind: rules.Kind
    face_value: shapes.Money | None
    valid_days: Days | None
    valid_until: Until | None
    rules_zh: Rules | None
    rules_en: Rules | None
    hold_from: rules.HoldFrom
    on_sale: bool
    tags: list[str]


class SkuChange(shapes.Shape, frozen=True):
    """What is not sent stays as it is."""

    name: Name | UnsetType = UNSET
    category: Name | UnsetType = UNSET
    list_price: shapes.Money | UnsetType = UNSET
    kind: rules.Kind | UnsetType = UNSET
    face_value: shapes.Money | UnsetType | None = UNSET
    valid_days: Days | UnsetType | None = UNSET
    valid_until: Until | UnsetType | None = UNSET
    rules_zh: Rules | UnsetType | None = UNSET
    rules_en: Rules | UnsetType | None = UNSET
    hold_from: rules.HoldFrom | UnsetType = UNSET
    on_sale: bool | UnsetType = UNSET
    tags: list[str] | UnsetType = UNSET


ONE = Operation(
    tag=n_("Products"), summary=n_("A product"), about=n_("Without its cost."), reply=Sku, tagged=True, refusals=(404,)
)
CHANGE = Operation(
    tag="Products",
    summary=n_("Change a product"),
    about=n_("What is not sent stays. Prices, floors and costs are changed in the price book."),
    body=SkuChange,
    reply=Sku,
    conditional=True,
    refusals=(404,),
)


@get(PATH, opt=guards.api("catalog.read", operation=ONE))
async def product(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[bytes]:
    caller = machines.caller(request)
    return _answer(request, await brands.read(caller.brand_id), await _found(request, code))


@patch(PATH, opt=guards.api("catalog.write", operation=CHANGE), status_code=200)
async def change_product(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[bytes]:
    """Of two that read the same version the second is told that it is past."""
    caller = machines.caller(request)
    found = await _found(request, code)
    editing.require(request, _tag(found))
    sent = await reading.body(request, SkuChange)
    await api_caller.maker(caller, permission="catalog.change")
    brand = await brands.read(caller.brand_id)
    changes = _changes(brand, sent)
    try:
        with editing.stale(sku.SkuStaleError):
            revision = await sku_plan.change(
                brand=brand, code=code, seen=found.revision, changes=changes, actor=machines.actor(request),
                now=clock.now(), keep=caller.mode == "live",
            )  # fmt: skip
    except sku_plan.SkuPlanError as refusal:
        broken = [
            reading.Fault(code=refusal.code, detail=each.en, pointer="/category") for each in refusal.findings[:MOST_BROKEN]
        ]
        raise reading.BodyInvalidError(broken) from None
    except sku.SkuUnfitError as refusal:
        raise reading.BodyInvalidError([_fault(each.field, each.code) for each in refusal.faults]) from None
    if caller.mode == "live":
        return _answer(request, brand, await _found(request, code))
    tried = {name: value for name, value in msgspec.structs.asdict(changes).items() if value is not UNSET}
    return _answer(request, brand, msgspec.structs.replace(found, **tried, revision=revision))


async def _found(request: Request[Any, Any, Any], code: str) -> queries.Sku:
    return await queries.sku(brand_id=machines.caller(request).brand_id, code=operations.storable(code))


def _tag(found: queries.Sku) -> str:
    return editing.tag("sku", found.code, found.revision)


def _answer(request: Request[Any, Any, Any], brand: Brand, found: queries.Sku) -> Response[bytes]:
    shown = Sku(
        code=found.code,
        name=found.name,
        category=found.category,
        list_price=operations.of_brand(brand, found.list_price_minor),
        kind=found.kind,
        face_value=None if found.face_value_minor is None else operations.of_brand(brand, found.face_value_minor),
        valid_days=found.valid_days,
        valid_until=found.valid_until,
        rules_zh=found.rules_zh,
        rules_en=found.rules_en,
        hold_from=found.hold_from,
        on_sale=found.on_sale,
        tags=list(found.tags),
    )
    return editing.answer(request, shown, _tag(found))


def _changes(brand: Brand, sent: SkuChange) -> sku.Changes:
    """Raises BodyInvalidError for an amount that is none of the brand's."""
    given = {name: getattr(sent, name) for name in sent.__struct_fields__ if getattr(sent, name) is not UNSET}
    faults = []
    for name in ("list_price", "face_value"):
        if name not in given:
            continue
        amount = given.pop(name)
        try:
            given[f"{name}_minor"] = None if amount is None else _minor(brand, amount)
        except ValueError as error:
            faults.append(_fault(f"{name}/{error.args[0]}", f"amount.{error.args[1]}"))
    if faults:
        raise reading.BodyInvalidError(faults)
    if "tags" in given:
        given["tags"] = tuple(sorted(set(given["tags"])))
    return sku.Changes(**given)


def _minor(brand: Brand, amount: shapes.Money) -> int:
    """Raises ValueError with the field and what is wrong with it."""
    if amount.currency != brand.currency:
        raise ValueError("currency", "currency")
    try:
        return money.parse_plain(amount.amount, brand.decimals)
    except ValueError:
        raise ValueError("amount", "invalid") from None


def _fault(field: str, code: str) -> reading.Fault:
    name, slash, inner = field.partition("/")
    return reading.Fault(
        code=code, detail=SENTENCES.get(code, "This cannot be so."), pointer=f"/{FIELDS.get(name, name)}{slash}{inner}"
    )
