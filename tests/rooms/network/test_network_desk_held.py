"""Applications, agreements and freezes are held by the database: attacked with plain SQL as the app's role, and as the owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests import books
from tests.races import duel
from tests.rooms.identity import people
from tests.rooms.network import desk

if TYPE_CHECKING:
    import uuid
    from collections.abc import Awaitable, Callable

    from qucheng.core import crypto
    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand
    from qucheng.network import agreement

pytestmark = pytest.mark.anyio

COPY = """
    INSERT INTO application (brand_id, id, token_hash, kind, name, facts_cipher, identity_hash, locale, agreement, agreement_sha256, address, {more} applied_at, state)
    SELECT brand_id, gen_random_uuid(), sha256(gen_random_uuid()::text::bytea), kind, name, facts_cipher, {known}, locale, {number}, {text}, address, {value} applied_at, 'waiting'
    FROM application WHERE id = $1"""
OWN, OTHER = "identity_hash", "sha256('x')"


def copied(known: str = OTHER, number: str = "agreement", text: str = "agreement_sha256", more: str = "", value: str = "") -> str:
    return COPY.format(known=known, number=number, text=text, more=more, value=value)


@pytest.fixture
async def applied(keys: crypto.Keys, brand: Brand, current: agreement.Agreement) -> uuid.UUID:
    return await desk.applied(keys, brand, current)


@pytest.fixture
async def attacker(app: asyncpg.Connection, brand: Brand) -> asyncpg.Connection:
    await books.stand_in(app, brand.id)
    return app


CHECKED, REFERRED, REPEATED = asyncpg.CheckViolationError, asyncpg.ForeignKeyViolationError, asyncpg.UniqueViolationError
STEP = asyncpg.RestrictViolationError


@pytest.mark.parametrize(
    ("statement", "error", "constraint"),
    [
        (copied(more="fee_minor,", value="1,"), CHECKED, "application_free_check"),
        (copied(more="fee_minor,", value="-1,"), CHECKED, "application_free_check"),
        (copied(OWN), REPEATED, "application_waiting_unique"),
        (copied(number="2"), REFERRED, "application_agreement_reference"),
        (copied(text="encode(sha256('x'), 'hex')"), REFERRED, "application_agreement_reference"),
        ("UPDATE application SET state = 'approved' WHERE id = $1", CHECKED, "application_decided_check"),
        ("UPDATE application SET state = 'rejected', decided_at = now() WHERE id = $1", CHECKED, "application_decided_check"),
        ("UPDATE application SET state = 'repeated' WHERE id = $1", STEP, "application_step"),
        ("UPDATE application SET name = 'x' WHERE id = $1", asyncpg.InsufficientPrivilegeError, None),
        ("UPDATE application SET fee_minor = 1 WHERE id = $1", asyncpg.InsufficientPrivilegeError, None),
        ("DELETE FROM application WHERE id = $1", asyncpg.InsufficientPrivilegeError, None),
    ],
)
async def test_an_application_cannot_be_otherwise(
    owner: asyncpg.Connection,
    attacker: asyncpg.Connection,
    applied: uuid.UUID,
    statement: str,
    error: type[asyncpg.PostgresError],
    constraint: str | None,
) -> None:
    async with books.refused(owner, error, constraint):
        await attacker.execute(statement, applied)


async def test_control_a_copy_of_another_person_is_taken(attacker: asyncpg.Connection, applied: uuid.UUID) -> None:
    assert await attacker.execute(copied(), applied) == "INSERT 0 1"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE application SET name = 'x' WHERE id = $1",
        "UPDATE application SET fee_minor = 0, facts_cipher = 'x' WHERE id = $1",
        "DELETE FROM application WHERE id = $1",
    ],
)
async def test_the_owner_changes_nothing_of_it_either(owner: asyncpg.Connection, applied: uuid.UUID, statement: str) -> None:
    async with books.refused(owner, STEP, "application_step"):
        await owner.execute(statement, applied)


async def test_what_was_decided_stays(
    keys: crypto.Keys, owner: asyncpg.Connection, brand: Brand, manager: permissions.Principal, applied: uuid.UUID
) -> None:
    await desk.approved(keys, brand, manager, applied, desk.chosen("N1"))
    reject = "UPDATE application SET state = 'rejected', reason = 'x', reseller = NULL WHERE id = $1"
    async with books.refused(owner, STEP, "application_step"):
        await owner.execute(reject, applied)


NEXT = """
    INSERT INTO agreement (brand_id, number, effective_on, title_zh, title_en, text_zh, text_en, sha256, published_at)
    SELECT brand_id, {number}, {day}, title_zh, title_en, text_zh, {text}, {sha256}, now() FROM agreement WHERE number = 1"""


@pytest.mark.parametrize(
    ("changes", "error", "constraint"),
    [
        ({"number": "3"}, STEP, "agreement_order"),
        ({"number": "1"}, REPEATED, "agreement_pkey"),
        ({"day": "effective_on - 1"}, STEP, "agreement_order"),
        ({"text": "'other'"}, CHECKED, "agreement_hash_check"),
    ],
)
async def test_versions_follow_each_other_with_their_own_hash(
    owner: asyncpg.Connection,
    attacker: asyncpg.Connection,
    current: agreement.Agreement,
    changes: dict[str, str],
    error: type[asyncpg.PostgresError],
    constraint: str,
) -> None:
    assert current.number == 1
    plain = {"number": "2", "day": "effective_on", "text": "text_en", "sha256": "sha256"}
    async with books.refused(owner, error, constraint):
        await attacker.execute(NEXT.format(**{**plain, **changes}))
    assert await attacker.execute(NEXT.format(**plain)) == "INSERT 0 1"


CHANGE = (
    "INSERT INTO standing_change (brand_id, reseller, number, change, effective_on, reason, changed_at, changed_by)"
    " VALUES ($1, $2, $3, $4, $5::text::date, 'x', now(), $6)"
)


@pytest.mark.parametrize(
    ("number", "change", "day"),
    [(3, "freeze", "2026-12-01"), (2, "freeze", "2026-12-01"), (2, "unfreeze", "2026-11-21"), (1, "unfreeze", "2026-12-01")],
)
async def test_freezes_and_their_ends_take_turns(
    owner: asyncpg.Connection,
    attacker: asyncpg.Connection,
    brand: Brand,
    manager: permissions.Principal,
    number: int,
    change: str,
    day: str,
) -> None:
    values = (brand.id, "R3", 1, "freeze", "2026-11-22", manager.user_id)
    if number > 1:
        await attacker.execute(CHANGE, *values)
    async with books.refused(owner, STEP, "standing_step"):
        await attacker.execute(CHANGE, brand.id, "R3", number, change, day, manager.user_id)


async def test_nothing_follows_a_closing(
    owner: asyncpg.Connection, attacker: asyncpg.Connection, brand: Brand, manager: permissions.Principal
) -> None:
    await attacker.execute(CHANGE, brand.id, "R3", 1, "close", "2026-12-01", manager.user_id)
    async with books.refused(owner, STEP, "standing_step"):
        await attacker.execute(CHANGE, brand.id, "R3", 2, "freeze", "2026-12-01", manager.user_id)
    async with books.refused(owner, REPEATED, "standing_change_close_unique"):
        await attacker.execute(CHANGE, brand.id, "R3", 2, "close", "2026-11-30", manager.user_id)
    assert await attacker.execute(CHANGE, brand.id, "R3", 2, "freeze", "2026-11-30", manager.user_id) == "INSERT 0 1"


async def test_a_reseller_agrees_for_itself_alone(
    owner: asyncpg.Connection, keys: crypto.Keys, brand: Brand, current: agreement.Agreement, attacker: asyncpg.Connection
) -> None:
    admin = await people.member(keys, brand.id, "admin", reseller="R2")
    agree = (
        "INSERT INTO agreement_acceptance (brand_id, number, reseller, sha256, accepted_at, accepted_by, address)"
        " VALUES ($1, 1, $2, $3, now(), $4, '198.51.100.9')"
    )
    async with books.refused(owner, asyncpg.InsufficientPrivilegeError), attacker.transaction():
        await attacker.execute("SELECT set_config('qucheng.reseller', 'R2', true), set_config('role', 'qucheng_reseller', true)")
        await attacker.execute(agree, brand.id, "R1", current.sha256, admin.user_id)
    async with books.refused(owner, asyncpg.ForeignKeyViolationError, "agreement_acceptance_agreement_reference"):
        await attacker.execute(agree, brand.id, "R2", "0" * 64, admin.user_id)
    assert await attacker.execute(agree, brand.id, "R2", current.sha256, admin.user_id) == "INSERT 0 1"


def _freezes(brand: Brand, who: permissions.Principal) -> Callable[[asyncpg.Connection], Awaitable[None]]:
    async def write(connection: asyncpg.Connection) -> None:
        number = 1 + await connection.fetchval("SELECT count(*) FROM standing_change WHERE reseller = 'R3'")
        await connection.execute(CHANGE, brand.id, "R3", number, "freeze", "2026-11-22", who.user_id)

    return write


async def test_two_freezes_at_once_leave_one(
    workspace: books.Workspace, owner: asyncpg.Connection, brand: Brand, manager: permissions.Principal
) -> None:
    end = await duel.fight(workspace, brand.id, _freezes(brand, manager), _freezes(brand, manager))
    assert (end.waited, end.first, type(end.second)) == (True, None, REPEATED)
    assert await owner.fetchval("SELECT count(*) FROM standing_change WHERE brand_id = $1", brand.id) == 1


async def test_control_without_its_index_one_person_waits_twice(
    owner: asyncpg.Connection, brand: Brand, applied: uuid.UUID
) -> None:
    undone = owner.transaction()
    await undone.start()
    try:
        await owner.execute("DROP INDEX application_waiting_unique")
        assert await owner.execute(copied(OWN), applied) == "INSERT 0 1"
        waiting = "SELECT count(*) FROM application WHERE brand_id = $1 AND state = 'waiting'"
        assert await owner.fetchval(waiting, brand.id) == 2
    finally:
        await undone.rollback()
