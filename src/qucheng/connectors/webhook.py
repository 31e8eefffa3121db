"""Messages to a receiver of somebody else's choosing: over TLS, to addresses of the public internet, each looked up and checked at
every sending, and connected to as it was checked.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import socket
import ssl
import time
from typing import TYPE_CHECKING, Literal, Protocol

import httpx
import msgspec

from qucheng.core import outside

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    Resolve = Callable[[str, int], Awaitable[list[str]]]

Fault = Literal["url", "name", "address", "connect", "timeout", "protocol"]
CONNECT_SECONDS = 2
WHOLE_SECONDS = 10
# more addresses than this of one name are not tried
MOST_ADDRESSES = 3
MOST_READ = 64 * 1024
MOST_KEPT = 2 * 1024
# a name server that does not answer holds up those who ask, and nobody else
LOOK_UPS = 32


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """status: of HTTP; without one a fault says why there is none. text: the beginning of what was answered, in characters that can be shown."""

    status: int | None
    fault: Fault | None
    duration_ms: int
    text: str | None = None


class Sender(Protocol):
    async def send(self, *, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Raises nothing: what goes wrong is a fault of the answer."""


class Nowhere:
    """Takes everything and sends nothing."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, str], bytes]] = []

    async def send(self, *, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        self.sent.append((url, dict(headers), body))
        return Answer(status=204, fault=None, duration_ms=0)


class _FaultyError(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault: Fault = fault


class Https:
    """allowed: networks that are reached though they are not public, for development. resolve: a name's addresses."""

    def __init__(
        self, *, allowed: Collection[str] = (), trust: ssl.SSLContext | None = None, resolve: Resolve | None = None
    ) -> None:
        self._allowed = tuple(allowed)
        self._trust = trust or ssl.create_default_context()
        self._look_ups = concurrent.futures.ThreadPoolExecutor(LOOK_UPS, thread_name_prefix="webhook-name")
        self._resolve = resolve or self._look_up

    def close(self) -> None:
        self._look_ups.shutdown(wait=False, cancel_futures=True)

    async def send(self, *, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """One POST, without following where the answer would lead to."""
        began = time.monotonic()
        status: int | None = None
        fault: Fault | None = None
        text: str | None = None
        try:
            async with asyncio.timeout(WHOLE_SECONDS):
                status, text = await self._send(outside.target(url, allowed=self._allowed), headers, body)
        except outside.UrlRefusedError:
            fault = "url"
        except _FaultyError as error:
            fault = error.fault
        except (TimeoutError, httpx.TimeoutException):
            fault = "timeout"
        except (httpx.HTTPError, ValueError):
            fault = "protocol"
        return Answer(status=status, fault=fault, duration_ms=int((time.monotonic() - began) * 1000), text=text)

    async def _send(self, target: outside.Target, headers: Mapping[str, str], body: bytes) -> tuple[int, str | None]:
        for address in await self._addresses(target):
            try:
                return await self._post(target, address, headers, body)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        raise _FaultyError("connect")

    async def _addresses(self, target: outside.Target) -> list[str]:
        """All of them are fit to be sent to, or none is: which of them a connection would get, is for others to choose."""
        try:
            found = await self._resolve(target.host, target.port)
        except OSError:
            raise _FaultyError("name") from None
        if not found:
            raise _FaultyError("name")
        if not all(outside.may_be_reached(each, target.port, allowed=self._allowed) for each in found):
            raise _FaultyError("address")
        return found[:MOST_ADDRESSES]

    async def _look_up(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        rows = await loop.run_in_executor(self._look_ups, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        return list(dict.fromkeys(str(row[4][0]) for row in rows))

    async def _post(
        self, target: outside.Target, address: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, str | None]:
        """To the address that was checked, with the name in the certificate's and the server's sight."""
        literal = f"[{address}]" if ":" in address else address
        timeout = httpx.Timeout(WHOLE_SECONDS, connect=CONNECT_SECONDS)
        async with (
            httpx.AsyncClient(verify=self._trust, trust_env=False, follow_redirects=False, timeout=timeout) as client,
            client.stream(
                "POST",
                httpx.URL(scheme="https", host=literal, port=target.port, raw_path=target.path.encode()),
                content=body,
                headers={"host": target.authority, "accept-encoding": "identity", "connection": "close", **headers},
                extensions={"sni_hostname": target.host},
            ) as response,
        ):
            return response.status_code, _shown(await _read(response))


async def _read(response: httpx.Response) -> bytes:
    """The beginning of it; what comes after MOST_READ is not waited for."""
    kept, read = bytearray(), 0
    async for part in response.aiter_raw():
        read += len(part)
        kept += part[: MOST_KEPT - len(kept)]
        if read >= MOST_READ:
            break
    return bytes(kept)


def _shown(answer: bytes) -> str | None:
    """Without what moves a cursor or hides a text."""
    text = "".join(
        sign if sign.isprintable() or sign == "\n" else "\N{REPLACEMENT CHARACTER}" for sign in answer.decode(errors="replace")
    )
    return text.strip() or None
