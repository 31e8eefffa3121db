"""A brand with two resellers whose January is settled, and the steps of the desk in it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from tests import books
from tests.rooms.identity import people

from qucheng.commission import accrual
from qucheng.core import db
from qucheng.identity import approval as approvals
from qucheng.settlement import adjustment, dispute, period

if TYPE_CHECKING:
    import uuid
    from pathlib import Path

    from qucheng.core import crypto
    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

JANUARY, FEBRUARY = dt.date(2026, 1, 1), dt.date(2026, 2, 1)
RESELLERS = ["R1,一号,company,,gold,2026-01-01,", "R2,二号,company,,gold,2026-01-01,"]
ORDERS = [
    "E1,1,2026-01-10T10:00:00,R1,web,card,1,100.00,,",
    "E1,2,2026-01-10T10:00:00,R1,web,card,1,30.00,,",
    "E2,1,2026-01-11T10:00:00,R2,web,card,1,200.00,,",
]
REFUNDS = ["F1,E1,1,2026-01-12T10:00:00,1,50.00"]
# R1: 10.00 and 3.00 earned, 5.00 taken back
FIRST, SECOND, TAKEN_BACK = 1, 2, 3


async def settled(folder: Path, code: str) -> Brand:
    bundle = books.write(folder / code, code=code, resellers=RESELLERS, orders=ORDERS, refunds=REFUNDS)
    return await books.settled(bundle, "2026-01")


class Team:
    """Who works at the desk of a brand, and a person of each reseller."""

    def __init__(self, people_of: dict[str, permissions.Principal]) -> None:
        self.maker, self.checker, self.other = (people_of[name] for name in ("maker", "checker", "other"))
        self.of = {name: people_of[name] for name in ("R1", "R2")}


async def team(keys: crypto.Keys, brand: Brand) -> Team:
    made = {name: await people.member(keys, brand.id, "accountant") for name in ("maker", "checker", "other")}
    for reseller in ("R1", "R2"):
        made[reseller] = await people.member(keys, brand.id, "admin", reseller=reseller)
    return Team(made)


async def asked(brand: Brand, maker: permissions.Principal, **given: object) -> uuid.UUID:
    values = {
        "reseller": "R1",
        "amount_minor": -2500,
        "reason_code": "correction",
        "reference": "E1",
        "note": "价格更正",
        **given,
    }
    return await adjustment.request(
        brand=brand, principal=maker, **values, actor=people.actor(maker), now=books.NOW  # type: ignore[arg-type] # of the test
    )  # fmt: skip


async def allowed(brand: Brand, checker: permissions.Principal, approval_id: uuid.UUID, now: dt.datetime = books.NOW) -> None:
    """Decided and done in one transaction."""
    async with db.atomic(brand.id):
        found = await approvals.approve(
            principal=checker, brand_id=brand.id, approval_id=approval_id, actor=people.actor(checker)
        )
        await adjustment.execute(brand=brand, approval=found, actor=people.actor(checker), now=now)


async def disputed(
    brand: Brand, who: permissions.Principal, position: int = FIRST, number: int = 1, reason: str = "这一行的数量不对。"
) -> uuid.UUID:
    return await dispute.open_(
        brand_id=brand.id,
        reseller=who.reseller or "",
        period=JANUARY,
        number=number,
        position=position,
        reason=reason,
        actor=people.actor(who),
    )


async def settle_february(brand: Brand) -> None:
    await accrual.accrue(brand_id=brand.id, now=books.NOW)
    await period.settle(brand=brand, starts_on=FEBRUARY, now=books.NOW)
