"""Products: the list by filters, the same change to many of them, and the list as a file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from litestar import Request, Response, get, post
from litestar.response import Stream

from qucheng.catalog import bulk, queries, rules, sku_export
from qucheng.commission import sku_plan
from qucheng.core import clock, exports
from qucheng.identity.brand import Brand
from qucheng.web import auth, guards, pages, texts
from qucheng.web.console import product_words
from qucheng.web.finance import books, desk
from qucheng.web.texts import n_

LIST = "/products"
FILTERS = ("kind", "category", "tag", "sale", "text")
SALES = {"on": n_("On sale"), "off": n_("Off sale")}
DEEDS: dict[bulk.Deed, str] = {
    "tag_add": n_("Add a tag"),
    "tag_remove": n_("Remove a tag"),
    "category": n_("Change the category"),
    "sale_on": n_("Put on sale"),
    "sale_off": n_("Take off sale"),
}
UNFIT = {
    "skus": n_("Choose products first, 5,000 at most."),
    "tag": n_("Write a tag of 1 to 40 characters."),
    "category": n_("A category has 1 to 80 characters."),
    "deed": n_("Choose what is to be done."),
}
CHOSEN = "sku_"
CHANGED = re.compile(r"([0-9]{1,6})-([0-9]{1,6})", re.ASCII)


@get(LIST, opt=guards.page("catalog.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    asked = {name: str(value) for name, value in request.query_params.items()}
    return await _listed(request, 200, asked, (), {})


@post("/products/bulk", opt=guards.page("catalog.change", form=LIST), status_code=200)
async def change(request: Request[Any, Any, Any]) -> Response[Any]:
    """Those that are marked, or all that fit the filters."""
    sent, brand = await pages.form(request), await books.brand_of(request)
    kept = _kept(sent)
    deed = next((deed for deed in bulk.DEEDS if deed == sent.get("deed")), None)
    marked = sorted(name.removeprefix(CHOSEN) for name in sent if name.startswith(CHOSEN))
    if deed is None:
        return await _listed(request, 422, sent, [_fault(request, "deed", "deed")], sent)
    try:
        codes = await queries.codes(brand_id=brand.id, chosen=_chosen(kept)) if sent.get("all") else marked
        done = await sku_plan.change_many(
            brand=brand, codes=codes, deed=deed, value=sent.get("value", ""), actor=auth.actor(request), now=clock.now()
        )
    except sku_plan.SkuPlanError as refusal:
        return await _listed(request, refusal.status, sent, product_words.broken(request, refusal, "value"), sent)
    except bulk.BulkUnfitError as refusal:
        fault = _fault(request, "all" if refusal.field == "skus" else "value", refusal.field)
        return await _listed(request, refusal.status, sent, [fault], sent)
    return pages.elsewhere(books.address(LIST, kept, page=sent.get("page", ""), changed=f"{done.changed}-{done.chosen}"))


@post("/products/export", opt=guards.page("catalog.read", form=LIST), status_code=200)
async def take(request: Request[Any, Any, Any]) -> Response[Any] | Stream:
    sent, brand = await pages.form(request), await books.brand_of(request)
    chosen, form = _chosen(_kept(sent)), books.form_of(sent.get("form"))
    wanted = sku_export.Wanted(form=form, chosen=chosen)
    found = await queries.skus(brand_id=brand.id, chosen=chosen, most=1)
    asked = books.Asked(
        brand_id=brand.id,
        kind=sku_export.KIND,
        permission="catalog.read",
        parameters=sku_export.parameters(wanted),
        name=f"{brand.code}-products",
        form=form,
        rows=found.total,
    )

    async def write(out: Path) -> None:
        await sku_export.write(brand=brand, wanted=wanted, out=out)

    return await books.hand_out(request, asked, write)


def _fault(request: Request[Any, Any, Any], field: str, unfit: str) -> pages.Fault:
    return pages.Fault(field=field, message=pages.words(request).gettext(UNFIT[unfit]))


async def _listed(
    request: Request[Any, Any, Any],
    status: int,
    asked: dict[str, str],
    faults: list[pages.Fault] | tuple[()],
    sent: dict[str, str],
) -> Response[Any]:
    """sent: the marks and what was to be done, so that nothing is lost that was wrong."""
    brand, kept, number = await books.brand_of(request), _kept(asked), _number(asked)
    found = await queries.skus(brand_id=brand.id, chosen=_chosen(kept), skip=(number - 1) * desk.PAGE, most=desk.PAGE)
    words = await queries.words(brand_id=brand.id)
    return await pages.view(
        request,
        "console/products.html",
        status=status,
        faults=faults,
        brand=brand,
        found=found,
        wanted=kept,
        without={name: books.address(LIST, {**kept, name: ""}) for name, value in kept.items() if value},
        span=desk.span(LIST, kept, number, len(found.rows), found.total),
        page=number,
        kinds=product_words.options(request, product_words.KINDS),
        sales=product_words.options(request, SALES),
        deeds=product_words.options(request, DEEDS),
        words=words,
        categories=[(word, word) for word in words.categories],
        tags=[(word, word) for word in words.tags],
        sent=sent,
        changed=_changed(asked.get("changed", "")),
        direct=exports.DIRECT_ROWS,
    )


def _kept(asked: dict[str, str]) -> dict[str, str]:
    """The filters, as an address has them; what is no value of a filter is no filter."""
    return {
        "kind": next((kind for kind in rules.KINDS if kind == asked.get("kind")), ""),
        "category": desk.text(asked.get("category")),
        "tag": desk.text(asked.get("tag")),
        "sale": next((sale for sale in SALES if sale == asked.get("sale")), ""),
        "text": desk.text(asked.get("text")),
    }


def _chosen(kept: dict[str, str]) -> queries.Chosen:
    return queries.Chosen(
        kind=kept["kind"] or None,
        category=kept["category"] or None,
        tag=kept["tag"] or None,
        on_sale=kept["sale"] == "on" if kept["sale"] else None,
        text=kept["text"] or None,
    )


def _number(asked: dict[str, str]) -> int:
    given = asked.get("page", "1")
    return int(given) if desk.NUMBER.fullmatch(given) else 1


def _changed(given: str) -> tuple[int, int] | None:
    """How many were changed, of how many."""
    found = CHANGED.fullmatch(given)
    return (int(found[1]), int(found[2])) if found else None


def unit(brand: Brand, language: texts.Language) -> str:
    """Of amounts, in the head of a column."""
    return texts.texts(language).unit(brand.currency)
