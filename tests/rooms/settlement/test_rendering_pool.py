"""Crashes, hangs and hunger of the engine, made by work that crashes, hangs and eats: the documented seam of `Renderer`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.unit.settlement import document_samples as samples

from qucheng.settlement import document_pool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from qucheng.settlement.document_files import Format

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's address space")
MEBIBYTE = 1 << 20


def _items(count: int) -> list[document_pool.Item]:
    document, attachment = samples.make(samples.entries(1))
    return [
        samples.item(msgspec.structs.replace(document, statement_no=f"nanyu-202603-{n:06d}"), attachment)
        for n in range(1, count + 1)
    ]


def _made(canonical: bytes, lines_csv: bytes, public_url: str | None, formats: tuple[Format, ...]) -> document_pool.Files:
    """The number of its process for each format."""
    del canonical, lines_csv, public_url
    return dict.fromkeys(formats, b"%d" % os.getpid())


def _misbehaves(canonical: bytes, lines_csv: bytes, public_url: str | None, formats: tuple[Format, ...]) -> document_pool.Files:
    """The third statement crashes, the fifth hangs, the seventh raises."""
    if b"-000003" in canonical:
        os.kill(os.getpid(), signal.SIGSEGV)
    if b"-000005" in canonical:
        while True:
            time.sleep(0.01)
    if b"-000007" in canonical:
        raise ValueError("wrong")
    return _made(canonical, lines_csv, public_url, formats)


def _aborts_second(
    canonical: bytes, lines_csv: bytes, public_url: str | None, formats: tuple[Format, ...]
) -> document_pool.Files:
    if b"-000002" in canonical:
        os.abort()
    return _made(canonical, lines_csv, public_url, formats)


def _slow(canonical: bytes, lines_csv: bytes, public_url: str | None, formats: tuple[Format, ...]) -> document_pool.Files:
    """The first statement takes two seconds."""
    if b"-000001" in canonical:
        time.sleep(2)
    return _made(canonical, lines_csv, public_url, formats)


def _hungry(canonical: bytes, lines_csv: bytes, public_url: str | None, formats: tuple[Format, ...]) -> document_pool.Files:
    """The second statement takes 3 GiB of addresses, which nothing is ever written to."""
    if b"-000002" in canonical:
        assert len(bytearray(3072 * MEBIBYTE)) == 3072 * MEBIBYTE
    return _made(canonical, lines_csv, public_url, formats)


def _busy(canonical: bytes, lines_csv: bytes, public_url: str | None, formats: tuple[Format, ...]) -> document_pool.Files:
    """With the second statement, for a minute."""
    if b"-000002" in canonical:
        time.sleep(60)
    return _made(canonical, lines_csv, public_url, formats)


def _no_space(canonical: bytes, lines_csv: bytes, public_url: str | None, formats: tuple[Format, ...]) -> document_pool.Files:
    del canonical, lines_csv, public_url, formats
    raise OSError(28, "No space left on device")


def _reasons(renderer: document_pool.Renderer, count: int) -> dict[int, str]:
    with renderer:
        made = list(renderer.render_all(_items(count)))
    assert [number for number, _ in made] == [f"nanyu-202603-{n:06d}" for n in range(1, count + 1)]
    return {n: files for n, (_, files) in enumerate(made, 1) if isinstance(files, str)}


def test_statements_fail_alone_and_the_others_go_on() -> None:
    assert _reasons(document_pool.Renderer(processes=2, timeout=2, work=_misbehaves), 9) == {
        3: "no document: its process was lost",
        5: "no document: it took longer than 2 s",
        7: "no document: ValueError: wrong",
    }


def test_a_statement_that_takes_too_long_fails_alone() -> None:
    assert _reasons(document_pool.Renderer(processes=1, timeout=1, work=_slow), 2) == {1: "no document: it took longer than 1 s"}


def test_with_more_time_it_would_not_have_failed() -> None:
    assert _reasons(document_pool.Renderer(processes=1, timeout=30, work=_slow), 2) == {}


@linux
def test_a_statement_that_eats_memory_fails_alone_and_its_process_is_replaced() -> None:
    with document_pool.Renderer(processes=1, work=_hungry) as renderer:
        first, second, third = (files for _, files in renderer.render_all(_items(3)))
    assert second == "no document: it needs more memory than 2048 MiB"
    assert not isinstance(first, str)
    assert not isinstance(third, str)
    assert first["pdf"] != third["pdf"]


@linux
def test_without_the_limit_it_would_have_had_its_memory() -> None:
    assert _reasons(document_pool.Renderer(processes=1, memory=None, work=_hungry), 3) == {}


def test_an_engine_that_aborts_fails_one_statement() -> None:
    assert _reasons(document_pool.Renderer(processes=1, work=_aborts_second), 3) == {2: "no document: its process was lost"}


def test_an_engine_that_aborts_would_have_ended_a_process_of_ours() -> None:
    code = "from tests.rooms.settlement import test_rendering_pool as t\nfor item in t._items(3): t._aborts_second(*item[1:], None, ('pdf',))\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=60)
    assert done.returncode == -signal.SIGABRT


def test_a_process_that_was_killed_while_idle_is_replaced() -> None:
    with document_pool.Renderer(processes=1, work=_made) as renderer:
        ((_, first),) = renderer.render_all(_items(1))
        assert not isinstance(first, str)
        os.kill(int(first["pdf"]), signal.SIGKILL)
        time.sleep(0.5)
        ((_, second),) = renderer.render_all(_items(1))
    assert not isinstance(second, str)
    assert second["pdf"] != first["pdf"]


def test_what_the_machine_lacks_is_not_the_statements_fault() -> None:
    with document_pool.Renderer(processes=1, work=_no_space) as renderer, pytest.raises(OSError, match="No space left"):
        list(renderer.render_all(_items(2)))


def test_few_are_held_at_a_time_and_processes_are_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_pool, "STATEMENTS_PER_PROCESS", 4)
    taken = 0

    def source() -> Iterator[document_pool.Item]:
        nonlocal taken
        for item in _items(8):
            taken += 1
            yield item

    processes = []
    with document_pool.Renderer(processes=1, work=_made) as renderer:
        for done, (_, files) in enumerate(renderer.render_all(source()), 1):
            assert taken <= done + 2
            assert not isinstance(files, str)
            processes.append(files["pdf"])
    assert len(set(processes)) == 2
    assert processes[:4] == [processes[0]] * 4


def test_stopping_half_way_leaves_no_process_behind() -> None:
    with document_pool.Renderer(processes=1, work=_made) as renderer:
        _, files = next(renderer.render_all(_items(5)))
    assert not isinstance(files, str)
    with pytest.raises(ProcessLookupError):
        os.kill(int(files["pdf"]), 0)


def test_a_statement_that_hangs_is_given_up_when_nobody_wants_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_pool, "GRACE_SECONDS", 0.2)
    stop = threading.Event()
    with document_pool.Renderer(processes=1, timeout=60, work=_misbehaves) as renderer:
        made = []
        for number, _ in renderer.render_all(_items(9), stop=stop):
            made.append(number[-1])
            if number.endswith("4"):
                threading.Timer(0.5, stop.set).start()
                began = time.monotonic()
        assert time.monotonic() - began < 20
        assert made == ["1", "2", "3", "4"]
        ((_, files),) = renderer.render_all(_items(1))  # and the pool is good for more
    assert not isinstance(files, str)


KILLED = """
import os, signal, sys
from tests.rooms.settlement import test_rendering_pool as t

if __name__ == "__main__":
    {pool}
    print(pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
OURS = """renderer = t.document_pool.Renderer(processes=1, work=t._busy).__enter__()
    results = renderer.render_all(t._items(2))
    pid = int(next(results)[1]["pdf"])"""
LIBRARY = """import concurrent.futures, multiprocessing, time
    pool = concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
    pid = pool.submit(os.getpid).result()
    pool.submit(time.sleep, 60)
    time.sleep(0.5)"""


@pytest.mark.parametrize(("pool", "outlives"), [(OURS, False), (LIBRARY, True)])
def test_a_process_of_the_pool_ends_with_a_worker_that_is_killed(pool: str, outlives: bool, tmp_path: Path) -> None:  # noqa: FBT001
    """With what it is at, and with its folder. The pool of the library alone is the control: its process goes on."""
    script, temporary = tmp_path / "killed.py", tmp_path / "tmp"
    script.write_text(KILLED.format(pool=pool), encoding="utf-8")
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, env=environment) as worker:
        assert worker.stdout is not None
        pid = int(worker.stdout.readline())
        assert worker.wait(timeout=60) == -signal.SIGKILL
        deadline = time.monotonic() + (3 if outlives else 30)
        while _lives(pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert _lives(pid) is outlives
        if outlives:
            os.kill(pid, signal.SIGKILL)
        else:
            assert list(temporary.glob("qucheng-render-*")) == []


def _lives(pid: int) -> bool:
    """Not as a zombie that nobody has asked for."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout  # noqa: S607
    return bool(state) and not state.startswith("Z")
