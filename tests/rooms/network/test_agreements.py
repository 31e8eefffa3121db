"""Agreements: versions that never change, and who agreed to which, when and from where."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.identity import people
from tests.rooms.network import desk

from qucheng.core import db
from qucheng.network import agreement, blocklist, standing

if TYPE_CHECKING:
    import asyncpg

    from qucheng.core import crypto
    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio


async def accept(brand: Brand, who: permissions.Principal, version: agreement.Agreement, **changes: str) -> None:
    assert who.reseller is not None
    await agreement.accept(
        brand_id=brand.id,
        reseller=who.reseller,
        number=version.number,
        sha256=changes.get("sha256", version.sha256),
        address="198.51.100.9",
        day=desk.DAY,
        actor=people.actor(who),
        now=desk.NOW,
    )


async def test_a_version_has_the_hash_of_its_texts(brand: Brand, manager: permissions.Principal) -> None:
    made = await desk.agreed(brand, actor=people.actor(manager), text_zh="\r\n第一条  \r\n\r\n第二条\r\n")
    whole = "分销协议\n\n第一条\n\n第二条\n\nReseller agreement\n\n1\nJoining is free."
    assert (made.number, made.text_zh, made.sha256) == (1, "第一条\n\n第二条", hashlib.sha256(whole.encode()).hexdigest())
    (listed,) = await agreement.listing(brand_id=brand.id)
    assert (listed.number, listed.published_by, listed.published_at, listed.accepted) == (1, manager.user_id, desk.NOW, 0)


async def test_in_force_is_the_last_that_has_taken_effect(brand: Brand) -> None:
    first = await desk.agreed(brand)
    later = await desk.agreed(brand, effective_on=desk.DAY + dt.timedelta(days=5), text_en="2")
    days = [desk.DAY - dt.timedelta(days=1), desk.DAY, desk.DAY + dt.timedelta(days=4), desk.DAY + dt.timedelta(days=5)]
    found = [await agreement.in_force(brand_id=brand.id, day=day) for day in days]
    assert found == [None, first, first, later]


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"title_zh": " "}, ["title_zh"]),
        ({"title_en": "x" * 81, "text_en": ""}, ["text_en", "title_en"]),
        ({"text_zh": "一" * 20_001}, ["text_zh"]),
        ({"text_zh": "a\0b"}, ["text_zh"]),
        ({"effective_on": desk.DAY - dt.timedelta(days=1)}, ["effective_on"]),
        ({"effective_on": desk.DAY}, ["effective_on"]),
    ],
)
async def test_what_cannot_be_published_is_named_and_nothing_is_written(
    owner: asyncpg.Connection, brand: Brand, changes: dict[str, object], fields: list[str]
) -> None:
    if "effective_on" in changes:
        await desk.agreed(brand, effective_on=desk.DAY + dt.timedelta(days=3))
    before = await books.everything(owner)
    with pytest.raises(agreement.AgreementUnfitError) as refusal:
        await desk.agreed(brand, **changes)  # type: ignore[arg-type]
    assert sorted(refusal.value.fields) == fields
    assert await books.everything(owner) == before


async def test_a_promise_of_income_is_refused_and_kept(
    owner: asyncpg.Connection, brand: Brand, manager: permissions.Principal
) -> None:
    before = await books.everything(owner)
    with pytest.raises(blocklist.PromiseError):
        await desk.agreed(brand, actor=people.actor(manager), text_zh="加入即可躺 赚")
    after = await books.everything(owner)
    assert {name for name in after if after[name] != before[name]} == {"audit_record"}
    tried = "SELECT subject, after ->> 'code', user_id FROM audit_record WHERE action = 'compliance.refused'"
    assert await books.seen(brand, tried) == [("agreement.publish/agreement", "text.promise", manager.user_id)]


async def test_two_versions_at_once_follow_each_other(brand: Brand) -> None:
    await asyncio.gather(*(desk.agreed(brand, text_en=str(n)) for n in range(3)))
    assert sorted(each.number for each in await agreement.listing(brand_id=brand.id)) == [1, 2, 3]


async def test_a_reseller_agrees_once_with_time_address_and_hash(
    keys: crypto.Keys, brand: Brand, current: agreement.Agreement
) -> None:
    admin = await people.member(keys, brand.id, "admin", reseller="R2")
    assert await agreement.due(brand_id=brand.id, reseller="R2", day=desk.DAY) == current
    await accept(brand, admin, current)
    await accept(brand, admin, current)
    assert await agreement.due(brand_id=brand.id, reseller="R2", day=desk.DAY) is None
    (kept,) = await agreement.accepted(brand_id=brand.id, reseller="R2", own=True)
    assert (kept.number, kept.accepted_at, kept.sha256, kept.address) == (1, desk.NOW, current.sha256, "198.51.100.9")
    by = "SELECT accepted_by, application FROM agreement_acceptance"
    assert await books.seen(brand, by) == [(admin.user_id, None)]
    trail = "SELECT user_id, subject FROM audit_record WHERE action = 'agreement.accept'"
    assert await books.seen(brand, trail) == [(admin.user_id, "R2")]
    async with db.atomic(brand.id, reseller="R1"):
        assert await db.connection().fetchval("SELECT count(*) FROM agreement_acceptance") == 0


async def test_what_was_not_shown_is_not_agreed_to(
    owner: asyncpg.Connection, keys: crypto.Keys, brand: Brand, current: agreement.Agreement
) -> None:
    admin = await people.member(keys, brand.id, "admin", reseller="R2")
    later = await desk.agreed(brand, effective_on=desk.DAY + dt.timedelta(days=1), text_en="2")
    before = await books.everything(owner)
    for version, sha256 in ((current, later.sha256), (later, later.sha256), (current, "")):
        with pytest.raises(agreement.AgreementChangedError):
            await accept(brand, admin, version, sha256=sha256)
    assert await books.everything(owner) == before


async def test_who_owes_a_version_is_listed_without_those_who_are_gone(
    keys: crypto.Keys, brand: Brand, current: agreement.Agreement, manager: permissions.Principal
) -> None:
    await accept(brand, await people.member(keys, brand.id, "admin", reseller="R2"), current)
    later = await desk.agreed(brand, text_en="2")
    await standing.close(
        brand_id=brand.id, reseller="R3", closes_on=desk.DAY, reason="x", day=desk.DAY, actor=people.actor(manager), now=desk.NOW
    )
    found, total = await agreement.owing(brand_id=brand.id, number=later.number, day=desk.DAY)
    assert ([(each.code, each.last) for each in found], total) == ([("R1", None), ("R2", 1)], 2)
    assert [(each.number, each.accepted) for each in await agreement.listing(brand_id=brand.id)] == [(2, 0), (1, 1)]
