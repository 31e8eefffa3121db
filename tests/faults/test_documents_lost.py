"""Renderings that hang, eat memory or crash, and a full disk, in a real worker: one statement fails with its reason, the others go on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from tests.faults import site

from qucheng.core import task
from qucheng.settlement import document_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.site import Site

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

MOUNT, UMOUNT = shutil.which("mount") or "", shutil.which("umount") or ""
RENDERER = "qucheng.bundle.papers.renderer=@tests.faults.changes."


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("hanging", "took longer than 5 s"),
        pytest.param("hungry", "memory", marks=pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits memory so")),
        ("crashing", "lost"),
    ],
)
async def test_one_statement_fails_and_the_others_go_on(at: Site, fault: str, words: str) -> None:
    brand = await at.brand()
    at.worker(RENDERER + fault)
    await site.asked(brand)
    assert await site.finished(brand, within=site.PATIENCE)
    for month in site.MONTHS:
        found = await document_store.status(brand=brand, period=site.first_of(month))
        assert (found.ready, found.waiting) == (site.RESELLERS - 1, 0)
        ((statement_no, reason),) = found.failed.items()
        assert statement_no == f"{brand.code}-{month.replace('-', '')}-000004"
        assert words in reason
    at.end()
    for month in site.MONTHS:
        await document_store.again(brand=brand, period=site.first_of(month), folder=at.settings.documents)
    at.worker()
    assert await site.finished(brand, within=site.PATIENCE)
    await at.whole(brand)


@pytest.mark.long
async def test_without_the_time_limit_the_batch_would_hang(at: Site) -> None:
    """The same of the pool by itself: with more time the slow statement is made (tests/rooms/settlement/test_rendering_pool.py)."""
    brand = await at.brand()
    at.worker(RENDERER + "hanging_unwatched")
    await site.asked(brand)
    assert not await site.finished(brand, within=25)
    at.end()
    await _over(at, brand)


@pytest.mark.long
async def test_without_the_memory_limit_the_hunger_would_be_fed(at: Site) -> None:
    brand = await at.brand()
    at.worker(RENDERER + "hungry_unlimited")
    await site.asked(brand)
    assert await site.finished(brand, within=site.PATIENCE)
    await at.whole(brand)


@pytest.mark.long
async def test_without_processes_of_its_own_a_crash_would_end_the_worker(at: Site) -> None:
    brand = await at.brand()
    worker = at.worker(RENDERER + "crashing_in_the_worker")
    await site.asked(brand)
    assert await site.ended(worker, within=site.PATIENCE) == -6
    at.end()
    await _over(at, brand)


async def _over(at: Site, brand: Brand) -> None:
    """What the fault left is done when it is gone."""
    at.worker()
    assert await site.finished(brand, within=site.PATIENCE)
    await at.whole(brand)


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run([MOUNT, "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs", folder], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root may mount a small disk here")
    try:
        yield
    finally:
        subprocess.run([UMOUNT, "-l", folder], check=True)


def _grow(folder: Path, size: str) -> None:
    subprocess.run([MOUNT, "-o", f"remount,size={size}", folder], check=True)


@pytest.mark.skipif(os.geteuid() != 0 or not MOUNT, reason="only root may mount a small disk")
@pytest.mark.parametrize("careful", [True, False])
async def test_a_full_disk(at: Site, careful: bool) -> None:  # noqa: FBT001
    """The work waits and is finished when there is room; under its final name a file is whole. Written carelessly it is not."""
    brand = await at.brand()
    with small_disk(at.settings.documents, "1m"):
        at.worker(*(() if careful else ("qucheng.settlement.document_folder.write=@tests.faults.changes.careless_write",)))
        await site.asked(brand)
        await _waits_for(brand, "OSError: ENOSPC")
        broken = [file for file in at.settings.documents.rglob("*.pdf") if not file.read_bytes().rstrip().endswith(b"%%EOF")]
        assert bool(broken) is not careful
        assert not [each for each in await task.listing(brand_id=brand.id, most=1000) if each.state == "dead"]
        at.end()
        at.worker()
        _grow(at.settings.documents, "64m")
        assert await site.finished(brand, within=site.PATIENCE)
        await at.whole(brand)


async def _waits_for(brand: Brand, reason: str) -> None:
    deadline = time.monotonic() + site.PATIENCE
    while not any(each.reason == reason for each in await task.listing(states=("waiting",), brand_id=brand.id, most=1000)):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.2)
