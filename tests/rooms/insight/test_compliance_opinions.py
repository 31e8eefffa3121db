"""A second level earns under cn-two-tier on the days that an opinion covers, which two people relied on, for a year at most; and
nothing that was reckoned changes with another opinion.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
import pytest
from tests import books
from tests.rooms.identity import people

from qucheng.bundle import keeping
from qucheng.core import audit, clock, crypto, db, ids
from qucheng.identity import approval as approvals
from qucheng.identity import brand as brands
from qucheng.identity import founding, legal_opinion
from qucheng.insight import books as checks
from qucheng.insight import explain
from qucheng.settlement import decision

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

# the database decides by its own clock
TODAY = dt.datetime.now(dt.timezone(dt.timedelta(hours=8))).date()
NEXT_YEAR = legal_opinion.latest(TODAY)
DAY = dt.timedelta(days=1)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> crypto.Keys:
    return crypto.keys(tmp_path_factory.mktemp("keys"))


def bundle(
    folder: Path, code: str, *orders: str, expires_on: dt.date, policy: str = "cn-two-tier", refunds: list[str] | None = None
) -> Path:
    opinion = f'\nlegal_opinion = "LO-1"\nexpires_on = {expires_on}' if policy == "cn-two-tier" else ""
    return books.write(
        folder,
        code=code,
        compliance=f'policy = "{policy}"{opinion}',
        resellers=["UP,上,company,,gold,2020-01-01,", "DOWN,下,individual,UP,gold,2020-01-01,"],
        rules=["OWN,percent,1,,,,,net,0.1,0,,", *(["UP,percent,2,,,,,net,0.03,0,,"] if policy == "cn-two-tier" else [])],
        orders=list(orders),
        refunds=refunds or [],
    )


def order(number: str, day: dt.date) -> str:
    return f"{number},1,{day}T10:00:00,DOWN,web,card,1,100.00,,"


async def a_brand(folder: Path, *orders: str, expires_on: dt.date, policy: str = "cn-two-tier") -> Brand:
    written = bundle(folder / "first", f"o-{uuid.uuid4().hex[:20]}", *orders, expires_on=expires_on, policy=policy)
    brand = await books.found(written)
    await books.take_in(brand, written)
    return brand


async def ask(brand: Brand, who: permissions.Principal, expires_on: dt.date = NEXT_YEAR, reference: str = "LO-2") -> uuid.UUID:
    return await legal_opinion.ask(
        principal=who, brand=brand, reference=reference, expires_on=expires_on, today=TODAY, actor=people.actor(who)
    )


async def decide(brand: Brand, who: permissions.Principal, approval_id: uuid.UUID) -> approvals.Approval:
    return await decision.decide(
        principal=who,
        brand_id=brand.id,
        approval_id=approval_id,
        approve=True,
        reason="",
        actor=people.actor(who),
        now=clock.now(),
    )


async def relied_on(keys: crypto.Keys, brand: Brand, expires_on: dt.date = NEXT_YEAR) -> None:
    maker, checker = [await people.member(keys, brand.id, "owner") for _ in range(2)]
    await decide(brand, checker, await ask(brand, maker, expires_on))


async def earned(brand: Brand) -> list[tuple[Any, ...]]:
    return await books.seen(brand, "SELECT order_no, level, reseller, amount_minor FROM accrual ORDER BY 1, 2")


async def more(brand: Brand, folder: Path, *orders: str) -> None:
    """Another delivery under the same brand.toml."""
    await books.take_in(brand, bundle(folder, brand.code, *orders, expires_on=brand.expires_on or TODAY))


async def test_a_renewal_in_time_has_no_gap_and_moves_nothing(keys: crypto.Keys, tmp_path: Path) -> None:
    ends = TODAY + 10 * DAY
    brand = await a_brand(tmp_path, order("A", TODAY - DAY), expires_on=ends)
    before = await earned(brand)
    await relied_on(keys, brand)
    assert await brands.read(brand.id) == brand
    assert await earned(brand) == before == [("A", 1, "DOWN", 1000), ("A", 2, "UP", 300)]
    covering = await legal_opinion.coverage(brand=brand, today=TODAY)
    assert (covering.covered, covering.until, covering.warned) == (True, NEXT_YEAR, False)
    assert [(each.number, each.reference, each.starts_on, each.expires_on) for each in covering.opinions] == [
        (1, "LO-2", TODAY + DAY, NEXT_YEAR),
        (None, "LO-1", None, ends),
    ]
    await more(brand, tmp_path / "more", order("B", ends), order("C", NEXT_YEAR - DAY), order("D", NEXT_YEAR))
    assert (await earned(brand))[2:] == [
        ("B", 1, "DOWN", 1000),
        ("B", 2, "UP", 300),
        ("C", 1, "DOWN", 1000),
        ("C", 2, "UP", 300),
        ("D", 1, "DOWN", 1000),
    ]


async def test_days_between_two_opinions_stay_strict(keys: crypto.Keys, tmp_path: Path) -> None:
    """Sales of the gap earn the seller alone, whenever they are delivered, and their refunds take back what they earned."""
    ended = TODAY - 20 * DAY
    brand = await a_brand(tmp_path, order("A", ended - DAY), order("B", ended), expires_on=ended)
    before = await earned(brand)
    await relied_on(keys, brand)
    await more(brand, tmp_path / "more", order("C", ended + DAY), order("D", TODAY), order("E", TODAY + DAY))
    assert await earned(brand) == [
        *before,
        ("C", 1, "DOWN", 1000),
        ("D", 1, "DOWN", 1000),
        ("E", 1, "DOWN", 1000),
        ("E", 2, "UP", 300),
    ]
    assert before == [("A", 1, "DOWN", 1000), ("A", 2, "UP", 300), ("B", 1, "DOWN", 1000)]
    refunds = [f"F{number},{number},1,{TODAY + 2 * DAY}T10:00:00,1,50.00" for number in "ACE"]
    await books.take_in(brand, bundle(tmp_path / "refunds", brand.code, expires_on=ended, refunds=refunds))
    assert await books.seen(brand, "SELECT order_no, level, amount_minor FROM reversal ORDER BY 1, 2") == [
        ("A", 1, -500),
        ("A", 2, -150),
        ("C", 1, -500),
        ("E", 1, -500),
        ("E", 2, -150),
    ]
    assert (await checks.check(brand=brand, now=clock.now())).differences == []
    for number, levels in zip("ABCDE", (2, 1, 1, 1, 2), strict=True):
        life = await explain.explain(brand=brand, entry=f"{number}/1")
        assert isinstance(life, explain.LineLife)
        assert (life.max_levels, life.disagreements) == (levels, ()), number


async def test_it_begins_after_the_last_sale_that_is_known(keys: crypto.Keys, tmp_path: Path) -> None:
    """A sale of a later day has been reckoned without it."""
    brand = await a_brand(tmp_path, order("A", TODAY + 40 * DAY), expires_on=TODAY - DAY)
    await relied_on(keys, brand)
    (opinion, _) = (await legal_opinion.coverage(brand=brand, today=TODAY)).opinions
    assert opinion.starts_on == TODAY + 41 * DAY
    await more(brand, tmp_path / "more", order("B", TODAY + 41 * DAY), order("C", TODAY + 39 * DAY))
    assert await earned(brand) == [
        ("A", 1, "DOWN", 1000),
        ("B", 1, "DOWN", 1000),
        ("B", 2, "UP", 300),
        ("C", 1, "DOWN", 1000),
    ]


async def test_an_opinion_that_would_be_over_before_its_first_day_is_not_allowed(
    keys: crypto.Keys, tmp_path: Path, owner: asyncpg.Connection
) -> None:
    brand = await a_brand(tmp_path, order("A", TODAY + 40 * DAY), expires_on=TODAY - DAY)
    maker, checker = [await people.member(keys, brand.id, "owner") for _ in range(2)]
    approval_id = await ask(brand, maker, TODAY + 30 * DAY)
    before = await books.everything(owner)
    with pytest.raises(legal_opinion.OpinionDatesError):
        await decide(brand, checker, approval_id)
    assert await books.everything(owner) == before


def like_its_own(like: Brand, brand: Brand) -> Brand:
    return msgspec.structs.replace(like, code=brand.code)


async def test_a_brand_founded_here_is_strict_until_two_people_rely_on_an_opinion(keys: crypto.Keys, tmp_path: Path) -> None:
    like = await a_brand(tmp_path, expires_on=TODAY + 100 * DAY)
    operator = await people.member(keys, audit.PLATFORM, "operator")
    fresh = msgspec.structs.replace(like, id=ids.new_id(), code=f"f-{uuid.uuid4().hex[:20]}")
    await founding.found(
        keys=keys,
        principal=operator,
        brand=fresh,
        owners=(f"{uuid.uuid4().hex}@example.com", f"{uuid.uuid4().hex}@example.com"),
        locale="en",
        actor=people.actor(operator),
        now=clock.now(),
    )
    brand = await brands.read(fresh.id)
    assert (brand.policy, brand.legal_opinion, brand.expires_on) == ("cn-two-tier", "LO-1", legal_opinion.NEVER)
    (created,) = [each for each in await audit.listing(brand_id=brand.id) if each.action == "brand.create"]
    assert created.after == {"policy": "cn-two-tier", "legal_opinion": "LO-1", "expires_on": (TODAY + 100 * DAY).isoformat()}
    covering = await legal_opinion.coverage(brand=brand, today=TODAY)
    assert (covering.covered, covering.until, covering.opinions) == (False, None, [])
    # its books may say until when the opinion holds; of other settings they say nothing else
    keeping.require_same(brand, like_its_own(like, brand))
    with pytest.raises(keeping.SettingsDifferError, match=r"compliance\.legal_opinion"):
        keeping.require_same(brand, msgspec.structs.replace(like_its_own(like, brand), legal_opinion="LO-9"))
    await more(brand, tmp_path / "before", order("A", TODAY - 3 * DAY), order("B", TODAY))
    await relied_on(keys, brand)
    await more(brand, tmp_path / "after", order("C", TODAY - 400 * DAY), order("D", TODAY + DAY))
    assert await earned(brand) == [
        ("A", 1, "DOWN", 1000),
        ("B", 1, "DOWN", 1000),
        ("C", 1, "DOWN", 1000),
        ("D", 1, "DOWN", 1000),
        ("D", 2, "UP", 300),
    ]


@pytest.mark.parametrize(
    ("reference", "expires_on", "error"),
    [
        ("LO-2", TODAY + DAY, legal_opinion.OpinionDatesError),
        ("LO-2", TODAY, legal_opinion.OpinionDatesError),
        ("LO-2", NEXT_YEAR + DAY, legal_opinion.OpinionDatesError),
        ("  ", NEXT_YEAR, legal_opinion.OpinionReferenceError),
        ("x" * 81, NEXT_YEAR, legal_opinion.OpinionReferenceError),
    ],
)
async def test_what_cannot_be_relied_on_is_not_asked_for(
    keys: crypto.Keys, tmp_path: Path, owner: asyncpg.Connection, reference: str, expires_on: dt.date, error: type[Exception]
) -> None:
    brand = await a_brand(tmp_path, expires_on=TODAY)
    maker = await people.member(keys, brand.id, "owner")
    before = await books.everything(owner)
    with pytest.raises(error):
        await ask(brand, maker, expires_on, reference)
    assert await books.everything(owner) == before


async def test_other_policies_need_none(keys: crypto.Keys, tmp_path: Path) -> None:
    brand = await a_brand(tmp_path, expires_on=TODAY, policy="cn-strict")
    with pytest.raises(legal_opinion.OpinionNotNeededError):
        await ask(brand, await people.member(keys, brand.id, "owner"))


async def test_one_waits_at_a_time(keys: crypto.Keys, tmp_path: Path) -> None:
    brand = await a_brand(tmp_path, expires_on=TODAY)
    maker = await people.member(keys, brand.id, "owner")
    asked = await asyncio.gather(ask(brand, maker), ask(brand, maker, reference="LO-3"), return_exceptions=True)
    assert sorted(type(each).__name__ for each in asked) == ["OpinionAskedError", "UUID"]


@pytest.mark.parametrize("role", ["manager", "accountant", "auditor", "support"])
async def test_only_an_owner_asks_and_another_decides(
    keys: crypto.Keys, tmp_path: Path, owner: asyncpg.Connection, role: permissions.Role
) -> None:
    brand = await a_brand(tmp_path, expires_on=TODAY)
    maker, other = await people.member(keys, brand.id, "owner"), await people.member(keys, brand.id, role)
    with pytest.raises(approvals.NotAllowedToAskError):
        await ask(brand, other)
    approval_id = await ask(brand, maker)
    before = await books.everything(owner)
    for who in (maker, other):
        with pytest.raises(approvals.NotAllowedToDecideError):
            await decide(brand, who, approval_id)
    assert await books.everything(owner) == before


async def test_it_is_on_record_who_asked_and_who_allowed(keys: crypto.Keys, tmp_path: Path) -> None:
    brand = await a_brand(tmp_path, expires_on=TODAY)
    maker, checker = [await people.member(keys, brand.id, "owner") for _ in range(2)]
    approval_id = await ask(brand, maker)
    await decide(brand, checker, approval_id)
    (opinion, *_) = (await legal_opinion.coverage(brand=brand, today=TODAY)).opinions
    assert (opinion.author, opinion.approver, opinion.approval) == (maker.user_id, checker.user_id, approval_id)
    (record,) = [each for each in await audit.listing(brand_id=brand.id) if each.action == "policy.opinion"]
    assert (record.user_id, record.approval) == (checker.user_id, approval_id)
    assert record.after == {
        "number": 1,
        "reference": "LO-2",
        "starts_on": (TODAY + DAY).isoformat(),
        "expires_on": NEXT_YEAR.isoformat(),
    }


@pytest.mark.parametrize(
    ("days", "warned"), [(29, True), (30, True), (31, False), (0, False)]
)  # fmt: skip
async def test_it_warns_thirty_days_before(tmp_path: Path, days: int, *, warned: bool) -> None:
    brand = await a_brand(tmp_path, expires_on=TODAY + days * DAY)
    covering = await legal_opinion.coverage(brand=brand, today=TODAY)
    assert (covering.warned, covering.covered) == (warned, days > 0)


def row(brand: Brand, approval_id: uuid.UUID, maker: permissions.Principal, checker: permissions.Principal) -> dict[str, Any]:
    return {
        "brand_id": brand.id,
        "number": 1,
        "reference": "LO-2",
        "expires_on": NEXT_YEAR,
        "author": maker.user_id,
        "approver": checker.user_id,
        "approval": approval_id,
    }


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"reference": "LO-9"}, "legal_opinion_allowed"),
        ({"expires_on": NEXT_YEAR - DAY}, "legal_opinion_allowed"),
        ({"approver": "maker"}, "legal_opinion_allowed"),
        ({"author": "checker"}, "legal_opinion_allowed"),
        ({"approval": "waiting"}, "legal_opinion_allowed"),
    ],
)
async def test_the_database_takes_only_what_was_allowed(
    keys: crypto.Keys,
    tmp_path: Path,
    owner: asyncpg.Connection,
    app: asyncpg.Connection,
    changes: dict[str, Any],
    constraint: str,
) -> None:
    brand = await a_brand(tmp_path, expires_on=TODAY)
    maker, checker = [await people.member(keys, brand.id, "owner") for _ in range(2)]
    approval_id = await ask(brand, maker)
    await approvals.approve(principal=checker, brand_id=brand.id, approval_id=approval_id, actor=people.actor(checker))
    if changes.get("approval") != "waiting":
        async with db.atomic(brand.id):
            await approvals.consume(
                brand_id=brand.id,
                approval_id=approval_id,
                action=legal_opinion.ACTION,
                payload={"reference": "LO-2", "expires_on": NEXT_YEAR.isoformat()},
            )
    real = {"maker": maker.user_id, "checker": checker.user_id, "waiting": approval_id}
    wanted = {name: real.get(value, value) if isinstance(value, str) else value for name, value in changes.items()}
    await books.stand_in(app, brand.id)
    columns = ("brand_id", "number", "reference", "expires_on", "author", "approver", "approval")
    values = {**row(brand, approval_id, maker, checker), **wanted}
    async with books.refused(owner, asyncpg.RestrictViolationError, constraint):
        await app.execute(
            f"INSERT INTO legal_opinion ({', '.join(columns)}) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            *(values[name] for name in columns),
        )


async def test_more_than_a_year_is_refused_by_the_database(
    keys: crypto.Keys, tmp_path: Path, owner: asyncpg.Connection, app: asyncpg.Connection
) -> None:
    """Even where two people allowed it."""
    brand = await a_brand(tmp_path, expires_on=TODAY)
    maker, checker = [await people.member(keys, brand.id, "owner") for _ in range(2)]
    payload = {"reference": "LO-2", "expires_on": (NEXT_YEAR + DAY).isoformat()}
    approval_id = await approvals.request(
        principal=maker, action=legal_opinion.ACTION, payload=payload, actor=people.actor(maker)
    )
    before = await books.everything(owner)
    with pytest.raises(legal_opinion.OpinionDatesError):
        await decide(brand, checker, approval_id)
    assert await books.everything(owner) == before
    assert app


async def test_the_dates_are_not_the_apps_to_say(keys: crypto.Keys, tmp_path: Path, app: asyncpg.Connection) -> None:
    brand = await a_brand(tmp_path, expires_on=TODAY)
    await relied_on(keys, brand)
    await books.stand_in(app, brand.id)
    for column in ("starts_on", "approved_on", "approved_at"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute(f"INSERT INTO legal_opinion (brand_id, number, {column}) VALUES ($1, 2, NULL)", brand.id)
    for change in ("UPDATE legal_opinion SET number = 2", "DELETE FROM legal_opinion"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute(change)
