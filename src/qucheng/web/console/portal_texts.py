"""Texts to resellers: what is shown now, what was, and a new one."""

from __future__ import annotations

import uuid
from typing import Any

from litestar import Request, Response, get, params, post

from qucheng.core import clock
from qucheng.identity.brand import Brand
from qucheng.network import blocklist, portal_text
from qucheng.web import auth, guards, pages
from qucheng.web.console import compliance, compliance_words, promise
from qucheng.web.finance import books, desk
from qucheng.web.texts import n_

HERE, NEW = "/texts", "/texts/new"
WORDS = ("title_zh", "body_zh", "title_en", "body_en")
FAULTS = {
    "title_zh": n_("A title of at most 80 characters, in Chinese, in English or in both; its words belong to it."),
    "title_en": n_("A title of at most 80 characters, in Chinese, in English or in both; its words belong to it."),
    "body_zh": n_("Words of at most 4000 characters, under the title in the same language."),
    "body_en": n_("Words of at most 4000 characters, under the title in the same language."),
    "starts_on": n_("A day such as 2027-01-31."),
    "ends_on": n_("A day after the first, and after today; blank: until somebody ends it."),
}
NOTICES = {"published": n_("The text is published."), "ended": n_("The text is ended: nobody sees it any more.")}
GONE = n_("This text is ended already.")


@get(HERE, opt=guards.page("texts.change"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    brand, words = await books.brand_of(request), pages.words(request)
    today = compliance.today(brand, clock.now())
    found = [(each, each.state(today)) for each in await portal_text.listing(brand_id=brand.id)]
    notice = NOTICES.get(request.query_params.get("done", ""))
    return await pages.view(
        request,
        "console/portal_texts.html",
        brand=brand,
        live=[(each, state) for each, state in found if state != "over"],
        over=[each for each, state in found if state == "over"],
        kinds={kind: words.gettext(word) for kind, word in compliance_words.KINDS.items()},
        names=await desk.names(request, [person for each, _ in found for person in (each.published_by, each.ended_by)]),
        notice=words.gettext(notice) if notice else None,
    )


@get(NEW, opt=guards.page("texts.change"))
async def form(request: Request[Any, Any, Any]) -> Response[Any]:
    """instead: one whose words it begins with, and whose place it takes."""
    brand = await books.brand_of(request)
    old = desk.an_id(request.query_params.get("instead"))
    given = {"kind": "announcement", "starts_on": str(compliance.today(brand, clock.now())), "instead": ""}
    if old is not None:
        text = await portal_text.read(brand_id=brand.id, text_id=old)
        given |= {name: getattr(text, name) or "" for name in WORDS}
        given |= {"kind": text.kind, "ends_on": str(text.ends_on or ""), "instead": str(old)}
    return await _form(request, brand, given)


@post(NEW, opt=guards.page("texts.change"), status_code=200)
async def publish(request: Request[Any, Any, Any]) -> Response[Any]:
    brand, sent = await books.brand_of(request), await _sent(request)
    given = {
        name: sent.get(name, "").replace("\r\n", "\n").strip() for name in ("kind", *WORDS, "starts_on", "ends_on", "instead")
    }
    starts_on, ends_on = books.day(given["starts_on"]), books.day(given["ends_on"])
    wrong = [
        name
        for name, day in (("starts_on", starts_on), ("ends_on", ends_on))
        if day is None and (given[name] or name == "starts_on")
    ]
    if wrong or starts_on is None:
        return await _form(request, brand, given, [_fault(request, name) for name in wrong])
    try:
        await portal_text.publish(
            brand=brand,
            words=portal_text.Words(
                kind="help" if given["kind"] == "help" else "announcement",
                **{name: given[name] or None for name in WORDS},
                starts_on=starts_on,
                ends_on=ends_on,
            ),
            today=compliance.today(brand, clock.now()),
            actor=auth.actor(request),
            instead_of=desk.an_id(given["instead"]),
        )
    except portal_text.TextRefusedError as refusal:
        return await _form(request, brand, given, [_fault(request, refusal.field)])
    except portal_text.TextUnknownError as refusal:
        return await _form(request, brand, given, [pages.Fault(message=pages.words(request).gettext(GONE))], refusal.status)
    except blocklist.PromiseError:
        return await _form(request, brand, given, _promises(request, given))
    return pages.elsewhere(f"{HERE}?done=published")


@post("/texts/{text_id:uuid}/end", opt=guards.page("texts.change", form=HERE), status_code=200)
async def end(request: Request[Any, Any, Any], text_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    brand = await books.brand_of(request)
    await portal_text.end(brand_id=brand.id, text_id=text_id, actor=auth.actor(request))
    return pages.elsewhere(f"{HERE}?done=ended")


async def _sent(request: Request[Any, Any, Any]) -> dict[str, str]:
    """As pages.form(), with texts that may be longer than other fields by what a browser adds to a line's end."""
    sent = await request.form()
    longest = 2 * portal_text.LONGEST_BODY
    return {name: value for name in sent if isinstance(value := sent.getall(name)[-1], str) and len(value) <= longest}


def _fault(request: Request[Any, Any, Any], field: str) -> pages.Fault:
    return pages.Fault(field=field, message=pages.words(request).gettext(FAULTS[field]))


def _promises(request: Request[Any, Any, Any], given: dict[str, str]) -> list[pages.Fault]:
    """At each field what it promises."""
    found = {name: blocklist.faults(given[name]) for name in WORDS}
    return [pages.Fault(field=name, message=promise.words(request, hits)) for name, hits in found.items() if hits]


async def _form(
    request: Request[Any, Any, Any],
    brand: Brand,
    given: dict[str, str],
    faults: list[pages.Fault] | tuple[()] = (),
    status: int = 422,
) -> Response[Any]:
    words = pages.words(request)
    return await pages.view(
        request,
        "console/portal_text_new.html",
        status=status if faults else 200,
        brand=brand,
        given={name: given.get(name, "") for name in ("kind", *WORDS, "starts_on", "ends_on", "instead")},
        kinds=[(kind, words.gettext(word)) for kind, word in compliance_words.KINDS.items()],
        faults=faults,
    )
