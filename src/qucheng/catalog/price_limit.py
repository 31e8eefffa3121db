"""Floors and costs of SKUs in a draft, by date."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from qucheng.catalog import price_draft

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import Sequence

    from qucheng.catalog.price_records import LimitChange, Saved
    from qucheng.core import audit

SCRIPT = Path(__file__).with_name("price_limit.sql")


async def set_limits(
    *, brand_id: uuid.UUID, version: int, changes: Sequence[LimitChange], day: dt.date, actor: audit.Actor, now: dt.datetime
) -> Saved:
    """As price_cell.set_cells(). Raises PriceVersionUnknownError, PriceStateError."""
    return await price_draft.lay(
        brand_id=brand_id,
        version=version,
        changes=[_staged(change) for change in changes],
        limits=True,
        script=SCRIPT,
        day=day,
        actor=actor,
        now=now,
    )


def _staged(change: LimitChange) -> dict[str, Any]:
    return {
        "sku": change.sku,
        "floors": change.floor_minor is not UNSET,
        "costs": change.cost_minor is not UNSET,
        "floor_minor": None if change.floor_minor is UNSET else change.floor_minor,
        "cost_minor": None if change.cost_minor is UNSET else change.cost_minor,
        "starts_on": change.starts_on,
        "ends_on": change.ends_on,
        "seen": change.seen,
        "reason": change.reason,
    }
