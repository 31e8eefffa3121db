"""Stock as the specification tells it, in plain dictionaries: what every card is after each thing that is done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

EACH = {"card": {"card": 1}, "gift": {"gift": 1}, "box": {"card": 1, "gift": 2}}
LIVE = ("inactive", "available", "delivered", "revealed", "frozen")
Key = tuple[int, int]


@dataclass
class Card:
    sku: str
    pool: int
    last_day: int
    came_in: int
    state: str = "inactive"
    was: str | None = None
    line: tuple[str, str] | None = None
    held: int | None = None
    until: int | None = None
    seen: bool = False
    borrowed: bool = False
    reason: str | None = None

    def free(self) -> None:
        self.state, self.line, self.held, self.until = "available", None, None, None
        if self.borrowed:
            self.pool, self.borrowed = 0, False

    def gone(self, reason: str) -> None:
        self.state, self.was, self.reason, self.held, self.until = "void", None, reason, None, None


@dataclass
class Hold:
    owner: tuple[str, str]
    sku: str
    units: int
    pool: int
    until: int
    state: str = "held"


@dataclass
class Stock:
    """now: minutes since the first midnight. pools: of what owner, by number."""

    pools: dict[tuple[str | None, str | None], int]
    quotas: dict[tuple[str, int], int]
    now: int = 0
    cards: dict[Key, Card] = field(default_factory=dict)
    holds: dict[int, Hold] = field(default_factory=dict)
    lines: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    @property
    def today(self) -> int:
        return self.now // 1440

    def candidates(self, reseller: str, channel: str) -> list[int]:
        owners = [(reseller, channel), (reseller, None), (None, channel)]
        return [self.pools[owner] for owner in owners if owner in self.pools]

    def drawable(self, sku: str, pool: int) -> list[Key]:
        found = [
            key for key, card in self.cards.items()
            if (card.sku, card.pool, card.state) == (sku, pool, "available") and card.last_day > self.today
        ]  # fmt: skip
        return sorted(found, key=lambda key: (self.cards[key].last_day, *key))

    def lapse(self, skus: set[str] | None = None, pools: list[int] | None = None) -> None:
        for card in self.cards.values():
            meant = skus is None or pools is None or (card.sku in skus and card.pool in pools)
            if meant and card.state == "reserved" and card.until is not None and card.until <= self.now:
                card.free()

    def lendable(self, sku: str, pool: int) -> int:
        lent = sum(card.borrowed for card in self.cards.values() if (card.sku, card.pool) == (sku, pool))
        return min(max(self.quotas.get((sku, pool), 0) - lent, 0), len(self.drawable(sku, 0)))

    def choose(self, wanted: dict[str, int], candidates: list[int]) -> int | None:
        for borrowing in (False, True):
            for pool in candidates:
                if all(
                    len(self.drawable(sku, pool)) + (self.lendable(sku, pool) if borrowing else 0) >= count
                    for sku, count in wanted.items()
                ):
                    return pool
        return None

    def take(self, sku: str, pool: int, count: int) -> list[Card]:
        own = self.drawable(sku, pool)[:count]
        lent = self.drawable(sku, 0)[: count - len(own)]
        for key in lent:
            self.cards[key].pool, self.cards[key].borrowed = pool, True
        return [self.cards[key] for key in own + lent]

    def reserve(self, number: int, reseller: str, channel: str, sku: str, units: int, until: int) -> bool:
        wanted = {part: each * units for part, each in EACH[sku].items()}
        candidates = self.candidates(reseller, channel)
        self.lapse(set(wanted), candidates)
        pool = self.choose(wanted, candidates)
        if pool is None:
            return False
        self.holds[number] = Hold((reseller, channel), sku, units, pool, until)
        for part, count in wanted.items():
            for card in self.take(part, pool, count):
                card.state, card.held, card.until = "reserved", number, until
        return True

    def of_hold(self, number: int) -> list[Key]:
        return [key for key, card in self.cards.items() if card.held == number and card.state == "reserved"]

    def let_go(self, number: int) -> None:
        for key in self.of_hold(number):
            self.cards[key].free()

    def order(self, order: str, reseller: str, channel: str, lines: list[tuple[str, str, int]], held: int | None) -> list[str]:
        candidates = self.candidates(reseller, channel)
        self.lapse({part for _, sku, _ in lines for part in EACH.get(sku, {})}, candidates)
        hold = self.holds.get(held) if held is not None else None
        if hold is None or hold.state != "held" or hold.until <= self.now:
            hold = None
        outcomes = []
        for line, sku, units in lines:
            wanted = {part: each * units for part, each in EACH.get(sku, {}).items()}
            self.lines[order, line] = {"sku": sku, "left": units, "owner": (reseller, channel), "short": False}
            if not wanted:
                outcomes.append("none")
                continue
            cards = None
            if hold is not None and held is not None and hold.sku == sku:
                cards = self.use(held, wanted)
                hold = None
            if cards is None:
                pool = self.choose(wanted, candidates)
                cards = (
                    None if pool is None else [card for part, count in wanted.items() for card in self.take(part, pool, count)]
                )
            self.lines[order, line]["short"] = cards is None
            outcomes.append("short" if cards is None else "delivered")
            for card in cards or ():
                card.state, card.line, card.held, card.until = "delivered", (order, line), None, None
        return outcomes

    def use(self, number: int, wanted: dict[str, int]) -> list[Card] | None:
        hold = self.holds[number]
        keys = [key for key in self.of_hold(number) if self.cards[key].last_day > self.today]
        keys.sort(key=lambda key: (self.cards[key].last_day, *key))
        had = {part: [key for key in keys if self.cards[key].sku == part][:count] for part, count in wanted.items()}
        enough = all(len(had[part]) + len(self.drawable(part, hold.pool)) >= count for part, count in wanted.items())
        cards: list[Card] = []
        for part, count in wanted.items() if enough else ():
            cards += [self.cards[key] for key in had[part]]
            more = [self.cards[key] for key in self.drawable(part, hold.pool)[: count - len(had[part])]]
            cards += more
        for card in cards:
            card.state = "delivered"
        hold.state = "used" if enough else "released"
        self.let_go(number)
        return cards if enough else None

    def refund(self, place: tuple[str, str], units: int, named: list[Key]) -> int:
        """How many cards are missing."""
        line = self.lines[place]
        line["left"] -= units
        if line["short"]:
            line["short"] = line["left"] > 0
            return 0
        missing = 0
        for sku, each in EACH.get(line["sku"], {}).items():
            ours = [key for key in named if self.cards[key].sku == sku]
            able = [
                key for key, card in self.cards.items()
                if card.line == place and card.sku == sku and card.state in {"delivered", "revealed", "frozen"}
            ]  # fmt: skip
            rest = sorted(
                set(able) - set(ours), key=lambda key: (not self.cards[key].seen, self.cards[key].last_day, *key), reverse=True
            )
            chosen = [key for key in ours if key in able] + rest[: each * units - len(ours)]
            missing += each * units - len(chosen)
            for key in chosen:
                card = self.cards[key]
                if card.state == "delivered":
                    card.free()
                else:
                    card.gone("refunded")
        return missing

    def freeze(self, keys: list[Key]) -> None:
        for card in (self.cards[key] for key in keys):
            if card.state not in {"frozen", "redeemed", "void"}:
                card.state, card.was = "frozen", card.state

    def unfreeze(self, keys: list[Key]) -> None:
        for card in (self.cards[key] for key in keys):
            if card.state == "frozen" and card.last_day < self.today:
                card.gone("expired")
            elif card.state == "frozen" and card.was is not None:
                card.state, card.was = card.was, None
        self.lapse()

    def void(self, keys: list[Key]) -> None:
        for card in (self.cards[key] for key in keys):
            if card.state in {"inactive", "available", "frozen"}:
                card.gone("withdrawn")

    def expire(self) -> None:
        self.lapse()
        for card in self.cards.values():
            if card.state in LIVE and card.last_day < self.today:
                card.gone("expired")
