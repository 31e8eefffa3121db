"""A product made, and what is said of it changed. Who changes it says which revision they saw: somebody else's change in between is
shown beside what was typed, and nothing of either is lost.
"""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.catalog import queries, rules, sku
from qucheng.commission import sku_plan
from qucheng.core import clock
from qucheng.web import auth, guards, pages
from qucheng.web.console import product_form, product_words, products
from qucheng.web.finance import books

NEW = "/products/new"
# what the form of a product that is there changes
CHANGED = tuple(name for name in rules.Facts.__struct_fields__ if name != "on_sale")


@get(NEW, opt=guards.page("catalog.change"))
async def form(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _form(request, 200, product_form.blank(), ())


@post(NEW, opt=guards.page("catalog.change"), status_code=200)
async def create(request: Request[Any, Any, Any]) -> Response[Any]:
    sent, brand = await pages.form(request), await books.brand_of(request)
    typed = product_form.typed(sent)
    said = product_form.said(typed, on_sale=bool(sent.get("on_sale")), decimals=brand.decimals)
    code = typed.values["code"]
    if said.faults:
        found = [*said.faults, *([] if rules.is_code(code) else [rules.Fault("code", "code.invalid")]), *rules.faults(said.facts)]
        return await _form(request, 422, typed, _faults(request, found))
    try:
        await sku.create(
            brand_id=brand.id,
            code=code,
            facts=said.facts,
            cost_minor=said.cost_minor,
            actor=auth.actor(request),
            now=clock.now(),
        )
    except (sku.SkuUnfitError, sku.SkuTakenError) as refusal:
        return await _form(request, refusal.status, typed, product_words.faults(request, refusal))
    return pages.elsewhere(f"{products.LIST}/{code}?done=created")


@get("/products/{code:str}/edit", opt=guards.page("catalog.change"))
async def edit(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    brand, found = await books.brand_of(request), await read(request, code)
    return await _form(request, 200, product_form.of(found, brand.decimals), (), found)


@post("/products/{code:str}/edit", opt=guards.page("catalog.change"), status_code=200)
async def change(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    sent, brand = await pages.form(request), await books.brand_of(request)
    found, typed = await read(request, code), product_form.typed(sent)
    said = product_form.said(typed, on_sale=found.on_sale, decimals=brand.decimals)
    seen = int(sent["revision"]) if product_form.DIGITS.fullmatch(sent.get("revision", "")) else 0
    if said.faults:
        return await _form(request, 422, typed, _faults(request, [*said.faults, *rules.faults(said.facts)]), found, seen)
    changes = sku.Changes(**{name: getattr(said.facts, name) for name in CHANGED})
    try:
        await sku_plan.change(brand=brand, code=code, seen=seen, changes=changes, actor=auth.actor(request), now=clock.now())
    except sku_plan.SkuPlanError as refusal:
        return await _form(request, refusal.status, typed, product_words.broken(request, refusal, "category"), found, seen)
    except sku.SkuUnfitError as refusal:
        return await _form(request, refusal.status, typed, product_words.faults(request, refusal), found, seen)
    except sku.SkuStaleError as refusal:
        theirs = product_words.changes(request, brand, *_both(said.facts, refusal.current.facts()))
        return await _form(request, refusal.status, typed, (), refusal.current, theirs=theirs)
    return pages.elsewhere(f"{products.LIST}/{code}?done=changed")


async def read(request: Request[Any, Any, Any], code: str) -> queries.Sku:
    """What there is not is not found."""
    brand = await books.brand_of(request)
    try:
        return await queries.sku(brand_id=brand.id, code=code)
    except queries.SkuUnknownError:
        raise NotFoundException from None


def _both(ours: rules.Facts, theirs: rules.Facts) -> tuple[dict[str, Any], dict[str, Any]]:
    """What differs: what was typed, and what stands there now."""
    named = [name for name in CHANGED if getattr(ours, name) != getattr(theirs, name)]
    return {name: getattr(ours, name) for name in named}, {name: getattr(theirs, name) for name in named}


def _faults(request: Request[Any, Any, Any], found: list[rules.Fault]) -> list[pages.Fault]:
    """One of each field: what could not be read is not looked at again."""
    by_field: dict[tuple[str, int | None], rules.Fault] = {}
    for fault in found:
        by_field.setdefault((fault.field, fault.at), fault)
    return [product_words.fault(request, fault.field, fault.code, fault.at) for fault in by_field.values()]


async def _form(
    request: Request[Any, Any, Any],
    status: int,
    typed: product_form.Typed,
    faults: list[pages.Fault] | tuple[()],
    found: queries.Sku | None = None,
    seen: int | None = None,
    theirs: list[tuple[str, str | None, str | None]] | None = None,
) -> Response[Any]:
    """found: the product that is changed, None for a new one. theirs: what somebody else made of it in the meantime."""
    brand = await books.brand_of(request)
    return await pages.view(
        request,
        "console/product_form.html",
        status=status,
        faults=faults,
        brand=brand,
        sku=found,
        typed=typed,
        revision=seen if seen is not None else found.revision if found is not None else 0,
        theirs=theirs,
        kinds=product_words.options(request, product_words.KINDS),
        holds=product_words.options(request, product_words.HOLDS),
        words=await queries.words(brand_id=brand.id),
        unit=products.unit(brand, pages.language_of(request)),
    )
