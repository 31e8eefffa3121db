"""A brand in which every way to earn, to share and to lose occurs once, in two deliveries."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from tests import books

from qucheng.bundle import importing
from qucheng.commission import accrual

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.identity.brand import Brand

LATER = books.NOW + dt.timedelta(days=1)
SETTLEMENT = "hold_days = 7"
TABLES = {
    "tiers": ["gold,金牌,1", "base,普通,2"],
    "channels": ["web,网店,agency", "shop,门店,agency"],
    "resellers": [
        "R1,一号,company,,gold,2026-01-01,",
        "R2,二号,company,R1,base,2026-01-01,",
        "R3,三号,company,R2,base,2026-01-01,",
    ],
    "skus": [
        "tie,并列,video,0.07,0.00",
        "cut,封顶,video,3.37,0.00",
        "gross,总价,video,26.80,0.00",
        "margin,毛利,video,95.00,92.00",
        "unit,按件,food,10.00,0.00",
        "rank,名次,ranked,10.00,0.00",
    ],
    "rules": [
        "TIE-1,percent,1,tie,,,,net,0.4,0,,",
        "TIE-2,percent,2,tie,,,,net,0.4,0,,",
        "CUT-1,percent,1,cut,,,,net,0.4,0,,",
        "CUT-2,percent,2,cut,,,,net,0.15,0,,",
        "CUT-3,percent,3,cut,,,,net,0.1,0,,",
        "GROSS,percent,1,gross,,,,gross,0.065,0,,",
        "MARGIN,percent,1,margin,,,,margin,0.35,0,,",
        "UNIT,per_unit,1,unit,,,,unit,0.80,0,,",
        "RANK-A,percent,1,rank,,,,net,0.1,5,2026-02-01,",
        "RANK-CODE,percent,1,rank,,,,net,0.5,5,2026-02-01,",
        "RANK-OLD,percent,1,rank,,,,net,0.5,5,2026-01-01,",
        "RANK-WIDE,percent,1,,ranked,,,net,0.5,5,2026-02-01,",
        "RANK-LOW,percent,1,rank,,,,net,0.5,4,2026-02-01,",
        "RANK-SHOP,percent,1,rank,,shop,,net,0.5,9,,",
        "RANK-GOLD,percent,1,rank,,,gold,net,0.5,9,,",
        "RANK-SOON,percent,1,rank,,,,net,0.5,9,2026-03-11,",
        "RANK-GONE,percent,1,rank,,,,net,0.5,9,,2026-03-10",
        "SLAB,slab,,gross,,,,gross,0:0;20:0.0105,0,,",
        "STEPS,graduated,,unit,,,,unit,0:0;4:0.50,0,,",
    ],
    "orders": [
        "TIE,1,2026-03-10T12:00:00,R2,web,tie,1,0.07,,",
        "CUT,1,2026-03-10T12:00:00,R3,web,cut,1,3.37,,",
        "GROSS,1,2026-03-10T12:00:00,R1,web,gross,1,26.80,5.00,",
        "MARGIN,1,2026-03-10T12:00:00,R1,web,margin,2,190.00,,",
        "UNIT,1,2026-03-10T12:00:00,R1,web,unit,10,100.00,,",
        "RANK,1,2026-03-10T12:00:00,R2,web,rank,1,10.00,,",
        "FREE,1,2026-03-10T12:00:00,R1,web,unit,2,9.00,9.00,",
    ],
    "refunds": [
        "G1,GROSS,1,2026-03-12T09:00:00,0,3.33",
        "M1,MARGIN,1,2026-04-02T09:00:00,1,0.00",
        "M2,MARGIN,1,2026-04-03T09:00:00,0,95.00",
        "U1,UNIT,1,2026-04-02T09:00:00,4,100.00",
    ],
}  # fmt: skip
SECOND = {
    "rules": ["RANK-LATE,percent,1,rank,,,,net,0.5,9,2026-01-01,"],
    "orders": ["NEW,1,2026-03-10T12:00:00,R2,web,rank,1,10.00,,", "SOON,1,2026-04-27T12:00:00,R2,web,rank,1,10.00,,"],
    "refunds": ["K1,RANK,1,2026-03-20T09:00:00,0,3.35"],
}
THIRD = {"orders": ["RAW,1,2026-05-11T12:00:00,R1,web,unit,1,10.00,,"], "refunds": ["K2,RANK,1,2026-05-20T09:00:00,0,1.00"]}


async def lived(folder: Path, *, code: str) -> Brand:
    """March and April are settled. Then comes a delivery with a better rule, which is accrued, and another, which is not."""
    rows = {name: list(given) for name, given in TABLES.items()}
    bundle = books.write(folder / "first", code=code, compliance=books.INTL, settlement=SETTLEMENT, **rows)
    brand = await books.settled(bundle, "2026-04")
    for name, delivery in (("second", SECOND), ("third", THIRD)):
        for table, more in delivery.items():
            rows[table] += more
        bundle = books.write(folder / name, code=code, compliance=books.INTL, settlement=SETTLEMENT, **rows)
        await importing.take_in(folder=bundle, brand=brand, now=LATER, progress=books.QUIET)
        if delivery is SECOND:
            await accrual.accrue(brand_id=brand.id, now=LATER)
    return brand
