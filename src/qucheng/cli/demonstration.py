"""qucheng demo: the demo brand settled, the sign-ins of the demonstration; and how a settled bundle is summed up."""

from __future__ import annotations

import asyncio
import sys

import cyclopts

from qucheng.bundle import demo_file, showcase
from qucheng.bundle import progress as progresses
from qucheng.bundle import settle as settling
from qucheng.cli import brands
from qucheng.cli.statuses import DONE, STOPPED
from qucheng.core import clock, money, settings, supervisor

app = cyclopts.App(name="demo", help="The demonstration: two invented brands, and people of every role.")


@app.default
def demo() -> int:
    """Settle the demo brand: three months of 岚汐权益, with its statements as PDF. Done once; later it is found done."""
    report, current = progresses.Progress(), settings.load()
    with supervisor.interruptible():
        folder, outcome = asyncio.run(showcase.settle_demo(settings=current, now=clock.now(), progress=report))
    if outcome is not None:
        summary(outcome, report.seconds)
    books = folder / "books"
    print(f"\nThe demo brand 岚汐权益 {'is settled' if outcome else 'was settled before'}, 2026-08 to 2026-10.")
    print(f"  its sales    {folder / 'bundle'}")
    print(f"  its books    {books}  (statements.csv, entries.csv, journal.csv, rejected.csv, flags.csv)")
    print(f"  statements   {books / 'statements'}  ({len(list((books / 'statements').glob('*.pdf')))} PDF files)")
    return STOPPED if outcome is not None and outcome.failed else DONE


@app.command
def code(login: str) -> None:
    """Print the one-time code that counts now for a sign-in of the demonstration.

    Parameters
    ----------
    login
        As `demo people` shows it.

    """
    digits, left = demo_file.code(demo_file.read(settings.load()).person(login), now=clock.now())
    print(f"{digits}  for {left} s more")


@app.command
def people() -> None:
    """Print the sign-ins of the demonstration, with their passwords."""
    found = demo_file.read(settings.load())
    print(found.base_url)
    for each in found.people:
        roles = ", ".join(_role(role) for role in each.roles)
        print(f"{each.login:<28}{each.password:<26}{'code' if each.totp_secret else '-':<6}{each.name}  {roles}")


def _role(role: demo_file.Role) -> str:
    places = [role.brand, role.reseller]
    return " ".join([role.role, *(place for place in places if place is not None)])


def summary(outcome: settling.Outcome, seconds: dict[str, float]) -> None:
    brands.print_files(outcome.files)
    figures = ((name, getattr(outcome, f"{name}_minor")) for name in ("gross", "tax", "net"))
    print(
        f"statements {outcome.statements}",
        *(f"{name} {money.format_plain(minor, outcome.decimals)}" for name, minor in figures),
        outcome.currency,
        sep="  ",
    )
    if outcome.plan:
        print("the rules, at worst (they are settled as they are):")
        print(
            *(f"  {sentence}" for sentence in outcome.plan),
            *([f"  … and {outcome.plan_more} more"] if outcome.plan_more else []),
            sep="\n",
        )
    for statement_no, reason in outcome.failed.items():
        print(f"{statement_no}: {reason}", file=sys.stderr)
    print("  ".join(f"{stage} {spent:.1f} s" for stage, spent in seconds.items()))
