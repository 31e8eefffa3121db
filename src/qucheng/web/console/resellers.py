"""The list of resellers with its filters in the address, and as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import msgspec
from litestar import Request, Response, get, post
from litestar.response import Stream

from qucheng.core import exports
from qucheng.network import application, queries
from qucheng.web import guards, pages
from qucheng.web.console import network_words
from qucheng.web.finance import books, facts

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

HERE = "/resellers"
FILTERS = ("text", "tier", "state", "channel", "root")


@get(HERE, opt=guards.page("network.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    brand, day = await network_words.desk(request)
    page, kept = facts.page_of(request), _kept(dict(request.query_params))
    found = await queries.listing(brand_id=brand.id, chosen=_chosen(kept, day), page=page)
    address = facts.link(request)
    return await pages.view(
        request,
        "console/resellers.html",
        brand=brand,
        found=found,
        kept=kept,
        on={name: value for name, value in kept.items() if value},
        tiers=await network_words.tiers(brand),
        channels=await application.channels_of(brand.id),
        link=address,
        pager=facts.pager(page, queries.PAGE, found.total, address),
        direct=found.total <= exports.DIRECT_ROWS,
    )


@post("/resellers/export", opt=guards.page("network.read", form=HERE), status_code=200)
async def take(request: Request[Any, Any, Any]) -> Response[Any] | Stream:
    brand, day = await network_words.desk(request)
    sent = await pages.form(request)
    kept, form = _kept(sent), books.form_of(sent.get("form"))
    wanted = queries.Wanted(form=form, chosen=_chosen(kept, day))
    found = await queries.listing(brand_id=brand.id, chosen=wanted.chosen, size=1)
    asked = books.Asked(
        brand_id=brand.id,
        kind=queries.LIST,
        permission="network.read",
        parameters=msgspec.to_builtins(wanted),
        name=f"{brand.code}-resellers",
        form=form,
        rows=found.total,
    )

    async def write(out: Path) -> None:
        await queries.write(brand=brand, wanted=wanted, out=out)

    return await books.hand_out(request, asked, write)


def _kept(given: dict[str, str]) -> dict[str, str]:
    """As an address has them; what cannot be so is no filter."""
    found = {name: (books.text(given.get(name)) or "").replace("\0", "") for name in FILTERS}
    return {**found, "state": found["state"] if found["state"] in get_args(queries.State) else ""}


def _chosen(kept: dict[str, str], day: dt.date) -> queries.Chosen:
    return msgspec.convert({"day": day, **{name: value for name, value in kept.items() if value}}, queries.Chosen)
