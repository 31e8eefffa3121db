"""What becomes of cards besides being drawn: held and let go, given back, stopped, expired, allocated, replaced; and the cases."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from tests import books
from tests.rooms.identity import people
from tests.rooms.stock import warehouse
from tests.rooms.stock.warehouse import ACTOR, NEVER, NOW, SELLER, TODAY, level, opened, refunded, sold, states, stocked

from qucheng.core import audit, crypto, db
from qucheng.insight import exceptions
from qucheng.stock import act, allocation, draw, pool, queries, reservation, reveal, stock_case, stop, watch

if TYPE_CHECKING:
    import uuid
    from pathlib import Path

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

MINUTE = dt.timedelta(minutes=1)
DAY = dt.timedelta(days=1)
WHY: dict[str, Any] = {"reason": "complaint 17", "actor": ACTOR, "now": NOW}


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path: Path) -> Brand:
    assert workspace
    return await warehouse.brand(tmp_path)


async def held(brand: Brand, units: int, *, sku: str = "card", minutes: int = 10, now: dt.datetime = NOW) -> uuid.UUID:
    made = await reservation.reserve(
        brand=brand, reseller="R1", channel="web", sku=sku, units=units, minutes=minutes, actor=SELLER, now=now
    )
    return made.id


async def seen(brand: Brand, *cards: tuple[int, int], now: dt.datetime = NOW) -> None:
    async with db.atomic(brand.id):
        await reveal.mark_revealed(cards=cards, actor=ACTOR, now=now)


async def test_an_order_that_names_its_reservation_has_its_cards(brand: Brand) -> None:
    own = await opened(brand, "R1")
    number = await stocked(brand, *[NEVER] * 3, pool=own)
    made = await held(brand, 2)
    assert await sold(brand, "O1", ("1", "card", 2)) == [("1", "short", 0, None)]
    with pytest.raises(reservation.StockShortError):
        await held(brand, 2)
    assert await sold(brand, "O2", ("1", "tea", 1), ("2", "card", 2), reservation=made) == [
        ("1", "none", 0, None),
        ("2", "delivered", 2, own),
    ]
    assert await states(brand, number) == ["delivered", "delivered", "available"]
    found = await reservation.find(brand=brand, id=made, reseller="R1")
    assert (found.state, found.order_no) == ("used", "O2")
    # used: it is none any more, and the order takes its chance
    assert await sold(brand, "O3", ("1", "card", 1), reservation=made) == [("1", "delivered", 1, own)]


@pytest.mark.parametrize(
    ("wanted", "outcome", "after"),
    [
        (1, ("1", "delivered", 1, 1), ["delivered", "available", "available"]),
        (3, ("1", "delivered", 3, 1), ["delivered"] * 3),
        (4, ("1", "short", 0, None), ["available"] * 3),
    ],
)
async def test_a_line_of_another_size_takes_what_it_needs(
    brand: Brand, wanted: int, outcome: tuple[object, ...], after: list[str]
) -> None:
    own = await opened(brand, "R1")
    number = await stocked(brand, *[NEVER] * 3, pool=own)
    made = await held(brand, 2)
    assert await sold(brand, "O1", ("1", "card", wanted), reservation=made) == [outcome]
    assert await states(brand, number) == after
    assert (await reservation.find(brand=brand, id=made)).state == ("used" if wanted < 4 else "released")


async def test_a_reservation_is_of_one_reseller_channel_and_sku(brand: Brand) -> None:
    own = await opened(brand, "R1")
    await stocked(brand, NEVER, pool=own)
    made = await held(brand, 1)
    others: list[dict[str, Any]] = [{"reseller": "R2"}, {"channel": "shop"}]
    for wrong in others:
        with pytest.raises(draw.ReservationElsewhereError):
            await sold(brand, "O1", ("1", "card", 1), reservation=made, **wrong)
    with pytest.raises(draw.ReservationElsewhereError):
        await sold(brand, "O1", ("1", "gift", 1), reservation=made)
    with pytest.raises(reservation.ReservationUnknownError):
        await reservation.find(brand=brand, id=made, reseller="R2")
    with pytest.raises(reservation.ReservationUnknownError):
        await reservation.release(brand=brand, id=made, reseller="R2", actor=SELLER, now=NOW)
    for units, minutes, sku in ((1, 61, "card"), (1, 0, "card"), (0, 5, "card"), (1, 5, "tea")):
        with pytest.raises(reservation.ReservationUnfitError):
            await held(brand, units, minutes=minutes, sku=sku)
    assert await books.seen(brand, "SELECT count(*) FROM order_line") == [(0,)]
    assert await level(brand, own) == {"reserved": 1, "came_in": 1}


async def test_a_deadline_that_is_past_frees_the_cards_for_the_next(brand: Brand) -> None:
    """At the deadline itself, by the sweep or by whoever draws first; a borrowed card goes back to where it came from."""
    own = await opened(brand, "R1")
    await stocked(brand, NEVER, NEVER)
    await pool.set_rule(brand_id=brand.id, pool=own, sku="card", low_level=None, borrow_quota=2, actor=ACTOR)
    first = await held(brand, 1)
    second = await held(brand, 1, minutes=20)
    assert await watch.sweep(brand_id=brand.id, now=NOW + 10 * MINUTE - dt.timedelta(microseconds=1)) == 0
    assert await level(brand, own) == {"reserved": 2, "moved_in": 2}
    assert await watch.sweep(brand_id=brand.id, now=NOW + 10 * MINUTE) == 1
    assert await level(brand, 0) == {"available": 1, "came_in": 2, "moved_in": 1, "moved_out": 2}
    later = NOW + 20 * MINUTE
    assert await sold(brand, "O1", ("1", "card", 2), reservation=second, now=later) == [("1", "delivered", 2, own)]
    assert [(await reservation.find(brand=brand, id=each)).state for each in (first, second)] == ["lapsed", "lapsed"]
    kinds = "SELECT a.kind, a.role, count(*) FROM card_event e JOIN stock_act a ON a.brand_id = e.brand_id AND a.id = e.act GROUP BY 1, 2 ORDER BY 1"
    assert await books.seen(brand, kinds) == [
        ("deliver", "api_key", 2),
        ("lapse", "system", 2),
        ("release", "manager", 2),
        ("reserve", "api_key", 2),
    ]
    assert await warehouse.differences(brand) == []


async def test_a_released_reservation_is_over(brand: Brand) -> None:
    own = await opened(brand, "R1")
    await stocked(brand, NEVER, pool=own)
    made = await held(brand, 1)
    await reservation.release(brand=brand, id=made, reseller="R1", actor=SELLER, now=NOW)
    assert await level(brand, own) == {"available": 1, "came_in": 1}
    with pytest.raises(reservation.ReservationOverError):
        await reservation.release(brand=brand, id=made, actor=SELLER, now=NOW)


async def test_a_refund_takes_unseen_before_seen_and_leaves_what_was_used(brand: Brand) -> None:
    """Of six cards one is redeemed, one frozen unseen, one seen; the frozen one and the seen one never return to stock."""
    own = await opened(brand, "R1")
    days = [TODAY + place * DAY for place in (10, 20, 30, 40, 50, 60)]
    number = await stocked(brand, *days, pool=own)
    await sold(brand, "O1", ("1", "card", 6))
    await seen(brand, (number, 6))
    await stop.freeze(brand=brand, chosen=stop.Chosen(cards=[(number, 5)]), **WHY)
    async with db.atomic(brand.id):
        await act.open_act(kind="redeem", actor=ACTOR, now=NOW)
        await db.connection().execute(
            "UPDATE card SET state = 'redeemed', came_from = state WHERE batch = $1 AND number = 4", number
        )
    assert await refunded(brand, "O1", "1", 2, 4) == (1, 1, 0)  # the latest unseen: 5 (frozen), then 3
    assert await states(brand, number) == ["delivered", "delivered", "available", "redeemed", "void", "revealed"]
    assert await refunded(brand, "O1", "1", 4, 0) == (2, 1, 1)
    assert await states(brand, number) == ["available", "available", "available", "redeemed", "void", "void"]
    reasons = await books.seen(brand, "SELECT number, void_reason, order_no FROM card WHERE state = 'void' ORDER BY 1")
    assert reasons == [(5, "refunded", "O1"), (6, "refunded", "O1")]
    (case,) = await stock_case.open_cases(brand_id=brand.id)
    assert (case.kind, case.order_no, case.line_no, case.units) == ("exceeds", "O1", "1", 1)
    await stock_case.settle(brand=brand, case=case.id, note="used in the shop", actor=ACTOR, now=NOW)
    assert await stock_case.open_cases(brand_id=brand.id) == []
    with pytest.raises(stock_case.CaseClosedError):
        await stock_case.settle(brand=brand, case=case.id, note="again", actor=ACTOR, now=NOW)
    assert await warehouse.differences(brand) == []


async def test_a_named_card_that_was_used_is_missing_and_no_other_goes_for_it(brand: Brand) -> None:
    own = await opened(brand, "R1")
    number = await stocked(brand, NEVER, NEVER, pool=own)
    await sold(brand, "O1", ("1", "card", 2))
    async with db.atomic(brand.id):
        await act.open_act(kind="redeem", actor=ACTOR, now=NOW)
        await db.connection().execute(
            "UPDATE card SET state = 'redeemed', came_from = state WHERE batch = $1 AND number = 1", number
        )
    assert await refunded(brand, "O1", "1", 1, 1, (number, 1)) == (0, 0, 1)
    assert await states(brand, number) == ["redeemed", "delivered"]


async def test_the_ways_out_of_an_order_without_stock(brand: Brand) -> None:
    own = await opened(brand, "R1")
    assert await sold(brand, "O1", ("1", "card", 3), ("2", "card", 1), ("3", "card", 2)) == [
        (line, "short", 0, None) for line in "123"
    ]
    first, second, third = await stock_case.open_cases(brand_id=brand.id)
    first, second, third = sorted((first, second, third), key=lambda case: case.line_no)
    async with db.atomic(brand.id):
        assert (await stock_case.retry(brand=brand, case=first.id, actor=ACTOR, now=NOW)).state == "short"
        assert await stock_case.open_short(order_no="O1") == 3
    assert await refunded(brand, "O1", "1", 1, 2) == (0, 0, 0)  # two of three are still wanted
    await stocked(brand, NEVER, NEVER, pool=own)
    async with db.atomic(brand.id):
        assert (await stock_case.retry(brand=brand, case=first.id, actor=ACTOR, now=NOW)).cards == 2
    with pytest.raises(draw.StockShortError):
        async with db.atomic(brand.id):
            await stock_case.substitute(brand=brand, case=second.id, sku="gift", note="as agreed", actor=ACTOR, now=NOW)
    gifts = await stocked(brand, NEVER, sku="gift", pool=own)
    async with db.atomic(brand.id):
        await stock_case.substitute(brand=brand, case=second.id, sku="gift", note="as agreed", actor=ACTOR, now=NOW)
    assert await states(brand, gifts) == ["delivered"]
    assert await refunded(brand, "O1", "3", 2, 0) == (0, 0, 0)
    rows = await books.seen(brand, "SELECT line_no, units, way, substitute, note FROM stock_case ORDER BY 1")
    assert rows == [
        ("1", 2, "retried", None, None),
        ("2", 1, "substituted", "gift", "as agreed"),
        ("3", 0, "refunded", None, None),
    ]
    assert await refunded(brand, "O1", "2", 1, 0) == (1, 0, 0)
    assert await states(brand, gifts) == ["available"]


async def test_frozen_cards_go_on_as_what_they_were(brand: Brand) -> None:
    """A deadline and a last day that passed meanwhile count in the same transaction."""
    own = await opened(brand, "R1")
    number = await stocked(brand, *[TODAY + 2 * DAY] * 2, *[NEVER] * 4, pool=own)
    await sold(brand, "O1", ("1", "card", 3))
    await held(brand, 1)
    await seen(brand, (number, 3))
    before = await states(brand, number)
    assert before == ["delivered", "delivered", "revealed", "reserved", "available", "available"]
    outcome = await stop.freeze(brand=brand, chosen=stop.Chosen(batch=number), **WHY)
    assert (outcome.changed, outcome.untouched) == (6, {})
    assert await states(brand, number) == ["frozen"] * 6
    assert await sold(brand, "O2", ("1", "card", 1)) == [("1", "short", 0, None)]
    outcome = await stop.freeze(brand=brand, chosen=stop.Chosen(orders=["O1"]), **WHY)
    assert (outcome.changed, outcome.untouched) == (0, {"frozen": 3})
    await stop.unfreeze(brand=brand, chosen=stop.Chosen(orders=["O1"]), **WHY)
    assert await states(brand, number) == ["delivered", "delivered", "revealed", "frozen", "frozen", "frozen"]
    await stop.freeze(brand=brand, chosen=stop.Chosen(orders=["O1"]), **WHY)
    later = {**WHY, "now": NOW + 3 * DAY}
    outcome = await stop.unfreeze(brand=brand, chosen=stop.Chosen(batch=number), **later)
    assert outcome.changed == 6
    assert await states(brand, number) == ["void", "void", "revealed", "available", "available", "available"]
    assert await books.seen(brand, "SELECT state, order_no FROM reservation") == [("lapsed", None)]
    trail = await books.seen(
        brand, "SELECT action, subject, after ->> 'reason' FROM audit_record WHERE action = 'cards.unfreeze' ORDER BY at"
    )
    assert trail == [("cards.unfreeze", "orders/1", "complaint 17"), ("cards.unfreeze", f"batch/{number}", "complaint 17")]
    assert await warehouse.differences(brand) == []


async def test_void_is_what_nobody_has_and_what_is_frozen(brand: Brand) -> None:
    own = await opened(brand, "R1")
    number = await stocked(brand, *[NEVER] * 4, pool=own)
    await sold(brand, "O1", ("1", "card", 2))
    await stop.freeze(brand=brand, chosen=stop.Chosen(cards=[(number, 1)]), **WHY)
    outcome = await stop.void(brand=brand, chosen=stop.Chosen(batch=number), **WHY)
    assert (outcome.changed, outcome.untouched) == (3, {"delivered": 1})
    assert await states(brand, number) == ["void", "delivered", "void", "void"]
    for wrong in (stop.Chosen(), stop.Chosen(batch=1, orders=["O1"])):
        with pytest.raises(stop.ChosenError):
            await stop.void(brand=brand, chosen=wrong, **WHY)
    with pytest.raises(stop.ReasonError):
        await stop.void(brand=brand, chosen=stop.Chosen(batch=number), reason=" ", actor=ACTOR, now=NOW)


async def test_a_faulty_card_is_replaced_from_its_pool_or_stays(brand: Brand) -> None:
    own = await opened(brand, "R1")
    number = await stocked(brand, NEVER, NEVER, pool=own)
    await stocked(brand, NEVER)
    await sold(brand, "O1", ("1", "card", 1))
    await seen(brand, (number, 1))
    await stop.replace(brand=brand, card=(number, 1), **WHY)
    assert await states(brand, number) == ["void", "delivered"]
    assert await books.seen(brand, "SELECT void_reason, order_no FROM card WHERE batch = $1 AND number = 1", number) == [
        ("faulty", "O1")
    ]
    with pytest.raises(draw.StockShortError):
        await stop.replace(brand=brand, card=(number, 2), **WHY)
    assert await states(brand, number) == ["void", "delivered"]
    with pytest.raises(stop.CardStateError):
        await stop.replace(brand=brand, card=(number, 1), **WHY)


async def test_cards_expire_at_the_brands_midnight(brand: Brand) -> None:
    own = await opened(brand, "R1")
    days = [TODAY, TODAY + DAY, NEVER]
    number = await stocked(brand, *days * 2, pool=own)
    inactive = await warehouse.came_in(brand, TODAY)
    await warehouse._say(brand, "card", valid_days=1)
    await sold(brand, "O1", ("1", "card", 2))  # numbers 2 and 5, of which the validity is over a day later
    midnight = dt.datetime(2026, 11, 22, 16, 0, tzinfo=dt.UTC)
    assert await watch.expire(brand=brand, now=midnight - dt.timedelta(seconds=1)) == 0
    assert await watch.expire(brand=brand, now=midnight) == 3
    assert await states(brand, number) == ["void", "delivered", "available", "void", "delivered", "available"]
    assert await states(brand, inactive) == ["void"]
    await stop.freeze(brand=brand, chosen=stop.Chosen(cards=[(number, 5)]), **WHY)
    assert await watch.expire(brand=brand, now=midnight + DAY) == 2
    assert await states(brand, number) == ["void", "void", "available", "void", "void", "available"]
    assert await watch.expire(brand=brand, now=midnight + DAY) == 0
    assert await books.seen(brand, "SELECT DISTINCT void_reason FROM card WHERE state = 'void'") == [("expired",)]


async def test_who_must_know_is_told_of_few_and_of_old_cards_until_it_is_so_no_more(brand: Brand) -> None:
    own = await opened(brand, "R1")
    await stocked(brand, TODAY + 14 * DAY, TODAY + 15 * DAY, NEVER, pool=own)
    await pool.set_rule(brand_id=brand.id, pool=own, sku="card", low_level=3, borrow_quota=None, actor=ACTOR)
    await watch.look(brand=brand, now=NOW)
    told = [(each.kind, each.pool, each.sku, each.cards, each.expires_on) for each in await watch.alerts(brand_id=brand.id)]
    assert told == [("expiry", own, "card", 1, TODAY + 14 * DAY)]
    await sold(brand, "O1", ("1", "card", 1))
    await watch.look(brand=brand, now=NOW)
    await watch.look(brand=brand, now=NOW)
    told = [(each.kind, each.pool, each.sku, each.cards, each.expires_on) for each in await watch.alerts(brand_id=brand.id)]
    assert told == [("low", own, "card", 2, None)]
    await refunded(brand, "O1", "1", 1, 0)
    await watch.look(brand=brand, now=NOW)
    assert [each.kind for each in await watch.alerts(brand_id=brand.id)] == ["expiry"]


async def test_a_reseller_asks_and_the_brand_allocates(brand: Brand, tmp_path: Path) -> None:
    keys = crypto.keys(tmp_path / "keys")
    asker = audit.Actor(user_id=await people.person(keys), role="admin")
    number = await stocked(brand, *[NEVER] * 5)
    ask: dict[str, Any] = {
        "brand_id": brand.id,
        "reseller": "R1",
        "channel": None,
        "sku": "card",
        "note": "for the fair",
        "actor": asker,
        "now": NOW,
    }
    first, second, third = [await allocation.ask(**ask, quantity=quantity) for quantity in (4, 9, 1)]
    with pytest.raises(allocation.RequestUnfitError):
        await allocation.ask(**{**ask, "sku": "tea"}, quantity=1)
    decide: dict[str, Any] = {"brand": brand, "actor": audit.Actor(user_id=asker.user_id, role="manager"), "now": NOW}
    with pytest.raises(allocation.RequestUnfitError):
        await allocation.grant(request=first, quantity=5, answer=None, **decide)
    with pytest.raises(draw.StockShortError):
        await allocation.grant(request=second, quantity=9, answer=None, **decide)
    await allocation.grant(request=first, quantity=3, answer="three for now", **decide)
    await allocation.refuse(request=second, answer="sold out", **decide)
    with pytest.raises(allocation.RequestUnknownError):
        await allocation.withdraw(brand=brand, request=third, reseller="R2", actor=asker, now=NOW)
    await allocation.withdraw(brand=brand, request=third, reseller="R1", actor=asker, now=NOW)
    with pytest.raises(allocation.RequestDecidedError):
        await allocation.grant(request=third, quantity=1, answer=None, **decide)
    found = await allocation.requests(brand_id=brand.id, reseller="R1")
    assert {(each.quantity, each.state, each.granted, each.answer) for each in found} == {
        (4, "granted", 3, "three for now"),
        (9, "refused", None, "sold out"),
        (1, "withdrawn", None, None),
    }
    assert await allocation.requests(brand_id=brand.id, reseller="R2") == []
    assert await states(brand, number) == ["available"] * 5
    levels = await queries.levels(brand_id=brand.id, reseller="R1")
    assert [(each.reseller, each.channel, each.sku, each.available) for each in levels] == [("R1", None, "card", 3)]
    assert [each.available for each in await queries.levels(brand_id=brand.id)] == [2, 3]
    assert await books.seen(brand, "SELECT from_pool, to_pool, quantity FROM allocation") == [(0, 1, 3)]


async def test_allocation_goes_from_and_to_what_is_not_allocated(brand: Brand) -> None:
    own, other = await opened(brand, "R1"), await opened(brand, "R2")
    await stocked(brand, TODAY, NEVER, TODAY + DAY)
    for pair in ((own, other), (0, 0), (own, own)):
        with pytest.raises(allocation.AllocationRefusedError):
            await warehouse.moved(brand, pair[1], 1, from_pool=pair[0])
    with pytest.raises(draw.StockShortError):
        await warehouse.moved(brand, own, 3)
    with pytest.raises(pool.PoolUnknownError):
        await warehouse.moved(brand, 99, 1)
    assert await level(brand, 0) == {"available": 3, "came_in": 3}
    await warehouse.moved(brand, own, 2)
    assert await books.seen(brand, "SELECT number FROM card WHERE pool = $1 ORDER BY 1", own) == [(2,), (3,)]
    await warehouse.moved(brand, 0, 1, from_pool=own)
    assert await level(brand, own) == {"available": 1, "moved_in": 2, "moved_out": 1}


async def test_how_many_one_line_could_draw(brand: Brand) -> None:
    own_web, own = await opened(brand, "R1", "web"), await opened(brand, "R1")
    await stocked(brand, *[NEVER] * 3, pool=own_web)
    await stocked(brand, *[NEVER] * 2, TODAY, pool=own)
    await stocked(brand, *[NEVER] * 5, sku="gift", pool=own)
    await stocked(brand, *[NEVER] * 9)
    await pool.set_rule(brand_id=brand.id, pool=own, sku="card", low_level=None, borrow_quota=4, actor=ACTOR)
    asked = [("web", "card"), ("shop", "card"), ("web", "box"), ("web", "tea"), ("web", "gift")]
    found = [await queries.drawable(brand=brand, reseller="R1", channel=channel, sku=sku, now=NOW) for channel, sku in asked]
    assert found == [6, 6, 2, None, 5]
    assert await queries.drawable(brand=brand, reseller="R2", channel="web", sku="card", now=NOW) == 0


async def test_the_brand_sees_its_cases_and_alerts_among_what_needs_attention(brand: Brand) -> None:
    own = await opened(brand, "R1", "web")
    await stocked(brand, TODAY + DAY, pool=own)
    await pool.set_rule(brand_id=brand.id, pool=own, sku="card", low_level=2, borrow_quota=None, actor=ACTOR)
    await sold(brand, "O1", ("1", "card", 2))
    await watch.look(brand=brand, now=NOW)
    found = {each.kind: (each.items[0].facts, each.items[0].link) for each in await exceptions.listing(brand=brand, now=NOW)}
    place = {"sku": "card", "place": "一号 · 网店", "cards": 1}
    assert found == {
        "stock.short": ({"order": "O1", "line": "1", "name": "一号", "sku": "card", "units": 2}, "O1"),
        "stock.low": ({**place, "day": None}, None),
        "stock.expiry": ({**place, "day": "2026-11-23"}, None),
    }
    await refunded(brand, "O1", "1", 2, 0)
    assert {each.kind for each in await exceptions.listing(brand=brand, now=NOW)} == {"stock.low", "stock.expiry"}
