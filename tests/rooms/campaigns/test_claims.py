"""Who claims gets the card that expires first, once in each period; who cannot is told why, and nothing is written."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests import books
from tests.rooms.campaigns import gate
from tests.rooms.campaigns.gate import ACTOR, HOUR, NEVER, NOW, claimed, offered, opened, written
from tests.rooms.identity import people
from tests.rooms.stock import warehouse

from qucheng.campaigns import claim, offer
from qucheng.core import audit, crypto, errors, idempotency
from qucheng.identity import api_key
from qucheng.stock import reservation

if TYPE_CHECKING:
    import uuid
    from pathlib import Path

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio
SOON, LATER = dt.date(2026, 12, 1), dt.date(2027, 1, 1)
NOTHING = (0, 0, 0, 0, 0)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> crypto.Keys:
    return crypto.keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path: Path) -> Brand:
    """Three cards: the second expires first, the third today."""
    assert workspace
    made, _ = await opened(tmp_path, LATER, SOON, warehouse.TODAY)
    return made


async def machine(brand: Brand, keys: crypto.Keys) -> uuid.UUID:
    by = await people.person(keys)
    issued = await api_key.create(
        keys=keys, brand_id=brand.id, name="app", mode="live", reseller=None, scopes={"claims.write"}, networks=[],
        expires_at=NOW + 24 * HOUR, created_by=by, actor=audit.SYSTEM, now=NOW,
    )  # fmt: skip
    return issued.id


async def test_the_card_that_expires_first_is_claimed_and_delivered(brand: Brand, keys: crypto.Keys) -> None:
    await offered(brand)
    first, second = await claimed(brand, keys, "a"), await claimed(brand, keys, "b")
    assert [first.card, second.card] == ["1-2", "1-1"]
    assert (first.fresh, first.replayed, first.claimed_at) == (True, False, NOW)
    rows = await books.seen(brand, "SELECT state, claim, order_no FROM card ORDER BY number")
    assert rows == [("delivered", second.id, None), ("delivered", first.id, None), ("available", None, None)]
    assert await written(brand) == (2, 2, 2, 2, 2)
    assert await warehouse.differences(brand) == []
    with pytest.raises(claim.SoldOutError):
        await claimed(brand, keys, "c")  # a card that expires today is not given out
    assert await written(brand) == (2, 2, 2, 2, 2)


async def test_who_has_claimed_is_given_the_same_again(brand: Brand, keys: crypto.Keys) -> None:
    await offered(brand)
    first = await claimed(brand, keys, "a")
    again = await claimed(brand, keys, "a", now=NOW + HOUR)
    assert (again.id, again.card, again.claimed_at, again.fresh, again.replayed) == (first.id, first.card, NOW, False, False)
    assert await written(brand) == (1, 1, 1, 1, 1)


@pytest.mark.parametrize(
    ("period", "days", "fresh"), [("day", 1, True), ("month", 1, False), ("month", 9, True), ("ever", 9, False)]
)
async def test_once_in_each_period(brand: Brand, keys: crypto.Keys, period: str, days: int, *, fresh: bool) -> None:
    await warehouse.stocked(brand, NEVER, pool=1)
    await offered(brand, period=period, ends_at=NOW + dt.timedelta(days=30))
    await claimed(brand, keys, "a")
    assert (await claimed(brand, keys, "a", now=NOW + dt.timedelta(days=days))).fresh is fresh


@pytest.mark.parametrize(
    ("changes", "code", "refusal"),
    [
        ({"starts_at": NOW + HOUR}, gate.CODE, claim.NotBegunError),
        ({"ends_at": NOW}, gate.CODE, claim.EndedError),
        ({"sku": "gift"}, gate.CODE, claim.SoldOutError),
        ({"reseller": "R2"}, gate.CODE, claim.SoldOutError),
        ({}, "autumn", offer.OfferUnknownError),
    ],
)
async def test_who_cannot_is_told_why_and_nothing_is_written(
    brand: Brand, keys: crypto.Keys, changes: dict[str, object], code: str, refusal: type[errors.RefusedError]
) -> None:
    await offered(brand, **changes)
    with pytest.raises(refusal):
        await claimed(brand, keys, "a", code=code)
    assert await written(brand) == NOTHING


async def test_no_more_than_the_quota(brand: Brand, keys: crypto.Keys) -> None:
    await offered(brand, quota=1)
    answers = await asyncio.gather(*(claimed(brand, keys, who) for who in "abc"), return_exceptions=True)
    assert [type(answer) for answer in answers] == [claim.Claim, claim.SoldOutError, claim.SoldOutError]
    assert await written(brand) == (1, 1, 1, 1, 1)


async def test_cards_that_were_held_past_their_deadline_are_claimed(brand: Brand, keys: crypto.Keys) -> None:
    await offered(brand)
    held = {"reseller": "R1", "channel": "web", "sku": "card", "units": 2, "minutes": 5, "actor": ACTOR, "now": NOW}
    await reservation.reserve(brand=brand, **held)  # type: ignore[arg-type]
    with pytest.raises(claim.SoldOutError):
        await claimed(brand, keys, "a")
    assert (await claimed(brand, keys, "a", now=NOW + dt.timedelta(minutes=5))).card == "1-2"


async def test_a_request_that_comes_again_is_given_what_it_made(brand: Brand, keys: crypto.Keys) -> None:
    await offered(brand)
    program = await machine(brand, keys)
    one = gate.request(program, "k-1", b"1")
    at_once = await asyncio.gather(*(claimed(brand, keys, "a", request=one) for _ in range(3)))
    await offer.end(brand=brand, code=gate.CODE, actor=ACTOR, now=NOW + HOUR)
    later = await claimed(brand, keys, "a", request=one, now=NOW + 2 * HOUR)
    assert {(each.id, each.card) for each in (*at_once, later)} == {(later.id, "1-2")}
    assert [(each.fresh, each.replayed) for each in (*at_once, later)] == [(True, False)] + [(False, True)] * 3
    assert await written(brand) == (1, 1, 1, 1, 1)


async def test_a_key_of_another_request_is_refused_also_at_once(brand: Brand, keys: crypto.Keys) -> None:
    await offered(brand)
    program = await machine(brand, keys)
    asked = [("a", gate.request(program, "k-1", b"1")), ("b", gate.request(program, "k-1", b"2"))]
    answers = await asyncio.gather(*(claimed(brand, keys, who, request=one) for who, one in asked), return_exceptions=True)
    assert [type(answer) for answer in answers] == [claim.Claim, idempotency.OtherRequestError]
    assert await written(brand) == (1, 1, 1, 1, 1)


async def test_what_is_tried_leaves_nothing(brand: Brand, keys: crypto.Keys) -> None:
    await offered(brand)
    one = claim.ask(brand=brand, keys=keys, subject="a")
    tried = await claim.try_out(brand=brand, code=gate.CODE, one=one, now=NOW)
    assert (tried.card, tried.fresh) == ("1-2", True)
    assert await written(brand) == NOTHING


@pytest.mark.parametrize("subject", ["", "a b", "x" * 129, "用户"])
async def test_a_subject_is_visible_ascii(brand: Brand, keys: crypto.Keys, subject: str) -> None:
    with pytest.raises(claim.SubjectUnfitError):
        await claimed(brand, keys, subject)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"code": "a b"}, "code"),
        ({"name": " "}, "name"),
        ({"reseller": None}, "pool"),
        ({"period": "week"}, "period"),
        ({"quota": 0}, "quota"),
        ({"ends_at": NOW - HOUR}, "endsAt"),
        ({"sku": "tea"}, "sku"),
        ({"sku": "box"}, "sku"),
    ],
)
async def test_an_offer_that_cannot_be_meant_is_refused(brand: Brand, changes: dict[str, object], field: str) -> None:
    with pytest.raises(offer.OfferUnfitError) as refused:
        await offered(brand, **changes)
    assert refused.value.field == field
    assert await books.seen(brand, "SELECT count(*) FROM claim_offer") == [(0,)]


async def test_an_offer_stays_as_it_was_made(brand: Brand, owner: asyncpg.Connection) -> None:
    made = await offered(brand)
    with pytest.raises(offer.OfferExistsError):
        await offered(brand, name="another")
    ended = await offer.end(brand=brand, code=gate.CODE, actor=ACTOR, now=NOW)
    assert (ended.ends_at, ended.name, ended.pool) == (NOW, "春日礼", made.pool)
    assert await offer.end(brand=brand, code=gate.CODE, actor=ACTOR, now=NOW + HOUR) == ended
    for change in ("name = 'x'", "pool = pool + 1", f"ends_at = '{NOW + HOUR}'", "taken = -1", "quota = 5"):
        with pytest.raises(asyncpg.RestrictViolationError, match="only ends sooner"):
            await owner.execute(f"UPDATE claim_offer SET {change} WHERE brand_id = $1", brand.id)
    with pytest.raises(asyncpg.ForeignKeyViolationError, match="an offer that is there"):
        await owner.execute(
            "INSERT INTO claim (brand_id, id, offer, subject_hash, period, claimed_at)"
            " VALUES ($1, gen_random_uuid(), 'autumn', decode(repeat('00', 32), 'hex'), 'ever', now())",
            brand.id,
        )
    for taking_out in (f"DELETE FROM claim_offer WHERE brand_id = '{brand.id}'", "TRUNCATE claim_offer"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await owner.execute(taking_out)
    actions = await books.seen(brand, "SELECT action FROM audit_record WHERE action ~ '^offer' ORDER BY at, id")
    assert actions == [("offer.make",), ("offer.end",)]
