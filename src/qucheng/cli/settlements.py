"""qucheng settle: a bundle in a database of its own, or a stored brand in place."""

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
from qucheng.cli import demonstration
from qucheng.cli.statuses import DONE, ROWS_REJECTED, WRONG_USAGE
from qucheng.core import clock, settings


def _month(_: type, tokens: list[cyclopts.Token]) -> dt.date:
    match = re.fullmatch(r"((?:19|20|21)[0-9]{2})-(0[1-9]|1[0-2])", tokens[0].value, re.ASCII)
    if match is None:
        raise ValueError("a month is YYYY-MM, such as 2026-03")
    return dt.date(int(match[1]), int(match[2]), 1)


def settle(
    bundle: Path | None = None,
    *,
    through: Annotated[dt.date, cyclopts.Parameter(converter=_month)],
    out: Path | None = None,
    pdf: bool = True,
    brand: str | None = None,
    draft: bool = False,
) -> int:
    """Settle a bundle, a brand's books as a folder of CSV files, into proven statements and balanced books; or a stored brand in place.

    Exit status: 0 done; 3 done, with rows rejected (see rejected.csv); 1 stopped, with the reason (of a bundle nothing is
    then stored or written); 2 wrong usage.

    Parameters
    ----------
    bundle
        The folder: brand.toml, tiers.csv, channels.csv, resellers.csv, skus.csv, rules.csv, orders.csv, and others if any.
    through
        The last month to settle, YYYY-MM. Every month before it that has something to settle is settled too.
    out
        Where statements.csv, entries.csv, journal.csv, rejected.csv, flags.csv and statements/* go. A stored brand needs none.
    pdf
        --no-pdf leaves the PDF statements out; those of a stored brand are then left to the workers.
    brand
        Instead of a bundle: the code of a stored brand (see qucheng import).
    draft
        Only compute the next month of the stored brand; qucheng runs issues or discards it.

    """
    if (bundle is None) == (brand is None) or (bundle is not None and (draft or out is None)):
        print("qucheng: settle takes a bundle and --out, or --brand (and then --draft or --out as you like)", file=sys.stderr)
        return WRONG_USAGE
    if brand is not None:
        # a bundle needs nothing of what tasks need
        from qucheng.cli import runs  # noqa: PLC0415

        return asyncio.run(runs.settle_brand(code=brand, through=through, draft=draft, out=out, pdf=pdf))
    return _settle_bundle(bundle, through, out, pdf=pdf)  # type: ignore[arg-type] # both are given: checked above


def _settle_bundle(bundle: Path, through: dt.date, out: Path, *, pdf: bool) -> int:
    if not next(place for place in (out, *out.absolute().parents) if place.exists()).is_dir():
        print(f"qucheng: {out} is not a folder, and cannot become one", file=sys.stderr)
        return WRONG_USAGE
    report = progresses.Progress()
    outcome = asyncio.run(
        settling.settle_bundle(
            folder=bundle, through=through, out=out, pdf=pdf, now=clock.now(), settings=settings.load(), progress=report
        )
    )
    demonstration.summary(outcome, report.seconds)
    print(
        f"the books are in {out}"
        + (f"; {out / 'rejected.csv'} says why rows were rejected" if any(file.rejected for file in outcome.files) else "")
    )
    return ROWS_REJECTED if any(file.rejected for file in outcome.files) else DONE
