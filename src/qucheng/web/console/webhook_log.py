"""Webhooks at a glance: the endpoints and the log of what was sent where; one delivery with its attempts; sending once more."""

from __future__ import annotations

import datetime as dt
import json
import re
import uuid
from typing import Any

from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.core import clock
from qucheng.identity import webhook_endpoint
from qucheng.identity import webhook_log as deliveries
from qucheng.web import auth, guards, pages
from qucheng.web.console import people, webhooks
from qucheng.web.console import webhook_words as said
from qucheng.web.finance import books, desk
from qucheng.web.texts import n_

HERE = webhooks.HERE
ONE = f"{webhooks.ONE}/deliveries/{{event:int}}"
PAGE = 50
FILTERS = ("endpoint", "kind", "state", "subject")
BEFORE = re.compile("([0-9]{1,18})-([0-9a-f]{32})")
# hours, and what they are called
SINCE = {"1": n_("an hour"), "24": n_("a day"), "72": n_("three days"), "720": n_("30 days")}
MOST_EVENT = 1 << 62


@get(HERE, opt=guards.page("webhooks.manage"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _show(request, 200, ())


@post("/webhooks/replay", opt=guards.page("webhooks.manage", form=HERE), status_code=200)
async def replay_dead(request: Request[Any, Any, Any]) -> Response[Any]:
    """All that were given up since then, of one endpoint or of all."""
    sent, now = await pages.form(request), clock.now()
    if sent.get("since") not in SINCE:
        fault = pages.Fault(field="since", message=pages.words(request).gettext(said.SENTENCES["since"]))
        return await _show(request, 422, [fault])
    count = await deliveries.replay_dead(
        brand_id=people.home(request),
        since=now - dt.timedelta(hours=int(sent["since"])),
        endpoint_id=desk.an_id(sent.get("of")),
        actor=auth.actor(request),
    )
    return pages.elsewhere(f"{HERE}?again={count}")


@get(ONE, opt=guards.page("webhooks.manage"))
async def detail(
    request: Request[Any, Any, Any], endpoint_id: params.FromPath[uuid.UUID], event: params.FromPath[int]
) -> Response[Any]:
    return await _detail(request, endpoint_id, event, 200, ())


@post(f"{ONE}/replay", opt=guards.page("webhooks.manage", form=HERE), status_code=200)
async def replay(
    request: Request[Any, Any, Any], endpoint_id: params.FromPath[uuid.UUID], event: params.FromPath[int]
) -> Response[Any]:
    await _found(request, endpoint_id, event)
    try:
        await deliveries.replay(brand_id=people.home(request), endpoint_id=endpoint_id, event=event, actor=auth.actor(request))
    except deliveries.DeliveryStateError as refusal:
        return await _detail(request, endpoint_id, event, refusal.status, [webhooks.fault(request, refusal)])
    return pages.elsewhere(f"{HERE}/{endpoint_id}/deliveries/{event}?done=replayed")


async def _show(request: Request[Any, Any, Any], status: int, faults: list[pages.Fault] | tuple[()]) -> Response[Any]:
    brand_id, now, words = people.home(request), clock.now(), pages.words(request)
    kept = {name: desk.text(request.query_params.get(name)) for name in FILTERS}
    kept["endpoint"] = str(desk.an_id(kept["endpoint"]) or "")
    kept["kind"] = kept["kind"] if kept["kind"] in said.KINDS or kept["kind"] == webhook_endpoint.TEST else ""
    kept["state"] = next((state for state in said.STATES if state == kept["state"]), "")
    rows = await deliveries.listing(
        brand_id=brand_id,
        endpoint_id=desk.an_id(kept["endpoint"]),
        kind=kept["kind"] or None,
        state=kept["state"] or None,
        subject=kept["subject"] or None,
        before=_before(request.query_params.get("before", "")),
        most=PAGE + 1,
    )
    last = rows[PAGE - 1] if len(rows) > PAGE else None
    again = request.query_params.get("again", "")
    return await pages.view(
        request,
        "console/webhooks.html",
        status=status,
        faults=faults,
        endpoints=await webhook_endpoint.listing(brand_id=brand_id, now=now, deleted=True),
        rows=rows[:PAGE],
        older=books.address(HERE, kept, before=f"{last.event}-{last.endpoint.hex}") if last else None,
        kept=kept,
        without={name: books.address(HERE, {**kept, name: ""}) for name, value in kept.items() if value},
        kinds=said.KINDS,
        states=[(state, words.gettext(word)) for state, word in said.STATES.items()],
        since=[(hours, words.gettext(word)) for hours, word in SINCE.items()],
        reasons=said.FAULTS,
        notice=webhooks.notice(request),
        again=int(again) if re.fullmatch("[0-9]{1,6}", again) else None,
    )


def _before(given: str) -> tuple[int, uuid.UUID] | None:
    found = BEFORE.fullmatch(given)
    return (int(found[1]), uuid.UUID(found[2])) if found else None


async def _found(request: Request[Any, Any, Any], endpoint_id: uuid.UUID, event: int) -> deliveries.Detail:
    if not 0 <= event < MOST_EVENT:
        raise NotFoundException
    try:
        return await deliveries.read(brand_id=people.home(request), endpoint_id=endpoint_id, event=event)
    except deliveries.DeliveryUnknownError:
        raise NotFoundException from None


async def _detail(
    request: Request[Any, Any, Any], endpoint_id: uuid.UUID, event: int, status: int, faults: list[pages.Fault] | tuple[()]
) -> Response[Any]:
    found = await _found(request, endpoint_id, event)
    endpoint = await webhook_endpoint.read(brand_id=people.home(request), endpoint_id=endpoint_id, now=clock.now())
    return await pages.view(
        request,
        "console/webhook_delivery.html",
        status=status,
        faults=faults,
        found=found,
        endpoint=endpoint,
        body=json.dumps(json.loads(found.body), ensure_ascii=False, indent=2),
        kinds=said.KINDS,
        reasons=said.FAULTS,
        notice=webhooks.notice(request),
    )
