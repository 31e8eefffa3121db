"""A buyer's page behind the link of a message: what was bought, a button that shows it, and since when it has been seen."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.connectors import sms
from qucheng.core import audit, clock, limits
from qucheng.identity import brand as brands
from qucheng.stock import delivery_link, secret_reveal
from qucheng.web import auth, guards, pages, refusals
from qucheng.web import site as sites

if TYPE_CHECKING:
    from qucheng.stock.delivery_link import Link

HERE = "/c/{link_code:str}"
# whoever has the link has it; nobody finds one by trying
LOOKS = limits.Limit(name="delivery-look", count=60, seconds=300)
REVEALS = limits.Limit(name="delivery-reveal", count=20, seconds=600, closed_when_down=True)
HEADERS = {"x-robots-tag": "noindex, nofollow"}
PURPOSE = "by the buyer's link"
LONGEST = 100
LINK = re.compile(r"/c/[A-Za-z0-9_-]+")
CODE = re.compile(r"(?<![0-9A-Za-z])[0-9]{6}(?![0-9A-Za-z])")
REFUSED = (
    secret_reveal.NothingToShowError,
    secret_reveal.RevealQuotaError,
    secret_reveal.RevealUnrecordedError,
    limits.LimitedError,
    limits.LimiterDownError,
)


@get(HERE, opt=guards.page(guards.ANYBODY))
async def show(request: Request[Any, Any, Any], link_code: params.FromPath[str]) -> Response[Any]:
    """Nothing is shown by looking: programs that preview links look as well."""
    link = await _link(request, link_code)
    return await _view(request, link_code, link, 200, (), {})


@post(HERE, opt=guards.page(guards.ANYBODY), status_code=200)
async def reveal(request: Request[Any, Any, Any], link_code: params.FromPath[str]) -> Response[Any]:
    link = await _link(request, link_code)
    try:
        await sites.of(request).limit(REVEALS, subject=auth.network(request))
        shown = await secret_reveal.reveal_line(
            brand=await brands.read(link.brand_id),
            keys=sites.of(request).keys,
            order_no=link.order_no,
            line_no=None,
            viewer=secret_reveal.Viewer(kind="link", id=link.id),
            purpose=PURPOSE,
            actor=audit.Actor(user_id=None, role="buyer", network=auth.network(request), request_id=auth.request_id()),
            now=clock.now(),
        )
    except REFUSED as refusal:
        fault = pages.Fault(message=refusals.sentence(refusal, pages.words(request)))
        return await _view(request, link_code, link, refusal.status, [fault], {}, refusals.headers(refusal))
    return await _view(request, link_code, link, 200, (), {each.card: each for each in shown})


@get("/simulator/messages", opt=guards.page(guards.ANYBODY))
async def messages(request: Request[Any, Any, Any]) -> Response[Any]:
    """Text messages that a provider would have sent; of a demonstration only."""
    site = sites.of(request)
    if site.settings.production:
        raise NotFoundException
    port = sms.Simulator(site.settings.var / sms.FOLDER, site.keys)
    found = [(each, LINK.search(each.text), CODE.search(each.text)) for each in port.messages()]
    return await pages.view(request, "consumer/messages.html", headers=HEADERS, found=found)


async def _link(request: Request[Any, Any, Any], token: str) -> Link:
    """Raises LinkUnknownError, of which the buyer is told what to do."""
    await sites.of(request).limit(LOOKS, subject=auth.network(request))
    return await delivery_link.find(token=token[:LONGEST], now=clock.now())


async def _view(
    request: Request[Any, Any, Any],
    token: str,
    link: Link,
    status: int,
    faults: list[pages.Fault] | tuple[()],
    shown: dict[str, secret_reveal.Shown],
    headers: dict[str, str] | None = None,
) -> Response[Any]:
    brand, bought = await brands.read(link.brand_id), await delivery_link.bought(link)
    return await pages.view(
        request,
        "consumer/cards.html",
        status=status,
        headers={**HEADERS, **(headers or {})},
        brand=brand,
        link=link,
        token=token,
        bought=bought,
        shown=shown,
        faults=faults,
        waiting=any(each.state in secret_reveal.SHOWABLE for each in bought),
    )
