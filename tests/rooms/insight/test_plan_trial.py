"""An order tried against a plan says what the kernel will make of it, and why."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.commission import plan_desk
from tests.rooms.commission.plan_desk import DAY, Desk

from qucheng.core import crypto
from qucheng.insight import plan_own, plan_trial

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

AT = dt.datetime(2101, 1, 2, 4, 0, tzinfo=dt.UTC)
EARLIER = dt.datetime(2100, 12, 30, 4, 0, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> crypto.Keys:
    return crypto.keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
async def desk(tmp_path: Path, keys: crypto.Keys) -> Desk:
    return await plan_desk.opened(
        tmp_path,
        keys,
        tiers=["gold,金牌,1", "base,普通,2"],
        channels=["web,网店,agency", "bulk,批发,wholesale"],
        skus=["card,会员月卡,video,100.00,30.00"],
        rules=[plan_desk.OWN, "BASE,percent,1,,,,base,net,0.05,0,,", "UP,percent,2,,,,,net,0.25,0,,"],
        orders=[],
    )


async def tried(desk: Desk, number: int | None, paid_at: dt.datetime = AT, **given: object) -> plan_trial.Trial:
    order = {"reseller": "R1", "channel": "web", "sku": "card", "quantity": 1, "gross_minor": 10000, "discount_minor": 0, **given}
    return await plan_trial.try_order(brand=desk.brand, number=number, paid_at=paid_at, **order)  # type: ignore[arg-type] # of the test


def earned(trial: plan_trial.Trial) -> list[tuple[int, str | None, str | None, str | None, int]]:
    return [
        (
            each.level,
            each.reseller,
            each.nothing,
            each.share.rule.code if each.share else None,
            each.share.amount if each.share else 0,
        )
        for each in trial.levels
    ]


async def test_a_draft_is_tried_as_if_it_were_in_force_and_the_live_plan_as_it_is(desk: Desk) -> None:
    number = await desk.open()
    await desk.change(number, "OWN", kind="percent", level="1", basis="net", rate="0.4")
    await desk.add(number, code="VOLUME", kind="slab", basis="net", rate="0:0.01", tier="gold")
    trial = await tried(desk, number, EARLIER)
    assert (trial.cap_minor, trial.total_minor, trial.capped, trial.bonuses) == (5000, 6500, True, ("VOLUME",))
    # 40.00 and 25.00 share 50.00: 30.7692… and 19.2307…, the last unit to the larger remainder
    assert earned(trial) == [(1, "R1", None, "OWN-2", 3077), (2, "R0", None, "UP", 1923), (3, None, "nobody", None, 0)]
    verdicts = [(each.rule.code, each.reason) for each in trial.levels[0].verdicts]
    assert verdicts == [("OWN-2", "won"), ("BASE", "tier")]
    live = await tried(desk, None, EARLIER)
    assert earned(live) == [(1, "R1", None, "OWN", 1000), (2, "R0", None, "UP", 2500), (3, None, "nobody", None, 0)]


async def test_the_kernel_makes_of_the_order_what_the_trial_said(desk: Desk) -> None:
    number = await desk.open()
    await desk.change(number, "OWN", kind="percent", level="1", basis="net", rate="0.2")
    await desk.publish(number)
    told = await tried(desk, None)
    before = await tried(desk, None, EARLIER)
    await desk.bring(
        orders=["O1,1,2101-01-02T12:00:00,R1,web,card,1,100.00,0,", "O2,1,2100-12-30T12:00:00,R1,web,card,1,100.00,0,"]
    )
    stored = await books.seen(
        desk.brand, "SELECT order_no, level, reseller, rule, amount_minor FROM accrual ORDER BY order_no, level"
    )
    assert stored == [
        (no, level, who, rule, amount)
        for no, trial in (("O1", told), ("O2", before))
        for level, who, _, rule, amount in earned(trial)[:2]
    ]
    assert [row[3] for row in stored] == ["OWN-2", "UP", "OWN", "UP"]
    assert (await tried(desk, number, EARLIER)).levels[0].verdicts[0].rule.code == "OWN-2"


async def test_a_wholesale_line_earns_nothing_and_a_trial_writes_nothing(desk: Desk, owner: asyncpg.Connection) -> None:
    before = await books.everything(owner)
    trial = await tried(desk, None, channel="bulk")
    assert earned(trial) == [(level, who, "wholesale", None, 0) for level, who in ((1, "R1"), (2, "R0"), (3, None))]
    assert await books.everything(owner) == before


@pytest.mark.parametrize(
    ("given", "faults"),
    [
        ({"reseller": "R9"}, {"reseller": "ref.unknown"}),
        ({"reseller": "R\0"}, {"reseller": "ref.unknown"}),
        ({"channel": "tv", "sku": "x"}, {"channel": "ref.unknown", "sku": "ref.unknown"}),
        ({"quantity": 0}, {"quantity": "value.invalid"}),
        ({"discount_minor": 10001}, {"discount_minor": "value.invalid"}),
    ],
)
async def test_an_order_that_cannot_be_is_refused(desk: Desk, given: dict[str, object], faults: dict[str, str]) -> None:
    with pytest.raises(plan_trial.TrialInvalidError) as caught:
        await tried(desk, None, AT, **given)
    assert caught.value.faults == faults
    with pytest.raises(plan_trial.TrialInvalidError) as caught:
        await tried(desk, None, dt.datetime(2025, 12, 31, tzinfo=dt.UTC))
    assert caught.value.faults == {"reseller": "ref.unknown"}


async def test_a_reseller_is_shown_the_rules_of_its_own_tier_and_place(desk: Desk) -> None:
    number = await desk.open()
    await desk.change(number, "OWN", kind="percent", level="1", basis="net", rate="0.2", tier="gold")
    await desk.publish(number)
    day = dt.date(2026, 11, 22)
    assert [rule.code for rule in await plan_own.own_rules(brand=desk.brand, reseller="R1", day=day)] == ["OWN"]
    assert [rule.code for rule in await plan_own.own_rules(brand=desk.brand, reseller="R0", day=day)] == ["OWN", "UP"]
    assert [rule.code for rule in await plan_own.own_rules(brand=desk.brand, reseller="R0", day=DAY)] == ["OWN-2", "UP"]
    assert await plan_own.own_rules(brand=desk.brand, reseller="R0", day=dt.date(2025, 1, 1)) == []
