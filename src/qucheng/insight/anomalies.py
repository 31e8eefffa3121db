"""Looks for what stands out in a brand's sales and network, and hands it to the risk queue. What was found before is not found again."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from qucheng.core import clock, db
from qucheng.identity import brand as brands
from qucheng.network import thermometer
from qucheng.risk import alert, limits, rules

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

KIND = "risk.scan"
"""Of the task that looks at all brands."""
SQL = Path(__file__).with_name("anomalies.sql")
NEAR, FAR = dt.timedelta(days=30), dt.timedelta(days=60)
MOST_ORDERS, MOST_FOUND, MOST_ROOTS = 50, 500, 200


async def scan_all(*, now: dt.datetime) -> None:
    for brand_id, _code in await brands.every():
        await scan(brand=await brands.read(brand_id), now=now)


async def scan(*, brand: Brand, now: dt.datetime) -> int:
    """Returns how many alerts are new."""
    current = await limits.current(brand_id=brand.id)
    found = await look(brand=brand, chosen=current.limits, now=now)
    return await alert.keep(brand_id=brand.id, found=found, limits=current.version, now=now) if found else 0


async def look(*, brand: Brand, chosen: rules.Limits, now: dt.datetime) -> list[rules.Finding]:
    today = now.astimezone(zoneinfo.ZoneInfo(brand.time_zone)).date()
    async with db.atomic(brand.id):
        rows = await db.connection().fetch(
            SQL.read_text(encoding="utf-8"),
            now,
            today - FAR,
            today - NEAR,
            brand.time_zone,
            msgspec.json.encode(chosen).decode(),
            MOST_ORDERS,
            MOST_FOUND,
        )
    sold = [rules.Finding(**{**dict(row), "evidence": msgspec.json.decode(row["evidence"])}) for row in rows]
    return [*sold, *await _heads(brand, chosen, today)]


async def _heads(brand: Brand, chosen: rules.Limits, today: dt.date) -> list[rules.Finding]:
    """Roots near the law's thresholds, each once a month."""
    starts_at, ends_at = clock.month_bounds(today.replace(day=1), brand.time_zone)
    return [
        rules.Finding(
            rule="network.heads",
            subject=heat.root,
            reseller=heat.root,
            starts_at=starts_at,
            ends_at=ends_at,
            evidence={
                "heads": heat.heads_with_operator,
                "persons": heat.persons_with_operator,
                "limit": chosen.heads,
                "red": thermometer.RED_HEADS,
            },
        )
        for heat in await thermometer.read(brand_id=brand.id, on=today, most=MOST_ROOTS)
        if heat.heads_with_operator >= chosen.heads
    ]
