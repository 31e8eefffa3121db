"""A bundle settled: in a database of its own, from reading to books and documents, and dropped afterwards."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec

from qucheng.bundle import books, brand_file, importing, papers
from qucheng.commission import accrual, linter
from qucheng.core import database, db, servers
from qucheng.identity import brand as brands
from qucheng.settlement import period

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import AsyncIterator
    from pathlib import Path

    from qucheng.bundle.progress import Progress
    from qucheng.core.settings import Settings
    from qucheng.identity.brand import Brand


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Amounts in minor units of the brand's currency. failed: why a statement has no PDF, by its number.

    plan: what the linter finds in the rules, a sentence each, and how many more; a bundle's rules are facts, so it refuses nothing.
    """

    currency: str
    decimals: int
    files: list[importing.FileCount]
    statements: int
    gross_minor: int
    tax_minor: int
    net_minor: int
    failed: dict[str, str]
    plan: list[str]
    plan_more: int


async def settle_bundle(
    *, folder: Path, through: dt.date, out: Path, pdf: bool, now: dt.datetime, settings: Settings, progress: Progress
) -> Outcome:
    """Settles every period up to and including `through` (its first day) and writes the books to `out`.

    Raises a RefusedError where the import was stopped; then nothing is stored and nothing written.
    """
    brand = brand_file.read(folder / "brand.toml")
    async with contextlib.AsyncExitStack() as stack:
        with progress.stage("prepare"):
            pool = stack.enter_context(papers.renderer(settings)) if pdf else None
            await stack.enter_async_context(workspace(settings))
        await brands.create(brand=brand)
        number = await importing.take_in(folder=folder, brand=brand, now=now, progress=progress)
        with progress.stage("accrue", total=accrual.steps(), unit="steps") as done:
            await db.refresh_statistics()
            await accrual.accrue(brand_id=brand.id, now=now, done=done)
            await db.refresh_statistics()
        await settle_periods(brand=brand, through=through, now=now, progress=progress)
        with progress.stage("write"):
            await db.refresh_statistics()
            await books.write(brand=brand, out=out)
        failed = await papers.write(brand=brand, out=out, pool=pool, progress=progress) if pool else {}
        return await _outcome(brand, number, failed, await linter.findings(brand=brand))


@contextlib.asynccontextmanager
async def workspace(settings: Settings) -> AsyncIterator[None]:
    """The engine on a database of its own, as the app's role."""
    owner = servers.database_url(settings)
    app = await database.app_url(owner, settings.app_database_url, settings.var)
    async with database.workspace(owner, app) as url, db.connected(url):
        yield


async def settle_periods(*, brand: Brand, through: dt.date, now: dt.datetime, progress: Progress) -> None:
    first = following = await period.next_after(brand=brand, last=None)
    if first is None:
        return
    months = max(0, (through.year - first.year) * 12 + through.month - first.month + 1)
    with progress.stage("settle", total=months, unit="periods") as done:
        while following is not None and following <= through:
            await period.settle(brand=brand, starts_on=following, now=now)
            last, following = following, await period.next_after(brand=brand, last=following)
            done(1 if following is None else (following.year - last.year) * 12 + following.month - last.month)


async def _outcome(brand: Brand, number: int, failed: dict[str, str], plan: linter.Report) -> Outcome:
    async with db.atomic(brand.id):
        files = await importing.counts(number=number)
        sums = await db.connection().fetchrow(
            "SELECT count(*) AS statements, coalesce(sum(gross_minor), 0)::bigint AS gross_minor, coalesce(sum(tax_minor), 0)::bigint AS tax_minor,"
            " coalesce(sum(net_minor), 0)::bigint AS net_minor FROM statement"
        )
    return Outcome(
        currency=brand.currency,
        decimals=brand.decimals,
        files=files,
        failed=failed,
        plan=[finding.en if brand.locale == "en" else finding.zh for finding in plan.findings],
        plan_more=plan.more,
        **dict(sums),
    )
