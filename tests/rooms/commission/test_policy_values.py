"""A brand's limits are tightened from a day on: sales of earlier days earn, and take back, by the limits of their day.

The model knows nothing of dated limits: it is asked once with the founding ones and once with the tighter ones, and each line
is held against the answer for its day.
"""

from __future__ import annotations

import datetime as dt
import random
import uuid
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from tests import books
from tests.model import kernel, settle
from tests.rooms.identity import people

from qucheng.commission import linter
from qucheng.core import audit, clock
from qucheng.identity import policy_value
from qucheng.insight import books as checked
from qucheng.network import placement
from qucheng.settlement import decision

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.core import crypto
    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

# the database judges by its own day
TODAY = dt.datetime.now(dt.timezone(dt.timedelta(hours=8))).date()
DAY = dt.timedelta(days=1)
TURN = TODAY + 10 * DAY
TABLES: dict[str, Any] = {
    "resellers": [
        "R0,零号,company,,gold,2020-01-01,",
        "R1,一号,company,R0,gold,2020-01-01,",
        "R2,二号,company,R1,gold,2020-01-01,",
    ],
    "rules": ["A1,percent,1,,,,,net,0.25,0,,", "A2,percent,2,,,,,net,0.15,0,,", "A3,percent,3,,,,,gross,0.05,0,,"],
    "skus": ["card,会员月卡,video,100.00,10.00"],
}
FOUNDED = 'policy = "intl"\nmax_total_rate = "0.4"'
TIGHT = 'policy = "intl"\nmax_depth = 3\nmax_levels = 2\nmax_total_rate = "0.33"'
LIMITS = policy_value.Limits(max_depth=3, max_levels=2, max_total_rate_ppm=330_000)
ENTRIES = """
    SELECT order_no, line_no, level, coalesce(refund_no, '') AS refund_no, reseller, rule, amount_minor FROM (
        SELECT order_no, line_no, level, NULL AS refund_no, reseller, rule, amount_minor FROM accrual
        UNION ALL SELECT order_no, line_no, level, refund_no, reseller, rule, amount_minor FROM reversal) e ORDER BY 1, 2, 3, 4"""


async def tightened(
    keys: crypto.Keys, brand: Brand, limits: policy_value.Limits = LIMITS, starts_on: dt.date = TURN
) -> tuple[permissions.Principal, permissions.Principal]:
    maker, checker = [await people.member(keys, brand.id, "owner") for _ in range(2)]
    approval_id = await policy_value.ask(
        principal=maker, brand=brand, wanted=limits, starts_on=starts_on, today=TODAY, actor=people.actor(maker)
    )
    await decided(brand, checker, approval_id)
    return maker, checker


async def decided(brand: Brand, who: permissions.Principal, approval_id: uuid.UUID) -> None:
    await decision.decide(
        principal=who,
        brand_id=brand.id,
        approval_id=approval_id,
        approve=True,
        reason="",
        actor=people.actor(who),
        now=clock.now(),
    )


async def founded(folder: Path, **tables: list[str]) -> Brand:
    written = books.write(folder, code=f"v-{uuid.uuid4().hex[:20]}", compliance=FOUNDED, **{**TABLES, **tables})
    brand = await books.found(written)
    await books.take_in(brand, written)
    return brand


def sales(chance: random.Random) -> tuple[list[str], list[str], list[str]]:
    """Orders of days before and after the turn, refunds that come before it, and refunds that come after."""
    sold, early, late = [], [], []
    for number in range(40):
        day = TURN + DAY * chance.randrange(-9, 9)
        quantity, off = chance.randrange(2, 9), chance.randrange(3)
        seller = chance.choice(["R0", "R1", "R2"])
        sold.append(f"O{number:02},1,{day}T10:00:00,{seller},web,card,{quantity},{quantity}00.00,{off}.57,")
        if chance.random() < 0.6:
            early.append(f"E{number:02},O{number:02},1,{day}T12:00:00,1,{chance.randrange(90)}.3{chance.randrange(10)}")
        if chance.random() < 0.6:
            late.append(f"L{number:02},O{number:02},1,{day + 20 * DAY}T10:00:00,1,{chance.randrange(90)}.7{chance.randrange(10)}")
    return sold, early, late


def by_the_model(folder: Path, compliance: str, tables: dict[str, Any]) -> dict[str, list[tuple[Any, ...]]]:
    """What each order earns under these limits."""
    result = settle(books.write(folder, code="model", compliance=compliance, **tables), "2000-01")
    return {
        line.order.order: [
            (entry.order, entry.line, entry.level, entry.refund, entry.reseller, entry.rule, entry.amount)
            for entry in kernel.entries(line, refunds, result.brand)[0]
        ]
        for line, refunds in result.lines
    }


async def test_a_line_takes_back_what_it_earned_whatever_was_tightened_since(keys: crypto.Keys, tmp_path: Path) -> None:
    sold, early, late = sales(random.Random(7))
    before = [row for row in sold if row.split(",")[2] <= str(TODAY + DAY)]
    brand = await founded(tmp_path / "first", orders=before, refunds=[])
    await tightened(keys, brand)
    rest: dict[str, Any] = {**TABLES, "orders": sold, "refunds": early + late}
    await books.take_in(brand, books.write(tmp_path / "more", code=brand.code, compliance=FOUNDED, **rest))
    wide, tight = by_the_model(tmp_path / "a", FOUNDED, rest), by_the_model(tmp_path / "b", TIGHT, rest)
    new = {row.split(",")[0] for row in sold if row.split(",")[2] >= str(TURN)}
    want = sorted(each for order, own in (wide | {o: tight[o] for o in new}).items() for each in own)
    assert await books.seen(brand, ENTRIES) == want
    # the turn matters to both kinds of lines, and there are reversals of either
    old = set(wide) - new
    assert sum(wide[order] != tight[order] for order in old) > 5
    assert sum(wide[order] != tight[order] for order in new) > 5
    assert {order in new for order, own in (wide | tight).items() if any(each[3] for each in own)} == {True, False}
    assert (await checked.check(brand=brand, now=books.NOW)).differences == []


async def test_the_linter_looks_at_each_day_under_its_limits(keys: crypto.Keys, tmp_path: Path) -> None:
    rules = ["A1,percent,1,,,,,net,0.25,0,,", "A2,percent,2,,,,,net,0.1,0,,"]
    brand = await founded(tmp_path / "first", rules=rules, orders=[])
    assert (await linter.findings(brand=brand)).findings == []
    assert [each.code for each in (await linter.findings(brand=brand, since=TODAY, limits=LIMITS)).findings] == [
        linter.RATE_EXCEEDED
    ]
    await tightened(keys, brand)
    (found,) = (await linter.findings(brand=brand)).findings
    assert (found.code, found.since, found.rate_ppm, found.rules) == (linter.RATE_EXCEEDED, TURN, 350_000, ("A1", "A2"))
    assert found.en.endswith("the commissions may come to 35 % of the net, more than the 33 % allowed.")


async def test_the_depth_of_a_later_day_is_held_from_then_on(
    keys: crypto.Keys, tmp_path: Path, workspace: books.Workspace
) -> None:
    brand = await founded(tmp_path / "first", resellers=TABLES["resellers"][:2], orders=[])
    two = policy_value.Limits(max_depth=2, max_levels=2, max_total_rate_ppm=400_000)
    who, _ = await tightened(keys, brand, two)
    wanted = placement.Placed(reseller="R9", parent="R1", tier="gold", day=TODAY + DAY, moved=False)
    tried = await placement.preview(brand=brand, wanted=wanted)
    assert tried.refused == "network.depth_exceeded"
    # the database itself, for what does not ask
    async with books.connected(workspace.app, brand.id) as app:
        with pytest.raises(asyncpg.CheckViolationError) as caught:
            await app.execute(
                "INSERT INTO reseller (brand_id, code, name, kind, parent, tier, joined_on)"
                " SELECT brand_id, 'R9', 'nine', kind, 'R1', tier, $1 FROM reseller WHERE code = 'R1'",
                TODAY,
            )
        assert caught.value.constraint_name == "network_depth"
        assert await app.fetchval("SELECT array_agg(code ORDER BY code) FROM reseller") == ["R0", "R1"]
    records = [each for each in await audit.listing(brand_id=brand.id) if each.action == policy_value.ACTION]
    assert [(each.user_id == who.user_id, each.after) for each in records] == [
        (False, {"max_depth": 2, "max_levels": 2, "max_total_rate_ppm": 400_000, "starts_on": str(TURN)})
    ]


async def test_it_begins_after_the_last_day_of_which_there_are_sales(keys: crypto.Keys, tmp_path: Path) -> None:
    brand = await founded(tmp_path / "first", orders=[f"O1,1,{TURN + 4 * DAY}T10:00:00,R0,web,card,1,100.00,,"])
    await tightened(keys, brand)
    assert [each.starts_on for each in await policy_value.terms(brand_id=brand.id)] == [TURN + 5 * DAY, None]
    assert (await policy_value.on(brand, TURN + 4 * DAY)).max_levels == 3
    assert (await policy_value.on(brand, TURN + 5 * DAY)).max_levels == 2


@pytest.mark.parametrize(
    ("limits", "starts_on", "refusal"),
    [
        (policy_value.Limits(max_depth=3, max_levels=3, max_total_rate_ppm=400_000), TURN, policy_value.TightenLooserError),
        (policy_value.Limits(max_depth=2, max_levels=2, max_total_rate_ppm=400_001), TURN, policy_value.TightenLooserError),
        (policy_value.Limits(max_depth=3, max_levels=0, max_total_rate_ppm=400_000), TURN, policy_value.TightenLooserError),
        (policy_value.Limits(max_depth=2, max_levels=2, max_total_rate_ppm=400_000), TURN, policy_value.TightenDeeperError),
        (LIMITS, TODAY, policy_value.TightenDayError),
    ],
)
async def test_what_is_not_put_forward(
    keys: crypto.Keys,
    tmp_path: Path,
    owner: asyncpg.Connection,
    limits: policy_value.Limits,
    starts_on: dt.date,
    refusal: type[Exception],
) -> None:
    brand = await founded(tmp_path / "first", orders=[])
    who = await people.member(keys, brand.id, "owner")
    before = await books.everything(owner)
    with pytest.raises(refusal):
        await policy_value.ask(
            principal=who, brand=brand, wanted=limits, starts_on=starts_on, today=TODAY, actor=people.actor(who)
        )
    assert await books.everything(owner) == before


async def test_of_two_the_second_is_tighter_and_later(
    keys: crypto.Keys, tmp_path: Path, owner: asyncpg.Connection, workspace: books.Workspace
) -> None:
    brand = await founded(tmp_path / "first", orders=[])
    maker, checker = [await people.member(keys, brand.id, "owner") for _ in range(2)]
    asked = await policy_value.ask(
        principal=maker, brand=brand, wanted=LIMITS, starts_on=TURN, today=TODAY, actor=people.actor(maker)
    )
    with pytest.raises(policy_value.TightenAskedError):
        await policy_value.ask(
            principal=checker, brand=brand, wanted=LIMITS, starts_on=TURN, today=TODAY, actor=people.actor(checker)
        )
    await decided(brand, checker, asked)
    for wanted, day in ((LIMITS, TURN + DAY), (policy_value.Limits(max_depth=3, max_levels=1, max_total_rate_ppm=0), TURN)):
        before = await books.everything(owner)
        with pytest.raises((policy_value.TightenLooserError, policy_value.TightenDayError)):
            await policy_value.ask(
                principal=maker, brand=brand, wanted=wanted, starts_on=day, today=TODAY, actor=people.actor(maker)
            )
        assert await books.everything(owner) == before
    # past the room, the database says the same: nobody allowed it
    async with (
        books.connected(workspace.app, brand.id) as app,
        books.refused(owner, asyncpg.RestrictViolationError, "policy_value_allowed"),
    ):
        await app.execute(
            "INSERT INTO policy_value (brand_id, starts_on, max_depth, max_levels, max_total_rate_ppm, author, approver, approval)"
            " SELECT brand_id, starts_on + 1, 1, 1, 0, author, approver, approval FROM policy_value"
        )
