"""The web process: what it answers while its database is cut off, and how it stops."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent import futures
from typing import TYPE_CHECKING

import asyncpg
import httpx
import pytest
from tests import serving

from qucheng.core import database
from qucheng.core.embedded import postgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# in our database: other tests of the run have locks of their own
WAITING = """SELECT EXISTS (SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
                            WHERE NOT l.granted)"""


@pytest.fixture
def var(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "var"
    postgres.discard(tmp_path / "var")


@pytest.fixture
def owner_url(postgres_url: str) -> Iterator[str]:
    """A database of the test's own on the server of the run."""
    name = f"serve_{os.getpid()}_{time.monotonic_ns()}"
    serving.ask(postgres_url, f"CREATE DATABASE {name}")
    yield database.with_database(postgres_url, name)
    serving.drop(postgres_url, name)
    serving.ask(postgres_url, f"DROP ROLE IF EXISTS qucheng_app_{name}")


def test_a_killed_database_is_told_at_once_and_taken_back_without_a_new_process(var: Path) -> None:
    postgres.ensure(var, durable=False)
    with serving.web(var) as web:
        assert web.checks()["database"] == "ok"
        os.kill(serving.postmaster(var), signal.SIGKILL)
        time.sleep(1)
        started = time.monotonic()
        assert web.checks() == {
            "database": "does not take a write",
            "disk": "ok",
            **dict.fromkeys(("migrations", "worker", "books"), "not known without the database"),
        }
        assert time.monotonic() - started < 5
        assert web.get("/healthz").status_code == 200
        postgres.ensure(var, durable=False)
        started = time.monotonic()
        while web.checks()["database"] != "ok":
            assert time.monotonic() - started < 5, web.log.read_text()
            time.sleep(0.2)
        said = [line["event"] for line in web.lines() if line["logger"] == "qucheng.core.health"]
        assert said == ["the database does not answer", "the database answers again"]


def test_a_database_that_hangs_is_told_within_five_seconds_and_the_process_still_stops(var: Path) -> None:
    url = postgres.ensure(var, durable=False)
    with serving.web(var) as web:
        assert web.checks()["database"] == "ok"
        stopped = [
            serving.postmaster(var),
            *serving.ask(url, "SELECT array_agg(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"),
        ]
        try:
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            time.sleep(1)
            started = time.monotonic()
            assert web.checks()["database"] == "does not take a write"
            assert time.monotonic() - started < 5
            web.process.send_signal(signal.SIGTERM)
            assert web.process.wait(timeout=25) == 0
        finally:
            for pid in stopped:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def a_request_in_the_middle(web: serving.Web, owner_url: str) -> Iterator[futures.Future[httpx.Response]]:
    """A readiness check that waits for a lock, which goes with the end of the block."""
    time.sleep(1.2)  # what was known a second ago would be answered at once
    with asyncio.Runner() as loop, futures.ThreadPoolExecutor(1) as thread:
        connection = loop.run(asyncpg.connect(owner_url))
        loop.run(connection.execute("BEGIN; LOCK TABLE process IN ACCESS EXCLUSIVE MODE"))
        answer = thread.submit(web.get, "/readyz")
        while not loop.run(connection.fetchval(WAITING)):
            time.sleep(0.02)
        try:
            yield answer
        finally:
            loop.run(connection.close())


def ask_for_seconds(web: serving.Web, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        # what the system took in for a listener that closes meanwhile ends without an answer
        with contextlib.suppress(httpx.RemoteProtocolError, httpx.ReadError):
            web.get("/healthz")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_finishes_what_was_begun_and_leaves_nothing(var: Path, owner_url: str, number: signal.Signals) -> None:
    with serving.web(var, DATABASE_URL=owner_url) as web:
        assert web.checks()["database"] == "ok"
        with a_request_in_the_middle(web, owner_url) as answer:
            web.process.send_signal(number)
            with pytest.raises(httpx.ConnectError):
                ask_for_seconds(web, 3)
            assert web.process.poll() is None
        assert answer.result(timeout=serving.LONG).json()["ready"] is False
        assert web.process.wait(timeout=serving.LONG) == 0
        assert web.lines()[-1]["event"] == "stopped in order"
        assert serving.ask(owner_url, "SELECT count(*) FROM process") == 0
        assert serving.ask(owner_url, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()") == 1


def test_a_kill_finishes_nothing(var: Path, owner_url: str) -> None:
    with serving.web(var, DATABASE_URL=owner_url) as web:
        assert web.checks()["database"] == "ok"
        with a_request_in_the_middle(web, owner_url) as answer:
            web.process.kill()
            with pytest.raises(httpx.TransportError):
                answer.result(timeout=serving.LONG)
        assert serving.ask(owner_url, "SELECT count(*) FROM process") == 1


def test_a_port_that_is_taken_is_said_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for command in (["serve"], ["up", "--no-demo"]):
            ran = subprocess.run(
                [sys.executable, "-m", "qucheng.cli", *command, "--port", str(port)],
                env={**os.environ, "QUCHENG_VAR": str(tmp_path / "var")},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            said = f"qucheng: Port {port} of 127.0.0.1 is taken by another process: stop that one, or choose --port.\n"
            assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", said)
    assert not (tmp_path / "var").exists()
