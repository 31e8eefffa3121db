"""Which consumer of a brand it is that asks: by the cookie of their session, and nobody's of another brand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib import parse

from litestar.exceptions import NotFoundException

from qucheng.campaigns import consumer
from qucheng.core import audit, clock
from qucheng.identity import brand as brands
from qucheng.web import auth, guards
from qucheng.web import site as sites

if TYPE_CHECKING:
    from litestar import Response
    from litestar.connection import ASGIConnection

    from qucheng.campaigns.consumer import Consumer
    from qucheng.identity.brand import Brand

COOKIE: auth.Name = "consumer"
STORE_KEPT_DAYS = 90
HEADERS = {"x-robots-tag": "noindex, nofollow"}


async def brand_named(code: str) -> Brand:
    """One that is not there is not there."""
    found = await brands.named(code) if "\0" not in code else None
    if found is None:
        raise NotFoundException
    return found


async def who(connection: ASGIConnection[Any, Any, Any, Any], brand: Brand) -> Consumer | None:
    """None for who is not signed in with this brand."""
    token = auth.cookie(connection, COOKIE)
    return await consumer.principal(keys=sites.of(connection).keys, brand_id=brand.id, token=token, now=clock.now())


async def require(connection: ASGIConnection[Any, Any, Any, Any], brand: Brand) -> Consumer:
    """Who is not signed in is led to the page for it, and back here afterwards."""
    found = await who(connection, brand)
    if found is None:
        raise guards.ElsewhereError(sign_in_page(brand, back(connection)))
    return found


def sign_in_page(brand: Brand, way_back: str | None) -> str:
    return f"/enter/{brand.code}" + (f"?{parse.urlencode({'next': way_back})}" if way_back else "")


def back(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    """To the page that was asked for; an answer to a form has none."""
    if connection.scope.get("method") != "GET":
        return None
    query = connection.scope["query_string"].decode("latin-1")
    return str(connection.scope["path"]) + (f"?{query}" if query else "")


def keep(response: Response[Any], connection: ASGIConnection[Any, Any, Any, Any], token: str) -> None:
    """The session's token, for as long as it is good."""
    auth.give(response, connection, COOKIE, token, kept=int(consumer.GOOD_FOR.total_seconds()))


def forget(response: Response[Any], connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    auth.take_back(response, connection, COOKIE)


def browser(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """What marks it: a form that was sent had it along."""
    return auth.visit(connection).token or auth.cookie(connection, "visit") or ""


def actor(connection: ASGIConnection[Any, Any, Any, Any]) -> audit.Actor:
    """A consumer is no user of the platform: what they do stands under their role and network."""
    return audit.Actor(user_id=None, role="consumer", network=auth.network(connection), request_id=auth.request_id())
