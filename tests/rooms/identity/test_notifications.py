"""Who is told of what: the people whose role it concerns and nobody else, once, as they want it, and thousands in one statement."""

# ruff: noqa: PT012 - the block that fails is what is tested

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any, get_args

import asyncpg
import pytest
from tests import books
from tests.rooms.identity import people

from qucheng.core import audit, db, task
from qucheng.identity import membership as memberships
from qucheng.identity import notification, notification_settings, permissions

if TYPE_CHECKING:
    from qucheng.core import crypto
    from qucheng.identity.brand import Brand
    from qucheng.identity.notification_settings import Kind

    Staff = dict[str, permissions.Principal]

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

RESELLER = "R1"
PLAN: dict[str, Any] = {"version": 2, "effective_on": "2026-12-01"}
OFF = notification_settings.Setting(app=False, mail=False)


@pytest.fixture
async def staff(keys: crypto.Keys, empty_brand: Brand) -> Staff:
    """One of each role of the brand, and of its reseller."""
    found: Staff = {role: await people.member(keys, empty_brand.id, role) for role in permissions.BRAND_ROLES}
    found["admin"] = await people.member(keys, empty_brand.id, "admin", reseller=RESELLER)
    found["seller"] = await people.member(keys, empty_brand.id, "seller", reseller=RESELLER)
    return found


async def tell(brand: Brand, kind: Kind = "plan.published", subject: str = "1", **given: Any) -> int:
    return await notification.tell(brand_id=brand.id, kind=kind, subject=subject, values=PLAN, **given)


async def told(brand: Brand) -> set[tuple[object, ...]]:
    return set(await books.seen(brand, "SELECT user_id, kind, subject, shown, mail FROM notification"))


async def subjects(who: permissions.Principal, *, unread: bool = False) -> list[str]:
    return [each.subject for each in (await notification.listing(who=who, now=people.NOW, unread=unread)).rows]


@pytest.mark.parametrize("kind", get_args(notification_settings.Kind))
async def test_those_whose_role_it_concerns_and_nobody_else(empty_brand: Brand, staff: Staff, kind: Kind) -> None:
    described = notification_settings.KINDS[kind]
    own = [role for role in described.roles if role != "operator"]
    reseller = RESELLER if own[0] in {"admin", "seller"} else None
    assert await tell(empty_brand, kind, reseller=reseller) == len(own)
    mail = "waiting" if described.mail else "none"
    assert await told(empty_brand) == {(staff[role].user_id, kind, "1", True, mail) for role in own}
    for role, who in staff.items():
        found = await notification.listing(who=who, now=people.NOW)
        assert [(each.kind, each.subject, each.values, each.read_at) for each in found.rows] == (
            [(kind, "1", PLAN, None)] if role in own else []
        )
        assert (found.total, await notification.unread(who=who)) == ((1, 1) if role in own else (0, 0))


async def test_the_same_thing_is_told_once(empty_brand: Brand, staff: Staff) -> None:
    assert [await tell(empty_brand), await tell(empty_brand), await tell(empty_brand, subject="2")] == [4, 0, 4]
    assert await subjects(staff["owner"]) == ["2", "1"]


async def test_it_stands_and_falls_with_what_it_tells_of(empty_brand: Brand, staff: Staff) -> None:
    with pytest.raises(LookupError):
        async with db.atomic(empty_brand.id):
            assert await tell(empty_brand) == 4
            raise LookupError
    assert await told(empty_brand) == set()
    assert await notification.unread(who=staff["owner"]) == 0


async def test_some_of_them_and_all_but_one(empty_brand: Brand, staff: Staff) -> None:
    owner, manager = staff["owner"].user_id, staff["manager"].user_id
    assert await tell(empty_brand, subject="named", to=[owner, staff["support"].user_id, staff["admin"].user_id]) == 1
    assert await tell(empty_brand, subject="roles", roles=("manager", "support", "admin")) == 1
    assert await tell(empty_brand, subject="but", but=owner) == 3
    assert {(user, subject) for user, _, subject, *_ in await told(empty_brand)} == {
        (owner, "named"),
        (manager, "roles"),
        *((staff[role].user_id, "but") for role in ("manager", "accountant", "auditor")),
    }


async def test_who_has_no_role_any_more_or_no_account_is_not_told(
    empty_brand: Brand, staff: Staff, owner: asyncpg.Connection
) -> None:
    gone = staff["manager"].user_id
    await memberships.revoke(
        brand_id=empty_brand.id, membership_id=await people.role_of(gone, empty_brand.id), actor=audit.SYSTEM, now=people.NOW
    )
    await owner.execute("UPDATE person SET state = 'closed' WHERE id = $1", staff["auditor"].user_id)
    await tell(empty_brand)
    assert {row[0] for row in await told(empty_brand)} == {staff["owner"].user_id, staff["accountant"].user_id}


async def test_a_choice_is_respected(empty_brand: Brand, staff: Staff) -> None:
    setting = notification_settings.Setting
    await notification_settings.write(user_id=staff["owner"].user_id, settings={"plan.published": OFF, "task.failed": OFF})
    await notification_settings.write(user_id=staff["manager"].user_id, settings={"plan.published": setting(app=True, mail=True)})
    await notification_settings.write(
        user_id=staff["auditor"].user_id, settings={"plan.published": setting(app=False, mail=True)}
    )
    assert await tell(empty_brand) == 3
    assert await told(empty_brand) == {
        (staff["manager"].user_id, "plan.published", "1", True, "waiting"),
        (staff["auditor"].user_id, "plan.published", "1", False, "waiting"),
        (staff["accountant"].user_id, "plan.published", "1", True, "none"),
    }
    assert await subjects(staff["auditor"]) == []
    chosen = await notification_settings.read(user_id=staff["owner"].user_id)
    assert {kind for kind, each in chosen.items() if each == OFF} == {"plan.published", "task.failed"}
    assert {kind for kind, each in chosen.items() if each.mail} == {
        "approval.waiting",
        "statement.published",
        "price.change",
        "webhook.disabled",
        "stock.low",
    }
    await notification_settings.write(user_id=staff["owner"].user_id, settings={"plan.published": setting(app=True, mail=False)})
    assert await tell(empty_brand, subject="2") == 4


async def test_read_one_and_read_all(empty_brand: Brand, staff: Staff) -> None:
    who, other = staff["owner"], staff["manager"]
    for subject in ("1", "2"):
        await tell(empty_brand, subject=subject)
    listed = await notification.listing(who=who, now=people.NOW)
    read = await notification.read(who=who, notification_id=listed.rows[1].id, now=people.NOW + dt.timedelta(days=9999))
    assert (read.subject, read.read_at) == ("1", people.NOW + dt.timedelta(days=9999))
    again = await notification.read(who=who, notification_id=listed.rows[1].id, now=people.NOW + dt.timedelta(days=10_000))
    assert again.read_at == read.read_at
    assert (await subjects(who), await subjects(who, unread=True)) == (["2", "1"], ["2"])
    seen = await notification.listing(who=who, now=people.NOW)
    await tell(empty_brand, subject="3")
    await notification.read_all(who=who, until=seen.as_of)
    assert await subjects(who, unread=True) == ["3"]
    assert await subjects(other, unread=True) == ["3", "2", "1"]


async def test_nobody_reads_for_another(keys: crypto.Keys, empty_brand: Brand, staff: Staff) -> None:
    await tell(empty_brand)
    await tell(empty_brand, "statement.published", reseller=RESELLER)
    (brands_own,) = (await notification.listing(who=staff["owner"], now=people.NOW)).rows
    (resellers_own,) = (await notification.listing(who=staff["admin"], now=people.NOW)).rows
    same_person = people.principal(staff["owner"].user_id, audit.PLATFORM, "operator")
    for who, found in [
        *((staff[role], brands_own) for role in ("manager", "support", "admin", "seller")),
        *((staff[role], resellers_own) for role in ("owner", "seller")),
        (same_person, brands_own),
        (people.principal(staff["owner"].user_id, empty_brand.id, "support"), brands_own),
        (await people.member(keys, empty_brand.id, "owner"), brands_own),
    ]:
        with pytest.raises(notification.NotificationUnknownError):
            await notification.read(who=who, notification_id=found.id, now=people.NOW)
    for role in ("manager", "support", "seller"):
        await notification.read_all(who=staff[role], until=dt.datetime.now(tz=dt.UTC) + dt.timedelta(days=1))
    for found in (brands_own, resellers_own):
        assert await books.seen(empty_brand, "SELECT read_at FROM notification WHERE id = $1", found.id) == [(None,)]


async def test_each_role_has_its_own_and_the_others_are_counted(empty_brand: Brand, staff: Staff) -> None:
    person = staff["owner"].user_id
    await memberships.grant(
        brand_id=empty_brand.id,
        user_id=person,
        role="admin",
        reseller=RESELLER,
        granted_by=None,
        actor=audit.SYSTEM,
        now=people.NOW,
    )
    await memberships.grant(
        brand_id=audit.PLATFORM, user_id=person, role="operator", granted_by=None, actor=audit.SYSTEM, now=people.NOW
    )
    await tell(empty_brand)
    for subject in ("a", "b"):
        await tell(empty_brand, "statement.published", subject, reseller=RESELLER)
    for subject in ("x", "y", "z"):
        await tell(empty_brand, "approval.waiting", subject, on_platform=True)
    by_place = {(each.brand_id, each.reseller): each.id for each in await memberships.of(person)}
    assert await notification.unread_elsewhere(user_id=person) == {
        by_place[empty_brand.id, None]: 1, by_place[empty_brand.id, RESELLER]: 2, by_place[audit.PLATFORM, None]: 3,
    }  # fmt: skip
    assert await subjects(staff["owner"]) == ["1"]
    assert await subjects(people.principal(person, empty_brand.id, "admin", reseller=RESELLER)) == ["b", "a"]
    assert await subjects(people.principal(person, audit.PLATFORM, "operator")) == ["z", "y", "x"]
    assert await notification.unread_elsewhere(user_id=staff["support"].user_id) == {}


async def test_what_waits_no_longer_is_read_and_not_sent(keys: crypto.Keys, empty_brand: Brand, staff: Staff) -> None:
    operator = await people.member(keys, audit.PLATFORM, "operator")
    await tell(empty_brand, "approval.waiting", "a")
    await tell(empty_brand, "approval.waiting", "b")
    await tell(empty_brand, "approval.waiting", "a", on_platform=True)
    await notification.settle(brand_id=empty_brand.id, kind="approval.waiting", subject="a")
    assert await books.seen(empty_brand, "SELECT DISTINCT subject, mail, read_at IS NULL FROM notification ORDER BY subject") == [
        ("a", "none", False),
        ("b", "waiting", True),
    ]
    assert await subjects(operator, unread=True) == []
    assert await subjects(staff["owner"], unread=True) == ["b"]


async def test_people_of_a_reseller_tell_of_disputes_alone(empty_brand: Brand, staff: Staff) -> None:
    async with db.atomic(empty_brand.id, reseller=RESELLER):
        assert await tell(empty_brand, "dispute.opened") == 2
    for kind in set(notification_settings.KINDS) - {"dispute.opened"}:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="nobody is told of this from here"):
            async with db.atomic(empty_brand.id, reseller=RESELLER):
                await tell(empty_brand, kind)
    assert {row[0] for row in await told(empty_brand)} == {staff["owner"].user_id, staff["accountant"].user_id}


async def test_the_database_knows_the_kinds_and_takes_no_other(empty_brand: Brand, staff: Staff) -> None:
    call = "SELECT tell_people($1, 's', false, ARRAY[NULL::text], ARRAY['{}'], ARRAY['owner'], NULL, NULL, false)"
    async with db.atomic(empty_brand.id):
        for kind in notification_settings.KINDS:
            assert await db.connection().fetchval(call, kind) == 1
    with pytest.raises(asyncpg.CheckViolationError):
        async with db.atomic(empty_brand.id):
            await db.connection().execute(call, "gossip.spread")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with db.atomic(empty_brand.id):
            await db.connection().execute("INSERT INTO notification DEFAULT VALUES")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with db.atomic(empty_brand.id):
            await db.connection().execute("UPDATE notification SET content = '{}'")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="nobody is told"):
        async with db.atomic():
            await db.connection().execute(call, "plan.published")
    assert staff


async def test_what_is_old_goes(empty_brand: Brand, staff: Staff, owner: asyncpg.Connection) -> None:
    now = dt.datetime.now(tz=dt.UTC)
    for subject, days, read in (("new", 0, True), ("read", 91, True), ("unread", 91, False), ("ancient", 401, False)):
        await tell(empty_brand, subject=subject, to=[staff["owner"].user_id])
        await owner.execute(
            "UPDATE notification SET told_at = $3::timestamptz, read_at = CASE WHEN $4 THEN $3::timestamptz END WHERE brand_id = $1 AND subject = $2",
            *(empty_brand.id, subject, now - dt.timedelta(days=days), read),
        )
    assert await notification.prune(brand_id=empty_brand.id, now=now) == 2
    assert await subjects(staff["owner"]) == ["new", "unread"]


async def test_tasks_that_were_given_up(keys: crypto.Keys, empty_brand: Brand, staff: Staff, owner: asyncpg.Connection) -> None:
    operator = await people.member(keys, audit.PLATFORM, "operator")
    made = {}
    async with db.atomic():
        for name, brand_id in (("ours", empty_brand.id), ("platform", None), ("alive", empty_brand.id), ("old", empty_brand.id)):
            made[name] = await task.add(kind="document.render", queue="rest", brand_id=brand_id)
    for name, days in (("ours", 0), ("platform", 0), ("old", 5)):
        await owner.execute(
            "UPDATE task SET state = 'dead', attempt = 5, ended_at = clock_timestamp() - make_interval(days => $2) WHERE id = $1",
            *(made[name], days),
        )
    since = dt.datetime.now(tz=dt.UTC) - dt.timedelta(days=2)
    operators = await owner.fetchval(
        "SELECT count(DISTINCT user_id) FROM membership WHERE role = 'operator' AND revoked_at IS NULL"
    )
    assert await notification.tell_of_dead_tasks(since=since) == 1 + 2 * operators
    assert await notification.tell_of_dead_tasks(since=since) == 0
    (seen,) = (await notification.listing(who=staff["owner"], now=people.NOW)).rows
    assert (seen.kind, seen.subject, seen.values) == (
        "task.failed", f"{made['ours']}/5", {"task": "document.render", "brand": empty_brand.code},
    )  # fmt: skip
    of_operator = (await notification.listing(who=operator, now=people.NOW)).rows
    assert {each.subject: each.values["brand"] for each in of_operator} == {
        f"{made['ours']}/5": empty_brand.code, f"{made['platform']}/5": None,
    }  # fmt: skip
    await owner.execute("UPDATE task SET attempt = 6 WHERE id = $1", made["ours"])  # tried again, and given up again
    assert await notification.tell_of_dead_tasks(since=since) == 1 + operators


async def test_five_thousand_in_one_statement(
    empty_brand: Brand, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = await owner.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'reseller'::regclass AND attnum > 0 AND NOT attisdropped"
    )
    names = ", ".join(row[0] for row in columns)
    like = ", ".join("'N' || i" if row[0] == "code" else f"r.{row[0]}" for row in columns)
    await owner.execute(
        f"INSERT INTO reseller ({names}) SELECT {like} FROM reseller r, generate_series(1, 5000) i WHERE r.brand_id = $1 AND r.code = '{RESELLER}'",
        empty_brand.id,
    )
    person = "('01990000-0000-7000-8000-' || lpad(i::text, 12, '0'))::uuid"
    await owner.execute(
        f"INSERT INTO person SELECT {person}, sha256(convert_to('n' || i, 'UTF8')), 'x', 'x', 'en', '$argon2id$v=19$none', 'active', now(), now()"
        " FROM generate_series(1, 5000) i"
    )
    await owner.execute(
        "INSERT INTO membership (brand_id, id, user_id, role, reseller, granted_at)"
        f" SELECT $1, {person}, {person}, 'admin', 'N' || i, now() FROM generate_series(1, 5000) i",
        empty_brand.id,
    )
    asked: list[str] = []
    real = asyncpg.Connection.fetchval

    async def counted(connection: asyncpg.Connection, query: str, *values: Any, **given: Any) -> Any:
        asked.append(query)
        return await real(connection, query, *values, **given)

    monkeypatch.setattr(asyncpg.Connection, "fetchval", counted)
    count = await notification.tell_resellers(
        brand_id=empty_brand.id,
        kind="price.change",
        subject="7",
        told=[notification.Told(reseller=f"N{i}", values={"count": i}) for i in range(1, 5001)],
    )
    assert (count, asked) == (5000, [notification.TELL])
    assert await books.seen(
        empty_brand,
        "SELECT count(*), count(DISTINCT user_id), bool_and(reseller = 'N' || (content ->> 'count')) FROM notification",
    ) == [(5000, 5000, True)]
    every = await notification.tell_every_reseller(
        brand_id=empty_brand.id, kind="agreement.published", subject="1", values={"version": 1}
    )
    assert every == 5000


async def test_without_a_role_there_is_nothing(empty_brand: Brand, staff: Staff) -> None:
    await tell(empty_brand)
    nobody = permissions.Principal(
        user_id=staff["owner"].user_id, session_id=uuid.uuid4(), brand_id=None, reseller=None, role=None,
        permissions=frozenset(), second_factor_at=None,
    )  # fmt: skip
    assert await notification.listing(who=nobody, now=people.NOW) == notification.Notifications(
        rows=[], total=0, as_of=people.NOW
    )
    assert await notification.unread(who=nobody) == 0
    with pytest.raises(notification.NotificationUnknownError):
        await notification.read(who=nobody, notification_id=uuid.uuid4(), now=people.NOW)
