"""Endpoints of webhooks, for the owners of a brand. A secret is on the page that answers, and never again."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.core import clock, errors
from qucheng.identity import queries, webhook_endpoint
from qucheng.web import auth, guards, pages, refusals
from qucheng.web import site as sites
from qucheng.web.console import people, renewal
from qucheng.web.console import webhook_words as said
from qucheng.web.finance import step_up

HERE, NEW = "/webhooks", "/webhooks/new"
ONE = "/webhooks/{endpoint_id:uuid}"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A form as it was sent."""

    url: str = ""
    kinds: tuple[str, ...] = ()


@get(NEW, opt=guards.page("webhooks.manage"))
async def form(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _form(request, 200, Wanted(kinds=tuple(said.KINDS)), ())


@post(NEW, opt=guards.page("webhooks.manage"), status_code=200)
async def create(request: Request[Any, Any, Any]) -> Response[Any]:
    """The secret is on the answer alone. Sent again, it is refused: the code was used up."""
    sent, allowed = await pages.form(request), sites.of(request).settings.webhook_networks
    wanted = Wanted(url=sent.get("url", "").strip(), kinds=tuple(kind for kind in said.KINDS if sent.get(f"kind_{kind}")))
    unfit = webhook_endpoint.unfit(url=wanted.url, kinds=wanted.kinds, allowed=allowed)
    if unfit:
        return await _form(request, 422, wanted, [fault(request, refusal) for refusal in unfit])
    try:
        await step_up.require(request, sent.get("code", ""))
        issued = await webhook_endpoint.create(
            keys=sites.of(request).keys,
            brand_id=people.home(request),
            url=wanted.url,
            kinds=wanted.kinds,
            allowed=allowed,
            created_by=auth.principal(request).user_id,
            actor=auth.actor(request),
            now=clock.now(),
        )
    except said.REFUSED as refusal:
        return await _form(request, status(refusal), wanted, [fault(request, refusal)], refusal)
    return await pages.view(request, "console/webhook_secret.html", issued=issued, url=wanted.url, old_until=None)


async def _form(
    request: Request[Any, Any, Any],
    answer: int,
    wanted: Wanted,
    faults: list[pages.Fault] | tuple[()],
    refusal: errors.RefusedError | None = None,
) -> Response[Any]:
    return await pages.view(
        request,
        "console/webhook_new.html",
        status=answer,
        headers=refusals.headers(refusal) if refusal else None,
        wanted=wanted,
        faults=faults,
        kinds=said.KINDS,
    )


@get(ONE, opt=guards.page("webhooks.manage"))
async def detail(request: Request[Any, Any, Any], endpoint_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    return await _detail(request, endpoint_id, 200, ())


@post(f"{ONE}/rotate", opt=guards.page("webhooks.manage", form=HERE), status_code=200)
async def rotate(request: Request[Any, Any, Any], endpoint_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    sent, now = await pages.form(request), clock.now()
    endpoint = await _endpoint(request, endpoint_id)
    try:
        lasting = renewal.asked(sent)
        await step_up.require(request, sent.get("code", ""))
        issued = await webhook_endpoint.rotate(
            keys=sites.of(request).keys,
            brand_id=people.home(request),
            endpoint_id=endpoint_id,
            overlap=lasting,
            by=auth.principal(request).user_id,
            actor=auth.actor(request),
            now=now,
        )
    except said.REFUSED as refusal:
        return await _refused(request, endpoint_id, refusal)
    until = now + lasting if lasting else None
    return await pages.view(request, "console/webhook_secret.html", issued=issued, url=endpoint.url, old_until=until)


@post(f"{ONE}/end-old", opt=guards.page("webhooks.manage", form=HERE), status_code=200)
async def end_old(request: Request[Any, Any, Any], endpoint_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    return await _changed(request, endpoint_id, webhook_endpoint.end_old, "ended")


@post(f"{ONE}/pause", opt=guards.page("webhooks.manage", form=HERE), status_code=200)
async def pause(request: Request[Any, Any, Any], endpoint_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    return await _changed(request, endpoint_id, webhook_endpoint.pause, "paused")


@post(f"{ONE}/resume", opt=guards.page("webhooks.manage", form=HERE), status_code=200)
async def resume(request: Request[Any, Any, Any], endpoint_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    return await _changed(request, endpoint_id, webhook_endpoint.resume, "resumed")


@post(f"{ONE}/test", opt=guards.page("webhooks.manage", form=HERE), status_code=200)
async def test(request: Request[Any, Any, Any], endpoint_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    await _endpoint(request, endpoint_id)
    try:
        event = await webhook_endpoint.test(brand_id=people.home(request), endpoint_id=endpoint_id, actor=auth.actor(request))
    except said.REFUSED as refusal:
        return await _refused(request, endpoint_id, refusal)
    return pages.elsewhere(f"{HERE}/{endpoint_id}/deliveries/{event}?done=tested")


@get(f"{ONE}/delete", opt=guards.page("webhooks.manage"))
async def doubt(request: Request[Any, Any, Any], endpoint_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    """Asks again, by its address."""
    return await pages.view(request, "console/webhook_delete.html", endpoint=await _endpoint(request, endpoint_id))


@post(f"{ONE}/delete", opt=guards.page("webhooks.manage"), status_code=200)
async def delete(request: Request[Any, Any, Any], endpoint_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    return await _changed(request, endpoint_id, webhook_endpoint.delete, "deleted")


async def _changed(request: Request[Any, Any, Any], endpoint_id: uuid.UUID, change: Any, done: str) -> Response[Any]:  # noqa: ANN401 - a write of the room
    await _endpoint(request, endpoint_id)
    try:
        await change(brand_id=people.home(request), endpoint_id=endpoint_id, actor=auth.actor(request), now=clock.now())
    except said.REFUSED as refusal:
        return await _refused(request, endpoint_id, refusal)
    here = HERE if done == "deleted" else f"{HERE}/{endpoint_id}"
    return pages.elsewhere(f"{here}?done={done}")


async def _endpoint(request: Request[Any, Any, Any], endpoint_id: uuid.UUID) -> webhook_endpoint.Endpoint:
    try:
        return await webhook_endpoint.read(brand_id=people.home(request), endpoint_id=endpoint_id, now=clock.now())
    except webhook_endpoint.EndpointUnknownError:
        raise NotFoundException from None


async def _refused(request: Request[Any, Any, Any], endpoint_id: uuid.UUID, refusal: errors.RefusedError) -> Response[Any]:
    return await _detail(request, endpoint_id, status(refusal), [fault(request, refusal)], refusal)


async def _detail(
    request: Request[Any, Any, Any],
    endpoint_id: uuid.UUID,
    answer: int,
    faults: list[pages.Fault] | tuple[()],
    refusal: errors.RefusedError | None = None,
) -> Response[Any]:
    endpoint = await _endpoint(request, endpoint_id)
    return await pages.view(
        request,
        "console/webhook.html",
        status=answer,
        headers=refusals.headers(refusal) if refusal else None,
        endpoint=endpoint,
        faults=faults,
        kinds=said.KINDS,
        notice=notice(request),
        names=await queries.names(keys=sites.of(request).keys, user_ids=[endpoint.created_by]),
    )


def notice(request: Request[Any, Any, Any]) -> str | None:
    found = said.NOTICES.get(request.query_params.get("done", ""))
    return pages.words(request).gettext(found) if found else None


def status(refusal: errors.RefusedError) -> int:
    return step_up.status(refusal) if isinstance(refusal, step_up.REFUSED) else refusal.status


def fault(request: Request[Any, Any, Any], refusal: errors.RefusedError) -> pages.Fault:
    return said.fault(refusal, pages.words(request)) or step_up.fault(request, refusal)
