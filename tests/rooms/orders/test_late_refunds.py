"""Refunds that arrive in any order: what each takes back, and what stays because it is on a statement (settlement.md, section 4)."""

from __future__ import annotations

import datetime as dt
import random
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from tests import books, model
from tests.model import bonus, kernel, periods
from tests.rooms.insight import damage
from tests.rooms.insight.test_explain_agrees import explained
from tests.rooms.orders import live

from qucheng.bundle import books as outputs
from qucheng.commission import accrual
from qucheng.core import audit
from qucheng.insight import books as checks
from qucheng.orders import refund, rules
from qucheng.settlement import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.model.records import Refund

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio
FILES = ("statements.csv", "entries.csv", "journal.csv")
THROUGH = "2026-08"
SHOP: dict[str, Any] = {
    "compliance": 'policy = "intl"\nlegal_opinion = "opinion"\nexpires_on = 2027-01-01\nmax_total_rate = "0.21"',
    "settlement": "hold_days = 7",
    "resellers": [
        "R1,一号,company,,gold,2026-01-01,",
        "R2,二号,individual,R1,gold,2026-01-01,",
        "R3,三号,individual,R2,gold,2026-01-01,",
    ],
    "skus": ["card,月卡,video,33.33,10.00", "game,点券,games,7.77,3.33", "free,体验,trial,0.00,0.00"],
    "rules": [
        "OWN,percent,1,,,,,net,0.125,0,,",
        "GAME,percent,1,game,,,,margin,0.37,0,,",
        "TWO,percent,2,,,,,gross,0.061,0,,",
        "UNIT,per_unit,3,,,,,unit,0.33,0,,",
        "VOLUME,graduated,,,,,,net,0:0;100:0.013;300:0.027,0,,",
        "PIECES,slab,,,,,,unit,0:0.01;7:0.07;20:0.31,0,,",
        "SHELF,slab,,,,,,gross,0:0;50:0.011,0,,",
    ],
}
Line = tuple[str, str]


class Stored(NamedTuple):
    """A reversal as the books have it: of the reversals that count, by line, level and refund."""

    amounts: dict[tuple[str, str, int, str], int]
    settled: dict[tuple[str, str, int, str], dt.date]


def shop(folder: Path, code: str, chance: random.Random) -> Path:
    """Lines of all three sellers that come back in up to five refunds each, some at one instant, some without money or without units."""
    orders, refunds = [], []
    for number in range(30):
        sku, each = chance.choice([("card", 3333), ("game", 777), ("card", 1999)])
        quantity = chance.randint(1, 6)
        gross, paid = (
            each * quantity,
            dt.datetime(2026, 3, 1, 9, tzinfo=dt.UTC) + dt.timedelta(days=chance.randrange(50), minutes=number),
        )
        discount = chance.choice([0, 0, gross // 7])
        seller = chance.choice(["R1", "R2", "R3"])
        orders.append(f"O{number},1,{paid:%Y-%m-%dT%H:%M},{seller},web,{sku},{quantity},{gross / 100:.2f},{discount / 100:.2f},")
        units, money = quantity, gross - discount
        count = chance.randint(2, 5)
        days = sorted(chance.choices(range(100), k=count))
        for place, day in enumerate(days):
            last = place == count - 1 and chance.random() < 0.6
            back = money if last else chance.choice([0, money // 3, money // 5, chance.randint(0, money)])
            pieces = units if last and chance.random() < 0.5 else chance.randint(0, units)
            units, money = units - pieces, money - back
            refunds.append(
                f"F{number}-{chance.randrange(10)}{place},O{number},1,{paid + dt.timedelta(days=day):%Y-%m-%dT%H:%M},{pieces},{back / 100:.2f}"
            )
    return books.write(folder, code=code, **SHOP, orders=orders, refunds=refunds)


async def give(brand: Brand, back: Refund) -> None:
    line = rules.LineBack(line_no=back.line, quantity=back.quantity, amount_minor=back.amount)
    await refund.give(
        brand=brand, order_no=back.order, refund_no=back.refund, lines=[line], refunded_at=back.refunded_at, actor=audit.SYSTEM, now=books.NOW,
    )  # fmt: skip


async def stored(brand: Brand) -> Stored:
    rows = await books.seen(
        brand,
        "SELECT order_no, line_no, level, refund_no, amount_minor, period FROM reversal"
        " LEFT JOIN statement_reversal USING (brand_id, order_no, line_no, level, refund_no)",
    )
    return Stored({row[:4]: row[4] for row in rows}, {row[:4]: row[5] for row in rows if row[5] is not None})


@pytest.mark.parametrize("seed", [1, 2, pytest.param(3, marks=pytest.mark.long), pytest.param(4, marks=pytest.mark.long)])
async def test_in_whatever_order_they_arrive_they_settle_as_a_bundle_says(
    books_home: tuple[str, str], tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    folder = shop(tmp_path / "bundle", f"late-{seed}", chance)
    expected = model.settle(folder, THROUGH)
    async with books.fresh(books_home):
        brand = await books.settled(folder, THROUGH)
        orders, given = await live.facts(brand)
        await outputs.write(brand=brand, out=tmp_path / "imported")
    async with books.fresh(books_home):
        brand = await books.found(folder)
        await books.take_in(brand, live.without(folder, tmp_path / "rest", set(orders)))
        await live.send(brand, orders, given, chance=chance, batches=20)
        assert (await checks.check(brand=brand, now=books.NOW)).differences == []
        await books.settle_through(brand, THROUGH)
        await outputs.write(brand=brand, out=tmp_path / "out")
        assert await books.seen(brand, "SELECT count(*) > 5, max(version) > 2 FROM reversal_version WHERE version > 1") == [
            (True, True)
        ]
        assert (await checks.check(brand=brand, now=books.NOW)).differences == []
        await explained(brand)
    written = (expected.statements_csv, expected.entries_csv, expected.journal_csv)
    for name, by_model in zip(FILES, written, strict=True):
        assert (tmp_path / "out" / name).read_bytes() == by_model, name
        assert (tmp_path / "imported" / name).read_bytes() == by_model, name


@pytest.mark.parametrize("seed", [5, 6, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(7, 12))])
async def test_what_is_on_a_statement_stays_and_what_is_not_takes_its_place(
    books_home: tuple[str, str], tmp_path: Path, seed: int
) -> None:
    """Refunds arrive in any order while months are issued; after each step every reversal and every bonus is the model's."""
    chance = random.Random(seed)
    folder = shop(tmp_path / "bundle", f"mixed-{seed}", chance)
    expected = model.settle(folder, THROUGH)
    late = [row for _, rows in expected.lines for row in rows]
    chance.shuffle(late)
    orders: dict[Line, list[Refund]] = {(line.order.order, line.order.line): [] for line, _ in expected.lines}
    fixed: dict[Line, int] = dict.fromkeys(orders, 0)
    async with books.fresh(books_home):
        brand = await books.found(folder)
        (folder / "refunds.csv").write_text(",".join(books.COLUMNS["refunds"]) + "\n")
        await books.take_in(brand, folder)
        for stage, month in enumerate(["", "2026-03", "2026-04", "", "2026-05", "", "2026-06", "2026-07", "2026-08"]):
            now, late = (late, []) if stage == 8 else (late[: len(late) // 5], late[len(late) // 5 :])
            for back in now:
                await give(brand, back)
                key = back.order, back.line
                rest = sorted([*orders[key][fixed[key] :], back], key=lambda row: (row.refunded_at, row.refund.encode()))
                orders[key] = orders[key][: fixed[key]] + rest
                if chance.random() < 0.5:
                    await accrual.accrue(brand_id=brand.id, now=books.NOW)
            await accrual.accrue(brand_id=brand.id, now=books.NOW)
            lines = [(line, orders[line.order.order, line.order.line]) for line, _ in expected.lines]
            before = await stored(brand)
            assert before.amounts == {
                (entry.order, entry.line, entry.level, entry.refund): entry.amount
                for line, taken in lines
                for entry in kernel.entries(line, taken, expected.brand)[0]
                if entry.kind == "reversal"
            }
            assert (await checks.check(brand=brand, now=books.NOW)).differences == []
            if not month:
                continue
            await damage.issue_through(brand, month)
            end = periods.end(periods.parse(month), expected.brand.zone)
            for line, taken in lines:
                assert line.matures_at is not None
                known = [max(row.refunded_at, line.matures_at) < end for row in taken]
                fixed[line.order.order, line.order.line] = sum(known)
                assert known == sorted(known, reverse=True)
            await holds(brand, expected, lines, end)
            after = await stored(brand)
            assert after.amounts == before.amounts
            assert before.settled.items() <= after.settled.items()
        assert (await checks.check(brand=brand, now=books.NOW)).differences == []
        await explained(brand)
        assert sum(len(taken) for taken in orders.values()) == sum(len(rows) for _, rows in expected.lines)


async def holds(brand: Brand, expected: model.Result, lines: list[tuple[kernel.Line, list[Refund]]], end: dt.datetime) -> None:
    """The bonuses paid so far are those of the volumes as they are known now."""
    known = {rule.key: rule for rule in expected.plan.bonuses}
    owed: dict[tuple[str, str, str], int] = {}
    for (reseller, rule, month), parts in bonus.parts_of(lines, expected.plan, expected.brand).items():
        volume = sum((value for at, value in parts if at < end), kernel.Fraction(0))
        owed[reseller, rule, str(month)] = bonus.bonus(known[rule], model.values.rounded(volume))
    rows = await books.seen(
        brand, "SELECT reseller, rule, to_char(of_period, 'YYYY-MM'), sum(amount_minor)::bigint FROM bonus GROUP BY 1, 2, 3"
    )
    assert {row[:3]: row[3] for row in rows if row[3]} == {key: amount for key, amount in owed.items() if amount}


async def one_sale(brand: Brand) -> None:
    await live.place_order(
        brand,
        "L1",
        [
            {
                "order_no": "L1", "line_no": "1", "sku": "card", "quantity": 4, "gross_minor": 1000, "discount_minor": 0,
                "reseller": "R1", "channel": "web", "paid_at": dt.datetime(2026, 3, 2, tzinfo=dt.UTC), "buyer": None,
            }
        ],
    )  # fmt: skip


async def take(brand: Brand, refund_no: str, day: str, amount: int) -> None:
    line = rules.LineBack(line_no="1", quantity=1, amount_minor=amount)
    at = dt.datetime.fromisoformat(f"{day}T12:00:00+08:00")
    await refund.give(
        brand=brand, order_no="L1", refund_no=refund_no, lines=[line], refunded_at=at, actor=audit.SYSTEM, now=books.NOW
    )
    await accrual.accrue(brand_id=brand.id, now=books.NOW)


VERSIONS = "SELECT refund_no, version, basis_value, amount_minor FROM reversal_version ORDER BY refund_no, version"
COUNTED = "SELECT refund_no, basis_value, amount_minor FROM reversal ORDER BY refund_no"


async def test_by_hand(workspace: books.Workspace, tmp_path: Path) -> None:
    """12.5 % of 10.00 is 1.25; 0.83375 is left of it after 3.33, 0.4175 after 6.66, nothing after all."""
    assert workspace
    folder = books.write(tmp_path / "b", code="by-hand", rules=["OWN,percent,1,,,,,net,0.125,0,,"])
    brand = await books.found(folder)
    await books.take_in(brand, folder)
    await one_sale(brand)
    await take(brand, "F2", "2026-03-20", 333)
    assert await books.seen(brand, COUNTED) == [("F2", 667, -42)]
    await take(brand, "F1", "2026-03-10", 333)
    # F1 comes first: 1.25 to 0.83; then F2: 0.83 to 0.42. Before, F2 had taken 0.42.
    assert await books.seen(brand, VERSIONS) == [("F1", 1, 667, -42), ("F2", 1, 667, -42), ("F2", 2, 334, -41)]
    await damage.issue_through(brand, "2026-03")
    # in April the last one is known first; then one of March, which cannot be on March's statement any more
    await take(brand, "F4", "2026-04-05", 200)
    await take(brand, "F3", "2026-03-15", 134)
    assert await books.seen(brand, VERSIONS) == [
        ("F1", 1, 667, -42), ("F2", 1, 667, -42), ("F2", 2, 334, -41), ("F3", 1, 200, -17), ("F4", 1, 134, -25), ("F4", 2, 0, -25),
    ]  # fmt: skip
    told = "SELECT data->>'refundNo', count(*) FROM outbox_event WHERE kind = 'entry.reversed' GROUP BY 1 ORDER BY 1"
    assert await books.seen(brand, told) == [("F1", 1), ("F2", 2), ("F3", 1), ("F4", 2)]
    await damage.issue_through(brand, "2026-04")
    assert await books.seen(brand, "SELECT period, refund_no FROM statement_reversal ORDER BY 2") == [
        *((dt.date(2026, 3, 1), f"F{number}") for number in (1, 2)),
        *((dt.date(2026, 4, 1), f"F{number}") for number in (3, 4)),
    ]
    assert (await checks.check(brand=brand, now=books.NOW)).differences == []


async def test_a_draft_that_is_overtaken_is_not_issued(workspace: books.Workspace, tmp_path: Path) -> None:
    assert workspace
    folder = books.write(tmp_path / "b", code="overtaken", rules=["OWN,percent,1,,,,,net,0.125,0,,"])
    brand = await books.found(folder)
    await books.take_in(brand, folder)
    await one_sale(brand)
    await take(brand, "F2", "2026-03-20", 333)
    march = dt.date(2026, 3, 1)
    draft = await run.compute(brand=brand, starts_on=march, now=books.NOW)
    assert draft is not None
    await take(brand, "F1", "2026-03-10", 333)
    assert await run.is_stale(brand=brand, run=draft)
    for issue in (run.begin_issue, run.issue_batch):
        with pytest.raises(run.RunOutdatedError, match="compute the month again"):
            await issue(brand=brand, run=draft, now=books.NOW)
    assert (await run.read(brand=brand, starts_on=march, number=draft.number)).state == "computed"
    again = await run.compute(brand=brand, starts_on=march, now=books.NOW)
    assert again is not None
    await run.begin_issue(brand=brand, run=again, now=books.NOW)
    # between the first and the last of its batches nothing on it is changed any more
    await take(brand, "F0", "2026-03-05", 333)
    assert await books.seen(brand, COUNTED) == [("F0", 1, -42), ("F1", 667, -42), ("F2", 334, -41)]
    done = await run.issue_batch(brand=brand, run=again, now=books.NOW)
    assert (done.state, done.gross_minor) == ("issued", 42)
    assert (await checks.check(brand=brand, now=books.NOW)).differences == []
