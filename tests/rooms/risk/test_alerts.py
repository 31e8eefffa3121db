"""What stands out is found with exact evidence, once, and nothing else; and it is decided once, by a person with a reason."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import uuid
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
import pytest
from tests import books
from tests.rooms.identity import people

from qucheng.core import crypto
from qucheng.insight import anomalies
from qucheng.risk import alert, limits, queries, rules
from qucheng.web import notice_words, texts

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

LIMITS = rules.Limits(reseller_orders_an_hour=10, heads=5)
RESELLERS = [
    *(f"R{n},店{n},company,,gold,2026-01-01,id-{n}" for n in range(1, 10)),
    *(f"U{n},下{n},company,R1,gold,2026-01-01," for n in range(1, 4)),
]
# an order a day, and on the 10th of October as well: before the 30 days
STEADY = [f"D{n},1,2026-11-{n:02}T10:00:00,R1,web,card,1,100.00,,b{n}" for n in range(1, 21)] + [
    "D99,1,2026-10-10T10:00:00,R1,web,card,1,100.00,,b99"
]


def order(code: str, at: str, reseller: str, amount: str, buyer: str = "", sku: str = "card") -> str:
    return f"{code},1,2026-11-{at},{reseller},web,{sku},1,{amount},,{buyer}"


PLANTED = [
    *(order(f"F{n}", f"0{n}T09:00:00", "R2", "100.00") for n in range(1, 7)),
    *(order(f"B{n}", f"12T10:{n * 5:02}:00", "R3", "10.00", "bursting") for n in range(1, 9)),
    # the ninth comes 61 minutes after the first
    order("B9", "12T11:06:00", "R3", "10.00", "bursting"),
    *(order(f"H{n}", f"13T23:{n * 5:02}:00", "R4", "20.00") for n in range(1, 11)),
    *(order(f"O{n}", f"14T1{n}:00:00", "R5", "30.00", "id-5") for n in range(1, 6)),
    order("O9", "14T18:00:00", "R5", "100.00"),
    *(order(f"M{n}", f"15T1{n}:00:00", f"R{n}", "7.00", "everywhere") for n in range(6, 10)),
    *(order(f"P{n}", f"16T1{n}:00:00", "R6", "40.00", "", "cup") for n in range(1, 6)),
    order("X1", "17T18:00:00", "R1", "2000.00"),
]
REFUNDS = [f"G{n},F{n},1,2026-11-1{n}T10:00:00,1,100.00" for n in range(1, 6)]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> crypto.Keys:
    return crypto.keys(tmp_path_factory.mktemp("keys"))


async def selling(folder: Path, orders: list[str], refunds: list[str]) -> Brand:
    bundle = books.write(
        folder,
        code=f"s-{uuid.uuid4().hex[:20]}",
        compliance=books.INTL,
        resellers=RESELLERS,
        skus=["card,会员月卡,video,100.00,1.00", "cup,杯子,home,50.00,1.00"],
        prices=["cup,,,50.00,,2026-01-01,"],
        orders=orders,
        refunds=refunds,
    )
    brand = await books.found(bundle)
    await books.take_in(brand, bundle)
    return brand


@pytest.fixture(scope="module")
async def planted(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    assert workspace
    return await selling(tmp_path_factory.mktemp("planted") / "a", [*STEADY, *PLANTED], REFUNDS)


@pytest.fixture
async def alerted(planted: Brand) -> tuple[Brand, uuid.UUID]:
    """The brand, and an alert of its own for the test."""
    span = uuid.uuid4().hex[:12]
    finding = rules.Finding(
        rule="burst.buyer", subject=span, reseller=None, starts_at=books.NOW.replace(hour=0), ends_at=books.NOW, evidence={"count": 9}
    )  # fmt: skip
    assert await alert.keep(brand_id=planted.id, found=[finding], limits=None, now=books.NOW) == 1
    page = await queries.page(brand_id=planted.id, chosen=queries.Chosen(rule="burst.buyer"), size=200)
    return planted, next(each.id for each in page.alerts if each.subject == span)


async def evidence(brand: Brand, chosen: rules.Limits = LIMITS) -> dict[tuple[str, str], dict[str, Any]]:
    found = await anomalies.look(brand=brand, chosen=chosen, now=books.NOW)
    assert len(found) == len({(each.rule, each.subject) for each in found})
    return {(each.rule, each.subject): each.evidence for each in found}


def of(found: dict[tuple[str, str], dict[str, Any]], rule: str) -> dict[str, Any]:
    (only,) = [told for (name, _), told in found.items() if name == rule]
    return only


async def test_in_a_clean_month_nothing_stands_out(tmp_path: Path) -> None:
    brand = await selling(tmp_path / "a", STEADY, ["G1,D1,1,2026-11-12T10:00:00,1,100.00"])
    assert await evidence(brand, rules.Limits()) == {}


async def test_what_was_planted_is_found_with_its_evidence_and_nothing_else(planted: Brand) -> None:
    found = await evidence(planted)
    assert sorted(rule for rule, _ in found) == sorted(rules.RULES)
    assert found["refund.share", "R2"] == {
        "net_minor": 60000, "refunded_minor": 50000, "refunds": 5, "share_ppm": 833333, "limit_ppm": 300000, "order_count": 5,
        "orders": ["F1", "F2", "F3", "F4", "F5"],
    }  # fmt: skip
    burst = of(found, "burst.buyer")
    assert (burst["count"], burst["net_minor"], burst["limit"]) == (8, 8000, 8)
    assert burst["orders"] == [f"B{n}" for n in range(1, 9)]
    assert (burst["first_at"], burst["last_at"]) == ("2026-11-12T02:05:00+00:00", "2026-11-12T02:40:00+00:00")
    hour = found["burst.reseller", "R4"]
    assert (hour["count"], hour["net_minor"], hour["order_count"]) == (10, 20000, 10)
    assert found["own.rising", "R5"] == {
        "net_minor": 25000, "own_minor": 15000, "lines": 5, "share_ppm": 600000, "before_ppm": None, "limit_ppm": 150000,
        "order_count": 5, "orders": ["O1", "O2", "O3", "O4", "O5"],
    }  # fmt: skip
    assert of(found, "buyer.many_resellers") == {
        "count": 4, "limit": 4, "net_minor": 2800, "resellers": ["R6", "R7", "R8", "R9"], "order_count": 4,
        "orders": ["M6", "M7", "M8", "M9"],
    }  # fmt: skip
    assert found["price.deviations", "R6"] == {
        "lines": 5, "limit": 5, "net_minor": 20000, "order_count": 5, "orders": ["P1", "P2", "P3", "P4", "P5"],
    }  # fmt: skip
    # the order of the 17th and that of every day; the median day has 100.00, and a twentieth of it for its spread
    assert found["sales.outlier", "R1"] == {
        "day": "2026-11-17", "net_minor": 210000, "median_minor": 10000, "deviation_minor": 0, "days": 21, "hundredths": 26980,
        "limit_hundredths": 2000, "order_count": 2, "orders": ["D17", "X1"],
    }  # fmt: skip
    assert found["network.heads", "R1"] == {"heads": 5, "persons": 3, "limit": 5, "red": 30}


async def test_no_buyer_is_named(planted: Brand) -> None:
    found = await anomalies.look(brand=planted, chosen=LIMITS, now=books.NOW)
    told = msgspec.json.encode(found)
    assert b"bursting" not in told
    assert b"everywhere" not in told
    assert b"id-5" not in told


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"refund_share_ppm": 833334}, "refund.share"),
        ({"refunds_least": 6}, "refund.share"),
        ({"buyer_orders_an_hour": 9}, "burst.buyer"),
        ({"reseller_orders_an_hour": 11}, "burst.reseller"),
        ({"own_share_ppm": 600001}, "own.rising"),
        ({"own_lines_least": 6}, "own.rising"),
        ({"buyer_resellers": 5}, "buyer.many_resellers"),
        ({"deviating_lines": 6}, "price.deviations"),
        ({"outlier_hundredths": 26981}, "sales.outlier"),
        ({"outlier_days_least": 22}, "sales.outlier"),
        ({"heads": 6}, "network.heads"),
    ],
)
async def test_a_figure_below_its_limit_is_none(planted: Brand, changes: dict[str, int], rule: str) -> None:
    found = await evidence(planted, msgspec.structs.replace(LIMITS, **changes))
    assert sorted(name for name, _ in found) == sorted(set(rules.RULES) - {rule})


async def test_the_same_is_found_once_however_often_it_is_looked_for(
    tmp_path: Path, keys: crypto.Keys, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    brand = await selling(tmp_path / "a", [*STEADY, *PLANTED], REFUNDS)
    who = await people.member(keys, brand.id, "owner")
    assert await limits.change(brand_id=brand.id, limits=LIMITS, actor=people.actor(who), now=books.NOW) == 1
    kept = await asyncio.gather(*(anomalies.scan(brand=brand, now=books.NOW) for _ in range(3)))
    assert sorted(kept) == [0, 0, 8]
    ((kind, content),) = await books.seen(brand, "SELECT kind, content::text FROM notification WHERE user_id = $1", who.user_id)
    told = notice_words.line(kind, "a", json.loads(content), 2, texts.texts("zh-CN"))
    assert (told.title, len(told.rows), told.address) == ("发现 8 条新的风险", 8, "/risks")
    assert "退款偏多 · R2" in told.rows
    before = await books.everything(owner)
    later = books.NOW + dt.timedelta(days=1)
    assert await anomalies.scan(brand=brand, now=later) == 0
    assert await books.everything(owner) == before
    # a writer that does not look first is refused by the key
    monkeypatch.setattr(alert, "KEEP", f"{alert.KEEP.partition('WHERE NOT EXISTS')[0]} RETURNING id")
    async with books.refused(owner, asyncpg.UniqueViolationError, "risk_alert_finding_unique"):
        await anomalies.scan(brand=brand, now=later)
    page = await queries.page(brand_id=brand.id, chosen=queries.Chosen(), size=20)
    assert (page.total, page.counts, {each.limits for each in page.alerts}) == (8, {"open": 8}, {1})
    (own,) = (await queries.page(brand_id=brand.id, chosen=queries.Chosen(reseller="R2"), size=20)).alerts
    assert (own.rule, own.reseller_name, own.found_at) == ("refund.share", "店2", books.NOW)


async def test_of_two_who_decide_at_once_one_does(
    alerted: tuple[Brand, uuid.UUID], keys: crypto.Keys, owner: asyncpg.Connection
) -> None:
    brand, alert_id = alerted
    who = await people.member(keys, brand.id, "manager")
    done = await asyncio.gather(
        *(
            alert.decide(
                brand_id=brand.id, alert_id=alert_id, state=state, reason=f"  {state} \n it is ", actor=people.actor(who), now=books.NOW
            )
            for state in ("confirmed", "dismissed")
        ),
        return_exceptions=True,
    )  # fmt: skip
    (refusal,) = [each for each in done if each is not None]
    assert isinstance(refusal, alert.AlertStateError)
    found = await queries.read(brand_id=brand.id, alert_id=alert_id)
    assert found.state in {"confirmed", "dismissed"}
    assert (found.reason, found.decided_by, found.decided_at) == (f"{found.state} it is", who.user_id, books.NOW)
    trail = await books.seen(
        brand, "SELECT after ->> 'state' FROM audit_record WHERE action = 'risk.decide' AND subject = $1", str(alert_id)
    )
    assert trail == [(found.state,)]
    before = await books.everything(owner)
    with pytest.raises(alert.AlertStateError):
        await alert.decide(
            brand_id=brand.id, alert_id=alert_id, state="confirmed", reason="x", actor=people.actor(who), now=books.NOW
        )
    assert await books.everything(owner) == before


@pytest.mark.parametrize("reason", ["", " \n", "x" * 501, "a\x07"])
async def test_without_a_reason_nothing_is_decided(
    alerted: tuple[Brand, uuid.UUID], keys: crypto.Keys, owner: asyncpg.Connection, reason: str
) -> None:
    brand, alert_id = alerted
    who = await people.member(keys, brand.id, "owner")
    before = await books.everything(owner)
    with pytest.raises(alert.AlertReasonError):
        await alert.decide(
            brand_id=brand.id, alert_id=alert_id, state="dismissed", reason=reason, actor=people.actor(who), now=books.NOW
        )
    with pytest.raises(queries.AlertUnknownError):
        await alert.decide(
            brand_id=brand.id, alert_id=uuid.uuid4(), state="dismissed", reason="x", actor=people.actor(who), now=books.NOW
        )
    assert await books.everything(owner) == before


async def test_limits_are_versions_within_bounds(tmp_path: Path, keys: crypto.Keys, owner: asyncpg.Connection) -> None:
    brand = await selling(tmp_path / "a", [], [])
    who = people.actor(await people.member(keys, brand.id, "owner"))
    assert (await limits.current(brand_id=brand.id)).version is None
    assert await limits.change(brand_id=brand.id, limits=LIMITS, actor=who, now=books.NOW) == 1
    before = await books.everything(owner)
    assert await limits.change(brand_id=brand.id, limits=LIMITS, actor=who, now=books.NOW) == 1
    for name, (least, most) in rules.BOUNDS.items():
        for value in (least - 1, most + 1):
            with pytest.raises(limits.RiskLimitsError):
                await limits.change(
                    brand_id=brand.id, limits=msgspec.structs.replace(LIMITS, **{name: value}), actor=who, now=books.NOW
                )
    assert await books.everything(owner) == before
    assert await limits.change(brand_id=brand.id, limits=rules.Limits(), actor=who, now=books.NOW) == 2
    assert (await limits.current(brand_id=brand.id)).limits == rules.Limits()


async def test_the_database_holds_what_was_found_and_decided(
    alerted: tuple[Brand, uuid.UUID], keys: crypto.Keys, app: asyncpg.Connection, owner: asyncpg.Connection
) -> None:

    brand, alert_id = alerted
    who = await people.member(keys, brand.id, "owner")
    await books.stand_in(app, brand.id)
    async with books.refused(owner, asyncpg.InsufficientPrivilegeError):
        await app.execute("UPDATE risk_alert SET evidence = '{}' WHERE id = $1", alert_id)
    async with books.refused(owner, asyncpg.CheckViolationError, "risk_alert_decided_check"):
        await app.execute("UPDATE risk_alert SET state = 'confirmed' WHERE id = $1", alert_id)
    await alert.decide(
        brand_id=brand.id, alert_id=alert_id, state="confirmed", reason="x", actor=people.actor(who), now=books.NOW
    )
    async with books.refused(owner, asyncpg.RestrictViolationError, "risk_alert_step"):
        await app.execute("UPDATE risk_alert SET state = 'dismissed' WHERE id = $1", alert_id)
