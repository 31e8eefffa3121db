"""The plan linter finds what a plan would pay at worst, to the millionth, and refuses nothing."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests import books

from qucheng.bundle import importing
from qucheng.commission import linter
from qucheng.core import db

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

TWO_TIER = 'policy = "cn-two-tier"\nlegal_opinion = "LO-1"\nexpires_on = 2027-01-31'
CLAUSE = "禁止传销条例 (国务院令第444号) 第七条; 最高法、最高检、公安部 2013 意见 (30 persons and 3 levels) · cn-strict, "
FIGURES = ("code", "rules", "sku", "channel", "tier", "since", "price_minor", "cost_minor", "commission_minor", "rate_ppm")


async def taken_in(folder: Path, compliance: str = books.STRICT, **tables: Any) -> Brand:
    code = folder.name.replace("[", "").replace("]", "")[-40:]
    brand = await books.found(books.write(folder / "bundle", code=code, compliance=compliance, **tables))
    await importing.take_in(folder=folder / "bundle", brand=brand, now=books.NOW, progress=books.QUIET)
    assert await books.seen(brand, "SELECT file, code FROM rejection") == []
    return brand


async def found(folder: Path, compliance: str = books.STRICT, **tables: list[str]) -> list[tuple[object, ...]]:
    brand = await taken_in(folder, compliance, **tables)
    report = await linter.findings(brand=brand)
    assert report.more == 0
    return [tuple(msgspec.structs.asdict(finding)[name] for name in FIGURES) for finding in report.findings]


@pytest.fixture(autouse=True)
def _books(workspace: books.Workspace) -> None:
    assert workspace


@pytest.mark.parametrize(
    ("compliance", "tables"),
    [
        pytest.param(books.STRICT, {}, id="one rate"),
        pytest.param(books.STRICT, {"rules": ["OWN,percent,1,,,,,net,0.3,0,,"]}, id="exactly the limit"),
        pytest.param(books.STRICT, {"rules": ["OWN,percent,1,,,,,margin,0.75,0,,"]}, id="0.75 of 40 in 100 is 0.3"),
        pytest.param(books.STRICT, {"rules": []}, id="no rule"),
        pytest.param(
            books.STRICT,
            {"skus": ["card,会员月卡,video,50.00,60.00"], "rules": ["OWN,percent,1,,,,,margin,1,0,,"]},
            id="a price below cost is not the plan's if it pays nothing",
        ),
        pytest.param(
            books.STRICT,
            {"rules": ["OWN,percent,1,,,,,net,0.1,1,,", "ELSE,percent,1,card,,,,net,0.9,0,,"]},
            id="a rule that never applies",
        ),
        pytest.param(
            books.STRICT,
            {"rules": ["A,percent,1,,,,,net,0.2,0,,2026-03-01", "B,slab,,,,,,net,0:0.2,0,2026-03-01,"]},
            id="never on one day",
        ),
        pytest.param(
            TWO_TIER,
            {"rules": ["A,percent,1,,,,,net,0.2,0,,", "B,percent,2,,,,,net,0.2,0,2027-01-31,"]},
            id="the second level after the opinion has expired",
        ),
        pytest.param(
            books.STRICT,
            {
                "channels": ["trade,批发,wholesale", "web,网店,agency"],
                "rules": ["OWN,percent,1,,,,,net,0.1,0,,", "W,percent,1,,,trade,,net,0.9,0,,"],
                "prices": ["card,trade,,61.00,,2026-01-01,"],
            },
            id="wholesale earns nothing",
        ),
        pytest.param(
            books.STRICT,
            {
                "skus": ["card,会员月卡,video,100.00,60.00"],
                "prices": ["card,,,61.00,,2026-03-01,2026-04-01", "card,web,,100.00,,2026-02-01,"],
            },
            id="a price that a channel's hides",
        ),
    ],
)
async def test_a_clean_plan(tmp_path: Path, compliance: str, tables: dict[str, list[str]]) -> None:
    assert await found(tmp_path, compliance, **tables) == []


async def test_the_highest_bracket_of_every_bonus_counts(tmp_path: Path) -> None:
    rules = [
        "OWN,percent,1,,,,,net,0.2,0,,",
        "STEP,graduated,,,,,,net,0:0;5000:0.12;20000:0.05,0,,",
        "MORE,slab,,,,,,gross,0:0;1:0.005,0,,",
    ]
    assert await found(tmp_path, rules=rules) == [
        ("plan.rate_exceeded", ("MORE", "OWN", "STEP"), "card", "web", "gold", None, 10000, 6000, 3250, 325_000)
    ]


async def test_two_levels_count_with_the_dearest_tier_of_each(tmp_path: Path) -> None:
    brand = await taken_in(
        tmp_path,
        TWO_TIER,
        tiers=["gold,金牌,1", "silver,银牌,2"],
        rules=[
            "A,percent,1,,,,gold,net,0.2,0,,",
            "B,percent,1,,,,silver,net,0.1,0,,",
            "C,percent,2,,,,gold,net,0.05,0,,",
            "D,percent,2,,,,silver,net,0.100001,0,2026-03-01,",
        ],
    )
    (finding,) = (await linter.findings(brand=brand)).findings
    assert finding == linter.Finding(
        code="plan.rate_exceeded",
        rules=("A", "D"),
        sku="card",
        channel="web",
        tier="gold",
        since=dt.date(2026, 3, 1),
        price_minor=10000,
        cost_minor=6000,
        commission_minor=3001,
        rate_ppm=300_001,
        clause="禁止传销条例 第七条; only with a lawyer's opinion for the one brand, for a limited time · cn-two-tier, max_total_rate",
        zh="规则 A、D：商品 card 在渠道 web（分级 gold，自 2026-03-01 起），佣金合计可达净额的 30.0001 %，超过上限 30 %。",
        en="Rules A, D: for SKU card in channel web, tier gold from 2026-03-01 on, the commissions may come to 30.0001 % of the net,"
        " more than the 30 % allowed.",
    )


async def test_three_levels_of_different_bases(tmp_path: Path) -> None:
    """On 100.00: 20.00 net, then 40 % of 40.00 or 15.00 a unit, then 15 %."""
    rules = [
        "A,percent,1,,,,,net,0.2,0,,",
        "B,percent,2,,,,gold,margin,0.4,0,,",
        "C,per_unit,2,,,,silver,unit,15.00,0,,",
        "D,percent,3,,,,,gross,0.15,0,,",
    ]
    assert await found(tmp_path, books.INTL, tiers=["gold,金牌,1", "silver,银牌,2"], rules=rules) == [
        ("plan.rate_exceeded", ("A", "B", "D"), "card", "web", "gold", None, 10000, 6000, 5100, 510_000),
        ("plan.below_cost", ("A", "B", "D"), "card", "web", "gold", None, 10000, 6000, 5100, 510_000),
        ("plan.below_cost", ("A", "C", "D"), "card", "web", "gold", None, 10000, 6000, 5000, 500_000),
    ]


async def test_money_per_unit_is_much_on_a_cheap_sku(tmp_path: Path) -> None:
    skus = ["card,会员月卡,video,100.00,60.00", "cheap,流量包,data,1.50,0", "free,赠品,data,0,0"]
    brand = await taken_in(tmp_path, skus=skus, rules=["U,per_unit,1,,,,,unit,0.50,0,,"])
    worst, loss = (await linter.findings(brand=brand)).findings
    assert (loss.code, loss.sku) == ("plan.below_cost", "free")
    assert (worst.sku, worst.price_minor, worst.commission_minor, worst.rate_ppm) == ("free", 0, 50, None)
    assert worst.zh == "规则 U：商品 free 在渠道 web（分级 gold），佣金合计可达每件 0.50，而售价为 0。"
    assert worst.clause == CLAUSE + "max_total_rate"


async def test_of_the_skus_under_the_same_rules_the_worst_is_told(tmp_path: Path) -> None:
    skus = ["card,会员月卡,video,100.00,60.00", "cheap,流量包,data,1.50,0", "dear,流量包,data,1.60,0"]
    assert await found(tmp_path, skus=skus, rules=["U,per_unit,1,,,,,unit,0.50,0,,"]) == [
        ("plan.rate_exceeded", ("U",), "cheap", "web", "gold", None, 150, 0, 50, 333_334)
    ]


async def test_the_lowest_price_in_force_must_leave_the_cost(tmp_path: Path) -> None:
    brand = await taken_in(
        tmp_path,
        prices=["card,,,66.67,,2026-01-01,", "card,,,66.66,,2026-03-01,2026-04-01", "card,web,gold,70.00,,2026-05-01,"],
    )
    (finding,) = (await linter.findings(brand=brand)).findings
    assert (finding.code, finding.since) == ("plan.below_cost", dt.date(2026, 3, 1))
    assert (finding.price_minor, finding.commission_minor, finding.cost_minor, finding.rate_ppm) == (6666, 667, 6000, 100_000)
    assert (
        finding.zh == "规则 OWN：商品 card 在渠道 web（分级 gold，自 2026-03-01 起），售价 66.66 扣除佣金 6.67 后低于成本 60.00。"
    )
    assert (
        finding.en == "Rule OWN: for SKU card in channel web, tier gold from 2026-03-01 on,"
        " the price of 66.66 less commissions of 6.67 is below the cost of 60.00."
    )
    assert finding.clause == CLAUSE + "佣金之后不低于成本 (never below cost)"


async def test_a_share_of_the_margin_is_most_at_the_highest_price(tmp_path: Path) -> None:
    tables: dict[str, Any] = {
        "channels": ["app,小程序,agency", "web,网店,agency"],
        "tiers": ["gold,金牌,1", "silver,银牌,2"],
        "prices": ["card,app,,160.00,,2026-02-01,2026-02-02", "card,,silver,150.00,,2026-02-01,"],
        "rules": ["M,percent,1,,,,,margin,0.5,0,,"],
    }
    assert await found(tmp_path, **tables) == [
        ("plan.rate_exceeded", ("M",), "card", "app", "gold", dt.date(2026, 2, 1), 16000, 6000, 5000, 312_500)
    ]


async def test_a_tightened_limit_is_the_limit(tmp_path: Path) -> None:
    compliance = books.STRICT + '\nmax_total_rate = "0.099999"'
    assert await found(tmp_path, compliance) == [
        ("plan.rate_exceeded", ("OWN",), "card", "web", "gold", None, 10000, 6000, 1000, 100_000)
    ]


async def test_the_rest_is_counted(tmp_path: Path) -> None:
    numbers = range(12)
    brand = await taken_in(
        tmp_path,
        skus=[f"s{n},会员月卡,video,100.00,90.00" for n in numbers],
        rules=[f"r{n},percent,1,s{n},,,,net,0.{31 + n},0,," for n in numbers],
    )
    report = await linter.findings(brand=brand, most=5)
    assert [(finding.code, finding.rules) for finding in report.findings] == [
        ("plan.rate_exceeded", ("r11",)),
        ("plan.below_cost", ("r11",)),
        ("plan.rate_exceeded", ("r10",)),
        ("plan.below_cost", ("r10",)),
        ("plan.rate_exceeded", ("r9",)),
    ]
    assert report.more == 19


async def test_a_draft_is_looked_at_twice_in_one_transaction_and_nothing_is_saved(tmp_path: Path) -> None:
    brand = await taken_in(tmp_path)
    async with db.atomic(brand.id):
        connection = db.connection()
        await connection.execute("""
            CREATE TEMP TABLE draft_rule ON COMMIT DROP AS SELECT * FROM rule;
            CREATE TEMP TABLE draft_bracket ON COMMIT DROP AS SELECT * FROM rule_bracket;
            UPDATE draft_rule SET rate_ppm = 350000;""")
        for _ in range(2):
            report = await linter.findings(brand=brand, rules="draft_rule", brackets="draft_bracket")
            assert [finding.rate_ppm for finding in report.findings] == [350_000]
        assert (await linter.findings(brand=brand)).findings == []
    assert await books.seen(brand, "SELECT code, rate_ppm FROM rule") == [("OWN", 100_000)]
