"""Notices of who takes the money: the raw body and its signature first, the answer only when all is committed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Request, Response, params, post
from litestar.exceptions import NotFoundException

from qucheng.connectors import payment as providers
from qucheng.core import audit, clock, payment_port
from qucheng.identity import brand as brands
from qucheng.orders import payment
from qucheng.web import auth, guards
from qucheng.web import site as sites

if TYPE_CHECKING:
    from collections.abc import Mapping


class Taken(msgspec.Struct, frozen=True):
    """effect: what came of it; a notice that was taken before has none."""

    effect: payment.Effect


def port(request: Request[Any, Any, Any], provider: str) -> payment_port.Port:
    """Raises NoOnlinePaymentError."""
    site = sites.of(request)
    return providers.chosen(provider, var=site.settings.var, keys=site.keys, production=site.settings.production)


@post("/payments/{provider:str}/callback", opt=guards.MACHINE, status_code=200)
async def callback(request: Request[Any, Any, Any], provider: params.FromPath[str]) -> Response[Taken]:
    """401 for what the provider did not sign, 404 for what is not ours; neither leaves anything behind."""
    effect = await take(request, provider, request.headers, await request.body())
    return Response(Taken(effect))


async def take(request: Request[Any, Any, Any], provider: str, headers: Mapping[str, str], body: bytes) -> payment.Effect:
    try:
        found = port(request, provider)
        notice = found.verify_callback(headers, body, now=clock.now())
    except payment_port.NoOnlinePaymentError:
        raise NotFoundException from None
    brand = await brands.read(await payment.brand_of(notice.charge))
    return await payment.told(
        brand=brand,
        provider=found.name,
        notice=notice,
        keys=sites.of(request).keys,
        actor=audit.Actor(user_id=None, role="payments", network=auth.network(request), request_id=auth.request_id()),
        now=clock.now(),
    )
