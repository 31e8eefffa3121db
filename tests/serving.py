"""The product as processes: the web on a port of its own, questions to its database, its embedded server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx
import pytest

from qucheng.core import database
from qucheng.core.embedded import postgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONG = 60


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        number: int = held.getsockname()[1]
    return number


def environment(var: Path) -> dict[str, str]:
    """That of an installation with servers of its own."""
    named = {"DATABASE_URL", "APP_DATABASE_URL", "REDIS_URL"}
    return {**{name: value for name, value in os.environ.items() if name not in named}, "QUCHENG_VAR": str(var)}


class Web:
    """`qucheng serve`, or another command that serves, as a process."""

    def __init__(self, var: Path, *command: str, **named: str) -> None:
        self.port = free_port()
        self.log = var.with_name("serve.log")
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "qucheng.cli", *(command or ("serve",)), "--port", str(self.port)],
                env={**environment(var), **named},
                stdout=out,
                stderr=out,
            )
        self.wait_for("/healthz", 200)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=LONG, trust_env=False)

    def checks(self) -> dict[str, str]:
        found: dict[str, str] = self.get("/readyz").json()["checks"]
        return found

    def wait_for(self, path: str, status: int) -> None:
        until = time.monotonic() + LONG
        while time.monotonic() < until:
            assert self.process.poll() is None, self.log.read_text()
            with contextlib.suppress(httpx.TransportError):
                if self.get(path).status_code == status:
                    return
            time.sleep(0.1)
        pytest.fail(f"{path} does not answer {status}: {self.log.read_text()}")

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@contextlib.contextmanager
def web(var: Path, *command: str, **named: str) -> Iterator[Web]:
    made = Web(var, *command, **named)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait()


def ask(url: str, sql: str) -> Any:
    async def once() -> Any:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    return asyncio.run(once())


def drop(url: str, name: str) -> None:
    """The database, with what is connected to it."""

    async def once() -> None:
        connection = await asyncpg.connect(url)
        try:
            await database.drop(connection, name)
        finally:
            await connection.close()

    asyncio.run(once())


def postmaster(folder: Path) -> int:
    (data,) = postgres._clusters(folder.resolve())
    return int((data / "postmaster.pid").read_text().splitlines()[0])
