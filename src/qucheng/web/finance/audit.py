"""The audit log: of a brand for its auditors, of the platform for its operators. Who reads it does not act."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from pathlib import Path
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.exceptions import NotFoundException
from litestar.response import Stream

from qucheng.core import audit, exports
from qucheng.identity import trail
from qucheng.identity import user as users
from qucheng.web import auth, guards, pages, texts
from qucheng.web import site as sites
from qucheng.web.finance import books

BRANDS, PLATFORMS = "/audit", "/platform/audit"
FILTERS = ("person", "action", "subject", "from", "to", "approval")
LONGEST_VALUE = 400


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A value that was one thing before and another after; None where it was not there."""

    name: str
    before: str | None
    after: str | None


@get(BRANDS, opt=guards.page("audit.read"))
async def of_brand(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _view(request, BRANDS)


@get(PLATFORMS, opt=guards.page("platform.audit.read"))
async def of_platform(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _view(request, PLATFORMS)


@post("/audit/verify", opt=guards.page("audit.read", form=BRANDS), status_code=200)
async def verify_brand(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _verified(request, BRANDS)


@post("/platform/audit/verify", opt=guards.page("platform.audit.read", form=PLATFORMS), status_code=200)
async def verify_platform(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _verified(request, PLATFORMS)


@post("/audit/export", opt=guards.page("audit.read", form=BRANDS), status_code=200)
async def take_brand(request: Request[Any, Any, Any]) -> Response[Any] | Stream:
    return await _file(request, "audit.read")


@post("/platform/audit/export", opt=guards.page("platform.audit.read", form=PLATFORMS), status_code=200)
async def take_platform(request: Request[Any, Any, Any]) -> Response[Any] | Stream:
    return await _file(request, "platform.audit.read")


async def _view(
    request: Request[Any, Any, Any], path: str, *, verified: bool = False, broken: audit.Break | None = None
) -> Response[Any]:
    """verified: the chain was looked at just now."""
    keys, brand_id = sites.of(request).keys, _trail_of(request)
    kept = _kept(dict(request.query_params))
    of = f"audit/{sorted(kept.items())}"
    after = books.position(request, tuple[dt.datetime, uuid.UUID], of)
    found = await trail.page(keys=keys, brand_id=brand_id, chosen=_chosen(kept), after=after)
    actions, people = await trail.choices(keys=keys, brand_id=brand_id)
    return await pages.view(
        request,
        "finance/audit.html",
        page=found,
        here=path,
        changes={record.id: _changes(record, found.names) for record in found.records},
        chain=await trail.chain(brand_id=brand_id),
        longest_chain=trail.CHAINED_AT_ONCE,
        actions=actions,
        people=people,
        chosen_name=next((each.name for each in people if str(each.id) == kept["person"]), None),
        kept=kept,
        without={name: books.address(path, {**kept, name: ""}) for name in FILTERS if kept[name]},
        first_page=books.address(path, kept) if after else None,
        after=books.address(path, kept, after=books.cursor(request, found.after, of)) if found.after else None,
        direct=exports.DIRECT_ROWS,
        verified=verified,
        broken=broken,
    )


async def _verified(request: Request[Any, Any, Any], path: str) -> Response[Any]:
    brand_id = _trail_of(request)
    if (await trail.chain(brand_id=brand_id)).links > trail.CHAINED_AT_ONCE:
        return pages.elsewhere(path)
    broken = await audit.verify(brand_id)
    return await _view(request, path, verified=True, broken=broken)


async def _file(request: Request[Any, Any, Any], permission: str) -> Response[Any] | Stream:
    keys, brand_id = sites.of(request).keys, _trail_of(request)
    chosen = _chosen(_kept(await pages.form(request)))
    asked = books.Asked(
        brand_id=brand_id,
        kind=trail.EXPORT,
        permission=permission,
        parameters=trail.parameters(chosen),
        name="audit-log",
        form="csv",
        rows=await trail.count(brand_id=brand_id, chosen=chosen),
    )

    async def write(out: Path) -> None:
        await trail.write(keys=keys, brand_id=brand_id, chosen=chosen, out=out)

    return await books.hand_out(request, asked, write)


def _trail_of(request: Request[Any, Any, Any]) -> uuid.UUID:
    who = auth.principal(request)
    if who.brand_id is None or who.reseller is not None:
        raise NotFoundException
    return who.brand_id


def _kept(given: dict[str, Any]) -> dict[str, str]:
    """The filters, as an address has them; what cannot be read is no filter."""
    days = {name: found.isoformat() if (found := books.day(given.get(name))) else "" for name in ("from", "to")}
    known = {name: str(_uuid(given.get(name)) or "") for name in ("person", "approval")}
    return {**days, **known, **{name: books.text(given.get(name)) or "" for name in ("action", "subject")}}


def _chosen(kept: dict[str, str]) -> trail.Chosen:
    """Days are of Beijing, as the times on the page are."""
    first, last = books.day(kept["from"]), books.day(kept["to"])
    return trail.Chosen(
        user_id=_uuid(kept["person"]),
        action=kept["action"] or None,
        subject=kept["subject"] or None,
        since=_midnight(first) if first else None,
        until=_midnight(last + dt.timedelta(days=1)) if last and last < dt.date.max else None,
        approval=_uuid(kept["approval"]),
    )


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), tzinfo=texts.BEIJING)


def _uuid(text: str | None) -> uuid.UUID | None:
    try:
        return uuid.UUID(text or "")
    except ValueError:
        return None


def _changes(record: audit.Record, people: dict[uuid.UUID, users.User]) -> list[Change]:
    """Whom it is about stands there by name and login; the file has the id."""
    known = {str(each.id): f"{each.name} · {each.login}" for each in people.values()}
    before, after = (value if isinstance(value, dict) else {} for value in (record.before, record.after))
    return [
        Change(name=name, before=_plain(before.get(name), known), after=_plain(after.get(name), known))
        for name in sorted({**before, **after})
        if before.get(name) != after.get(name)
    ]


def _plain(value: object, known: dict[str, str]) -> str | None:
    if value is None:
        return None
    shown = known.get(value, value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= LONGEST_VALUE else f"{shown[:LONGEST_VALUE]}…"
