"""Keys of machines: what is stored of them, two secrets at a time, and who may do what with which."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from tests import books
from tests.rooms.identity import people

from qucheng.core import crypto, db
from qucheng.identity import api_caller, api_key, api_signature, permissions
from qucheng.identity import membership as memberships

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

NOW = people.NOW
DAY = dt.timedelta(days=1)
HERE = "198.51.100.7"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> crypto.Keys:
    return crypto.keys(tmp_path_factory.mktemp("ring") / "keys")


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path: Path) -> Brand:
    assert workspace
    made = await books.found(books.write(tmp_path / "bundle", code=f"b-{uuid.uuid4().hex[:20]}"))
    await books.take_in(made, tmp_path / "bundle")
    return made


@pytest.fixture
async def maker(keys: crypto.Keys, brand: Brand) -> permissions.Principal:
    return await people.member(keys, brand.id, "owner")


async def made(keys: crypto.Keys, brand: Brand, maker: permissions.Principal, **given: Any) -> api_key.Issued:
    wanted: dict[str, Any] = {
        "name": "收银台",
        "mode": "live",
        "reseller": None,
        "scopes": ["orders.read", "adjustments.request"],
        "networks": [],
        "expires_at": NOW + 90 * DAY,
        **given,
    }
    return await api_key.create(
        keys=keys, brand_id=brand.id, created_by=maker.user_id, actor=people.actor(maker), now=NOW, **wanted
    )


async def by_token(issued: api_key.Issued, now: dt.datetime = NOW, address: str = HERE) -> api_caller.Caller:
    return await api_caller.by_token(token=issued.token, address=address, now=now)


def signed(issued: api_key.Issued, now: dt.datetime = NOW, nonce: str | None = None) -> api_signature.Signed:
    assert issued.signing_secret is not None
    request = api_signature.Signed(
        method="POST",
        target="/api/v1/adjustments",
        timestamp=str(int(now.timestamp())),
        nonce=nonce or uuid.uuid4().hex,
        idempotency_key="k",
        body=b"{}",
        signature="",
    )
    text = api_signature.sign(request, issued.signing_secret)
    return api_signature.Signed(**{**{name: getattr(request, name) for name in request.__struct_fields__}, "signature": text})


async def by_signature(
    keys: crypto.Keys, issued: api_key.Issued, request: api_signature.Signed, now: dt.datetime = NOW
) -> api_caller.Caller:
    return await api_caller.by_signature(keys=keys, key=issued.id.hex, request=request, address=HERE, now=now)


async def rotated(
    keys: crypto.Keys, brand: Brand, maker: permissions.Principal, key_id: uuid.UUID, overlap: dt.timedelta, now: dt.datetime
) -> api_key.Issued:
    return await api_key.rotate(
        keys=keys, brand_id=brand.id, key_id=key_id, overlap=overlap, by=maker.user_id, actor=people.actor(maker), now=now
    )


async def test_who_has_the_token_is_the_key(keys: crypto.Keys, brand: Brand, maker: permissions.Principal) -> None:
    issued = await made(keys, brand, maker)
    caller = await by_token(issued)
    assert (caller.key_id, caller.brand_id, caller.reseller, caller.mode) == (issued.id, brand.id, None, "live")
    assert (caller.scopes, caller.created_by) == (frozenset({"orders.read", "adjustments.request"}), maker.user_id)
    assert issued.token.startswith(f"qc_live_{issued.id.hex}_")
    (listed,) = await api_key.listing(brand_id=brand.id, now=NOW)
    assert (listed.id, listed.name, listed.last_used_on, listed.old_until) == (issued.id, "收银台", NOW.date(), None)
    assert listed.state(NOW) == "active"


async def test_the_database_holds_neither_token_nor_secret(
    keys: crypto.Keys, brand: Brand, maker: permissions.Principal, owner: asyncpg.Connection
) -> None:
    issued = await made(keys, brand, maker)
    assert issued.signing_secret is not None
    row = await owner.fetchrow("SELECT * FROM api_secret WHERE key = $1", issued.id)
    assert row["token_hash"] == crypto.token_hash(issued.token)
    place = api_key.place(issued.id, 1)
    assert keys.open(row["signing_cipher"], place=place).decode() == issued.signing_secret
    for table in await books.tables(owner):
        found = await owner.fetchval(
            f"SELECT count(*) FROM {table} t WHERE strpos(t::text, $1) > 0 OR strpos(t::text, $2) > 0 OR strpos(t::text, $3) > 0",
            issued.token.split("_", 3)[3],
            issued.signing_secret,
            issued.signing_secret.encode().hex(),
        )
        assert found == 0, table
    records = await owner.fetch("SELECT action, user_id, after FROM audit_record WHERE subject = $1", str(issued.id))
    assert [(row["action"], row["user_id"]) for row in records] == [("api_key.create", maker.user_id)]
    assert json.loads(records[0]["after"])["scopes"] == ["adjustments.request", "orders.read"]


async def test_a_key_that_moves_no_money_signs_nothing(keys: crypto.Keys, brand: Brand, maker: permissions.Principal) -> None:
    issued = await made(keys, brand, maker, scopes=["orders.read"], reseller="R1")
    assert issued.signing_secret is None
    assert (await by_token(issued)).reseller == "R1"
    with pytest.raises(api_caller.NotKnownError):
        await by_signature(keys, issued, api_signature.Signed(
            method="POST", target="/", timestamp=str(int(NOW.timestamp())), nonce="n" * 16, idempotency_key="", body=b"", signature="0" * 64,
        ))  # fmt: skip


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": "  "}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["orders.unknown"]}, "scopes"),
        ({"scopes": ["journal.read"], "reseller": "R1"}, "scopes"),
        ({"scopes": ["adjustments.request"], "reseller": "R1"}, "scopes"),
        ({"scopes": ["orders.read"], "reseller": "nobody"}, "reseller"),
        ({"networks": ["here"]}, "networks"),
        ({"networks": ["203.0.113.7/24"]}, "networks"),
        ({"networks": ["203.0.113.7"] * 21}, "networks"),
        ({"expires_at": NOW}, "expires"),
        ({"expires_at": NOW + 732 * DAY}, "expires"),
    ],
)
async def test_a_key_that_cannot_be_so_is_not_made(
    keys: crypto.Keys, brand: Brand, maker: permissions.Principal, owner: asyncpg.Connection, given: dict[str, Any], field: str
) -> None:
    before = await books.everything(owner)
    with pytest.raises(api_key.KeyUnfitError) as refusal:
        await made(keys, brand, maker, **given)
    assert refusal.value.field == field
    assert await books.everything(owner) == before


@pytest.mark.parametrize(
    "token",
    ["", "qc_live_", "Bearer", "qc_live_" + "0" * 32 + "_" + "a" * 43, "qc_" + "x" * 200, "qc_live_é"],
)
async def test_what_is_no_token_is_nobody(workspace: books.Workspace, token: str) -> None:
    assert workspace
    with pytest.raises(api_caller.NotKnownError):
        await api_caller.by_token(token=token, address=HERE, now=NOW)


async def test_the_secret_of_another_key_is_not_this_ones(keys: crypto.Keys, brand: Brand, maker: permissions.Principal) -> None:
    ours, theirs = await made(keys, brand, maker), await made(keys, brand, maker)
    mixed = f"qc_live_{ours.id.hex}_{theirs.token.split('_', 3)[3]}"
    for token in (mixed, ours.token.replace("qc_live", "qc_test"), ours.token[:-1] + ("A" if ours.token[-1] != "A" else "B")):
        with pytest.raises(api_caller.NotKnownError):
            await api_caller.by_token(token=token, address=HERE, now=NOW)


async def test_only_from_its_networks(keys: crypto.Keys, brand: Brand, maker: permissions.Principal) -> None:
    issued = await made(keys, brand, maker, networks=["198.51.100.0/24", "2001:db8::/32"])
    for address in ("198.51.100.255", "::ffff:198.51.100.1", "2001:db8::7"):
        assert (await by_token(issued, address=address)).key_id == issued.id
    for address in ("198.51.101.1", "2001:db9::7", "", "elsewhere"):
        with pytest.raises(api_caller.AddressError):
            await by_token(issued, address=address)


async def test_two_are_good_while_they_change(keys: crypto.Keys, brand: Brand, maker: permissions.Principal) -> None:
    first = await made(keys, brand, maker)
    second = await rotated(keys, brand, maker, first.id, DAY, NOW)
    for each in (first, second):
        assert (await by_token(each)).key_id == first.id
        assert (await by_signature(keys, each, signed(each))).key_id == first.id
    (listed,) = await api_key.listing(brand_id=brand.id, now=NOW)
    assert listed.old_until == NOW + DAY
    with pytest.raises(api_key.KeyStateError):
        await rotated(keys, brand, maker, first.id, DAY, NOW + DAY / 2)
    with pytest.raises(api_caller.NotKnownError):
        await by_token(first, now=NOW + DAY)
    with pytest.raises(api_caller.NotKnownError):
        await by_signature(keys, first, signed(first, NOW + DAY), NOW + DAY)
    third = await rotated(keys, brand, maker, first.id, dt.timedelta(0), NOW + DAY)
    with pytest.raises(api_caller.NotKnownError):
        await by_token(second, now=NOW + DAY)
    assert (await by_token(third, now=NOW + DAY)).key_id == first.id


async def test_the_old_one_is_ended_early(keys: crypto.Keys, brand: Brand, maker: permissions.Principal) -> None:
    first = await made(keys, brand, maker)
    second = await rotated(keys, brand, maker, first.id, 7 * DAY, NOW)
    later = NOW + dt.timedelta(hours=1)
    await api_key.end_old(brand_id=brand.id, key_id=first.id, actor=people.actor(maker), now=later)
    with pytest.raises(api_caller.NotKnownError):
        await by_token(first, now=later)
    assert (await by_token(second, now=later)).key_id == first.id
    with pytest.raises(api_key.KeyStateError):
        await api_key.end_old(brand_id=brand.id, key_id=first.id, actor=people.actor(maker), now=later)


async def test_the_database_lets_no_third_secret_be_good_and_none_come_back(
    keys: crypto.Keys, brand: Brand, maker: permissions.Principal, owner: asyncpg.Connection
) -> None:
    first = await made(keys, brand, maker)
    await rotated(keys, brand, maker, first.id, DAY, NOW)
    async with books.refused(owner, asyncpg.RestrictViolationError, "api_secret_step"):
        await owner.execute("UPDATE api_secret SET ends_at = NULL WHERE key = $1 AND number = 1", first.id)
    async with books.refused(owner, asyncpg.RestrictViolationError, "api_secret_step"):
        await owner.execute("UPDATE api_secret SET ends_at = ends_at + interval '1 day' WHERE key = $1 AND number = 1", first.id)
    third = "INSERT INTO api_secret SELECT brand_id, key, number + $2, token_hash, NULL, issued_at, issued_by, {} FROM api_secret WHERE key = $1 AND number = 2"
    async with books.refused(owner, asyncpg.RestrictViolationError, "api_secret_two"):
        await owner.execute(third.format("NULL"), first.id, 1)


async def test_revoked_once_and_for_all(
    keys: crypto.Keys, brand: Brand, maker: permissions.Principal, owner: asyncpg.Connection
) -> None:
    issued = await made(keys, brand, maker)

    async def revoke() -> None:
        await api_key.revoke(brand_id=brand.id, key_id=issued.id, by=maker.user_id, actor=people.actor(maker), now=NOW)

    await revoke()
    with pytest.raises(api_caller.KeyRevokedError):
        await by_token(issued)
    with pytest.raises(api_caller.KeyRevokedError):
        await by_signature(keys, issued, signed(issued))
    before = await books.everything(owner)
    with pytest.raises(api_key.KeyStateError):
        await revoke()
    with pytest.raises(api_key.KeyStateError):
        await rotated(keys, brand, maker, issued.id, DAY, NOW)
    assert await books.everything(owner) == before
    async with books.refused(owner, asyncpg.RestrictViolationError, "api_key_step"):
        await owner.execute("UPDATE api_key SET revoked_at = NULL, revoked_by = NULL WHERE id = $1", issued.id)
    async with books.refused(owner, asyncpg.RestrictViolationError, "api_key_step"):
        await owner.execute("UPDATE api_key SET scopes = 'journal.read' WHERE id = $1", issued.id)


async def test_its_time_ends(keys: crypto.Keys, brand: Brand, maker: permissions.Principal) -> None:
    issued = await made(keys, brand, maker, expires_at=NOW + DAY)
    assert (await by_token(issued, now=NOW + DAY - dt.timedelta(microseconds=1))).key_id == issued.id
    with pytest.raises(api_caller.KeyExpiredError):
        await by_token(issued, now=NOW + DAY)


async def test_a_key_of_another_brand_is_nobodys_here(
    keys: crypto.Keys, brand: Brand, maker: permissions.Principal, tmp_path: Path, owner: asyncpg.Connection
) -> None:
    issued = await made(keys, brand, maker)
    other = await books.found(books.write(tmp_path / "other", code=f"b-{uuid.uuid4().hex[:20]}"))
    before = await books.everything(owner)
    with pytest.raises(api_key.KeyUnknownError):
        await api_key.revoke(brand_id=other.id, key_id=issued.id, by=maker.user_id, actor=people.actor(maker), now=NOW)
    with pytest.raises(api_key.KeyUnknownError):
        await rotated(keys, other, maker, issued.id, DAY, NOW)
    assert await api_key.listing(brand_id=other.id, now=NOW) == []
    assert await books.everything(owner) == before


async def test_a_nonce_is_used_once_and_forgotten_when_it_is_stale(
    keys: crypto.Keys, brand: Brand, maker: permissions.Principal
) -> None:
    issued = await made(keys, brand, maker)
    request = signed(issued, nonce="n" * 16)
    await by_signature(keys, issued, request)
    with pytest.raises(api_caller.NonceUsedError):
        await by_signature(keys, issued, request)
    with pytest.raises(api_caller.NonceUsedError):
        await by_signature(keys, issued, signed(issued, nonce="n" * 16))
    # signed by a clock that is ahead: taken until the last moment of its second, and so long the nonce is remembered
    ahead = signed(issued, NOW + dt.timedelta(minutes=5), "a" * 16)
    await by_signature(keys, issued, ahead)
    last = NOW + dt.timedelta(minutes=10, milliseconds=999)
    assert await api_key.prune(brand_id=brand.id, now=last) == 0
    with pytest.raises(api_caller.NonceUsedError):
        await by_signature(keys, issued, ahead, last)
    with pytest.raises(api_caller.TimeError):
        await by_signature(keys, issued, request, last)
    assert await api_key.prune(brand_id=brand.id, now=NOW + dt.timedelta(minutes=16)) == 2


async def test_who_asks_is_the_maker_while_the_role_stands(keys: crypto.Keys, brand: Brand, maker: permissions.Principal) -> None:
    caller = await by_token(await made(keys, brand, maker))
    found = await api_caller.maker(caller, permission="adjustments.request")
    assert (found.user_id, found.brand_id, found.role) == (maker.user_id, brand.id, "owner")
    await people.member(keys, brand.id, "owner")
    await memberships.revoke(
        brand_id=brand.id,
        membership_id=await people.role_of(maker.user_id, brand.id),
        actor=people.actor(maker),
        now=NOW + DAY,
    )
    with pytest.raises(api_caller.MakerGoneError):
        await api_caller.maker(caller, permission="adjustments.request")


async def test_the_look_up_is_for_the_app_alone(owner: asyncpg.Connection) -> None:
    held = await owner.fetch("SELECT grantee::regrole::text FROM pg_proc p, aclexplode(p.proacl) WHERE proname = 'api_key_named'")
    assert {row[0] for row in held} - {await owner.fetchval("SELECT current_user::text")} == {"qucheng_app"}
    async with db.atomic():
        assert await db.connection().fetch("SELECT * FROM api_key") == []
