"""`qucheng up` with the real web, worker and servers: what is killed comes back, and what is stopped leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from tests import serving

from qucheng.core.embedded import postgres, valkey

if TYPE_CHECKING:
    from collections.abc import Iterator

UP = ("up", "--no-demo")


@pytest.fixture
def var(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "var"
    valkey.discard(tmp_path / "var")
    postgres.discard(tmp_path / "var")


class Children:
    """The processes that the platform's database lists."""

    def __init__(self, var: Path) -> None:
        self.url = postgres.ensure(var)

    def now(self) -> dict[str, int]:
        return dict(serving.ask(self.url, "SELECT array_agg((role, pid) ORDER BY started_at) FROM process") or [])

    def after(self, before: dict[str, int]) -> dict[str, int]:
        """The next web and the next worker."""
        until = time.monotonic() + serving.LONG
        while True:
            now = self.now()
            if {role for role in ("web", "worker") if now.get(role) not in (None, before.get(role))} == {"web", "worker"}:
                return now
            assert time.monotonic() < until, now
            time.sleep(0.2)


def lives(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout  # noqa: S607
    return state.strip() not in ("", "Z", "Zs")


def wait_until_gone(pids: list[int]) -> None:
    until = time.monotonic() + 40
    while any(lives(pid) for pid in pids):
        assert time.monotonic() < until
        time.sleep(0.1)


def test_what_is_killed_comes_back_and_a_stop_leaves_nothing(var: Path) -> None:
    with serving.web(var, *UP) as up:
        up.wait_for("/readyz", 200)
        children = Children(var)
        first = children.after({})
        # the worker, which does not listen, knows what its letters lead to
        if sys.platform == "linux":
            told = Path(f"/proc/{first['worker']}/environ").read_bytes().split(b"\0")
            assert f"QUCHENG_LOCAL_URL=http://127.0.0.1:{up.port}".encode() in told
        for pid in first.values():
            os.kill(pid, signal.SIGKILL)
        second = children.after(first)
        up.wait_for("/readyz", 200)
        assert not any(lives(pid) for pid in first.values())
        os.kill(serving.postmaster(var), signal.SIGKILL)
        time.sleep(1)
        up.wait_for("/readyz", 200)
        assert {role: children.now()[role] for role in second} == second
        up.process.send_signal(signal.SIGINT)
        assert up.process.wait(timeout=40) == 0
        assert not any(lives(pid) for pid in second.values())
        assert (postgres.running(var), valkey.running(var)) == (None, None)
        assert up.log.read_text().splitlines()[-1] == "stopped"


def test_killed_it_leaves_no_web_and_no_worker_and_the_servers_as_they_are(var: Path) -> None:
    with serving.web(var, *UP) as up:
        children = Children(var)
        first = children.after({})
        up.process.kill()
        up.process.wait()
        wait_until_gone(list(first.values()))
        assert children.now() == {}
        assert None not in (postgres.running(var), valkey.running(var))


def test_a_stop_while_the_demo_is_settled_stops_the_servers_too(var: Path) -> None:
    command = [sys.executable, "-m", "qucheng.cli", "up", "--port", str(serving.free_port())]
    with subprocess.Popen(command, env=serving.environment(var), stdout=subprocess.PIPE, text=True) as up:
        until = time.monotonic() + serving.LONG
        while postgres.running(var) is None or not (var / "demo" / "bundle").exists():
            assert time.monotonic() < until
            time.sleep(0.1)
        up.send_signal(signal.SIGTERM)
        said, _ = up.communicate(timeout=60)
    assert (up.returncode, said.splitlines()[-1]) == (0, "stopped")
    assert (postgres.running(var), valkey.running(var)) == (None, None)


def test_its_address_is_told_when_somebody_answers_there_and_a_server_that_it_found_running_stays(var: Path) -> None:
    url = postgres.ensure(var)
    here = f"http://127.0.0.1:{serving.free_port()}"
    command = [sys.executable, "-m", "qucheng.cli", *UP, "--port", here.rpartition(":")[2]]
    with subprocess.Popen(command, env=serving.environment(var), stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout is not None
        said = [up.stdout.readline(), up.stdout.readline()]
        answered = httpx.get(f"{here}/healthz", timeout=serving.LONG, trust_env=False).status_code
        up.send_signal(signal.SIGTERM)
        left, _ = up.communicate(timeout=60)
    assert said == ["web and worker are starting\n", f"渠成 is at {here}; Ctrl-C stops it\n"]
    assert answered == 200
    assert (up.returncode, left) == (0, "stopped\n")
    assert (postgres.running(var), valkey.running(var)) == (int(url.rsplit(":", 1)[1].split("/")[0]), None)


def test_in_production_it_starts_nothing_that_is_for_trials(var: Path) -> None:
    command = [sys.executable, "-m", "qucheng.cli", "up", "--no-demo", "--port", str(serving.free_port())]
    environment = {**serving.environment(var), "QUCHENG_PRODUCTION": "1"}
    refused = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.splitlines()[:2] == [
        "qucheng: this installation is not fit for production (QUCHENG_PRODUCTION=1):",
        "  - DATABASE_URL is not set: name a server of your own: the embedded one is for trials",
    ]
    assert not var.exists()
