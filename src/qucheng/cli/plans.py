"""qucheng plan lint: what the linter refuses in a plan that is described in a file. Nothing is stored."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path
from typing import Literal

import cyclopts

from qucheng.cli.statuses import DONE, STOPPED
from qucheng.commission import plan_check, plan_words
from qucheng.core import clock, platform, settings
from qucheng.insight import explain as lives

app = cyclopts.App(name="plan", help="Commission plans: what the linter refuses.")


@app.command
def lint(file: Path, *, brand: str | None = None, since: dt.date | None = None, lang: Literal["en", "zh"] | None = None) -> int:
    """Say what the linter refuses in a described plan, with the clause: at the prices, costs and policy of a stored brand.

    Exit status: 0 it would pass; 1 it is refused, or can't be read; 2 wrong usage.

    Parameters
    ----------
    file
        CSV with the columns of rules.csv, and event and reads; or TOML with [[rule]], [joining], [[tier]] and [[product]].
    brand
        The brand's code; may be left out where only one is stored.
    since
        The day from which on the plan would be in force; tomorrow if not said.
    lang
        en or zh; else the brand's language.

    """
    return asyncio.run(_lint(file, brand, since, lang))


async def _lint(file: Path, code: str | None, since: dt.date | None, language: Literal["en", "zh"] | None) -> int:
    try:
        text = await asyncio.to_thread(file.read_text, encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise plan_check.DescriptionError(f"{file} is not UTF-8: byte {error.start} and after.") from None
    texts = plan_check.describe(text)
    async with platform.entered(settings.load()):
        brand = await lives.the_brand(code)
        rules = [plan_words.read_rule(text, brand.decimals) for text in texts]
        check = await plan_check.lint(brand=brand, rules=rules, since=since or plan_check.tomorrow(brand, clock.now()))
    chinese = language == "zh" or (language is None and brand.locale == "zh-CN")
    for refusal in check.refusals:
        print(f"{refusal.code}  {refusal.zh if chinese else refusal.en}  [{refusal.clause}]")
    if check.more:
        print(f"+ {check.more}")
    return DONE if check.passed else STOPPED
