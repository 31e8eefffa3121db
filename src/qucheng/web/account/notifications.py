"""What one is told of in the role that one works in, and of what one wants to be told how."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.core import clock
from qucheng.identity import brand as brands
from qucheng.identity import membership as memberships
from qucheng.identity import notification, notification_settings
from qucheng.web import auth, guards, notice_words, pages
from qucheng.web.portal import shown

LIST, SETTINGS = "/notifications", "/notifications/settings"
ONE = LIST + "/{notification_id:uuid}"
ROWS = 30
ON = "on"
# where amounts of no brand are to be written: there are none
PLAIN_DECIMALS = 2


@get(LIST, opt=guards.page("notifications.read"))
async def listing(request: Request[Any, Any, Any]) -> Response[Any]:
    who, words = auth.principal(request), pages.words(request)
    unread, page = request.query_params.get("unread") == "1", shown.number(request.query_params.get("page"))
    found = await notification.listing(who=who, now=clock.now(), unread=unread, skip=(page - 1) * ROWS, most=ROWS)
    if page > 1 and not found.rows:
        raise NotFoundException
    decimals = (await brands.read(who.brand_id)).decimals if who.brand_id and who.role != "operator" else PLAIN_DECIMALS
    rows = [(each, notice_words.line(each.kind, each.subject, each.values, decimals, words)) for each in found.rows]
    return await pages.view(
        request,
        "account/notifications.html",
        rows=rows,
        drawings=notice_words.DRAWINGS,
        labels={kind: words.gettext(label) for kind, label in notice_words.LABELS.items()},
        only_unread=unread,
        as_of=found.as_of,
        span=shown.span_of(found.total, len(rows), page, ROWS, {"unread": "1" if unread else ""}),
        elsewhere=await _elsewhere(request),
    )


async def _elsewhere(request: Request[Any, Any, Any]) -> list[tuple[memberships.Membership, int]]:
    """The person's other roles in which something is unread."""
    who = auth.principal(request)
    counted = await notification.unread_elsewhere(user_id=who.user_id)
    if not counted:
        return []
    here = (who.brand_id, who.reseller)
    roles = await memberships.of(who.user_id)
    return [(each, counted[each.id]) for each in roles if each.id in counted and (each.brand_id, each.reseller) != here]


@post(ONE + "/open", opt=guards.page("notifications.change", form=LIST), status_code=200)
async def open_(request: Request[Any, Any, Any], notification_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    """To what it is about; with that it is read."""
    found = await notification.read(who=auth.principal(request), notification_id=notification_id, now=clock.now())
    told = notice_words.line(found.kind, found.subject, found.values, PLAIN_DECIMALS, pages.words(request))
    return pages.elsewhere(told.address or LIST)


@post(ONE + "/read", opt=guards.page("notifications.change", form=LIST), status_code=200)
async def read(request: Request[Any, Any, Any], notification_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    await notification.read(who=auth.principal(request), notification_id=notification_id, now=clock.now())
    return pages.elsewhere(LIST)


@post(LIST + "/read", opt=guards.page("notifications.change", form=LIST), status_code=200)
async def read_all(request: Request[Any, Any, Any]) -> Response[Any]:
    """Those that the page showed or could have: what came since is not passed over."""
    sent = await pages.form(request)
    try:
        until = dt.datetime.fromisoformat(sent.get("until", ""))
    except ValueError:
        raise NotFoundException from None
    if until.tzinfo is None:
        raise NotFoundException
    await notification.read_all(who=auth.principal(request), until=until)
    return pages.elsewhere(LIST)


@get(SETTINGS, opt=guards.page("notifications.read"))
async def settings(request: Request[Any, Any, Any]) -> Response[Any]:
    who, words = auth.principal(request), pages.words(request)
    chosen = await notification_settings.read(user_id=who.user_id)
    kinds = notification_settings.kinds(who.role)
    return await pages.view(
        request,
        "account/notification_settings.html",
        rows=[(kind, words.gettext(notice_words.LABELS[kind]), chosen[kind]) for kind in kinds],
        done=request.query_params.get("done"),
    )


@post(SETTINGS, opt=guards.page("notifications.change"), status_code=200)
async def choose(request: Request[Any, Any, Any]) -> Response[Any]:
    """Of the kinds of this role; those of the person's other roles stay."""
    who, sent = auth.principal(request), await pages.form(request)
    wanted = {
        kind: notification_settings.Setting(app=sent.get(f"app-{kind}") == ON, mail=sent.get(f"mail-{kind}") == ON)
        for kind in notification_settings.kinds(who.role)
    }
    await notification_settings.write(user_id=who.user_id, settings=wanted)
    return pages.elsewhere(f"{SETTINGS}?done=1")
