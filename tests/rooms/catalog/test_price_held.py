"""What the database holds of the price book, whoever writes: attacked as the app and as the owner of the tables."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from tests import books
from tests.rooms.catalog.price_shop import DAY, LATER, NOW, price
from tests.rooms.identity import people

from qucheng.catalog import price_publish
from qucheng.catalog.price_records import Change, LimitChange
from qucheng.core import db
from qucheng.identity import approval as approvals

if TYPE_CHECKING:
    from tests.rooms.catalog.price_shop import Shop

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

SUBMITTED = (
    "UPDATE price_version SET state = 'submitted', effective_at = $3, sha256 = price_digest(brand_id, number), submitted_at = now(), approval = $4"
    " WHERE brand_id = $1 AND number = $2"
)


def cell(shop: Shop, version: int, **given: Any) -> dict[str, Any]:
    return {
        "brand_id": shop.brand.id, "id": uuid.uuid4(), "version": version, "sku": "pass", "channel": None, "tier": None,
        "starts_on": "2026-01-01", "ends_on": None, "price_minor": 5000, **given,
    }  # fmt: skip


async def asked(shop: Shop, number: int, at: dt.datetime, **changed: object) -> uuid.UUID:
    """An approval that waits, for the version as it stands."""
    async with db.atomic(shop.brand.id):
        sha256 = await db.connection().fetchval("SELECT price_digest($1, $2)", shop.brand.id, number)
        payload = {"version": number, "sha256": sha256, "effective_at": at.isoformat(), **changed}
        return await approvals.request(
            principal=shop.maker, action=price_publish.ACTION, payload=payload, actor=people.actor(shop.maker)
        )


@pytest.fixture(params=["app", "owner"])
async def attacker(
    request: pytest.FixtureRequest, shop: Shop, app: asyncpg.Connection, owner: asyncpg.Connection
) -> asyncpg.Connection:
    """The app's role standing in the brand, or the owner of the tables."""
    if request.param == "owner":
        return owner
    await books.stand_in(app, shop.brand.id)
    return app


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {}),
        ({}, {"starts_on": "2027-01-01"}),
        ({"ends_on": "2026-06-01"}, {"starts_on": "2026-05-31"}),
        ({"channel": "tmall"}, {"channel": "tmall", "ends_on": "2026-01-02"}),
        ({"tier": "gold"}, {"tier": "gold"}),
        ({"channel": "tmall", "price_minor": None}, {"channel": "tmall"}),
    ],
)
async def test_cells_of_one_key_do_not_overlap(
    shop: Shop, attacker: asyncpg.Connection, owner: asyncpg.Connection, first: dict[str, Any], second: dict[str, Any]
) -> None:
    version = await shop.draft()
    await books.insert(attacker, "price_cell", cell(shop, version, **first))
    async with books.refused(owner, asyncpg.ExclusionViolationError, "price_cell_overlap_exclude"):
        await books.insert(attacker, "price_cell", cell(shop, version, **second))


async def test_cells_that_touch_or_are_of_other_keys_stand(shop: Shop, owner: asyncpg.Connection) -> None:
    version = await shop.draft()
    rows: list[dict[str, Any]] = [
        {"ends_on": "2026-06-01"}, {"starts_on": "2026-06-01"}, {"channel": "tmall"}, {"tier": "gold"},
        {"channel": "tmall", "tier": "gold"}, {"channel": "wechat", "price_minor": None},
    ]  # fmt: skip
    await books.insert(owner, "price_cell", *(cell(shop, version, **row) for row in rows))
    assert len([row for row in await shop.cells(version) if row[0] == "pass"]) == 6


@pytest.mark.parametrize(
    ("row", "constraint"),
    [
        ({"price_minor": -1}, "price_cell_price_minor_check"),
        ({"price_minor": None}, "price_cell_closed_check"),
        ({"price_minor": None, "channel": "tmall", "tier": "gold"}, "price_cell_closed_check"),
        ({"ends_on": "2026-01-01"}, "price_cell_dates_check"),
        ({"starts_on": "-infinity"}, "price_cell_starts_on_check"),
    ],
)
async def test_what_no_cell_is(shop: Shop, owner: asyncpg.Connection, row: dict[str, Any], constraint: str) -> None:
    version = await shop.draft()
    async with books.refused(owner, asyncpg.CheckViolationError, constraint):
        await books.insert(owner, "price_cell", cell(shop, version, **row))


async def test_limits_do_not_overlap(shop: Shop, attacker: asyncpg.Connection, owner: asyncpg.Connection) -> None:
    version = await shop.draft()
    row = {
        "brand_id": shop.brand.id,
        "id": uuid.uuid4(),
        "version": version,
        "sku": "tea",
        "starts_on": "2027-01-01",
        "floor_minor": 1,
    }
    async with books.refused(owner, asyncpg.ExclusionViolationError, "price_limit_overlap_exclude"):
        await books.insert(attacker, "price_limit", row)


WRITES = (
    "INSERT INTO price_cell (brand_id, version, sku, channel, starts_on, price_minor) VALUES ($1, $2, 'pass', 'tmall', '2030-01-01', 1)",
    "DELETE FROM price_cell WHERE brand_id = $1 AND version = $2 AND sku = 'tea'",
    "INSERT INTO price_limit (brand_id, version, sku, starts_on, floor_minor) VALUES ($1, $2, 'pass', '2030-01-01', 1)",
    "DELETE FROM price_limit WHERE brand_id = $1 AND version = $2",
    "INSERT INTO price_edit (brand_id, version, limits, sku, channel, revision, edited_at) VALUES ($1, $2, false, 'pass', 'tmall', 9, now())",
    "UPDATE price_edit SET revision = 99 WHERE brand_id = $1 AND version = $2",
)


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("state", ["submitted", "approved", "discarded", "imported"])
async def test_nothing_changes_in_a_version_that_is_no_draft(
    shop: Shop, attacker: asyncpg.Connection, owner: asyncpg.Connection, state: str, write: str
) -> None:
    version = 1
    if state != "imported":
        version = await shop.draft()
        await shop.change(version, price(2700))
        approval = await shop.submit(version)
        if state == "approved":
            await shop.allow(approval)
        elif state == "discarded":
            await owner.execute(
                "UPDATE price_version SET state = 'discarded' WHERE brand_id = $1 AND number = $2", shop.brand.id, version
            )
    elif "price_edit SET" in write:
        return  # a version that a bundle brought was never edited
    async with books.refused(owner, asyncpg.RestrictViolationError, "price_version_frozen"):
        await attacker.execute(write, shop.brand.id, version)


async def test_the_same_writes_pass_in_a_draft(shop: Shop, owner: asyncpg.Connection) -> None:
    version = await shop.draft()
    await shop.change(version, price(2700))
    for write in WRITES:
        done = await owner.execute(write, shop.brand.id, version)
        assert done.split()[-1] != "0", write


@pytest.mark.parametrize(
    "change",
    [
        "state = 'draft'", "state = 'discarded'", "name = 'x'", "sha256 = 'x'", "effective_at = effective_at + interval '1 day'", "based_on = NULL",
        "approval = NULL", "approver = maker",
    ],
)  # fmt: skip
async def test_an_approved_version_stays_as_it_is(shop: Shop, owner: asyncpg.Connection, change: str) -> None:
    version = await shop.publish(price(2700))
    async with books.refused(owner, asyncpg.RestrictViolationError, "price_version_step"):
        await owner.execute(f"UPDATE price_version SET {change} WHERE brand_id = $1 AND number = $2", shop.brand.id, version)
    for number in (1, version):
        async with books.refused(owner, asyncpg.RestrictViolationError):
            await owner.execute("DELETE FROM price_version WHERE brand_id = $1 AND number = $2", shop.brand.id, number)


@pytest.mark.parametrize(
    "change",
    ["name = 'x'", "sha256 = 'x'", "effective_at = effective_at + interval '1 day'", "approval = NULL", "state = 'draft'"],
)
async def test_a_submitted_version_stays_as_it_is(
    shop: Shop, attacker: asyncpg.Connection, owner: asyncpg.Connection, change: str
) -> None:
    version = await shop.draft()
    await shop.change(version, price(2700))
    await shop.submit(version)
    async with books.refused(owner, asyncpg.RestrictViolationError, "price_version_step"):
        await attacker.execute(f"UPDATE price_version SET {change} WHERE brand_id = $1 AND number = $2", shop.brand.id, version)


async def test_the_app_brings_no_version_that_is_approved(shop: Shop, app: asyncpg.Connection, owner: asyncpg.Connection) -> None:
    await books.stand_in(app, shop.brand.id)
    row = {"brand_id": shop.brand.id, "number": 2, "based_on": 1, "state": "approved", "maker": shop.maker.user_id}
    async with books.refused(owner, asyncpg.InsufficientPrivilegeError):
        await books.insert(app, "price_version", row)
    for given in ({"state": "importing", "intake": 1, "effective_at": "-infinity", "maker": None}, {"approved_at": "2026-01-01"}):
        async with books.refused(owner, asyncpg.InsufficientPrivilegeError):
            await books.insert(app, "price_version", {**row, **given})


@pytest.mark.parametrize(
    "given",
    [{"number": 3}, {"number": 7}, {"based_on": None}, {"restores": 2, "number": 3}],
    ids=["gap", "far", "no base", "restores none"],
)
async def test_a_version_begins_where_the_others_end(shop: Shop, owner: asyncpg.Connection, given: dict[str, Any]) -> None:
    row = {"brand_id": shop.brand.id, "number": 2, "based_on": 1, "state": "draft", "opened_at": NOW, "maker": shop.maker.user_id}
    if "restores" in given:
        await owner.execute(
            "UPDATE price_version SET state = 'discarded' WHERE brand_id = $1 AND number = $2", shop.brand.id, await shop.draft()
        )
    async with books.refused(owner, asyncpg.RestrictViolationError, "price_version_begins"):
        await books.insert(owner, "price_version", {**row, **given})


async def test_one_draft_at_a_time(shop: Shop, owner: asyncpg.Connection) -> None:
    await shop.draft()
    row = {"brand_id": shop.brand.id, "number": 3, "based_on": 1, "state": "draft", "opened_at": NOW, "maker": shop.maker.user_id}
    async with books.refused(owner, asyncpg.UniqueViolationError, "price_version_draft_unique"):
        await books.insert(owner, "price_version", row)


async def test_approval_needs_an_approval_that_another_person_used(
    shop: Shop, attacker: asyncpg.Connection, owner: asyncpg.Connection
) -> None:
    version = await shop.draft()
    await shop.change(version, price(2700))
    approval = await shop.submit(version)
    step = "UPDATE price_version SET state = 'approved', approver = $3 WHERE brand_id = $1 AND number = $2"
    for approver in (shop.checker.user_id, shop.maker.user_id):
        async with books.refused(owner, asyncpg.RestrictViolationError, "price_version_allowed"):
            await attacker.execute(step, shop.brand.id, version, approver)
    await approvals.approve(
        principal=shop.checker, brand_id=shop.brand.id, approval_id=approval, actor=people.actor(shop.checker)
    )
    async with books.refused(owner, asyncpg.RestrictViolationError, "price_version_allowed"):
        await attacker.execute(step, shop.brand.id, version, shop.checker.user_id)
    async with db.atomic(shop.brand.id):
        said = (await approvals.read(brand_id=shop.brand.id, approval_id=approval)).payload
        await approvals.consume(brand_id=shop.brand.id, approval_id=approval, action=price_publish.ACTION, payload=said)
    async with books.refused(owner, asyncpg.RestrictViolationError, "price_version_allowed"):
        await attacker.execute(step, shop.brand.id, version, shop.maker.user_id)
    await attacker.execute(step, shop.brand.id, version, shop.checker.user_id)
    assert await owner.fetchval(
        "SELECT state FROM price_version WHERE brand_id = $1 AND number = $2", shop.brand.id, version
    ) == "approved"  # fmt: skip


@pytest.mark.parametrize("changed", [{"version": 1}, {"sha256": "0" * 64}, {"effective_at": "2101-03-02T16:00:00Z"}], ids=str)
async def test_a_submission_is_what_was_asked_for(
    shop: Shop, attacker: asyncpg.Connection, owner: asyncpg.Connection, changed: dict[str, Any]
) -> None:
    version, at = await shop.draft(), price_publish.midnight(DAY, "Asia/Shanghai")
    approval = await asked(shop, version, at, **changed)
    async with books.refused(owner, asyncpg.RestrictViolationError, "price_version_asked"):
        await attacker.execute(SUBMITTED, shop.brand.id, version, at, approval)


@pytest.mark.parametrize(("hours", "constraint"), [(1, "price_version_midnight"), (-8, "price_version_midnight")])
async def test_effect_begins_at_a_midnight(
    shop: Shop, attacker: asyncpg.Connection, owner: asyncpg.Connection, hours: int, constraint: str
) -> None:
    version, at = await shop.draft(), price_publish.midnight(DAY, "Asia/Shanghai") + dt.timedelta(hours=hours)
    approval = await asked(shop, version, at)
    async with books.refused(owner, asyncpg.CheckViolationError, constraint):
        await attacker.execute(SUBMITTED, shop.brand.id, version, at, approval)


async def test_effect_begins_no_earlier_than_that_of_the_base(
    shop: Shop, attacker: asyncpg.Connection, owner: asyncpg.Connection
) -> None:
    await shop.publish(price(2700), on=LATER)
    version, at = await shop.draft(), price_publish.midnight(LATER - dt.timedelta(days=1), "Asia/Shanghai")
    approval = await asked(shop, version, at)
    async with books.refused(owner, asyncpg.CheckViolationError, "price_version_after_base"):
        await attacker.execute(SUBMITTED, shop.brand.id, version, at, approval)


async def test_effect_begins_in_the_future(shop: Shop, owner: asyncpg.Connection) -> None:
    """By the database's clock, whatever time the app believes it is."""
    version, day = await shop.draft(), dt.date(2026, 1, 1)
    await shop.change(version, price(2700))
    long_ago = dt.datetime(2025, 12, 1, tzinfo=dt.UTC)
    approval = await shop.submit(version, on=day, now=long_ago)
    async with books.refused(owner, asyncpg.CheckViolationError, "price_version_future"):
        await shop.allow(approval, now=long_ago)


@pytest.mark.parametrize(
    ("changes", "limits"),
    [
        ((price(2459),), ()),
        ((price(2459, channel="dealer", tier="gold"),), ()),
        ((), (LimitChange(sku="tea", floor_minor=2651),)),
        ((), (LimitChange(sku="tea", cost_minor=2461),)),
        ((), (LimitChange(sku="tea", floor_minor=1999),)),
        ((Change(sku="tea", channel="tmall", tier=None, action="close"),), ()),
    ],
    ids=[
        "base below floor",
        "tier below floor",
        "floor above a price",
        "cost above the floor",
        "floor below the SKU's cost",
        "closed with a tier's price",
    ],
)
async def test_no_version_with_a_fault_is_submitted(
    shop: Shop,
    attacker: asyncpg.Connection,
    owner: asyncpg.Connection,
    changes: tuple[Change, ...],
    limits: tuple[LimitChange, ...],
) -> None:
    version, at = await shop.draft(), price_publish.midnight(DAY, "Asia/Shanghai")
    await shop.change(version, *changes)
    await shop.limit(version, *limits)
    approval = await asked(shop, version, at)
    async with books.refused(owner, asyncpg.CheckViolationError, "price_version_faults"):
        await attacker.execute(SUBMITTED, shop.brand.id, version, at, approval)


async def test_prices_of_bundles_come_to_an_end(shop: Shop, app: asyncpg.Connection, owner: asyncpg.Connection) -> None:
    await books.stand_in(app, shop.brand.id)
    assert await app.fetchval("SELECT import_prices(1)") == 2
    await shop.publish(price(2700))
    async with books.refused(owner, asyncpg.RestrictViolationError, "price_version_kept"):
        await app.fetchval("SELECT import_prices(1)")


async def test_a_draft_that_was_overtaken_is_not_approved(
    shop: Shop, attacker: asyncpg.Connection, owner: asyncpg.Connection
) -> None:
    version = await shop.draft()
    await shop.change(version, price(2700))
    approval = await shop.submit(version)
    async with db.atomic(shop.brand.id):
        await db.connection().fetchval("SELECT import_prices(1)")
    found = await approvals.approve(
        principal=shop.checker, brand_id=shop.brand.id, approval_id=approval, actor=people.actor(shop.checker)
    )
    async with db.atomic(shop.brand.id):
        await approvals.consume(brand_id=shop.brand.id, approval_id=approval, action=price_publish.ACTION, payload=found.payload)
    async with books.refused(owner, asyncpg.RestrictViolationError, "price_version_overtaken"):
        await attacker.execute(
            "UPDATE price_version SET state = 'approved', approver = $3 WHERE brand_id = $1 AND number = $2",
            shop.brand.id,
            version,
            shop.checker.user_id,
        )


async def test_a_submission_waits_for_who_is_writing(shop: Shop, workspace: books.Workspace) -> None:
    """What is written meanwhile is in what is asked for, or is refused; without the lock it would be neither."""
    version = await shop.draft()
    async with books.connected(workspace.app, shop.brand.id) as writer, books.connected(workspace.owner) as watcher:
        block = writer.transaction()
        await block.start()
        await books.insert(writer, "price_cell", cell(shop, version))
        before = await watcher.fetchval("SELECT price_digest($1, $2)", shop.brand.id, version)
        await watcher.execute("SET lock_timeout = '300ms'")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await watcher.execute(
                "UPDATE price_version SET name = 'x' WHERE brand_id = $1 AND number = $2", shop.brand.id, version
            )
        await block.commit()
        assert await watcher.fetchval("SELECT price_digest($1, $2)", shop.brand.id, version) != before
