"""What moves money is signed: every part of the request, for a few minutes, once."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

import pytest
from tests.doors.open_api import callers

from qucheng.web import machines

if TYPE_CHECKING:
    import asyncpg
    import httpx

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

PATH = "/api/v1/adjustments"
BODY = json.dumps(
    {"reseller": "R-root", "amount": {"amount": "-12.50", "currency": "CNY"}, "reason": "correction", "reference": "O-R-root"}
).encode()


@pytest.fixture
async def machine(make: callers.Make, brand: Brand) -> callers.Machine:
    return await make(brand, "adjustments.request")


async def asked(owner: asyncpg.Connection) -> int:
    found: int = await owner.fetchval("SELECT count(*) FROM approval WHERE action = 'adjustment.add'")
    return found


async def refused(answer: httpx.Response, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (401, code), answer.text
    if code == "api.not_known":
        assert answer.headers["www-authenticate"] == machines.SIGNATURE


async def test_as_the_documentation_says(machine: callers.Machine, owner: asyncpg.Connection) -> None:
    before = await asked(owner)
    answer = await machine.post(PATH, BODY)
    assert answer.status_code == 202, answer.text
    assert await asked(owner) == before + 1


async def test_the_id_of_the_key_with_and_without_its_dashes(machine: callers.Machine) -> None:
    whole = str(machine.issued.id)
    for form, status in ((whole, 202), (whole.replace("-", ""), 202), (whole.replace("-", "", 1), 401), (f"{{{whole}}}", 401)):
        headers = machine.signed(PATH, BODY, key=secrets.token_hex(8)) | {"qucheng-key": form}
        assert (await machine.client.post(PATH, content=BODY, headers=headers)).status_code == status, form


@pytest.mark.parametrize("ahead", [298, -298])
async def test_a_clock_that_is_nearly_right(machine: callers.Machine, ahead: int) -> None:
    assert (await machine.post(PATH, BODY, at=ahead)).status_code == 202


@pytest.mark.parametrize("ahead", [302, -302, 86_400])
async def test_a_clock_that_is_wrong(machine: callers.Machine, owner: asyncpg.Connection, ahead: int) -> None:
    before = await callers.stored(owner)
    await refused(await machine.post(PATH, BODY, at=ahead), "api_signature.time")
    assert await callers.stored(owner) == before


async def test_the_same_request_a_second_time(machine: callers.Machine, owner: asyncpg.Connection) -> None:
    headers = machine.signed(PATH, BODY, key="k-1")
    assert (await machine.client.post(PATH, content=BODY, headers=headers)).status_code == 202
    before = await callers.stored(owner)
    await refused(await machine.client.post(PATH, content=BODY, headers=headers), "api_signature.nonce")
    assert await callers.stored(owner) == before


@pytest.mark.parametrize(
    "change",
    [
        {"qucheng-timestamp": "1774944000"},
        {"qucheng-nonce": "n" * 16},
        {"qucheng-nonce": ""},
        {"idempotency-key": "another"},
        {"qucheng-signature": "0" * 64},
        {"qucheng-signature": ""},
        {"qucheng-key": "0" * 32},
        {"qucheng-key": "none"},
    ],
)
async def test_whatever_header_is_changed(machine: callers.Machine, owner: asyncpg.Connection, change: dict[str, str]) -> None:
    before = await callers.stored(owner)
    headers = {**machine.signed(PATH, BODY, key="k-1"), **change}
    await refused(await machine.client.post(PATH, content=BODY, headers=headers), "api.not_known")
    assert await callers.stored(owner) == before


@pytest.mark.parametrize("place", range(0, len(BODY), 17))
async def test_whatever_byte_of_the_body_is_flipped(machine: callers.Machine, owner: asyncpg.Connection, place: int) -> None:
    flipped = BODY[:place] + bytes([BODY[place] ^ 1]) + BODY[place + 1 :]
    before = await callers.stored(owner)
    answer = await machine.client.post(PATH, content=flipped, headers=machine.signed(PATH, BODY, key="k-1"))
    await refused(answer, "api.not_known")
    assert await callers.stored(owner) == before


@pytest.mark.parametrize("path", [f"{PATH}?", f"{PATH}?a=1", "/api/v1//adjustments", "/api/v1/orders"])
async def test_signed_for_another_address(machine: callers.Machine, owner: asyncpg.Connection, path: str) -> None:
    before = await callers.stored(owner)
    headers = machine.signed(path, BODY, key="k-1")
    await refused(await machine.client.post(PATH, content=BODY, headers=headers), "api.not_known")
    headers = machine.signed(PATH, BODY, key="k-1")
    assert (await machine.client.post(f"{PATH}?a=1", content=BODY, headers=headers)).status_code == 401
    assert await callers.stored(owner) == before


async def test_with_the_secret_of_another_brand(
    machine: callers.Machine, make: callers.Make, other: Brand, owner: asyncpg.Connection
) -> None:
    theirs = await make(other, "adjustments.request")
    before = await callers.stored(owner)
    headers = {**theirs.signed(PATH, BODY, key="k-1"), "qucheng-key": machine.issued.id.hex}
    await refused(await machine.client.post(PATH, content=BODY, headers=headers), "api.not_known")
    assert await callers.stored(owner) == before


async def test_the_token_does_not_move_money(machine: callers.Machine, owner: asyncpg.Connection) -> None:
    before = await callers.stored(owner)
    headers = {"authorization": f"Bearer {machine.issued.token}", "idempotency-key": "k-1", "content-type": "application/json"}
    await refused(await machine.client.post(PATH, content=BODY, headers=headers), "api.not_known")
    assert await callers.stored(owner) == before


async def test_a_signature_without_the_scope(make: callers.Make, brand: Brand, owner: asyncpg.Connection) -> None:
    """It has no signing secret, so that nothing it signs with is right."""
    reading = await make(brand, "adjustments.read")
    assert reading.issued.signing_secret is None
    reading.issued = type(reading.issued)(id=reading.issued.id, token="", signing_secret=f"qcs_{secrets.token_urlsafe(32)}")
    before = await callers.stored(owner)
    await refused(await reading.post(PATH, BODY), "api.not_known")
    assert await callers.stored(owner) == before
