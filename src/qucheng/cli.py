"""The command line: it translates, and the rooms do the work."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import cyclopts

from qucheng.bundle import progress as progresses
from qucheng.bundle import settle as settling
from qucheng.bundle import showcase
from qucheng.core import clock, doctor, errors, money, servers, settings

app = cyclopts.App(name="qucheng", help="渠成: a reseller network platform with commission settlement for virtual goods.")

DONE, STOPPED, WRONG_USAGE, ROWS_REJECTED = 0, 1, 2, 3


def _month(_: type, tokens: list[cyclopts.Token]) -> dt.date:
    match = re.fullmatch(r"((?:19|20|21)[0-9]{2})-(0[1-9]|1[0-2])", tokens[0].value, re.ASCII)
    if match is None:
        raise ValueError("a month is YYYY-MM, such as 2026-03")
    return dt.date(int(match[1]), int(match[2]), 1)


@app.command
def settle(
    bundle: Path,
    *,
    through: Annotated[dt.date, cyclopts.Parameter(converter=_month)],
    out: Path,
    pdf: bool = True,
) -> int:
    """Settle a bundle: a brand's books as a folder of CSV files, into proven statements and balanced books.

    Exit status: 0 done; 3 done, with rows rejected (see rejected.csv); 1 the import was stopped, with the reason, and
    nothing was stored or written; 2 wrong usage.

    Parameters
    ----------
    bundle
        The folder: brand.toml, tiers.csv, channels.csv, resellers.csv, skus.csv, rules.csv, orders.csv, and others if any.
    through
        The last month to settle, YYYY-MM. Every month before it that has something to settle is settled too.
    out
        Where statements.csv, entries.csv, journal.csv, rejected.csv, flags.csv and statements/*.pdf go.
    pdf
        --no-pdf leaves the PDF statements out.

    """
    report = progresses.Progress()
    outcome = asyncio.run(
        settling.settle_bundle(
            folder=bundle, through=through, out=out, pdf=pdf, now=clock.now(), settings=settings.load(), progress=report
        )
    )
    _summary(outcome, report.seconds)
    print(
        f"the books are in {out}"
        + (f"; {out / 'rejected.csv'} says why rows were rejected" if any(file.rejected for file in outcome.files) else "")
    )
    return ROWS_REJECTED if any(file.rejected for file in outcome.files) else DONE


@app.command
def demo() -> int:
    """Settle the demo brand: three months of 岚汐权益, with its statements as PDF. Done once; later it is found done."""
    report, current = progresses.Progress(), settings.load()
    folder, outcome = asyncio.run(showcase.settle_demo(settings=current, now=clock.now(), progress=report))
    if outcome is not None:
        _summary(outcome, report.seconds)
    books = folder / "books"
    print(f"\nThe demo brand 岚汐权益 {'is settled' if outcome else 'was settled before'}, 2026-08 to 2026-10.")
    print(f"  its sales    {folder / 'bundle'}")
    print(f"  its books    {books}  (statements.csv, entries.csv, journal.csv, rejected.csv, flags.csv)")
    print(f"  statements   {books / 'statements'}  ({len(list((books / 'statements').glob('*.pdf')))} PDF files)")
    return STOPPED if outcome is not None and outcome.failed else DONE


@app.command(name="doctor")
def examine() -> int:
    """Say what this machine lacks for the product, and how to get it."""
    findings = doctor.check(settings.load())
    for finding in findings:
        print(
            f"{'ok     ' if finding.ok else 'MISSING'}  {finding.name}: {finding.what}"
            + (f"\n         {finding.remedy}" if not finding.ok else "")
        )
    return DONE if all(finding.ok for finding in findings) else STOPPED


server_commands = cyclopts.App(name="servers", help="The embedded PostgreSQL and Valkey of this checkout.")
app.command(server_commands)


@server_commands.command(name="status")
def server_status() -> None:
    """Which servers are used, and whether they run."""
    for status in servers.status(settings.load()):
        print(f"{status.name}: {status.address or 'not running'}{' (named by the environment)' if status.named else ''}")


@server_commands.command(name="start")
def server_start() -> None:
    """Start PostgreSQL and Valkey, or find them running."""
    servers.database_url(settings.load())
    servers.redis_url(settings.load())
    server_status()


@server_commands.command(name="stop")
def server_stop() -> None:
    """Stop the embedded servers. Their data stays."""
    servers.stop(settings.load())
    server_status()


def _summary(outcome: settling.Outcome, seconds: dict[str, float]) -> None:
    print(f"{'file':<18}{'rows':>10}{'imported':>10}{'duplicate':>10}{'rejected':>10}")
    for file in outcome.files:
        print(f"{file.file:<18}{file.rows:>10}{file.imported:>10}{file.duplicate:>10}{file.rejected:>10}")
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


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status. arguments: those of the process where none are given."""
    try:
        status = app(arguments, exit_on_error=False, print_error=True, result_action="return_value")
    except cyclopts.CycloptsError:
        return WRONG_USAGE
    except (errors.RefusedError, settings.SettingError) as refusal:
        print(f"qucheng: {refusal}", file=sys.stderr)
        return STOPPED
    except KeyboardInterrupt:
        print("qucheng: stopped; nothing was stored", file=sys.stderr)
        return STOPPED
    return status if isinstance(status, int) else DONE


def main() -> None:
    """The entry point of the command `qucheng`."""
    sys.exit(run())
