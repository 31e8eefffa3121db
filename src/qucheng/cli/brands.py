"""qucheng import and export: a brand that stays on the platform, and its books as a bundle."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from qucheng.bundle import exporting, importing, keeping
from qucheng.bundle import progress as progresses
from qucheng.cli.statuses import DONE, ROWS_REJECTED
from qucheng.core import clock, platform, settings
from qucheng.identity import brand as brands

CODES_SHOWN = 10


def take_in(bundle: Path, *, out: Path | None = None) -> int:
    """Import a bundle into the platform's database: a new brand, or what a stored one does not have yet.

    Exit status: 0 done, or nothing was new; 3 done, with rows rejected; 1 the import was stopped, with the reason, and nothing
    was stored; 2 wrong usage.

    Parameters
    ----------
    bundle
        The folder. Its brand.toml says what is stored of the brand, or nothing is imported.
    out
        Where rejected.csv and flags.csv of this delivery go.

    """
    report = progresses.Progress()
    kept = asyncio.run(_take_in(bundle, out, report))
    print_files(kept.files)
    for each in kept.rejections:
        print(f"{each.file} row {each.row}  {each.code}  {each.message}")
    if kept.rejected > len(kept.rejections):
        print(f"… and {kept.rejected - len(kept.rejections)} more" + ("" if out else "; --out DIR writes them all down"))
    print(_result(kept))
    if kept.late_rules:
        print(_late(kept.late_rules))
    if out is not None:
        print(f"rejected.csv and flags.csv of this delivery are in {out}")
    print("  ".join(f"{stage} {spent:.1f} s" for stage, spent in report.seconds.items()))
    return ROWS_REJECTED if kept.rejected else DONE


def export(*, brand: str, out: Path) -> None:
    """Write a stored brand's books as a bundle. Settled by the same program, it gives the same statements.

    A bundle says of a product what it is now. Where lines were sold when it had another category, cost or start of the hold, they
    settle otherwise, and how many they are is said.

    Parameters
    ----------
    brand
        The code of the brand.
    out
        The folder: a new or empty one, or an earlier export of the brand, whose place it takes.

    """
    otherwise = asyncio.run(_export(brand, out))
    print(f"the books of {brand} are in {out}")
    if otherwise:
        print(
            f"qucheng: {otherwise} order lines were sold when their products had another category, cost or start of the hold:"
            " settled from this folder they come out otherwise",
            file=sys.stderr,
        )


def print_files(files: Sequence[importing.FileCount]) -> None:
    """What became of the rows, file by file."""
    print(f"{'file':<18}{'rows':>10}{'imported':>10}{'duplicate':>10}{'rejected':>10}")
    for file in files:
        print(f"{file.file:<18}{file.rows:>10}{file.imported:>10}{file.duplicate:>10}{file.rejected:>10}")


async def _take_in(bundle: Path, out: Path | None, report: progresses.Progress) -> keeping.Kept:
    async with platform.entered(settings.load()):
        return await keeping.take_in(folder=bundle, out=out, now=clock.now(), progress=report)


async def _export(code: str, out: Path) -> int:
    async with platform.entered(settings.load()):
        return await exporting.write(brand=await brands.require(code), out=out, progress=progresses.Progress())


def _result(kept: keeping.Kept) -> str:
    if kept.intake is None:
        return f"{kept.brand}: nothing new, and nothing was changed"
    return f"{kept.brand}: {'created' if kept.created else 'known'}, {kept.imported} rows imported as delivery {kept.intake}"


def _late(codes: list[str]) -> str:
    shown = ", ".join(codes[:CODES_SHOWN]) + (" …" if len(codes) > CODES_SHOWN else "")
    return (
        f"{len(codes)} of the new rules cover days whose sales were accrued before ({shown}): they count for what is accrued from now"
        " on, and change no earlier sale or its refunds"
    )
