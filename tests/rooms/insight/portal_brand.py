"""A brand of which every figure that a reseller is shown is known: a root, one placed under it, and a root beside them.

March is settled. NOW is in April: some has matured since, some has not, some went back.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from tests import books

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.identity.brand import Brand

NOW = dt.datetime(2026, 4, 20, 4, 0, tzinfo=dt.UTC)
PARENT, CHILD, SIBLING = "P", "C", "S"
STATEMENT = "{code}-202603-{number:06}"
ORDERS = [
    "O1,1,2026-03-02T10:00:00,P,web,card,1,100.00,,",
    "O1,2,2026-03-02T10:00:00,P,web,tea,2,50.00,,",
    "O2,1,2026-03-28T10:00:00,P,web,card,2,210.00,10.00,",
    "O3,1,2026-04-10T10:00:00,P,web,card,3,300.00,,",
    "O4,1,2026-04-11T10:00:00,P,web,card,1,80.00,,id-P",
    "O5,1,2026-04-11T11:00:00,P,dealer,card,1,90.00,,",
    # the day before in UTC
    "O6,1,2026-04-18T00:30:00,P,web,tea,1,60.00,,",
    "O7,1,2026-04-19T09:00:00,P,web,card,1,40.00,,",
    "C1,1,2026-03-05T10:00:00,C,web,card,1,100.00,,",
    "C2,1,2026-04-15T12:00:00,C,web,card,5,500.00,,",
    "C3,1,2026-04-16T12:00:00,C,web,tea,4,100.00,,",
    "S1,1,2026-03-03T10:00:00,S,web,card,1,20.00,,",
    "S2,1,2026-04-05T10:00:00,S,web,dear,1,10.00,,",
    "S3,1,2026-04-05T11:00:00,S,web,card,1,0.06,,",
]
REFUNDS = ["F1,O3,1,2026-04-12T10:00:00,1,100.00", "F2,O7,1,2026-04-20T10:00:00,1,40.00"]


async def made(folder: Path, *, code: str) -> Brand:
    return await books.settled(
        books.write(
            folder,
            code=code,
            compliance=books.INTL,
            settlement='hold_days = 7\nmin_payout = "5"',
            tiers=["gold,金牌,1", "base,普通,2"],
            channels=["web,网店,agency", "dealer,经销,wholesale"],
            resellers=[
                "P,南屿商行,company,,gold,2026-01-01,id-P",
                "C,二店,individual,P,base,2026-02-01,id-C",
                "S,旁店,company,,base,2026-01-01,id-S",
            ],
            placements=["C,,gold,2026-05-01"],
            skus=["card,会员月卡,video,100.00,60.00", "tea,茶饮券,food,25.00,20.00", "dear,礼盒,gift,10.00,1.00"],
            rules=[
                "OWN,percent,1,,,,,net,0.1,0,,",
                "DEAR,percent,1,dear,,,,net,0.6,0,,",
                "UP,percent,2,card,,,,net,0.02,0,,",
                "UP-UNIT,per_unit,2,tea,,,,unit,0.25,0,,",
                "VOLUME,graduated,,,,,gold,net,0:0;100:0.01,,,",
            ],
            orders=ORDERS,
            refunds=REFUNDS,
            adjustments=["A1,P,2026-03-15T10:00:00,-1.50,coupon of the shop"],
        ),
        "2026-03",
    )
