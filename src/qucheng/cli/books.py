"""qucheng books check: whether the books of stored brands agree with themselves; qucheng explain: the life of one figure."""

from __future__ import annotations

import asyncio
from typing import Literal

import cyclopts

from qucheng.cli.statuses import DONE, STOPPED
from qucheng.core import clock, platform, settings
from qucheng.identity import brand as brands
from qucheng.insight import books, explain_words
from qucheng.insight import explain as lives

app = cyclopts.App(name="books", help="The books of stored brands: whether they agree with themselves.")


@app.command
def check(*, brand: str | None = None) -> int:
    """Hold the books against every invariant: entries, statements, journal, openings, rows, runs. What is found is recorded.

    Exit status: 0 everything agrees; 1 something differs, or the brand is not stored; 2 wrong usage.

    Parameters
    ----------
    brand
        Only the books of the brand with this code.

    """
    return DONE if asyncio.run(_check(brand)) else STOPPED


def explain(entry: str, *, brand: str | None = None, lang: Literal["en", "zh"] | None = None) -> int:
    """Tell the life of one figure: line, basis, rules, rate, rounding, cap, refunds, statement, journal.

    Everything is reckoned again. Exit status: 0 it agrees with what is stored; 1 it differs, or there is no such entry.

    Parameters
    ----------
    entry
        ORDER/LINE, ORDER/LINE/LEVEL, ORDER/LINE/LEVEL/REFUND, bonus/RESELLER/RULE/YYYY-MM, adjustment/CODE, the number of a
        statement, or STATEMENT/accrual and the like for what it posts.
    brand
        The brand's code; may be left out where only one is stored.
    lang
        en or zh; else the brand's language.

    """
    return asyncio.run(_explain(entry, brand, lang))


async def _explain(entry: str, code: str | None, language: Literal["en", "zh"] | None) -> int:
    async with platform.entered(settings.load()):
        brand = await lives.the_brand(code)
        life = await lives.explain(brand=brand, entry=entry)
    for line in explain_words.tell(life, brand=brand, language=language):
        print(line)
    return STOPPED if lives.disagreements(life) else DONE


async def _check(code: str | None) -> bool:
    """Whether nothing differs; each brand is told as soon as it has been checked."""
    agree = True
    async with platform.entered(settings.load()):
        codes = [code] if code is not None else [each for _, each in await brands.every()]
        for each in codes:
            brand = await brands.require(each)
            report = await books.check(brand=brand, now=clock.now())
            await books.record(brand=brand, report=report)
            _print(report)
            agree = agree and not report.total
    if not codes:
        print("no brand is stored")
    return agree


def _print(report: books.Report) -> None:
    if not report.total:
        print(
            f"the books of {report.brand} agree: {report.statements} statements, {report.entries} entries, {report.postings} postings"
        )
        return
    print(f"the books of {report.brand} DIFFER: {report.total} difference{'s' if report.total > 1 else ''}")
    for difference in report.differences:
        print(f"  {difference.sentence}")
    if report.total > len(report.differences):
        print(f"  … and {report.total - len(report.differences)} more")
