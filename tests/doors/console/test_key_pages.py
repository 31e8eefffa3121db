"""Keys of machines, as an owner makes, renews and revokes them."""

from __future__ import annotations

import datetime as dt
import html
import re
import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.doors.console import visits
from tests.rooms.identity import people

from qucheng.core import clock, crypto
from qucheng.identity import api_caller, api_key

if TYPE_CHECKING:
    import asyncpg
    from tests.doors.account import browser

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

SECRET = re.compile(r'<textarea[^>]* id="(\w+)"[^>]*>([^<]*)</textarea>')
GOOD = {"name": "ERP 对账", "mode": "live", "scope_orders.read": "1", "scope_adjustments.request": "1", "expires": "90"}
OWN = {"name": "门店", "scope_orders.read": "1", "reseller": "R1", "expires": "30"}


class Owner:
    """codes: recovery codes, each of which is good once."""

    def __init__(self, visitor: browser.Browser, user_id: uuid.UUID) -> None:
        self.visitor, self.user_id = visitor, user_id
        self.codes = visitor.codes()

    async def make(self, **fields: str) -> dict[str, str]:
        """Returns the secrets that the page shows."""
        await self.visitor.get("/keys/new")
        answer = await self.visitor.send("/keys/new", code=self.codes.pop(), **fields)
        assert answer.status_code == 200, visits.plain(answer.text)
        return self.secrets()

    def secrets(self) -> dict[str, str]:
        return dict(SECRET.findall(self.visitor.page))


@pytest.fixture
async def owner_(house: browser.House, brand: Brand) -> Owner:
    visitor, who = await visits.entered(house, brand.id, "owner")
    return Owner(visitor, who.user_id)


async def stored(owner: asyncpg.Connection) -> dict[str, str]:
    """Without what a code and a visit leave."""
    left = {"process", "session", "recovery_code", "second_factor"}
    return {name: rows for name, rows in (await books.everything(owner)).items() if name not in left}


async def caller(token: str, address: str = "198.51.100.7") -> api_caller.Caller:
    return await api_caller.by_token(token=token, address=address, now=clock.now())


async def test_the_secrets_are_shown_once_and_work(house: browser.House, brand: Brand, owner_: Owner) -> None:
    secrets = await owner_.make(**GOOD, networks="198.51.100.0/24\n 203.0.113.7")
    assert list(secrets) == ["token", "key", "signing"]
    found = await caller(secrets["token"])
    assert (found.key_id.hex, found.brand_id, found.created_by) == (secrets["key"], brand.id, owner_.user_id)
    assert (found.scopes, found.networks) == (
        frozenset({"orders.read", "adjustments.request"}),
        ("198.51.100.0/24", "203.0.113.7/32"),
    )
    assert dt.timedelta(days=89) < found.expires_at - clock.now() < dt.timedelta(days=90)
    assert secrets["signing"].startswith("qcs_")
    for page in ("/keys", f"/keys/{found.key_id}"):
        await owner_.visitor.get(page)
        assert "ERP 对账" in owner_.visitor.page
        assert secrets["token"].rpartition("_")[2] not in owner_.visitor.page
        assert secrets["signing"] not in owner_.visitor.page
    assert house.keys


async def test_a_key_of_a_reseller_has_nothing_to_sign_with(owner_: Owner) -> None:
    secrets = await owner_.make(**OWN, mode="test")
    assert list(secrets) == ["token"]
    found = await caller(secrets["token"])
    assert (found.reseller, found.mode) == ("R1", "test")


async def test_all_that_is_wrong_is_told_and_what_was_typed_stays(owner_: Owner, owner: asyncpg.Connection) -> None:
    before = await stored(owner)
    await owner_.visitor.get("/keys/new")
    answer = await owner_.visitor.send(
        "/keys/new", name=" ", reseller="R 1", networks="here", expires="0", code="000000", **{"scope_journal.read": "1"}
    )
    assert answer.status_code == 422
    links = re.findall(r'<li><a href="#(\w+)">([^<]+)</a></li>', answer.text)
    assert [(name, html.unescape(text)) for name, text in links] == [
        ("name", "A name has 1 to 80 characters."),
        ("reseller", "There is no reseller with this code."),
        ("scopes", "Choose what the key may do; a key of a reseller only reads the reseller's own rows."),
        ("networks", "An address is like 203.0.113.7, a network like 203.0.113.0/24, one in a line, 20 at most."),
        ("expires", "Choose when the key ends."),
    ]
    for name, _ in links:
        assert f'id="{name}"' in answer.text
    assert 'value="R 1"' in answer.text
    assert ">here</textarea>" in answer.text
    assert 'name="scope_journal.read" value="1" checked' in answer.text
    assert await stored(owner) == before


async def test_no_key_without_the_second_factor_and_none_twice(owner_: Owner, owner: asyncpg.Connection) -> None:
    before = await stored(owner)
    await owner_.visitor.get("/keys/new")
    answer = await owner_.visitor.send("/keys/new", code="000000", **GOOD)
    assert (answer.status_code, SECRET.findall(answer.text)[0][0]) == (422, "networks")
    assert "The code is wrong, or was used already." in visits.plain(answer.text)
    assert await stored(owner) == before
    code = owner_.codes.pop()
    assert (await owner_.visitor.send("/keys/new", code=code, **GOOD)).status_code == 200
    after = await stored(owner)
    await owner_.visitor.get("/keys/new")
    assert (await owner_.visitor.send("/keys/new", code=code, **GOOD)).status_code == 422  # the page sent again
    assert await stored(owner) == after


async def test_a_reseller_that_is_not_there(owner_: Owner, owner: asyncpg.Connection) -> None:
    before = await stored(owner)
    await owner_.visitor.get("/keys/new")
    answer = await owner_.visitor.send("/keys/new", code=owner_.codes.pop(), **{**OWN, "reseller": "R9"})
    assert answer.status_code == 422
    assert "There is no reseller with this code." in visits.plain(answer.text)
    assert await stored(owner) == before


async def test_a_new_secret_beside_the_old_one(owner_: Owner) -> None:
    first = await owner_.make(**GOOD)
    key = f"/keys/{uuid.UUID(first['key'])}"
    await owner_.visitor.get(key)
    answer = await owner_.visitor.send(f"{key}/rotate", overlap="24", code=owner_.codes.pop())
    assert answer.status_code == 200
    second = owner_.secrets()
    assert (second["key"], second["token"] != first["token"], second["signing"] != first["signing"]) == (first["key"], True, True)
    assert (await caller(first["token"])).key_id == (await caller(second["token"])).key_id
    await owner_.visitor.get(key)
    assert "Two secrets are good at the moment" in owner_.visitor.page
    answer = await owner_.visitor.send(f"{key}/end-old")
    assert (answer.status_code, answer.headers["location"]) == (303, "/keys?done=ended")
    with pytest.raises(api_caller.NotKnownError):
        await caller(first["token"])
    assert (await caller(second["token"])).key_id.hex == first["key"]
    await owner_.visitor.get(key)
    assert (await owner_.visitor.send(f"{key}/end-old")).status_code == 409


@pytest.mark.parametrize(("overlap", "code"), [("24", "000000"), ("25", ""), ("", ""), ("-1", "")])
async def test_no_new_secret_without_code_and_overlap(owner_: Owner, owner: asyncpg.Connection, overlap: str, code: str) -> None:
    first = await owner_.make(**GOOD)
    key = f"/keys/{uuid.UUID(first['key'])}"
    before = await stored(owner)
    await owner_.visitor.get(key)
    answer = await owner_.visitor.send(f"{key}/rotate", overlap=overlap, code=code or owner_.codes.pop())
    assert answer.status_code == 422
    assert await stored(owner) == before


async def test_revoked_after_asking_again(owner_: Owner, owner: asyncpg.Connection) -> None:
    secrets = await owner_.make(**GOOD)
    key = f"/keys/{uuid.UUID(secrets['key'])}"
    await owner_.visitor.get(f"{key}/revoke")
    assert "ERP 对账" in visits.plain(owner_.visitor.page)
    answer = await owner_.visitor.send(f"{key}/revoke")
    assert (answer.status_code, answer.headers["location"]) == (303, "/keys?done=revoked")
    with pytest.raises(api_caller.KeyRevokedError):
        await caller(secrets["token"])
    before = await stored(owner)
    await owner_.visitor.get("/keys")
    assert (await owner_.visitor.send(f"{key}/revoke")).status_code == 409
    assert (await owner_.visitor.send(f"{key}/rotate", overlap="24", code=owner_.codes.pop())).status_code == 409
    assert await stored(owner) == before


async def test_a_key_of_another_brand_is_not_there(
    house: browser.House, owner_: Owner, owner: asyncpg.Connection, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("other") / "bundle"
    other = await books.found(books.write(folder, code=f"b-{uuid.uuid4().hex[:20]}"))
    maker = await people.member(house.keys, other.id, "owner")
    theirs = await api_key.create(
        keys=house.keys,
        brand_id=other.id,
        name="theirs",
        mode="live",
        reseller=None,
        scopes=["orders.read"],
        networks=[],
        expires_at=clock.now() + dt.timedelta(days=1),
        created_by=maker.user_id,
        actor=people.actor(maker),
        now=clock.now(),
    )
    before = await stored(owner)
    await owner_.visitor.get("/keys")
    assert "theirs" not in owner_.visitor.page
    for path in (f"/keys/{theirs.id}", f"/keys/{theirs.id}/revoke"):
        assert (await owner_.visitor.get(path)).status_code == 404
    for action in ("revoke", "end-old", "rotate"):
        await owner_.visitor.get("/keys/new")
        answer = await owner_.visitor.send(f"/keys/{theirs.id}/{action}", overlap="24", code="000000")
        assert answer.status_code == 404
    assert await stored(owner) == before


@pytest.mark.parametrize("role", ["manager", "accountant", "auditor", "support"])
async def test_keys_are_the_owners_business(house: browser.House, brand: Brand, role: str) -> None:
    visitor, _ = await visits.entered(house, brand.id, role)  # type: ignore[arg-type]
    for path in ("/keys", "/keys/new", f"/keys/{uuid.uuid4()}", f"/keys/{uuid.uuid4()}/revoke"):
        assert (await visitor.get(path)).status_code == 404
    await visitor.get("/account")
    assert "/keys" not in visitor.page


async def test_what_is_shown_of_a_secret_is_kept_by_nobody(owner_: Owner, owner: asyncpg.Connection) -> None:
    secrets = await owner_.make(**GOOD)
    hashes = await owner.fetch("SELECT token_hash FROM api_secret WHERE key = $1", uuid.UUID(secrets["key"]))
    assert [row["token_hash"] for row in hashes] == [crypto.token_hash(secrets["token"])]
    records = await owner.fetch(
        "SELECT action, after::text AS after FROM audit_record WHERE subject = $1", str(uuid.UUID(secrets["key"]))
    )
    assert [row["action"] for row in records] == ["api_key.create"]
    assert [word for word in secrets.values() if word in records[0]["after"]] == []
