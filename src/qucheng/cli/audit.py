"""qucheng audit: the trail, sealed and checked."""

from __future__ import annotations

import asyncio

import cyclopts

from qucheng.cli.statuses import DONE, STOPPED
from qucheng.core import audit, audit_heads, platform, settings

app = cyclopts.App(name="audit", help="The trail of who did what: chained by hashes, and checked against them.")


@app.command
def verify() -> int:
    """Recompute the chains of all brands and the platform, and name the first link of each that does not hold.

    Exit status: 0 all hold; 1 one does not.
    """
    kept, breaks, heads = asyncio.run(_verify(settings.load()))
    for found in breaks:
        where = f"link {found.number}" if found.number is not None else "outside the chain"
        print(f"BROKEN  {_whose(found.brand_id)}: {where}, record {found.record or 'none'}: {found.what}")
    broken = {found.brand_id for found in breaks}
    for head in heads:
        if head.brand_id not in broken:
            print(f"whole   {_whose(head.brand_id)}: {head.number} links, {head.hash}")
    print(f"compared with {kept} heads that were kept")
    return STOPPED if breaks else DONE


@app.command
def seal() -> None:
    """Chain what was recorded since the last time, and keep the heads in var/audit. The workers do it by themselves."""
    sealed, kept = asyncio.run(_seal(settings.load()))
    print(f"{sealed} records sealed, {kept} heads kept")


async def _verify(current: settings.Settings) -> tuple[int, list[audit.Break], list[audit.Head]]:
    kept = audit_heads.kept(current.var / "audit")
    async with platform.entered(current):
        return len(kept), await audit.verify_all(kept=kept), await audit.heads()


async def _seal(current: settings.Settings) -> tuple[int, int]:
    async with platform.entered(current):
        return await audit.seal_all(), audit_heads.keep(current.var / "audit", await audit.heads())


def _whose(brand_id: object) -> str:
    return "platform" if brand_id == audit.PLATFORM else f"brand {brand_id}"
