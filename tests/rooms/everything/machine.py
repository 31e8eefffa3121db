"""Requests of every sort to one brand, in whatever order, each predicted by the model; and the looks at the books after each."""

from __future__ import annotations

import datetime as dt
import random
from typing import TYPE_CHECKING, Any, ClassVar

import anyio.from_thread
from hypothesis import stateful
from hypothesis import strategies as st
from tests.rooms.everything import ground, model
from tests.rooms.everything.ground import FIRST, MIDNIGHT, NEVER, SELLERS

from qucheng.commission import accrual
from qucheng.core import errors
from qucheng.orders import delivery, refund, rules, sale
from qucheng.redemption import settled
from qucheng.stock import allocation, reservation, stock_case, stop, watch

if TYPE_CHECKING:
    import collections
    import uuid
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import asyncpg

    from qucheng.core import crypto

SKUS = ["card", "gift", "gift", "gift", "box", "box", "tea"]
CHANCE = range(10**6)
HOUR = 60
REQUESTS: list[tuple[Callable[..., None], dict[str, Sequence[Any]]]] = []
PRICES = {"card": 10_000, "gift": 5_000, "box": 12_000, "tea": 3_000}
STOCK: list[tuple[tuple[str | None, str | None], str, int, int]] = [
    (("R1", None), "card", 3, 2), (("R1", None), "card", 2, NEVER), (("R1", "web"), "gift", 4, 5), ((None, None), "card", 3, 4),
    ((None, None), "gift", 3, NEVER), ((None, "web"), "gift", 3, 2), (("R2", None), "gift", 4, 5), (("R2", None), "card", 2, 1),
]  # fmt: skip


def request(times: int, **given: Sequence[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Something that may be asked for next, so many times as likely as others; with one of each of these.

    As rules of the library's own, half of them would be left out of each walk, and of few walks many would be much the same.
    """

    def marked(function: Callable[..., None]) -> Callable[..., None]:
        REQUESTS.extend([(function, given)] * times)
        return function

    return marked


class Machine(stateful.RuleBasedStateMachine):
    """folder, keys, owner, tables: of the test. reached: how often what was asked for was answered how, over all walks."""

    folder: ClassVar[Path]
    keys: ClassVar[crypto.Keys]
    owner: ClassVar[asyncpg.Connection]
    tables: ClassVar[list[str]]
    reached: ClassVar[collections.Counter[str]]

    def do(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """On the loop of the test."""
        self.touched = True

        async def called() -> Any:
            return await function(*arguments, **named)

        return anyio.from_thread.run(called)

    def ask(self, refusal: str | None, function: Callable[..., Any], *arguments: Any, stays: bool = True, **named: Any) -> Any:
        """It is refused as the model says, and then the database stays as it was, unless the refusal brings something about."""
        watched = refusal is not None and stays
        before = self.do(self.ground.digest, self.owner, self.tables) if watched else None
        touched, got, made = self.touched, None, None
        try:
            made = self.do(function, *arguments, **named)
        except errors.RefusedError as error:
            got = error.code
        assert got == refusal
        self.reached[f"{function.__name__} {refusal or 'done'}"] += 1
        if watched:
            assert self.do(self.ground.digest, self.owner, self.tables) == before
            self.touched = touched
        return made

    @property
    def now(self) -> dt.datetime:
        return self.at(self.model.now)

    def at(self, minutes: int) -> dt.datetime:
        return MIDNIGHT + dt.timedelta(minutes=minutes)

    @property
    def who(self) -> dict[str, Any]:
        return {"brand": self.ground.brand, "actor": self.ground.actor, "now": self.now}

    def some(self, chance: int, found: list[Any]) -> Any:
        return found[chance % len(found)] if found else None

    @stateful.initialize()
    def opened(self) -> None:
        self.touched = True
        self.ground: ground.Ground = self.do(ground.opened, self.folder, self.keys)
        pools = self.ground.pools
        self.model = model.Books(pools=dict(pools), quotas={("card", pools["R1", None]): 3, ("gift", pools["R1", "web"]): 2})
        self.ids: dict[int, uuid.UUID] = {}
        self.made: dict[tuple[int, str], uuid.UUID] = {}
        self.waiting: dict[tuple[int, str], uuid.UUID] = {}
        self.number = self.steps = 0
        self.again: Callable[[], None] = lambda: None
        self.last_shown: model.Shown | None = None
        for owner, sku, count, days in STOCK:
            self.stock(sku, pools[owner], count, days)
        self.begin()

    def begin(self) -> None: ...

    @stateful.rule(seed=st.integers(0, 2**64))
    def step(self, seed: int) -> None:
        # the plainest walk is all zeros, and would be one request again and again
        self.steps += 1
        chance, self.touched = random.Random(seed or self.steps), False
        function, given = chance.choice(REQUESTS)
        function(self, **{name: chance.choice(values) for name, values in given.items()})

    def stock(self, sku: str, into: int, count: int, days: int) -> None:
        last = NEVER if days == NEVER else self.model.today + days
        ends = None if days == NEVER else FIRST + dt.timedelta(days=last)
        number = self.do(self.ground.come_in, sku, into, count, ends, self.now)
        for place in range(1, count + 1):
            self.model.cards[number, place] = model.Card(
                sku=sku, pool=into, last_day=last, born=last, came_in=into, state="available"
            )

    def next(self, letter: str) -> str:
        self.number += 1
        return f"{letter}{self.number}"

    @request(1, sku=["card", "gift"], chance=CHANCE, quantity=range(1, 4), back=[False, True])
    def allocate(self, sku: str, chance: int, quantity: int, *, back: bool) -> None:
        other = self.some(chance, [number for number in sorted(self.model.pools.values()) if number])
        source, target = (other, 0) if back else (0, other)
        found = self.model.drawable(sku, source)
        if back:  # what expires today goes back as well
            found = sorted(
                key for key, card in self.model.cards.items()
                if (card.sku, card.pool, card.state, card.last_day) == (sku, source, "available", self.model.today)
            ) + found  # fmt: skip
        refusal = "stock.short" if len(found) < quantity else None
        given: dict[str, Any] = {"sku": sku, "from_pool": source, "to_pool": target, "quantity": quantity}
        self.ask(refusal, allocation.allocate, **given, **self.who)
        for key in found[:quantity] if refusal is None else ():
            self.model.cards[key].pool = target

    @request(3, chance=CHANCE, sku=SKUS, units=range(1, 3), minutes=[1, 30, 30, 60, 60, 61])
    def reserve(self, chance: int, sku: str, units: int, minutes: int) -> None:
        (reseller, channel), sku = self.some(chance, SELLERS), sku if chance % 3 else "card"
        given: dict[str, Any] = {"reseller": reseller, "channel": channel, "sku": sku, "units": units, "minutes": minutes}
        number = len(self.ids)
        refusal: str | None = "reservation.unfit"
        if sku != "tea" and minutes <= HOUR:
            done = self.model.reserve(number, reseller, channel, sku, units, self.model.now + minutes)
            refusal = None if done else "stock.short"
        made = self.ask(refusal, reservation.reserve, **given, **self.who)
        if refusal is None:
            assert made.pool == self.model.holds[number].pool
            self.ids[number] = made.id

    @request(1, chance=CHANCE)
    def let_go(self, chance: int) -> None:
        holds = self.model.holds
        known = [number for number, hold in holds.items() if hold.state != "held" or hold.until > self.model.now]
        number = self.some(chance, known)
        if number is None:
            return
        over = holds[number].state != "held"
        self.ask("reservation.over" if over else None, reservation.release, id=self.ids[number], **self.who)
        if not over:
            self.model.let_go(number)
            holds[number].state = "released"

    @request(5, chance=CHANCE, first=SKUS, second=[None, None, *SKUS], units=range(1, 4), named=[False, True])
    def order(self, chance: int, first: str, second: str | None, units: int, *, named: bool) -> None:
        seller = self.some(chance, SELLERS)
        held = self.some(chance, sorted(self.model.holds)) if named else None
        if held is not None and chance % 4:
            seller, first = self.model.holds[held].owner, self.model.holds[held].sku
        number = self.next("O")
        lines = [("1", first, units), *([("2", second, 1)] if second else [])]
        # the seller's clock may be ahead a little
        ahead = chance % 5 == 0 and all(sku in model.AHEAD for _, sku, _ in lines)
        paid = self.model.now + (3 if ahead else 0)
        sent = [
            rules.LineIn(
                line_no=line, sku=sku, quantity=count, gross_minor=PRICES[sku] * count, discount_minor=333 * (chance % 2)
            )
            for line, sku, count in lines
        ]
        nets = [line.gross_minor - line.discount_minor for line in sent]
        refusal = self.model.place(number, seller, lines, nets, held, paid)
        given = {
            "order_no": number, "lines": sent, "reseller": seller[0], "channel": seller[1], "source": "page", "paid_at": self.at(paid),
            "reservation": None if held is None else self.ids[held],
        }  # fmt: skip
        made = self.ask(refusal, sale.place, **given, **self.who)
        if refusal is None:
            assert (made.created, made.stock_state) == (True, self.model.sales[number])
            self.again = lambda: self.same(sale.place, given, created=False)

    def same(self, function: Callable[..., Any], given: dict[str, Any], **expected: Any) -> None:
        """A request that comes twice has done what it does, and does nothing now."""
        before = self.do(self.ground.digest, self.owner, self.tables)
        made = self.do(function, **given, **self.who)
        assert {name: getattr(made, name) for name in expected} == expected
        assert self.do(self.ground.digest, self.owner, self.tables) == before

    @request(2)
    def replay(self) -> None:
        self.again()

    @request(2, chance=CHANCE)
    def retry(self, chance: int) -> None:
        place = self.some(chance, [place for place, line in self.model.lines.items() if line["short"]])
        if place is None:
            return
        cases = self.do(stock_case.open_cases, brand_id=self.ground.brand.id)
        (case,) = [each for each in cases if (each.order_no, each.line_no, each.kind) == (*place, "short")]
        assert case.units == self.model.lines[place]["left"]
        outcome = self.model.tried_again(place)
        assert self.do(delivery.retry, case=case.id, keys=self.keys, **self.who).state == outcome
        self.reached[f"retry {outcome}"] += 1

    @request(4, chance=CHANCE, units=range(4), part=[0, 1, 3], names=range(4))
    def refund(self, chance: int, units: int, part: int, names: int) -> None:
        place = self.some(chance, sorted(self.model.books))
        if place is None:
            return
        line = self.model.books[place]
        left = line.net - line.back_net
        amount = left // part if part else left * (chance % 2)
        if units > line.units - line.back_units and chance % 3:
            units = line.units - line.back_units
        other = sorted(self.model.cards)[chance % len(self.model.cards)]
        named = (self.model.of_line(place) + [other] * (chance % 7 == 0))[: min(names, units * 2)]
        named = list(dict.fromkeys(named)) if units else []
        before = len(self.model.missing)
        refusal = self.model.give_back(place, units, amount, named)
        back = [rules.LineBack(line_no=place[1], quantity=units, amount_minor=amount, cards=tuple(named))]
        given = {"order_no": place[0], "refund_no": self.next("F"), "lines": back}
        made = self.ask(refusal, refund.give, **given, **self.who)
        if refusal is None:
            assert (made.created, made.lines[0].cards_missing) == (True, sum(count for _, count in self.model.missing[before:]))
            self.again = lambda: self.same(refund.give, given, created=False)

    @request(
        3,
        chance=CHANCE,
        what=["freeze", "freeze", "unfreeze", "unfreeze", "void"],
        which=["batch", "orders", "cards"],
    )
    def stop(self, chance: int, what: str, which: str) -> None:
        cards = self.model.cards
        orders = sorted({card.line[0] for card in cards.values() if card.line is not None})
        first = self.some(chance, sorted(cards))
        if which == "batch":
            keys, chosen = [key for key in cards if key[0] == first[0]], stop.Chosen(batch=first[0])
        elif which == "orders" and orders:
            order = self.some(chance, orders)
            keys = [key for key, card in cards.items() if card.line is not None and card.line[0] == order]
            chosen = stop.Chosen(orders=[order])
        else:
            keys = [key for key in sorted(cards) if key >= first][:2]
            chosen = stop.Chosen(cards=keys)
        self.do(getattr(stop, what), chosen=chosen, reason="a look", **self.who)
        getattr(self.model, what)(sorted(keys))

    @request(2, chance=CHANCE)
    def replace(self, chance: int) -> None:
        key = self.some(chance, self.model.in_hands())
        if key is not None:
            self.ask(self.model.replace(key), stop.replace, card=key, reason="torn", **self.who)

    @request(4, minutes=[1, 6, 6, 60, model.DAY, model.DAY], watched=[False, True])
    def go_on(self, minutes: int, *, watched: bool) -> None:
        """By itself what lapses and expires, and redemptions past being undone."""
        self.model.now += minutes
        if watched:
            self.do(watch.expire, brand=self.ground.brand, now=self.now)
            self.model.expire()
            self.do(settled.record, brand_id=self.ground.brand.id, now=self.now)
            self.model.settle()

    @request(2)
    def earn(self) -> None:
        self.do(accrual.accrue, brand_id=self.ground.brand.id, now=self.now)
        self.model.accrue()
