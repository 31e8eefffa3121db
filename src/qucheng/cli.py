"""The command line: qucheng settle, doctor, servers."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import sys
from pathlib import Path
from typing import Annotated

import cyclopts

from qucheng.bundle import progress as progresses
from qucheng.bundle import settle as settling
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
    return ROWS_REJECTED if any(file.rejected for file in outcome.files) else DONE


def _summary(outcome: settling.Outcome, seconds: dict[str, float]) -> None:
    print(f"{'file':<18}{'rows':>10}{'imported':>10}{'duplicate':>10}{'rejected':>10}")
    for file in outcome.files:
        print(f"{file.file:<18}{file.rows:>10}{file.imported:>10}{file.duplicate:>10}{file.rejected:>10}")
    figures = ((name, getattr(outcome, f"{name}_minor")) for name in ("gross", "tax", "net"))
    print(f"statements {outcome.statements}", *(f"{name} {money.format_plain(minor, outcome.decimals)}" for name, minor in figures), outcome.currency, sep="  ")
    for statement_no, reason in outcome.failed.items():
        print(f"{statement_no}: {reason}", file=sys.stderr)
    print("  ".join(f"{stage} {spent:.1f} s" for stage, spent in seconds.items()))


def main() -> None:
    """The entry point of the command `qucheng`."""
    try:
        status = app(exit_on_error=False, print_error=True)
    except cyclopts.CycloptsError:
        sys.exit(WRONG_USAGE)
    except (errors.RefusedError, settings.SettingError) as refusal:
        print(f"qucheng: {refusal}", file=sys.stderr)
        sys.exit(STOPPED)
    sys.exit(status if isinstance(status, int) else DONE)
