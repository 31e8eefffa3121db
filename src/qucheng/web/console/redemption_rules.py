"""When and where cards of a product may be used: the rule in force, its versions, the next one, and what would be answered."""

from __future__ import annotations

import datetime as dt
import uuid
import zoneinfo
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.core import clock
from qucheng.redemption import rule_listing, rules, store, store_listing
from qucheng.stock import pool_views
from qucheng.web import auth, guards, pages
from qucheng.web.console import product_edit, redemption_words
from qucheng.web.finance import books, desk
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from qucheng.catalog import queries
    from qucheng.identity.brand import Brand

HERE = "/products/{code:str}/redemption"
MOST_WINDOWS = 24
SPARE = 2
LISTS = ("stores", "areas", "channels", "terminals")
FAULTS = {
    "starts_on": n_("A day, or blank for none."),
    "windows": n_("Two different times of a day on each line, or none."),
    **dict.fromkeys(LISTS, n_("At most 200, each of which there is.")),
}
SAVED = n_("The rule is in force from now on, as version %(number)s.")
NO_PLACE = n_("Choose a store, and write a day and a time.")


@get(HERE, opt=guards.page("stores.read"))
async def show(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    """With a trial, where the address asks for one."""
    brand, sku = await books.brand_of(request), await _sku(request, code)
    return await _page(request, brand, sku)


@post(HERE, opt=guards.page("stores.change"), status_code=200)
async def change(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    brand, sku, sent = await books.brand_of(request), await _sku(request, code), await pages.form(request)
    versions = await rule_listing.versions(brand_id=brand.id, sku=sku.code)
    rule, wrong = _rule(sent, _known(await _choices(brand), versions[0].rule if versions else rules.Rule()))
    if wrong:
        return await _page(request, brand, sku, 422, (sent, wrong))
    number = await store.set_rule(brand_id=brand.id, sku=sku.code, rule=rule, actor=auth.actor(request), now=clock.now())
    return pages.elsewhere(f"/products/{sku.code}/redemption?done={number}")


async def _sku(request: Request[Any, Any, Any], code: str) -> queries.Sku:
    """One of which each unit is a card: nothing else is redeemed."""
    found = await product_edit.read(request, code)
    if found.kind != "card_secret":
        raise NotFoundException
    return found


async def _with_terminals(brand: Brand) -> list[tuple[str, str]]:
    """Places of a trial that are one terminal."""
    listed = await store_listing.terminals(brand_id=brand.id, now=clock.now())
    return [(f"{each.store}/{each.id}", f"{each.store_name} · {each.name}") for each in listed if each.ended_at is None]


async def _choices(brand: Brand) -> dict[str, list[tuple[str, str]]]:
    """What a rule can name: code and name of each."""
    stores = await store_listing.names(brand_id=brand.id)
    terminals = await _with_terminals(brand)
    return {
        "stores": stores,
        "areas": [(each, each) for each in await store_listing.areas(brand_id=brand.id)],
        "channels": await pool_views.channels(brand_id=brand.id),
        "terminals": [(place.partition("/")[2], name) for place, name in terminals],
    }


def _known(choices: dict[str, list[tuple[str, str]]], current: rules.Rule) -> dict[str, list[tuple[str, str]]]:
    """With what the rule in force names: that may stay, also when it is not there any more."""
    return {
        kind: listed + [(code, code) for code in getattr(current, kind) if code not in dict(listed)]
        for kind, listed in choices.items()
    }


def _rule(sent: dict[str, str], choices: dict[str, list[tuple[str, str]]]) -> tuple[rules.Rule, list[str]]:
    """The rule of a form, with the fields that cannot be so."""
    wrong = []
    starts_on = books.day(sent.get("starts_on"))
    if starts_on is None and sent.get("starts_on", "").strip():
        wrong.append("starts_on")
    windows = [_window(sent.get(f"begins_{place}", ""), sent.get(f"ends_{place}", "")) for place in range(MOST_WINDOWS)]
    if "wrong" in windows:
        wrong.append("windows")
    chosen = {kind: _chosen(sent, kind) for kind in LISTS}
    for kind, codes in chosen.items():
        if len(codes) > rules.MOST_NAMED or not dict(choices[kind]).keys() >= set(codes):
            wrong.append(kind)
    return rules.Rule(
        starts_on=starts_on,
        days=tuple(day for day in range(1, 8) if f"day.{day}" in sent),
        windows=tuple(each for each in windows if isinstance(each, rules.Window)),
        **{kind: tuple(sorted(codes)) for kind, codes in chosen.items()},
    ), wrong


def _chosen(sent: dict[str, str], kind: str) -> list[str]:
    return [name.removeprefix(f"{kind}.") for name in sent if name.startswith(f"{kind}.")]


def _window(begins: str, ends: str) -> rules.Window | str | None:
    """None for two blanks."""
    if not begins.strip() and not ends.strip():
        return None
    first, last = _time(begins), _time(ends)
    return rules.Window(begins=first, ends=last) if first is not None and last is not None and first != last else "wrong"


def _time(typed: str) -> dt.time | None:
    try:
        found = dt.time.fromisoformat(typed.strip())
    except ValueError:
        return None
    return found if found.tzinfo is None else None


def _typed(rule: rules.Rule) -> dict[str, str]:
    """The form of a rule that there is."""
    windows = {
        f"{edge}_{place}": f"{value:%H:%M}"
        for place, each in enumerate(rule.windows)
        for edge, value in (("begins", each.begins), ("ends", each.ends))
    }
    lists = {f"{kind}.{code}": "1" for kind in LISTS for code in getattr(rule, kind)}
    days = {f"day.{day}": "1" for day in rule.days}
    return {"starts_on": rule.starts_on.isoformat() if rule.starts_on else "", **windows, **lists, **days}


async def _page(
    request: Request[Any, Any, Any],
    brand: Brand,
    sku: queries.Sku,
    status: int = 200,
    refused: tuple[dict[str, str], list[str]] | None = None,
) -> Response[Any]:
    words, choices = pages.words(request), await _choices(brand)
    versions = await rule_listing.versions(brand_id=brand.id, sku=sku.code)
    current = versions[0].rule if versions else rules.Rule()
    typed, wrong = refused or (_typed(current), [])
    names = {kind: dict(listed) for kind, listed in choices.items()}
    trial, faults = await _trial(request, brand, sku.code, current) if refused is None else (None, [])
    for field in wrong:
        faults.append(pages.Fault(field=field, message=words.gettext(FAULTS[field])))
    done = request.query_params.get("done", "") if refused is None else ""
    latest = str(versions[0].number) if versions else None
    chosen = {kind: _chosen(typed, kind) for kind in LISTS}
    return await pages.view(
        request,
        "console/redemption_rule.html",
        status=status,
        faults=faults,
        zone=zoneinfo.ZoneInfo(brand.time_zone),
        brand=brand,
        sku=sku,
        versions=[(each, redemption_words.said(each.rule, words, names)) for each in versions],
        names=await desk.names(request, [each.user_id for each in versions]),
        typed=typed,
        days=redemption_words.days(words),
        windows=_lines(typed),
        chosen=chosen,
        choices=_known(choices, current),
        places=[*choices["stores"], *(await _with_terminals(brand))],
        trial=trial,
        asked=dict(request.query_params),
        results=redemption_words.results(words),
        notice=words.gettext(SAVED) % {"number": done} if done and done == latest else None,
    )


def _lines(typed: dict[str, str]) -> list[tuple[int, str, str]]:
    """The windows that were typed and a few more to type in."""
    filled = [place for place in range(MOST_WINDOWS) if typed.get(f"begins_{place}") or typed.get(f"ends_{place}")]
    last = min(max(filled, default=-1) + 1 + SPARE, MOST_WINDOWS)
    return [(place, typed.get(f"begins_{place}", ""), typed.get(f"ends_{place}", "")) for place in range(last)]


async def _trial(
    request: Request[Any, Any, Any], brand: Brand, sku: str, rule: rules.Rule
) -> tuple[rules.Verdict | None, list[pages.Fault]]:
    """place: a store's code, or a store's and a terminal's with a slash between."""
    asked = request.query_params
    if "place" not in asked:
        return None, []
    fault = pages.Fault(field="place", message=pages.words(request).gettext(NO_PLACE))
    code, _, terminal_id = asked.get("place", "").partition("/")
    try:
        at = dt.datetime.fromisoformat(asked.get("at", "")).replace(tzinfo=zoneinfo.ZoneInfo(brand.time_zone))
        place = await store_listing.one(brand=brand, code=code, now=clock.now())
        terminals = await store_listing.terminals(brand_id=brand.id, now=clock.now(), of_store=code)
        terminal = next(each for each in terminals if each.id == uuid.UUID(terminal_id)) if terminal_id else None
    except (ValueError, OverflowError, StopIteration, store.StoreUnknownError):
        return None, [fault]
    channel = asked.get("channel") or None
    return rule_listing.trial(brand=brand, sku=sku, rule=rule, place=place, terminal=terminal, channel=channel, at=at), []
