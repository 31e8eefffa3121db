"""A draft over months that are over: the kernel's own figures, the differences to the 分, and not a trace in the books."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.commission import plan_desk
from tests.rooms.identity import people

from qucheng.commission import plan_version
from qucheng.core import crypto
from qucheng.settlement import plan_simulation

if TYPE_CHECKING:
    import uuid
    from pathlib import Path

    import asyncpg
    from tests.rooms.commission.plan_desk import Desk

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

MARCH, APRIL = dt.date(2026, 3, 1), dt.date(2026, 4, 1)
SKUS = ["card,会员月卡,video,100.00,60.00", "cup,杯子,goods,30.00,3.00"]
RULES = [plan_desk.OWN, "UP,percent,2,,,,,net,0.05,0,,", "VOLUME,graduated,,,,,,net,0:0;1000:0.01,0,,"]
ORDERS = [
    "O1,1,2026-03-10T10:00:00,R1,web,card,20,2000.00,0,",
    "O2,1,2026-03-11T10:00:00,R1,web,cup,1,30.01,0,",
    "O3,1,2026-04-02T10:00:00,R0,web,card,1,100.00,0,",
    "O4,1,2026-05-02T10:00:00,R0,web,card,1,100.00,0,",
]
REFUNDS = ["F1,O1,1,2026-05-10T10:00:00,5,500.00"]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> crypto.Keys:
    return crypto.keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
async def desk(tmp_path: Path, keys: crypto.Keys) -> Desk:
    return await plan_desk.opened(tmp_path, keys, skus=SKUS, rules=RULES, orders=ORDERS, refunds=REFUNDS)


async def asked(desk: Desk, number: int, first: dt.date, last: dt.date) -> uuid.UUID:
    return await plan_simulation.request(
        brand=desk.brand, number=number, first=first, last=last, actor=people.actor(desk.first), now=books.NOW
    )


async def made(desk: Desk, number: int, first: dt.date, last: dt.date) -> plan_simulation.Simulation:
    simulation_id = await asked(desk, number, first, last)
    await plan_simulation.simulate(work=await plan_desk.claimed(plan_simulation.KIND), brand=desk.brand)
    return await plan_simulation.read(brand=desk.brand, simulation_id=simulation_id)


def shown(rows: list[plan_simulation.Difference]) -> list[tuple[str, int, int]]:
    return [(each.code, each.today_minor, each.draft_minor) for each in rows]


async def test_differences_by_reseller_and_by_sku_add_up_to_the_same(desk: Desk) -> None:
    """R1 sells 1500.00 of the card after the refund and 30.01 of the cup: a tenth is 150.00 and 3.00, its bonus 5.30."""
    number = await desk.open()
    await desk.change(number, "OWN", kind="percent", level="1", basis="net", rate="0.125")
    await desk.drop(number, "UP")
    await desk.change(number, "VOLUME", kind="graduated", basis="net", rate="0:0;1000:0.02")
    found = await made(desk, number, MARCH, APRIL)
    assert (found.state, found.lines, found.months) == ("done", 3, [MARCH, APRIL])
    resellers = await plan_simulation.by_reseller(brand=desk.brand, simulation_id=found.id)
    skus = await plan_simulation.by_sku(brand=desk.brand, simulation_id=found.id)
    # R0: 10.00 of its own sale and a twentieth of R1's, 75.00 and 1.50; under the draft 12.50
    assert shown(resellers) == [("R0", 1000 + 7500 + 150, 1250), ("R1", 15000 + 300 + 530, 18750 + 375 + 1060)]
    assert shown(skus) == [("", 530, 1060), ("card", 15000 + 7500 + 1000, 18750 + 1250), ("cup", 300 + 150, 375)]
    assert (found.today_minor, found.draft_minor) == (24480, 21435)
    assert [each.name for each in skus] == ["", "会员月卡", "杯子"]
    rest = await plan_simulation.by_sku(brand=desk.brand, simulation_id=found.id, after="card", most=1)
    assert shown(rest) == [("cup", 450, 375)]


async def test_todays_plan_gives_what_the_books_have(desk: Desk) -> None:
    """The live plan has always been the same here, so its side is what was accrued."""
    number = await desk.open()
    found = await made(desk, number, MARCH, dt.date(2026, 5, 1))
    stored = await books.seen(
        desk.brand,
        "SELECT reseller, sum(amount_minor)::bigint FROM (SELECT reseller, amount_minor FROM accrual UNION ALL SELECT reseller, amount_minor"
        " FROM reversal) e GROUP BY 1 ORDER BY 1",
    )
    bonus = {"R0": 0, "R1": 530}
    rows = await plan_simulation.by_reseller(brand=desk.brand, simulation_id=found.id)
    assert shown(rows) == [(code, amount + bonus[code], amount + bonus[code]) for code, amount in stored]


async def test_a_simulation_leaves_nothing_in_the_books(desk: Desk, owner: asyncpg.Connection) -> None:
    number = await desk.open()
    await desk.change(number, "OWN", kind="percent", level="1", basis="net", rate="0.2")
    await asked(desk, number, MARCH, MARCH)
    work = await plan_desk.claimed(plan_simulation.KIND)
    before = await books.everything(owner)
    await plan_simulation.simulate(work=work, brand=desk.brand)
    after = await books.everything(owner)
    assert {name for name in after if after[name] != before[name]} == {"plan_simulation", "plan_simulation_row", "task"}


async def test_control_the_kernel_outside_of_the_copies_would_be_seen(desk: Desk, owner: asyncpg.Connection) -> None:
    before = await books.everything(owner)
    await desk.bring(orders=["O9,1,2026-03-12T10:00:00,R1,web,cup,1,30.00,0,"])
    after = await books.everything(owner)
    assert {"accrual", "own_volume"} <= {name for name in after if after[name] != before[name]}


async def test_what_is_new_in_a_draft_comes_before_its_equal_that_stays(desk: Desk) -> None:
    """Both earn a tenth of nothing else than the priority of a later beginning, as when the version is in force."""
    number = await desk.open()
    await desk.add(number, code="ZZ", kind="percent", level="1", basis="net", rate="0.2")
    found = await made(desk, number, APRIL, APRIL)
    assert shown(await plan_simulation.by_reseller(brand=desk.brand, simulation_id=found.id)) == [("R0", 1000, 2000)]


async def test_rules_of_months_past_do_not_count_and_what_is_in_force_counts_from_the_start(
    tmp_path: Path, keys: crypto.Keys
) -> None:
    desk = await plan_desk.opened(
        tmp_path,
        keys,
        rules=[
            "OLD,percent,1,,,,,net,0.3,9,,2026-05-01",
            "NEW,percent,1,,,,,net,0.1,0,2026-06-01,",
            "GONE,percent,1,,,,,net,0.2,5,2100-01-01,",
        ],
        orders=["O1,1,2026-03-10T10:00:00,R1,web,card,1,100.00,0,"],
    )
    number = await desk.open()
    found = await made(desk, number, MARCH, MARCH)
    rows = await plan_simulation.by_reseller(brand=desk.brand, simulation_id=found.id)
    assert shown(rows) == [("R1", 1000, 1000)]
    assert await books.seen(desk.brand, "SELECT amount_minor FROM accrual") == [(3000,)]


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (APRIL, MARCH),
        (MARCH, dt.date(2027, 2, 1)),
        (dt.date(2026, 11, 1), dt.date(2026, 11, 1)),
        (dt.date(2025, 10, 1), dt.date(2026, 10, 1)),
    ],
)
async def test_months_that_are_not_over_or_too_many_are_refused(
    desk: Desk, owner: asyncpg.Connection, first: dt.date, last: dt.date
) -> None:
    number = await desk.open()
    before = await books.everything(owner)
    with pytest.raises(plan_simulation.SimulationInvalidError):
        await asked(desk, number, first, last)
    with pytest.raises(plan_version.PlanUnknownError):
        await asked(desk, number + 1, MARCH, MARCH)
    assert await books.everything(owner) == before
