"""The demonstration opened on the platform when `qucheng up` starts: what is missing of it is added, what stands is left alone."""

from __future__ import annotations

import asyncio
import sys
import uuid

from qucheng.bundle import demo_desks, demo_file, demo_keys, demo_months, demo_platform
from qucheng.bundle import progress as progresses
from qucheng.connectors import payment_simulator
from qucheng.core import clock, crypto, errors, ids, platform, settings, task
from qucheng.insight import anomalies
from qucheng.jobs import handlers, runner

# whose sign-ins are told of when the platform is up
SHOWN = ("operator", "owner", "accountant", "auditor", "clerk", "admin", "seller")


class UnfinishedError(errors.RefusedError):
    """A month of the demonstration could not be settled."""

    code = "demo.unfinished"


def open_platform(base_url: str) -> None:
    """Adds to the platform what is missing of the demonstration, and tells how to sign in. What is refused is said and left out."""
    current, report = settings.load(), progresses.Progress()
    try:
        found = asyncio.run(_open(current, base_url, report))
    except errors.RefusedError as refusal:
        print(f"qucheng: {refusal}", file=sys.stderr)
        return
    if report.seconds:
        print("  ".join(f"{stage} {spent:.1f} s" for stage, spent in report.seconds.items()))
    print(f"{len(found.people)} people of two brands can sign in; their passwords are in {demo_file.place(current)}.")
    for role in SHOWN:
        login = next(each.login for each in found.people if each.roles[0].role == role)
        print(f"  {role:<12}{login}")
    print("  qucheng demo people lists them all, qucheng demo code LOGIN prints a one-time code")


async def _open(current: settings.Settings, base_url: str, report: progresses.Progress) -> demo_file.Demo:
    async with platform.entered(current):
        found = await demo_platform.begin(settings=current, base_url=base_url)
        if await demo_platform.is_finished():
            return found
        now = clock.now()
        both = await demo_platform.add_brands(settings=current, now=now, progress=report)
        await demo_platform.add_people(settings=current, found=found, now=now)
        await demo_keys.add(settings=current, found=found, now=now)
        with handlers.Tools(current) as tools:
            for brand in both:
                pair = await demo_months.pair(keys=crypto.keys(current.var / "keys"), brand=brand, now=now)
                while (asked := await demo_months.step(brand=brand, people=pair, now=clock.now())) is not None:
                    await _finish(asked, tools, report)
                keys = crypto.keys(current.var / "keys")
                provider = payment_simulator.of(current.var, keys)
                await demo_desks.fill(keys=keys, brand=brand, provider=provider, now=clock.now())
        await anomalies.scan_all(now=clock.now())
        await demo_platform.finish()
    return found


async def _finish(asked: uuid.UUID, tools: handlers.Tools, report: progresses.Progress) -> None:
    with report.following("settle", unit="statements") as show:

        def watch(each: task.Task) -> None:
            show(each.units_done, each.units or 0)

        (ended,) = await runner.until_ended([asked], worker=ids.new_id(), tools=tools, watch=watch)
    if ended.state != "done":
        raise UnfinishedError(
            f"The demonstration is not complete: {ended.reason or ended.state}. The next start goes on with it."
        )
