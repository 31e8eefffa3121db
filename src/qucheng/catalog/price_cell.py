"""Prices of a draft: set, cleared, closed and taken back, key by key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from qucheng.catalog import price_draft, price_limit
from qucheng.catalog.price_records import Saved
from qucheng.core import db

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import Sequence

    from qucheng.catalog.price_records import Change, Key
    from qucheng.core import audit

SCRIPT = Path(__file__).with_name("price_cell.sql")


async def set_cells(
    *, brand_id: uuid.UUID, version: int, changes: Sequence[Change], day: dt.date, actor: audit.Actor, now: dt.datetime
) -> Saved:
    """Saves what is fresh; what somebody has edited since stays as it is and comes back. day: whose prices were looked at.

    Raises PriceVersionUnknownError, PriceStateError.
    """
    return await price_draft.lay(
        brand_id=brand_id,
        version=version,
        changes=[msgspec.to_builtins(change) for change in changes],
        limits=False,
        script=SCRIPT,
        day=day,
        actor=actor,
        now=now,
    )


async def revert(
    *,
    brand_id: uuid.UUID,
    version: int,
    keys: Sequence[Key],
    seen: Sequence[int],
    limits: Sequence[tuple[str, int]] = (),
    actor: audit.Actor,
    now: dt.datetime,
) -> Saved:
    """Back to what the version it was made from says. seen: the revision of each key. limits: SKU and revision of floors and costs.

    Raises PriceVersionUnknownError, PriceStateError.
    """
    changes = [
        {"sku": key.sku, "channel": key.channel, "tier": key.tier, "reverted": True, "seen": revision}
        for key, revision in zip(keys, seen, strict=True)
    ]
    async with db.atomic(brand_id):
        saved = await price_draft.lay(
            brand_id=brand_id,
            version=version,
            changes=changes,
            limits=False,
            script=SCRIPT,
            day=now.date(),
            actor=actor,
            now=now,
        )
        others = await price_draft.lay(
            brand_id=brand_id,
            version=version,
            changes=[{"sku": sku, "reverted": True, "seen": revision} for sku, revision in limits],
            limits=True,
            script=price_limit.SCRIPT,
            day=now.date(),
            actor=actor,
            now=now,
        )
    return Saved(saved=saved.saved + others.saved, stale=saved.stale + others.stale, faults=saved.faults + others.faults)
