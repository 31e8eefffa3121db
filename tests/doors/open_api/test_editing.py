"""Changes through the interface: only of the version that was read, all of it or nothing, and of two at once one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests.doors.open_api import callers

from qucheng.web.open_api import editing

if TYPE_CHECKING:
    import asyncpg
    import httpx

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

PATH = "/api/v1/skus/card"


@pytest.fixture
async def machine(make: callers.Make, brand: Brand) -> callers.Machine:
    return await make(brand, "catalog.read", "catalog.write")


async def patch(machine: callers.Machine, body: Any, tag: str | None, path: str = PATH) -> httpx.Response:
    headers = {"authorization": f"Bearer {machine.issued.token}", **({"if-match": tag} if tag is not None else {})}
    return await machine.client.patch(path, json=body, headers=headers)


async def test_read_change_and_read_again(machine: callers.Machine, brand: Brand, owner: asyncpg.Connection) -> None:
    read = await machine.get(PATH)
    tag = read.headers["etag"]
    assert (read.status_code, read.json()) == (200, {
        "code": "card", "name": "会员月卡", "category": "video", "listPrice": {"amount": "100.00", "currency": "CNY"}, "kind": "other",
        "faceValue": None, "validDays": None, "validUntil": None, "rulesZh": None, "rulesEn": None, "holdFrom": "paid", "onSale": True, "tags": ["sample"],
    })  # fmt: skip
    change = {
        "name": "月卡",
        "listPrice": {"amount": "99.50", "currency": "CNY"},
        "validDays": 30,
        "tags": ["热卖", "新品", "热卖"],
        "kind": "membership",
    }
    changed = await patch(machine, change, tag)
    assert (changed.status_code, changed.headers["etag"] != tag) == (200, True)
    assert changed.json() == {
        **read.json(), "name": "月卡", "listPrice": {"amount": "99.50", "currency": "CNY"}, "validDays": 30, "kind": "membership", "tags": ["新品", "热卖"],
    }  # fmt: skip
    again = await machine.get(PATH)
    assert (again.json(), again.headers["etag"]) == (changed.json(), changed.headers["etag"])
    record = await owner.fetchrow(
        "SELECT user_id, role FROM audit_record WHERE brand_id = $1 AND action = 'sku.change' ORDER BY at DESC LIMIT 1", brand.id
    )
    assert tuple(record) == (machine.maker.user_id, "key")
    back = {
        "name": "会员月卡",
        "listPrice": {"amount": "100.00", "currency": "CNY"},
        "validDays": None,
        "tags": ["sample"],
        "kind": "other",
    }
    assert (await patch(machine, back, again.headers["etag"])).json() == read.json()


async def test_who_has_it_already_gets_no_body(machine: callers.Machine) -> None:
    tag = (await machine.get(PATH)).headers["etag"]
    for given, status in ((tag, 304), (f'"other", W/{tag}', 304), ("*", 304), ('"other"', 200), ("nonsense", 200)):
        answer = await machine.client.get(
            PATH, headers={"authorization": f"Bearer {machine.issued.token}", "if-none-match": given}
        )
        assert (answer.status_code, answer.content == b"", answer.headers["etag"]) == (status, status == 304, tag), given


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        (None, 428, "edit.condition"),
        ("", 428, "edit.condition"),
        ('"stale"', 412, "edit.stale"),
        ("W/{tag}", 412, "edit.stale"),
        ('"a", "b"', 412, "edit.stale"),
        ("{bare}", 400, "edit.condition_invalid"),
        ("{tag} {tag}", 400, "edit.condition_invalid"),
        ('"' + "x" * 5000 + '"', 400, "edit.condition_invalid"),
    ],
)
async def test_a_change_names_the_version_that_it_changes(
    machine: callers.Machine, owner: asyncpg.Connection, given: str | None, status: int, code: str
) -> None:
    tag = (await machine.get(PATH)).headers["etag"]
    before = await callers.stored(owner)
    sent = given.replace("{tag}", tag).replace("{bare}", tag.strip('"')) if given is not None else None
    answer = await patch(machine, {"name": "x"}, sent)
    assert (answer.status_code, answer.json()["code"], answer.headers["content-type"]) == (
        status, code, "application/problem+json",
    )  # fmt: skip
    assert await callers.stored(owner) == before


async def test_one_of_several_tags_and_anything(machine: callers.Machine) -> None:
    tag = (await machine.get(PATH)).headers["etag"]
    assert (await patch(machine, {}, f'"old", {tag}')).status_code == 200
    assert (await patch(machine, {}, "*")).headers["etag"] == tag


async def test_of_two_changes_of_one_version_one_is_told_that_it_is_past(
    machine: callers.Machine, brand: Brand, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = (await machine.get(PATH)).headers["etag"]
    both = await asyncio.gather(*(patch(machine, {"rulesEn": f"rule {number}"}, tag) for number in range(2)))
    assert sorted(answer.status_code for answer in both) == [200, 412]
    (won,) = [answer.json()["rulesEn"] for answer in both if answer.status_code == 200]
    assert (await machine.get(PATH)).json()["rulesEn"] == won
    # control: without the look at the version the second would write over the first
    monkeypatch.setattr(editing, "require", lambda *_: None)
    assert (await patch(machine, {"rulesEn": "written over"}, tag)).status_code == 200
    assert (await machine.get(PATH)).json()["rulesEn"] == "written over"
    assert brand


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"name": "", "listPrice": {"amount": "-1", "currency": "CNY"}}, {"/listPrice/amount"}),
        ({"name": " x", "validDays": 3, "validUntil": "2027-01-01"}, {"/name", "/validUntil"}),
        ({"listPrice": {"amount": "1.005", "currency": "CNY"}}, {"/listPrice/amount"}),
        ({"faceValue": {"amount": "1", "currency": "USD"}}, {"/faceValue/currency"}),
        ({"name": None}, {"/name"}),
        ({"cost": {"amount": "1", "currency": "CNY"}, "code": "x"}, {"/cost", "/code"}),
        (
            {"kind": "gold", "onSale": "yes", "validDays": 0, "listPrice": {"amount": 5}},
            {"/kind", "/onSale", "/validDays", "/listPrice/amount", "/listPrice/currency"},
        ),
        ({"tags": ["a;b"]}, {"/tags"}),
        ({"kind": "package"}, {"/kind", "/parts"}),
    ],
)
async def test_what_cannot_be_is_told_field_by_field_and_nothing_is_written(
    machine: callers.Machine, owner: asyncpg.Connection, body: dict[str, Any], pointers: set[str]
) -> None:
    tag = (await machine.get(PATH)).headers["etag"]
    before = await callers.stored(owner)
    answer = await patch(machine, body, tag)
    assert (answer.status_code, answer.json()["code"]) == (422, "request.fields")
    assert {fault["pointer"] for fault in answer.json()["errors"]} == pointers
    assert await callers.stored(owner) == before


async def test_what_a_test_key_changes_is_answered_and_not_kept(
    make: callers.Make, brand: Brand, owner: asyncpg.Connection
) -> None:
    machine = await make(brand, "catalog.read", "catalog.write", mode="test")
    tag = (await machine.get(PATH)).headers["etag"]
    before = await callers.stored(owner)
    answer = await patch(machine, {"name": "tried"}, tag)
    assert (answer.status_code, answer.json()["name"], answer.headers["etag"] != tag) == (200, "tried", True)
    assert (await patch(machine, {"name": " "}, tag)).status_code == 422
    assert await callers.stored(owner) == before


async def test_another_brands_or_none(
    machine: callers.Machine, make: callers.Make, brand: Brand, owner: asyncpg.Connection
) -> None:
    before = {name: text for name, text in (await callers.stored(owner)).items() if name != "api_key"}
    for path in ("/api/v1/skus/none", "/api/v1/skus/%00", "/api/v1/skus/CARD"):
        assert (await machine.get(path)).status_code == 404
        assert (await patch(machine, {"name": "x"}, "*", path)).status_code == 404
    after = {name: text for name, text in (await callers.stored(owner)).items() if name != "api_key"}
    assert after == before
    reads = await make(brand, "catalog.read")
    assert (await patch(reads, {"name": "x"}, "*")).json()["code"] == "api_key.scope"


def test_a_tag_is_of_all_that_makes_the_version() -> None:
    assert editing.tag("sku", "a", 1) == '"' + editing.tag("sku", "a", 1).strip('"') + '"'
    assert (
        len(
            {
                editing.tag("sku", "a", 1),
                editing.tag("sku", "a", 2),
                editing.tag("sku", "b", 1),
                editing.tag("x", "a", 1),
                editing.tag("sku", "a", "1"),
            }
        )
        == 5
    )
