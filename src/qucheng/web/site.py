"""What the pages of one process share: its settings, its keys, and its way to the limits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib import parse

import msgspec
from redis import asyncio as redis

from qucheng.core import crypto, errors, limits, servers, together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar.connection import ASGIConnection

    from qucheng.core.settings import Settings

ANSWER_SECONDS = 2
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Site:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.keys = crypto.keys(settings.var / "keys")
        self.public = parse.urlsplit(settings.public_url or "")
        self._client: redis.Redis | None = None
        self._connecting = asyncio.Lock()
        self._takers = together.Together(self._take_for)

    def secure(self, connection: ASGIConnection[Any, Any, Any, Any]) -> bool:
        """Cookies go over https only. Plain ones are for a demo on this machine, and never where an https address is published."""
        if self.public.scheme == "https" or connection.scope["scheme"] == "https":
            return True
        try:
            return parse.urlsplit(f"//{connection.headers.get('host', '')}").hostname not in LOOPBACK
        except ValueError:
            return True

    async def limit(self, limit: limits.Limit, *, subject: str) -> None:
        """Raises limits.LimitedError; and limits.LimiterDownError where nobody counts what must be counted: sign-ins and codes."""
        decision = await self.take(limit, subject=subject)
        if not decision.allowed:
            raise limits.LimitedError(decision)

    async def take(self, limit: limits.Limit, *, subject: str) -> limits.Decision:
        """Raises limits.LimiterDownError where nobody counts and the limit is closed then; an open one lets everything pass."""
        try:
            return await self._takers.ask((limit, subject), None)
        except limits.LimiterDownError:
            if self.settings.redis_url is None:  # an embedded server that was started again has another port
                await self.close()
            if limit.closed_when_down:
                raise
            return limits.uncounted(limit)

    async def _take_for(self, place: tuple[limits.Limit, str], asked: Sequence[None]) -> list[limits.Decision]:
        limit = msgspec.structs.replace(place[0], closed_when_down=True)
        return await limits.take_each(await self._counter(), limit, subject=place[1], times=len(asked))

    async def _counter(self) -> redis.Redis:
        """Raises limits.LimiterDownError where there is none and none can be started."""
        async with self._connecting:
            if self._client is None:
                try:
                    address = await asyncio.to_thread(servers.redis_url, self.settings)
                except (errors.RefusedError, OSError):
                    raise limits.LimiterDownError("This cannot be done for the moment: try again in a few seconds.") from None
                self._client = redis.Redis.from_url(address, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS)
            return self._client

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


def of(connection: ASGIConnection[Any, Any, Any, Any]) -> Site:
    found: Site = connection.app.state["site"]
    return found


def address(connection: ASGIConnection[Any, Any, Any, Any], path: str) -> str:
    """In full, for links and QR codes: as it is published, or else as it was asked for."""
    published = of(connection).settings.public_url
    return f"{published or str(connection.base_url).rstrip('/')}{path}" if path.startswith("/") else path
