"""What the price matrix costs in a browser: 500 SKUs × 12 columns in Chromium, from the request to the first paint, scrolled, edited.

    PYTHONPATH=. python scripts/benchmark/matrix.py [--skus 500] [--rounds 5] [--edits 20]

A brand with three channels and two tiers in a workspace of its own, a web process on it and a manager with a draft. Each round
opens the page with all SKUs on it and one of 50. Scrolling: the time between frames while the matrix runs through from end to
end. An edit: from Enter in a cell to the row as the server has sent it back, told by the page itself. Goal: an edit under 100 ms.

Beside the time of the clock stands the work, which other programs on the machine lengthen less: the CPU time of the web process
and of its database for one request, and the same as a multiple of the yardstick, a page of the same app with nothing on it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib import parse

import kernel
from tests import books, serving
from tests.browser import chromium, scene, screen
from tests.browser.conftest import Stage

from qucheng.core import crypto, servers, settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CHANNELS, TIERS = ("mall", "chat", "shop"), ("gold", "silver")
VALKEY = 15
"""The number of the database of Valkey: what others count in is another's."""
PAINT = """() => ({
  answered: performance.getEntriesByType('navigation')[0].responseStart,
  first: (performance.getEntriesByName('first-contentful-paint')[0] || {}).startTime,
  ready: performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd,
  bytes: performance.getEntriesByType('navigation')[0].decodedBodySize})"""
PAINTED = "() => performance.getEntriesByName('first-contentful-paint').length > 0"
SCROLL = """() => new Promise((done) => {
  const box = document.querySelector('.matrix-scroll'), frames = [], end = box.scrollHeight - box.clientHeight;
  let before = performance.now(), at = 0;
  requestAnimationFrame(function step(now) {
    frames.push(now - before); before = now; at += 400; box.scrollTop = Math.min(at, end);
    at < end ? requestAnimationFrame(step) : done(frames.slice(1));
  });
})"""
YARDSTICK = "/notifications"
"""A page behind the same doors that shows nothing: who asks, what they may, and an empty list."""
FETCH = "(path) => fetch(path).then((answer) => answer.text()).then((text) => text.length)"
TICKS = os.sysconf("SC_CLK_TCK")
EDIT = """([price]) => new Promise((done) => {
  const cell = document.activeElement, place = cell.closest('td').cellIndex, id = cell.closest('tr').id;
  cell.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true}));
  const field = document.querySelector('.cell-input'); field.value = price;
  const since = performance.now();
  document.body.addEventListener('htmx:afterSwap', () => requestAnimationFrame(() => {
    const now = document.getElementById(id).cells[place].querySelector('.cell');
    now.dataset.own === price ? done(performance.now() - since) : done(-1);
  }), {once: true});
  field.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true}));
})"""


def bundle(folder: Path, skus: int) -> Path:
    """A price for each SKU in the base, and some of its own in every column."""
    prices = []
    for number in range(skus):
        code, price = f"sku-{number:03}", 10 + number % 90
        prices.append(f"{code},,,{price}.00,{price - 5}.00,2026-01-01,")
        prices += [f"{code},{channel},,{price + 1}.00,,2026-01-01," for channel in CHANNELS if number % 3 == 0]
        prices += [
            f"{code},{place},{tier},{price - 1}.00,,2026-01-01," for place in ("", *CHANNELS) for tier in TIERS if number % 7 == 0
        ]
    return books.write(
        folder,
        code="matrix",
        tiers=[f"{tier},{tier},{rank}" for rank, tier in enumerate(TIERS, 1)],
        channels=[f"{channel},{channel},agency" for channel in CHANNELS],
        resellers=[f"R{number},Reseller {number},individual,,{TIERS[number % 2]},2026-01-01," for number in range(20)],
        skus=[f"sku-{number:03},Product {number},category {number // 50},{10 + number % 90}.00,1.00" for number in range(skus)],
        prices=prices,
        orders=[],
        refunds=[],
    )


@contextlib.asynccontextmanager
async def stage(folder: Path, skus: int, owner_url: str) -> AsyncIterator[tuple[Stage, scene.Account, int]]:
    app_url = await _app_url(owner_url)
    keys = crypto.keys(folder / "var" / "keys")
    books_of = bundle(folder / "bundle", skus)
    brand = await books.found(books_of)
    await books.take_in(brand, books_of)
    async with books.connected(owner_url) as owner:
        manager = await scene.account(owner, keys, brand.id, "matrix", "manager")
    valkey = parse.urlsplit(servers.redis_url())._replace(path=f"/{VALKEY}").geturl()
    addresses = {"DATABASE_URL": owner_url, "APP_DATABASE_URL": app_url, "REDIS_URL": valkey}
    with serving.web(folder / "var", **addresses) as web:
        async for browser in chromium.started():
            yield Stage(f"http://127.0.0.1:{web.port}", owner_url, app_url, folder, keys, browser), manager, web.process.pid


async def _app_url(owner_url: str) -> str:
    current = settings.load()
    named = await kernel.database.app_url(servers.database_url(current), current.app_database_url, current.var)
    return kernel.database.with_database(named, kernel.database.database_name(owner_url))


async def painted(shown: screen.Screen, rows: int) -> dict[str, Any]:
    await shown.open(f"/prices?rows={rows}")
    await shown.page.wait_for_timeout(300)
    await shown.page.wait_for_function(PAINTED)
    found: dict[str, Any] = await shown.page.evaluate(PAINT)
    return found


async def scrolled(shown: screen.Screen) -> list[float]:
    frames: list[float] = await shown.page.evaluate(SCROLL)
    return frames


async def edited(shown: screen.Screen, edits: int) -> list[float]:
    await shown.page.evaluate("() => { document.querySelector('.matrix-scroll').scrollTop = 0 }")
    await shown.page.locator('tr[data-sku="sku-000"] .cell').first.focus()
    times: list[float] = [await shown.page.evaluate(EDIT, [f"{20 + number}.25"]) for number in range(edits)]
    if min(times) < 0:
        raise RuntimeError("an edit did not come back as it was typed")
    return times


def worked(pids: set[int]) -> float:
    """CPU time of these processes and their children so far, in milliseconds."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(stat.parent.name) in pids or int(fields[1]) in pids:
            ticks += int(fields[11]) + int(fields[12])
    return ticks * 1000 / TICKS


async def processes(web: int, owner_url: str) -> set[int]:
    """The web process, and whoever works for it in the database."""
    async with books.connected(owner_url) as owner:
        rows = await owner.fetch(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    return {web, *(row["pid"] for row in rows)}


async def yardstick(shown: screen.Screen, pids: set[int], rounds: int) -> float:
    """The work of one request of the page with nothing on it."""
    await shown.page.evaluate(FETCH, YARDSTICK)
    before = worked(pids)
    for _ in range(rounds):
        await shown.page.evaluate(FETCH, YARDSTICK)
    return (worked(pids) - before) / rounds


def tell(name: str, work: float, unit: float) -> None:
    print(f"{name:<34} CPU    {work:7.1f} ms   {work / unit:5.1f} × the page with nothing on it ({unit:.1f} ms)")


def say(name: str, values: list[float]) -> None:
    ordered = sorted(values)
    print(f"{name:<34} median {statistics.median(ordered):7.1f} ms   worst {ordered[-1]:7.1f} ms   of {len(ordered)}")


async def measured(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with (
            kernel.workspace() as owner_url,
            stage(Path(folder), options.skus, owner_url) as (ground, manager, web),
            ground.opened(manager, "en") as shown,
        ):
            await shown.open("/prices")
            await shown.send("/prices/draft")
            pids = await processes(web, owner_url)
            unit = await yardstick(shown, pids, options.edits)
            for rows in (50, 500):
                before = worked(pids)
                found = [await painted(shown, rows) for _ in range(options.rounds)]
                opened = (worked(pids) - before) / options.rounds
                cells = await shown.page.locator(".cell").count()
                print(f"\n{rows} rows a page: {cells:,} cells, {int(found[-1]['bytes']):,} bytes")
                say("answered", [each["answered"] for each in found])
                say("first paint", [each["first"] for each in found])
                say("ready", [each["ready"] for each in found])
                say("between frames while scrolling", await scrolled(shown))
                tell("a page", opened, unit)
                before = worked(pids)
                say("an edit, to its row", await edited(shown, options.edits))
                tell("an edit", (worked(pids) - before) / options.edits, unit)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--skus", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--edits", type=int, default=20)
    asyncio.run(measured(parser.parse_args()))


if __name__ == "__main__":
    main()
