"""Short questions to a server, answered within seconds, for starters and for the doctor."""

import asyncio
import contextlib
import socket
import ssl
from collections import abc
from concurrent import futures
from typing import Any, ClassVar
from urllib import parse

import asyncpg

from qucheng.core import errors

_SECONDS = 5.0


class NotLetInError(errors.RefusedError):
    """The server answers, and does not let us in."""

    code: ClassVar[str] = "server_refuses"


class SilentError(errors.RefusedError):
    """Nothing answers, or not yet."""

    code: ClassVar[str] = "server_silent"


def postgres(url: str, work: abc.Callable[[asyncpg.Connection], abc.Awaitable[Any]]) -> Any:  # noqa: ANN401 -- whatever `work` returns
    """Run `work` on one connection. In a thread of its own, because the caller may already be inside an event loop."""
    with futures.ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, _connected(url, work)).result()


async def _connected(url: str, work: abc.Callable[[asyncpg.Connection], abc.Awaitable[Any]]) -> Any:  # noqa: ANN401 -- see postgres
    try:
        connection = await asyncpg.connect(url, timeout=_SECONDS, command_timeout=60)
    except (
        asyncpg.InvalidPasswordError,
        asyncpg.InvalidAuthorizationSpecificationError,
        asyncpg.InvalidCatalogNameError,
    ) as error:
        raise NotLetInError(f"PostgreSQL does not let us in: {error}") from error
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise SilentError(f"PostgreSQL does not answer: {type(error).__name__}") from error
    try:
        return await work(connection)
    finally:
        await connection.close(timeout=_SECONDS)


def valkey(url: str, *commands: str) -> list[str]:
    """Send commands, words parted by spaces, and return the reply of each as text."""
    parts = parse.urlsplit(url)
    requests = [command.split() for command in commands]
    if parts.password is not None:
        requests.insert(0, ["AUTH", *(parse.unquote(word) for word in (parts.username, parts.password) if word)])
    try:
        with _stream(parts) as stream, stream.makefile("rb") as answers:
            stream.sendall(b"".join(_request(words) for words in requests))
            replies = [_reply(answers.readline, answers.read) for _ in requests]
    except OSError as error:
        raise SilentError(f"Valkey does not answer: {type(error).__name__}") from error
    return replies[len(requests) - len(commands) :]


def _request(words: abc.Sequence[str]) -> bytes:
    encoded = [word.encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)


def _reply(line: abc.Callable[[], bytes], read: abc.Callable[[int], bytes]) -> str:
    head = line().decode(errors="replace").rstrip()
    if head.startswith("-LOADING") or not head:
        raise SilentError("Valkey is not ready")
    if head.startswith("-"):
        raise NotLetInError(f"Valkey does not let us in: {head[1:]}")
    return read(int(head[1:]) + 2).decode(errors="replace") if head.startswith("$") else head[1:]


@contextlib.contextmanager
def _stream(parts: parse.SplitResult) -> abc.Iterator[socket.socket]:
    if parts.scheme == "unix":
        with socket.socket(socket.AF_UNIX) as local:
            local.settimeout(_SECONDS)
            local.connect(parts.path)
            yield local
        return
    host = parts.hostname or "127.0.0.1"
    with socket.create_connection((host, parts.port or 6379), timeout=_SECONDS) as plain:
        if parts.scheme == "rediss":
            with ssl.create_default_context().wrap_socket(plain, server_hostname=host) as secret:
                yield secret
        else:
            yield plain
