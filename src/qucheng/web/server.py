"""The web process: from the address to the last answer."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import signal
import socket
from collections.abc import Generator, Sequence
from typing import ClassVar

import litestar
import uvicorn

from qucheng import app
from qucheng.core import errors, platform
from qucheng.core.settings import Settings

log = logging.getLogger(__name__)

FINISH_SECONDS = 25
POOL_SIZE = 8
LARGEST_HEAD = 32_768
# those that stand idle among them; with what else a process keeps open below the 1024 that systems usually allow
MOST_CONNECTIONS = 960


class AddressTakenError(errors.RefusedError):
    code: ClassVar[str] = "address.taken"


class AddressUnusableError(errors.RefusedError):
    code: ClassVar[str] = "address.unusable"


class Server(uvicorn.Server):
    """Signals go through asyncio, so that a process that stopped in order ends with 0 and not by the signal."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


async def serve(*, settings: Settings, host: str, port: int) -> None:
    """Serves until SIGTERM or SIGINT, then finishes what it has begun. Raises AddressTakenError where another has the port."""
    with contextlib.closing(reserve(host, port)) as taken:
        async with platform.entered(settings, pool_size=POOL_SIZE):
            config = configured(app.create_app(settings), trusted_proxies=settings.trusted_proxies)
            log.info("serves on %s port %s", *taken.getsockname()[:2])
            try:
                await Server(config).serve(sockets=[taken])
            except OSError as error:
                raise _refusal(error, host, port) from error
    log.info("stopped in order")


def configured(served: litestar.Litestar, *, trusted_proxies: Sequence[str]) -> uvicorn.Config:
    return uvicorn.Config(
        served,
        timeout_graceful_shutdown=FINISH_SECONDS,
        limit_concurrency=MOST_CONNECTIONS,
        h11_max_incomplete_event_size=LARGEST_HEAD,
        log_config=None,
        access_log=False,
        # uvicorn by itself believes whoever is on this machine
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        server_header=False,
        ws="none",
    )


def reserve(host: str, port: int) -> socket.socket:
    """The address, held and not yet listened on: who connects before we can answer is refused and not left waiting."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        held = socket.socket(family, kind, protocol)
        try:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.bind(address)
        except BaseException:
            held.close()
            raise
    except OSError as error:
        raise _refusal(error, host, port) from error
    return held


def _refusal(error: OSError, host: str, port: int) -> errors.RefusedError:
    if error.errno == errno.EADDRINUSE:
        return AddressTakenError(f"Port {port} of {host} is taken by another process: stop that one, or choose --port.")
    return AddressUnusableError(f"{host} port {port} cannot be served on: {error.strerror or type(error).__name__}.")
