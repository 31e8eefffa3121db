"""Who applied and was rejected is wiped after half a year; that somebody applied and what was answered stays."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests import books
from tests.rooms.identity import people
from tests.rooms.network import desk

from qucheng.core import clock
from qucheng.network import admission, agreement, application

if TYPE_CHECKING:
    import uuid

    from qucheng.core import crypto
    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

OLD, YOUNG = dt.timedelta(days=181), dt.timedelta(days=179)
SEALED = "SELECT id FROM application WHERE facts_cipher IS NOT NULL ORDER BY id"


async def rejected(
    keys: crypto.Keys, brand: Brand, current: agreement.Agreement, who: permissions.Principal, *, ago: dt.timedelta
) -> uuid.UUID:
    """One after the other of the same person."""
    made = await desk.applied(keys, brand, current)
    await admission.reject(
        keys=keys, brand=brand, application_id=made, reason="no shop", actor=people.actor(who), now=clock.now() - ago
    )
    return made


async def test_what_was_sealed_is_wiped_and_the_rest_stays(
    keys: crypto.Keys, brand: Brand, current: agreement.Agreement, manager: permissions.Principal
) -> None:
    old = await rejected(keys, brand, current, manager, ago=OLD)
    young = await rejected(keys, brand, current, manager, ago=YOUNG)
    waits = await desk.applied(keys, brand, current)
    before = await application.read(brand_id=brand.id, application_id=old)
    assert (before.state, before.reason, before.wiped, before.same) == ("rejected", "no shop", False, 2)
    assert await application.prune(brand_id=brand.id) == 1
    assert [row[0] for row in await books.seen(brand, SEALED)] == sorted([young, waits])
    after = await application.read(brand_id=brand.id, application_id=old)
    assert (after.state, after.reason, after.wiped, after.same, after.identity_hash) == (
        "rejected", "no shop", True, 2, before.identity_hash,
    )  # fmt: skip
    with pytest.raises(application.FactsWipedError):
        await application.open_facts(keys=keys, brand_id=brand.id, application_id=old, actor=people.actor(manager))
    assert await application.prune(brand_id=brand.id) == 0


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE application SET facts_cipher = NULL WHERE state = 'waiting'",
        "UPDATE application SET facts_cipher = NULL WHERE decided_at > now() - interval '180 days'",
        "UPDATE application SET facts_cipher = NULL, reason = 'other' WHERE decided_at < now() - interval '180 days'",
        "UPDATE application SET facts_cipher = 'other' WHERE decided_at < now() - interval '180 days'",
    ],
)
async def test_nothing_else_is_wiped(
    keys: crypto.Keys,
    brand: Brand,
    current: agreement.Agreement,
    manager: permissions.Principal,
    workspace: books.Workspace,
    owner: asyncpg.Connection,
    change: str,
) -> None:
    for ago in (OLD, YOUNG):
        await rejected(keys, brand, current, manager, ago=ago)
    await desk.applied(keys, brand, current)
    async with (
        books.connected(workspace.app, brand.id) as app,
        books.refused(owner, asyncpg.RestrictViolationError, "application_step"),
    ):
        await app.execute(change)
