"""POST /api/v1/adjustments: all that is wrong at once, done once, and by whom."""

from __future__ import annotations

import asyncio
import json
import secrets
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from tests.doors.open_api import callers
from tests.rooms.identity import people

from qucheng.core import clock
from qucheng.identity import approval as approvals
from qucheng.identity import membership as memberships

if TYPE_CHECKING:
    import asyncpg

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

PATH = "/api/v1/adjustments"
GOOD: dict[str, Any] = {
    "reseller": "R-root",
    "amount": {"amount": "-12.50", "currency": "CNY"},
    "reason": "correction",
    "reference": "O-R-root",
}


@pytest.fixture
async def machine(make: callers.Make, brand: Brand) -> callers.Machine:
    return await make(brand, "adjustments.request", "adjustments.read")


async def states(owner: asyncpg.Connection) -> dict[str, str]:
    """Without the nonces: one is used up by every request that was signed well."""
    return await callers.stored(owner, "api_nonce", "api_key")


async def test_it_waits_for_somebody_else_in_the_name_of_the_keys_maker(machine: callers.Machine, brand: Brand) -> None:
    answer = await machine.post(PATH, {**GOOD, "note": "优惠券由门店承担"})
    assert answer.status_code == 202
    body = answer.json()
    assert set(body) == {"approvalId", "code", "state"}
    found = await approvals.read(brand_id=brand.id, approval_id=uuid.UUID(body["approvalId"]))
    assert (found.maker, found.state, found.action) == (machine.maker.user_id, "waiting", "adjustment.add")
    asked = {
        name: found.payload[name] for name in ("code", "reseller", "amount_minor", "currency", "reason_code", "reference", "note")
    }
    assert asked == {
        "code": body["code"],
        "reseller": "R-root",
        "amount_minor": -1250,
        "currency": "CNY",
        "reason_code": "correction",
        "reference": "O-R-root",
        "note": "优惠券由门店承担",
    }
    listed = [each for each in (await machine.get(PATH, state="waiting")).json()["items"] if each["code"] == body["code"]]
    assert [(each["amount"], each["state"], each["approvalId"], each["statementNo"]) for each in listed] == [
        ({"amount": "-12.50", "currency": "CNY"}, "waiting", body["approvalId"], None)
    ]


async def test_all_that_is_wrong_is_told_at_once(machine: callers.Machine, owner: asyncpg.Connection) -> None:
    before = await states(owner)
    answer = await machine.post(
        PATH,
        {
            "reseller": "",
            "amount": {"amount": 12.5, "currency": "yuan", "unit": "分"},
            "reason": "because",
            "note": "\0",
            "a/b~c": 1,
        },
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "request.fields")
    assert [(each["pointer"], each["code"], each["detail"]) for each in answer.json()["errors"]] == [
        ("/reseller", "invalid", "Expected str of length >= 1."),
        ("/amount/amount", "invalid", "Expected str, got float."),
        ("/amount/currency", "invalid", "Expected str matching regex '^[A-Z]{3}$'."),
        ("/amount/unit", "unknown", "There is no such field."),
        ("/reason", "invalid", "One of correction, goodwill, campaign, fee, other."),
        ("/reference", "missing", "This is needed."),
        ("/note", "characters", "A character in this cannot be stored."),
        ("/a~1b~0c", "unknown", "There is no such field."),
    ]
    assert await states(owner) == before


async def test_all_that_the_books_refuse_is_told_at_once(machine: callers.Machine, owner: asyncpg.Connection) -> None:
    before = await states(owner)
    answer = await machine.post(
        PATH,
        {"reseller": "nobody", "amount": {"amount": "1.005", "currency": "USD"}, "reason": "other", "reference": "none"},
    )
    assert answer.status_code == 422, answer.text
    assert {each["pointer"]: each["code"] for each in answer.json()["errors"]} == {
        "/amount/amount": "invalid",
    }
    answer = await machine.post(
        PATH,
        {"reseller": "nobody", "amount": {"amount": "99999999999", "currency": "USD"}, "reason": "other", "reference": "none"},
    )
    assert {each["pointer"]: each["code"] for each in answer.json()["errors"]} == {
        "/amount/amount": "amount.limit",
        "/amount/currency": "amount.currency",
        "/reseller": "reseller.unknown",
        "/note": "note.missing",
    }
    answer = await machine.post(PATH, {**GOOD, "amount": {"amount": "1.00", "currency": "USD"}, "reference": "none"})
    assert {each["pointer"]: each["code"] for each in answer.json()["errors"]} == {
        "/amount/currency": "amount.currency",
        "/reference": "reference.unknown",
    }
    answer = await machine.post(PATH, {**GOOD, "amount": {"amount": "0", "currency": "CNY"}})
    assert {each["pointer"]: each["code"] for each in answer.json()["errors"]} == {"/amount/amount": "amount.zero"}
    assert await states(owner) == before


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "request.not_json"),
        (b"{", 400, "request.not_json"),
        (b"[" * 60_000, 400, "request.not_json"),
        (b'{"reseller": "\xff"}', 400, "request.not_json"),
        (b'{"reseller": "\\ud800"}', 400, "request.not_json"),
        (b"[]", 422, "request.fields"),
        (b"null", 422, "request.fields"),
        (b"1e999", 400, "request.not_json"),
        (b'"' + b"x" * 70_000 + b'"', 413, "http.request_entity_too_large"),
    ],
)
async def test_what_is_no_request(
    machine: callers.Machine, owner: asyncpg.Connection, body: bytes, status: int, code: str
) -> None:
    before = await states(owner)
    answer = await machine.post(PATH, body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert await states(owner) == before


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=gbk"])
async def test_another_content_type(machine: callers.Machine, owner: asyncpg.Connection, kind: str) -> None:
    content = json.dumps(GOOD).encode()
    before = await states(owner)
    headers = {**machine.signed(PATH, content, key="k"), "content-type": kind}
    answer = await machine.client.post(PATH, content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "request.content_type")
    assert await states(owner) == before


@pytest.mark.parametrize("key", ["", "two words", "x" * 256])
async def test_without_an_idempotency_key(machine: callers.Machine, owner: asyncpg.Connection, key: str) -> None:
    content = json.dumps(GOOD).encode()
    before = await states(owner)
    headers = machine.signed(PATH, content, key=key)
    if not key:
        del headers["idempotency-key"]
    answer = await machine.client.post(PATH, content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency.missing")
    assert await states(owner) == before


async def test_the_same_again_is_the_first_reply(machine: callers.Machine, owner: asyncpg.Connection) -> None:
    first = await machine.post(PATH, GOOD, key="k-1")
    before = await states(owner)
    # written otherwise, it is the same
    second = await machine.post(PATH, json.dumps(GOOD, indent=1).encode(), key="k-1")
    assert (first.status_code, second.status_code, second.content) == (202, 202, first.content)
    assert ("idempotent-replayed" in first.headers, second.headers["idempotent-replayed"]) == (False, "true")
    refused = await machine.post(PATH, {**GOOD, "amount": {"amount": "-12.51", "currency": "CNY"}}, key="k-1")
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency.other_request")
    assert await states(owner) == before


async def test_another_key_has_replies_of_its_own(machine: callers.Machine, make: callers.Make, brand: Brand) -> None:
    first = await machine.post(PATH, GOOD, key="k-1")
    second = await (await make(brand, "adjustments.request")).post(PATH, GOOD, key="k-1")
    assert first.json()["approvalId"] != second.json()["approvalId"]


async def test_five_at_once_are_one(machine: callers.Machine, owner: asyncpg.Connection) -> None:
    before = await owner.fetchval("SELECT count(*) FROM approval")
    answers = await asyncio.gather(*(machine.post(PATH, GOOD, key="k-many") for _ in range(5)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    done = [answer for answer in answers if answer.status_code == 202]
    assert len({answer.content for answer in done}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in done) == 1
    told = [answer for answer in answers if answer.status_code == 409]
    assert {(each.json()["code"], each.headers["retry-after"]) for each in told} <= {("idempotency.running", "1")}
    assert await owner.fetchval("SELECT count(*) FROM approval") == before + 1


async def test_a_test_key_is_answered_and_nothing_is_kept(make: callers.Make, brand: Brand, owner: asyncpg.Connection) -> None:
    machine = await make(brand, "adjustments.request", mode="test")
    assert machine.issued.token.startswith("qc_test_")
    before = await states(owner)
    answer = await machine.post(PATH, GOOD, key="k-1")
    assert (answer.status_code, answer.json()["state"]) == (202, "waiting")
    assert (await machine.post(PATH, {**GOOD, "reseller": "nobody"}, key="k-1")).status_code == 422
    assert await states(owner) == before


async def test_a_key_whose_maker_has_lost_the_role_asks_for_nothing(
    make: callers.Make, brand: Brand, owner: asyncpg.Connection
) -> None:
    machine = await make(brand, "adjustments.request")
    await memberships.revoke(
        brand_id=brand.id,
        membership_id=await people.role_of(machine.maker.user_id, brand.id),
        actor=people.actor(machine.maker),
        now=clock.now(),
    )
    before = await states(owner)
    answer = await machine.post(PATH, GOOD)
    assert (answer.status_code, answer.json()["code"]) == (403, "api_key.maker")
    assert await states(owner) == before


async def test_the_deed_is_on_record_under_the_key(machine: callers.Machine, owner: asyncpg.Connection) -> None:
    key = secrets.token_hex(8)
    answer = await machine.post(PATH, GOOD, key=key)
    row = await owner.fetchrow(
        "SELECT user_id, role, network, request_id, after FROM audit_record WHERE action = 'api_key.use' AND subject = $1",
        str(machine.issued.id),
    )
    assert (row["user_id"], row["role"], row["network"]) == (machine.maker.user_id, "key", "198.51.100.0/24")
    assert row["request_id"] == answer.headers["x-request-id"]
    assert json.loads(row["after"]) == {"idempotency_key": key, "reply": answer.json()}
