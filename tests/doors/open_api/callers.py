"""Machines as those of a customer: they know the documentation, and none of our code."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import httpx
from tests import books

if TYPE_CHECKING:
    import asyncpg
    import litestar

    from qucheng.identity import api_key, permissions

HOME = "https://shop.example"
ADDRESS = "198.51.100.7"


@contextlib.asynccontextmanager
async def client(app: litestar.Litestar, address: str = ADDRESS) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, client=(address, 40_000), raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url=HOME) as made:
        yield made


def signature(secret: str, method: str, target: str, timestamp: str, nonce: str, idempotency_key: str, body: bytes) -> str:
    """As docs/api.md says it."""
    text = "\n".join(["QC1", method, target, timestamp, nonce, idempotency_key, hashlib.sha256(body).hexdigest()])
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


@dataclass
class Machine:
    client: httpx.AsyncClient
    issued: api_key.Issued
    maker: permissions.Principal
    headers: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.client.get(path, params=query or None, headers={"authorization": f"Bearer {self.issued.token}"})

    def signed(self, path: str, body: bytes, *, key: str, at: int = 0, nonce: str | None = None) -> dict[str, str]:
        """at: seconds that the machine's clock is ahead."""
        assert self.issued.signing_secret is not None
        timestamp, nonce = str(int(time.time()) + at), nonce or secrets.token_hex(16)
        return {
            "content-type": "application/json",
            "idempotency-key": key,
            "qucheng-key": self.issued.id.hex,
            "qucheng-timestamp": timestamp,
            "qucheng-nonce": nonce,
            "qucheng-signature": signature(self.issued.signing_secret, "POST", path, timestamp, nonce, key, body),
        }

    async def post(self, path: str, body: Any, *, key: str | None = None, at: int = 0) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = self.signed(path, content, key=key or secrets.token_hex(8), at=at)
        return await self.client.post(path, content=content, headers=headers)


Make: TypeAlias = Callable[..., Awaitable[Machine]]


async def every(machine: Machine, path: str, **query: Any) -> list[dict[str, Any]]:
    """All pages of a list."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await machine.get(path, **query, **cursor)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["items"]
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}


async def stored(owner: asyncpg.Connection, *without: str) -> dict[str, str]:
    """The rows of every table as digests; the web process itself writes down when it was seen last."""
    return {name: rows for name, rows in (await books.everything(owner)).items() if name not in {"process", *without}}
