"""Crashes and hangs of the engine, made by work that crashes and hangs: the documented seam of `Renderer`."""

import os
import signal
import time
from collections.abc import Iterator

import msgspec
import pytest
from tests.unit.settlement import document_samples as samples

from qucheng.settlement import document as documents
from qucheng.settlement import document_pool

Item = tuple[documents.StatementDocument, bytes]


def _items(count: int) -> list[Item]:
    document, attachment = samples.make(samples.entries(1))
    return [(msgspec.structs.replace(document, statement_no=f"nanyu-202603-{n:06d}"), attachment) for n in range(1, count + 1)]


def _misbehaves(canonical: bytes, lines_csv: bytes, public_url: str | None) -> bytes:
    """The third statement crashes, the fifth hangs, the seventh raises."""
    del lines_csv, public_url
    if b"-000003" in canonical:
        os.kill(os.getpid(), signal.SIGSEGV)
    if b"-000005" in canonical:
        while True:
            time.sleep(0.01)
    if b"-000007" in canonical:
        raise ValueError("wrong")
    return _made(canonical, b"", None)


def _made(canonical: bytes, lines_csv: bytes, public_url: str | None) -> bytes:
    del canonical, lines_csv, public_url
    return b"%PDF of " + str(os.getpid()).encode()


def test_statements_fail_alone_and_the_others_go_on() -> None:
    with document_pool.Renderer(processes=2, timeout=2, work=_misbehaves) as renderer:
        made = list(renderer.render_all(_items(9)))
    assert [number for number, _ in made] == [f"nanyu-202603-{n:06d}" for n in range(1, 10)]
    assert {n: pdf for n, (_, pdf) in enumerate(made, 1) if isinstance(pdf, str)} == {
        3: "no PDF: its process was lost, or took longer than 2 s",
        5: "no PDF: its process was lost, or took longer than 2 s",
        7: "no PDF: ValueError: wrong",
    }


def test_few_are_held_at_a_time_and_processes_are_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_pool, "STATEMENTS_PER_PROCESS", 4)
    taken = 0

    def source() -> Iterator[Item]:
        nonlocal taken
        for item in _items(8):
            taken += 1
            yield item

    processes = []
    with document_pool.Renderer(processes=1, work=_made) as renderer:
        for done, (_, pdf) in enumerate(renderer.render_all(source()), 1):
            assert taken <= done + 2
            processes.append(pdf)
    assert len(set(processes)) == 2
    assert processes[:4] == [processes[0]] * 4


def test_stopping_half_way_leaves_no_process_behind() -> None:
    with document_pool.Renderer(processes=1, work=_made) as renderer:
        _, pdf = next(renderer.render_all(_items(5)))
    assert isinstance(pdf, bytes)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pdf.rpartition(b" ")[2]), 0)
