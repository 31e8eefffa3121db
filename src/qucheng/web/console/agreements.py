"""What resellers agree to: its versions, a new one, and who has not agreed yet."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.core import clock
from qucheng.network import agreement, blocklist
from qucheng.web import auth, guards, pages
from qucheng.web.console import network_words, promise
from qucheng.web.finance import facts
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

HERE, NEW = "/resellers/agreements", "/resellers/agreements/new"
# two texts of 20 000 characters, each of which a form writes as nine
LARGEST_BODY = 600_000
FIELDS = ("title_zh", "text_zh", "title_en", "text_en", "effective_on")
SENTENCES = {
    "title_zh": n_("A title has 1 to 80 characters."),
    "title_en": n_("A title has 1 to 80 characters."),
    "text_zh": n_("The text has 1 to 20 000 characters."),
    "text_en": n_("The text has 1 to 20 000 characters."),
    "effective_on": n_("Choose a day from today on that is not before the last version's."),
}


@get(HERE, opt=guards.page("network.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    brand, day = await network_words.desk(request)
    found = await agreement.listing(brand_id=brand.id)
    current = await agreement.in_force(brand_id=brand.id, day=day)
    owing, total = await agreement.owing(brand_id=brand.id, number=current.number, day=day) if current else ([], 0)
    return await pages.view(
        request,
        "console/agreements.html",
        brand=brand,
        found=found,
        in_force=current,
        owing=owing,
        total=total,
        names=await facts.names(request, [each.published_by for each in found]),
        notice=pages.words(request).gettext(n_("The version is published, and never changes."))
        if request.query_params.get("done") == "published"
        else None,
    )


@get(NEW, opt=guards.page("network.change"))
async def form(request: Request[Any, Any, Any]) -> Response[Any]:
    """Begins with the last version."""
    brand, day = await network_words.desk(request)
    last = next(iter(await agreement.listing(brand_id=brand.id)), None)
    before = await agreement.read(brand_id=brand.id, number=last.number) if last else None
    given = {name: getattr(before, name, "") for name in FIELDS}
    given["effective_on"] = str(max(day, before.effective_on) if before else day)
    return await _form(request, brand, given)


@post(NEW, opt=guards.page("network.change"), status_code=200, request_max_body_size=LARGEST_BODY)
async def publish(request: Request[Any, Any, Any]) -> Response[Any]:
    brand, day = await network_words.desk(request)
    sent = await request.form()
    given = {name: value if isinstance(value := sent.get(name), str) else "" for name in FIELDS}
    words = pages.words(request)
    try:
        await agreement.publish(
            brand_id=brand.id,
            title_zh=given["title_zh"],
            text_zh=given["text_zh"],
            title_en=given["title_en"],
            text_en=given["text_en"],
            effective_on=network_words.day(given["effective_on"]) or dt.date(1900, 1, 1),
            day=day,
            actor=auth.actor(request),
            now=clock.now(),
        )
    except agreement.AgreementUnfitError as refusal:
        faults = [pages.Fault(field=field, message=words.gettext(SENTENCES[field])) for field in refusal.fields]
        return await _form(request, brand, given, faults)
    except blocklist.PromiseError as refusal:
        fields = [name for name in FIELDS[:4] if blocklist.faults(agreement.tidy(given[name]))]
        message = promise.words(request, refusal.found)
        return await _form(request, brand, given, [pages.Fault(field=name, message=message) for name in fields])
    return pages.elsewhere(f"{HERE}?done=published")


async def _form(
    request: Request[Any, Any, Any], brand: Brand, given: dict[str, str], faults: list[pages.Fault] | None = None
) -> Response[Any]:
    return await pages.view(
        request,
        "console/agreement_new.html",
        status=422 if faults else 200,
        brand=brand,
        given=given,
        faults=faults or (),
        longest=agreement.LONGEST_TEXT,
    )


@get("/resellers/agreements/{number:int}", opt=guards.page("network.read"))
async def one(request: Request[Any, Any, Any], number: params.FromPath[int]) -> Response[Any]:
    brand, _ = await network_words.desk(request)
    found = await agreement.read(brand_id=brand.id, number=number) if 0 < number < 2**31 else None
    if found is None:
        raise NotFoundException
    return await pages.view(request, "console/agreement.html", brand=brand, found=found)
