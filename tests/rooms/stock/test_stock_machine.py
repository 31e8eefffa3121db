"""Whatever is done to stock, in whatever order: every card is what the model says, and the equation holds after each step."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar

import anyio.from_thread
import anyio.to_thread
import hypothesis
import pytest
from hypothesis import stateful
from hypothesis import strategies as st
from tests.rooms.stock import stock_model, warehouse
from tests.rooms.stock.warehouse import ACTOR, SELLER

from qucheng.core import db
from qucheng.stock import act, allocation, batch, draw, pool, reservation, reveal, stock_case, stop, watch

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable
    from pathlib import Path

    from tests import books

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

MIDNIGHT = dt.datetime(2026, 11, 21, 16, 0, tzinfo=dt.UTC)  # of 22 November in Shanghai
FIRST = dt.date(2026, 11, 22)
NEVER = 10**6
OWNERS = [(None, None), ("R1", "web"), ("R1", None), (None, "web"), ("R2", None)]
SKUS = st.sampled_from(["card", "gift", "box", "tea"])
SOLD = st.tuples(SKUS, st.integers(1, 3))
CHANCE = st.integers(0, 10**6)
CARDS = """
    SELECT batch, number, sku, pool, state, came_from, order_no, line_no, reservation, revealed_at IS NOT NULL AS seen, borrowed, void_reason FROM card"""

LEVELS = "SELECT pool, sku, sum(came_in)::int AS came_in, sum(moved_in - moved_out)::int AS moved FROM stock_level GROUP BY 1, 2"


class StockMachine(stateful.RuleBasedStateMachine):
    folder: ClassVar[Path]

    def do(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """On the loop of the test."""

        async def called() -> Any:
            return await function(*arguments, **named)

        return anyio.from_thread.run(called)

    @property
    def now(self) -> dt.datetime:
        return MIDNIGHT + dt.timedelta(minutes=self.model.now)

    @stateful.initialize()
    def opened(self) -> None:
        self.brand: Brand = self.do(warehouse.brand, self.folder)
        pools = {owner: self.do(warehouse.opened, self.brand, *owner) for owner in OWNERS}
        quotas = {("card", pools["R1", None]): 3, ("gift", pools["R1", "web"]): 2}
        for (sku, number), quota in quotas.items():
            rule = {"pool": number, "sku": sku, "low_level": None, "borrow_quota": quota}
            self.do(pool.set_rule, brand_id=self.brand.id, actor=ACTOR, **rule)
        self.model = stock_model.Stock(pools=pools, quotas=quotas)
        self.ids: dict[int, uuid.UUID] = {}
        self.orders = 0
        for owner, sku in ((("R1", None), "card"), (("R1", None), "gift"), ((None, None), "card"), (("R2", None), "gift")):
            self.stock(sku, pools[owner], [5, 2, NEVER, 1, 5, 3, NEVER, 4], released=True)

    def some(self, chance: int, found: list[Any]) -> Any:
        return found[chance % len(found)] if found else None

    @stateful.rule(
        sku=st.sampled_from(["card", "gift"]),
        chance=CHANCE,
        days=st.lists(st.sampled_from([0, 1, 2, 5, NEVER]), min_size=1, max_size=6),
    )
    def come_in(self, sku: str, chance: int, days: list[int]) -> None:
        self.stock(sku, self.some(chance, sorted(self.model.pools.values())), days, released=chance % 5 > 0)

    def stock(self, sku: str, into: int, days: list[int], *, released: bool) -> None:
        dates = [dt.date.max if day == NEVER else FIRST + dt.timedelta(days=self.model.today + day) for day in days]
        number = self.do(warehouse.came_in, self.brand, *dates, sku=sku, pool=into)
        for place, day in enumerate(days, start=1):
            last = NEVER if day == NEVER else self.model.today + day
            self.model.cards[number, place] = stock_model.Card(sku=sku, pool=into, last_day=last, came_in=into)
        if released:
            self.do(batch.release, brand=self.brand, number=number, actor=ACTOR, now=self.now)
            for place in range(1, len(days) + 1):
                self.model.cards[number, place].state = "available"

    @stateful.rule(sku=st.sampled_from(["card", "gift"]), chance=CHANCE, quantity=st.integers(1, 3), back=st.booleans())
    def allocate(self, sku: str, chance: int, quantity: int, *, back: bool) -> None:
        other = self.some(chance, [number for number in sorted(self.model.pools.values()) if number])
        source, target = (other, 0) if back else (0, other)
        found = self.model.drawable(sku, source)
        if back:  # what expires today goes back as well
            expiring = [key for key, card in self.model.cards.items()
                        if (card.sku, card.pool, card.state, card.last_day) == (sku, source, "available", self.model.today)]  # fmt: skip
            found = sorted(expiring) + found
        asked = {
            "brand": self.brand,
            "sku": sku,
            "from_pool": source,
            "to_pool": target,
            "quantity": quantity,
            "actor": ACTOR,
            "now": self.now,
        }
        if len(found) < quantity:
            with pytest.raises(draw.StockShortError):
                self.do(allocation.allocate, **asked)
            return
        self.do(allocation.allocate, **asked)
        for key in found[:quantity]:
            self.model.cards[key].pool = target

    @stateful.rule(
        chance=CHANCE, sku=st.sampled_from(["card", "gift", "box"]), units=st.integers(1, 2), minutes=st.sampled_from([1, 30, 60])
    )
    def reserve(self, chance: int, sku: str, units: int, minutes: int) -> None:
        reseller, channel = self.some(chance, [("R1", "web"), ("R1", "shop"), ("R2", "web")])
        number = len(self.ids)
        asked = {"reseller": reseller, "channel": channel, "sku": sku, "units": units, "minutes": minutes}
        if self.model.reserve(number, reseller, channel, sku, units, self.model.now + minutes):
            made = self.do(reservation.reserve, brand=self.brand, **asked, actor=SELLER, now=self.now)
            assert made.pool == self.model.holds[number].pool
            self.ids[number] = made.id
        else:
            with pytest.raises(reservation.StockShortError):
                self.do(reservation.reserve, brand=self.brand, **asked, actor=SELLER, now=self.now)

    @stateful.rule(chance=CHANCE)
    def let_go(self, chance: int) -> None:
        number = self.some(
            chance, [each for each, hold in self.model.holds.items() if hold.state == "held" and hold.until > self.model.now]
        )
        if number is not None:
            self.do(reservation.release, brand=self.brand, id=self.ids[number], actor=SELLER, now=self.now)
            self.model.let_go(number)
            self.model.holds[number].state = "released"

    @stateful.rule(chance=CHANCE, wanted=st.lists(SOLD, min_size=1, max_size=3), named=st.booleans())
    def order(self, chance: int, wanted: list[tuple[str, int]], *, named: bool) -> None:
        reseller, channel = self.some(chance, [("R1", "web"), ("R1", "shop"), ("R2", "web")])
        held = None
        if named:
            fitting = [each for each, hold in self.model.holds.items() if hold.owner == (reseller, channel)]
            held = self.some(chance, fitting)
        if held is not None:
            wanted = [(self.model.holds[held].sku, wanted[0][1]), *wanted[1:]]
        self.orders += 1
        number = f"O{self.orders}"
        lines = [(str(place), sku, units) for place, (sku, units) in enumerate(wanted, start=1)]
        outcomes = self.model.order(number, reseller, channel, lines, held)
        drawn = self.do(
            warehouse.sold, self.brand, number, *lines, reseller=reseller, channel=channel, now=self.now,
            reservation=None if held is None else self.ids[held],
        )  # fmt: skip
        assert [state for _, state, _, _ in drawn] == outcomes

    @stateful.rule(chance=CHANCE)
    def retry(self, chance: int) -> None:
        place = self.some(chance, [place for place, line in self.model.lines.items() if line["short"]])
        if place is None:
            return
        line = self.model.lines[place]
        cases = self.do(stock_case.open_cases, brand_id=self.brand.id)
        (case,) = [each for each in cases if (each.order_no, each.line_no, each.kind) == (*place, "short")]
        assert case.units == line["left"]
        reseller, channel = line["owner"]
        (outcome,) = self.model.order(place[0], reseller, channel, [(place[1], line["sku"], line["left"])], None)

        async def retried() -> draw.Drawn:
            async with db.atomic(self.brand.id):
                return await stock_case.retry(brand=self.brand, case=case.id, actor=ACTOR, now=self.now)

        assert self.do(retried).state == outcome

    @stateful.rule(chance=CHANCE, units=st.integers(1, 3), name=st.booleans())
    def refund(self, chance: int, units: int, *, name: bool) -> None:
        place = self.some(chance, [place for place, line in self.model.lines.items() if line["left"]])
        if place is None:
            return
        line = self.model.lines[place]
        units = min(units, line["left"])
        each = stock_model.EACH.get(line["sku"], {})
        own = [key for key, card in sorted(self.model.cards.items()) if card.line == place] if name and len(each) == 1 else []
        named = own[: 1 + chance % units]
        left = line["left"] - units
        returned = self.do(warehouse.refunded, self.brand, *place, units, left, *named, now=self.now)
        assert returned[2] == self.model.refund(place, units, named)

    @stateful.rule(chance=CHANCE, what=st.sampled_from(["reveal", "redeem", "undo", "replace"]))
    def use(self, chance: int, what: str) -> None:
        states = {
            "reveal": {"delivered"},
            "redeem": {"delivered", "revealed"},
            "undo": {"redeemed"},
            "replace": {"delivered", "revealed"},
        }[what]
        key = self.some(chance, sorted(key for key, card in self.model.cards.items() if card.state in states))
        if key is None:
            return
        card = self.model.cards[key]
        if what == "replace":
            found = self.model.choose({card.sku: 1}, [card.pool])
            asked = {"brand": self.brand, "card": key, "reason": "torn", "actor": ACTOR, "now": self.now}
            if found is None:
                with pytest.raises(draw.StockShortError):
                    self.do(stop.replace, **asked)
                return
            self.do(stop.replace, **asked)
            (other,) = self.model.take(card.sku, card.pool, 1)
            other.state, other.line = "delivered", card.line
            card.gone("faulty")
        elif what == "reveal":
            self.do(self.revealed, key)
            card.state, card.seen = "revealed", True
        else:
            self.do(self.redeemed, key, back=what == "undo")
            card.state, card.was = (card.was or "", None) if what == "undo" else ("redeemed", card.state)

    async def revealed(self, key: tuple[int, int]) -> None:
        async with db.atomic(self.brand.id):
            await reveal.mark_revealed(cards=[key], actor=ACTOR, now=self.now)

    async def redeemed(self, key: tuple[int, int], *, back: bool) -> None:
        what = "state = came_from, came_from = NULL" if back else "state = 'redeemed', came_from = state"
        async with db.atomic(self.brand.id):
            await act.open_act(kind="undo" if back else "redeem", actor=ACTOR, now=self.now)
            await db.connection().fetch("SELECT * FROM lock_card($1, $2)", *key)
            await db.connection().execute(f"UPDATE card SET {what} WHERE batch = $1 AND number = $2", *key)

    @stateful.rule(chance=CHANCE, what=st.sampled_from(["freeze", "freeze", "unfreeze", "unfreeze", "void"]), whole=st.booleans())
    def stop(self, chance: int, what: str, *, whole: bool) -> None:
        number = self.some(chance, sorted({key[0] for key in self.model.cards}))
        if number is None:
            return
        keys = sorted(key for key in self.model.cards if key[0] == number)
        if not whole:
            keys = keys[chance % len(keys) :][:2]
        chosen = stop.Chosen(batch=number) if whole else stop.Chosen(cards=keys)
        self.do(getattr(stop, what), brand=self.brand, chosen=chosen, reason="a look", actor=ACTOR, now=self.now)
        getattr(self.model, what)(keys)

    @stateful.rule(minutes=st.sampled_from([1, 29, 60, 60, 24 * 60]), watched=st.booleans())
    def go_on(self, minutes: int, *, watched: bool) -> None:
        self.model.now += minutes
        if watched:
            self.do(watch.expire, brand=self.brand, now=self.now)
            self.model.expire()

    @stateful.invariant()
    def every_card_is_what_the_model_says(self) -> None:
        if not hasattr(self, "model"):
            return
        rows, differing, levels = self.do(self.read)
        numbers = {made: number for number, made in self.ids.items()}
        found = {}
        for *key, sku, in_pool, state, was, order, line, held, seen, borrowed, reason in rows:
            place = None if order is None else (order, line)
            found[tuple(key)] = (sku, in_pool, state, was, place, numbers.get(held), seen, borrowed, reason)
        cards = self.model.cards
        assert found == {
            key: (card.sku, card.pool, card.state, card.was, card.line, card.held, card.seen, card.borrowed, card.reason)
            for key, card in cards.items()
        }
        assert differing == []
        for (number, sku), (came_in, moved) in levels.items():
            assert came_in == sum((card.came_in, card.sku) == (number, sku) for card in cards.values())
            assert came_in + moved == sum((card.pool, card.sku) == (number, sku) for card in cards.values())

    async def read(self) -> tuple[list[Any], list[Any], dict[tuple[int, str], tuple[int, int]]]:
        async with db.atomic(self.brand.id):
            connection = db.connection()
            rows, differing = await connection.fetch(CARDS), await connection.fetch("SELECT * FROM stock_differences()")
            levels = await connection.fetch(LEVELS)
        return rows, differing, {(row["pool"], row["sku"]): (row["came_in"], row["moved"]) for row in levels}


async def walked(folder: Path, examples: int, steps: int) -> None:
    kind = type("Walk", (StockMachine,), {"folder": folder})
    chosen = hypothesis.settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, database=None, derandomize=examples < 50,
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    await anyio.to_thread.run_sync(lambda: stateful.run_state_machine_as_test(kind, settings=chosen))


async def test_stock_is_what_the_model_says_after_each_step(workspace: books.Workspace, tmp_path: Path) -> None:
    assert workspace
    await walked(tmp_path, 15, 30)


@pytest.mark.long
async def test_stock_is_what_the_model_says_in_many_walks(workspace: books.Workspace, tmp_path: Path) -> None:
    assert workspace
    await walked(tmp_path, 60, 40)
