"""qucheng settle --brand, and qucheng runs: a stored brand's months computed, issued, and their documents made."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import cyclopts

from qucheng.bundle import books
from qucheng.bundle import progress as progresses
from qucheng.cli.statuses import DONE, STOPPED
from qucheng.core import clock, ids, money, platform, settings, task
from qucheng.identity import brand as brands
from qucheng.identity.brand import Brand
from qucheng.jobs import handlers, runner
from qucheng.settlement import advance, document_store, run
from qucheng.settlement.run import Run

app = cyclopts.App(name="runs", help="Settlement runs: a brand's month computed as a draft, issued, its documents made.")

RENDER = "document.render"


class Desk:
    """What a command works with: it does the tasks that it waits for itself, unless a worker is quicker."""

    def __init__(self, current: settings.Settings, tools: handlers.Tools) -> None:
        self.settings = current
        self.report = progresses.Progress()
        self._tools = tools
        self._worker = ids.new_id()

    async def finish(self, task_ids: list[uuid.UUID], stage: str, unit: str) -> list[task.Task]:
        """Waits for the tasks with their progress shown; a task that was given up ends the command with its reason."""
        seen: dict[uuid.UUID, task.Task] = {}
        with self.report.following(stage, unit=unit) as show:

            def watch(each: task.Task) -> None:
                seen[each.id] = each
                show(sum(one.units_done for one in seen.values()), sum(one.units or 0 for one in seen.values()))

            return await runner.until_ended(task_ids, worker=self._worker, tools=self._tools, watch=watch)


@contextlib.asynccontextmanager
async def desk() -> AsyncIterator[Desk]:
    current = settings.load()
    async with platform.entered(current):
        with handlers.Tools(current) as tools:
            yield Desk(current, tools)


async def settle_brand(*, code: str, through: dt.date, draft: bool, out: Path | None, pdf: bool) -> int:
    """Settles a stored brand's months in place; the command's exit status."""
    async with desk() as at:
        brand = await brands.require(code)
        before = {run.code_of(brand, each): each.state for each in await run.listing(brand=brand)}
        asked = await advance.request(brand=brand, through=through, draft=draft, now=clock.now())
        (ended,) = await at.finish([asked], "settle", "statements")
        if (status := _stopped(ended)) is not None:
            return status
        runs = [each for each in reversed(await run.listing(brand=brand)) if before.get(run.code_of(brand, each)) != each.state]
        fresh = [each for each in runs if each.state == ("computed" if draft else "issued")]
        for each in fresh:
            print(_line(brand, each))
        if not fresh:
            print(f"{brand.code}: nothing to {'compute' if draft else 'settle'} through {through:%Y-%m}; see qucheng runs list")
        failed = 0 if draft or not pdf else await _render(at, brand, [each.period for each in fresh])
        if out is not None and not draft:
            await _write(at, brand, through, out, pdf=pdf)
        return STOPPED if failed else DONE


@app.command(name="list")
def listing(*, brand: str | None = None) -> None:
    """All runs, the newest first.

    Parameters
    ----------
    brand
        Only those of the brand with this code.

    """
    asyncio.run(_listing(brand))


@app.command
def show(code: str) -> None:
    """One run: its figures, how much of it is issued, and what became of its documents.

    Parameters
    ----------
    code
        As `runs list` shows it, such as lanxi-202608-1.

    """
    asyncio.run(_show(code))


@app.command
def issue(code: str) -> int:
    """Issue a run as it was computed: numbers, postings, documents. One that was half issued goes on where it stopped."""
    return asyncio.run(_issue(code))


@app.command
def discard(code: str) -> None:
    """Throw a computed run away. What was issued stays."""
    asyncio.run(_discard(code))


@app.command
def render(code: str) -> int:
    """Make the documents of an issued run that are missing or have failed."""
    return asyncio.run(_again(code))


@app.command(name="zip")
def archive(code: str, *, out: Path) -> None:
    """All documents of an issued run in one ZIP file; failed.csv in it names those that there are none of."""
    asyncio.run(_archive(code, out))


async def _chosen(code: str) -> tuple[Brand, Run]:
    brand_code, starts_on, number = run.parse_code(code)
    brand = await brands.require(brand_code)
    return brand, await run.read(brand=brand, starts_on=starts_on, number=number)


async def _listing(code: str | None) -> None:
    async with desk():
        codes = [code] if code is not None else [brand_code for _, brand_code in await brands.every()]
        for brand in [await brands.require(each) for each in codes]:
            for each in await run.listing(brand=brand):
                print(_line(brand, each))


async def _show(code: str) -> None:
    async with desk():
        brand, chosen = await _chosen(code)
        print(_line(brand, chosen))
        print(f"  computed {chosen.computed_at:%Y-%m-%d %H:%M:%SZ}, with what was delivered up to intake {chosen.intake}")
        if chosen.discarded_at:
            print(f"  discarded {chosen.discarded_at:%Y-%m-%d %H:%M:%SZ}")
        if chosen.state in {"issuing", "issued"}:
            print(f"  {chosen.issued} of {chosen.statements} statements issued")
            found = await document_store.status(brand=brand, period=chosen.period)
            print(f"  documents of {found.ready} statements ready, {found.waiting} waiting, {len(found.failed)} failed")
            for statement_no, reason in found.failed.items():
                print(f"    {statement_no}: {reason}")


async def _issue(code: str) -> int:
    async with desk() as at:
        brand, chosen = await _chosen(code)
        asked = await advance.request_issue(brand=brand, starts_on=chosen.period, number=chosen.number)
        (ended,) = await at.finish([asked], "settle", "statements")
        if (status := _stopped(ended)) is not None:
            return status
        brand, chosen = await _chosen(code)
        print(_line(brand, chosen))
        return STOPPED if await _render(at, brand, [chosen.period]) else DONE


async def _discard(code: str) -> None:
    async with desk():
        brand, chosen = await _chosen(code)
        await run.discard(brand=brand, run=chosen, now=clock.now())
        print(f"run {code} is discarded")


async def _again(code: str) -> int:
    async with desk() as at:
        brand, chosen = await _chosen(code)
        await document_store.again(brand=brand, period=chosen.period, folder=at.settings.documents)
        return STOPPED if await _render(at, brand, [chosen.period]) else DONE


async def _archive(code: str, out: Path) -> None:
    async with desk() as at:
        brand, chosen = await _chosen(code)
        await document_store.archive(brand=brand, period=chosen.period, folder=at.settings.documents, out=out)
        print(f"the documents of run {code} are in {out}")


async def _render(at: Desk, brand: Brand, periods: list[dt.date]) -> int:
    """Does the brand's rendering that is waiting; returns how many statements of the periods have no documents."""
    while waiting := await task.listing(states=("waiting", "running"), brand_id=brand.id, kind=RENDER, most=1000):
        for ended in await at.finish([each.id for each in reversed(waiting)], "render", "statements"):
            _stopped(ended)
    missing = 0
    for starts_on in periods:
        found = await document_store.status(brand=brand, period=starts_on)
        missing += found.waiting + len(found.failed)
        print(f"documents {starts_on:%Y-%m}: {found.ready} ready, {found.waiting + len(found.failed)} missing")
        for statement_no, reason in found.failed.items():
            print(f"  {statement_no}: {reason}", file=sys.stderr)
    return missing


async def _write(at: Desk, brand: Brand, through: dt.date, out: Path, *, pdf: bool) -> None:
    with at.report.stage("write"):
        await books.write(brand=brand, out=out, through=through)
        if pdf:
            periods = sorted({each.period for each in await run.listing(brand=brand) if each.state == "issued"})
            await document_store.copy_out(
                brand=brand, periods=[each for each in periods if each <= through], folder=at.settings.documents, out=out
            )
    print(f"the books are in {out}")


def _stopped(ended: task.Task) -> int | None:
    """The exit status where the task did not end well, with the reason said."""
    if ended.state == "done":
        return None
    print(f"qucheng: {ended.reason or f'task {ended.id} was cancelled'}", file=sys.stderr)
    return STOPPED


def _line(brand: Brand, each: Run) -> str:
    figures = ((name, getattr(each, f"{name}_minor")) for name in ("gross", "tax", "net"))
    amounts = "  ".join(f"{name} {money.format_plain(minor, brand.decimals)}" for name, minor in figures)
    return f"{run.code_of(brand, each):<24}{each.state:<11}statements {each.statements}  {amounts}  {brand.currency}"
