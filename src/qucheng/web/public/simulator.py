"""The simulated payer's app: it pays or does not, and its notices come late, twice, in another order, or never. Not in production."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Literal

from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.connectors import payment_simulator
from qucheng.core import clock
from qucheng.identity import brand as brands
from qucheng.orders import payment
from qucheng.web import auth, guards, pages
from qucheng.web import site as sites
from qucheng.web.public import payments

if TYPE_CHECKING:
    from qucheng.connectors.payment_simulator import Entry, Simulator

HERE = "/simulator/pay/{charge_id:uuid}"
MANY = 100
HEADERS = {"x-robots-tag": "noindex"}


@get(HERE, opt=guards.page(guards.ANYBODY))
async def show(request: Request[Any, Any, Any], charge_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    entry = await _entry(request, charge_id)
    brand = await brands.read(await payment.brand_of(charge_id))
    done = request.query_params.get("done", "")
    return await pages.view(
        request, "consumer/simulator.html", headers=HEADERS, entry=entry, brand=brand, done=done if done in STEPS else ""
    )


@post(HERE, opt=guards.page(guards.ANYBODY), status_code=200)
async def act(request: Request[Any, Any, Any], charge_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    entry, sent = await _entry(request, charge_id), await pages.form(request)
    step = STEPS.get(sent.get("do", ""))
    if step is None:
        return pages.elsewhere(request.url.path)
    simulator, paid, notices = _of(request), step[0], step[1]
    if paid is not None:
        entry = await simulator.pay(charge_id, paid=paid) or entry
    for kind, times in notices:
        await _tell(request, simulator, entry, kind, times)
    here = f"{request.url.path}?done={sent['do']}"
    return pages.elsewhere(auth.local(entry.charge.return_address) if step[2] else here)


# whether the payer pays, the notices that follow with how often each comes, and whether the payer is led back
STEPS: dict[str, tuple[bool | None, tuple[tuple[Literal["paid", "failed"], int], ...], bool]] = {
    "pay": (True, (("paid", 1),), True),
    "fail": (False, (("failed", 1),), True),
    "silent": (True, (), True),
    "twice": (True, (("paid", 1), ("paid", 1)), False),
    "many": (None, (("paid", MANY),), False),
    "reordered": (None, (("failed", 1), ("paid", 1), ("failed", 1)), False),
}


async def _tell(
    request: Request[Any, Any, Any], simulator: Simulator, entry: Entry, kind: Literal["paid", "failed"], times: int
) -> None:
    """Nothing is said to be paid that was not."""
    if kind == "paid" and entry.state != "paid":
        return
    notice = simulator.notice(entry, kind=kind)
    for _ in range(times):
        headers, body = simulator.signed(notice, now=clock.now())
        await payments.take(request, simulator.name, headers, body)


def _of(request: Request[Any, Any, Any]) -> Simulator:
    site = sites.of(request)
    if site.settings.production:
        raise NotFoundException
    return payment_simulator.of(site.settings.var, site.keys)


async def _entry(request: Request[Any, Any, Any], charge_id: uuid.UUID) -> Entry:
    entry = await _of(request).entry(charge_id)
    if entry is None:
        raise NotFoundException
    return entry
