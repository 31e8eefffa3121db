"""What a brand's cards, orders, claims and redemptions become, as the specification tells it, in plain dictionaries.

Each request is answered with None where it is done, or with the code of its refusal, before the database is asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tests.rooms.everything import ground
from tests.rooms.stock import stock_model

Key = stock_model.Key
Place = tuple[str, str]
DAY = 1440
UNDO = 5
WATCHED = CLOSED = 10
MOST_WRONG = {"code": 30, "digits": 5}
HOLD_FROM = {"card": "delivered", "gift": "redeemed", "box": "redeemed", "tea": "paid"}
# of which an order may be sent by a seller whose clock is ahead
AHEAD = {"card", "tea", "gift", "box"}
OFFERS = {"daily": ("card", 0, 4 * DAY, 3), "once": ("gift", DAY, 90 * DAY, None)}
RATES = {1: 10, 2: 3}  # per cent
PARENTS = {"R3": "R1"}


@dataclass
class Card(stock_model.Card):
    """born: its own last day; last_day: that, or the one that counts from its delivery. claim: by whom."""

    born: int = ground.NEVER
    dated: bool = False
    claim: tuple[str, str, str] | None = None

    def free(self) -> None:
        super().free()
        self.last_day, self.dated = self.born, False


@dataclass
class Line:
    sku: str
    units: int
    net: int
    paid: int
    back_units: int = 0
    back_net: int = 0
    events: list[tuple[int, int]] = field(default_factory=list)
    refunds: list[tuple[int, int, int]] = field(default_factory=list)
    # what the kernel knows
    earned: int | None = None
    started: int | None = None


@dataclass
class Redeemed:
    """An answer that was kept."""

    till: int
    key: str
    at: int
    verdict: str
    card: Key | None
    undone: bool = False
    recorded: bool = False
    way: str = "code"


@dataclass(frozen=True)
class Shown:
    """What was presented at a till. good: digits of this till's store, with the right end of the phone."""

    way: str
    text: str
    phone_end: str
    card: Key
    at: int
    good: bool


@dataclass
class Books(stock_model.Stock):
    books: dict[Place, Line] = field(default_factory=dict)
    sales: dict[str, str] = field(default_factory=dict)
    missing: list[tuple[Place, int]] = field(default_factory=list)
    claims: dict[tuple[str, str, str], str | None] = field(default_factory=dict)
    answers: dict[tuple[int, str], Redeemed] = field(default_factory=dict)
    blocked: set[tuple[int, str]] = field(default_factory=set)
    spent: set[tuple[Key, int] | str] = field(default_factory=set)
    wrong: dict[tuple[int, str], list[int]] = field(default_factory=dict)
    closed: dict[tuple[int, str], int] = field(default_factory=dict)
    late: dict[tuple[int, str], tuple[Place, int, int]] = field(default_factory=dict)

    def reserve(self, number: int, reseller: str, channel: str, sku: str, units: int, until: int) -> bool:
        """Where it is refused, nothing of it stays: cards that were past their deadline are held on until somebody comes."""
        before = {key: replace(card) for key, card in self.cards.items()}
        done = super().reserve(number, reseller, channel, sku, units, until)
        if not done:
            self.cards = before
        return done

    def claimed(self, key: Key) -> bool:
        card = self.cards[key]
        return isinstance(card, Card) and card.claim is not None

    def in_hands(self) -> list[Key]:
        """Of an order or a claim, whatever has become of them since."""
        return sorted(key for key, card in self.cards.items() if card.line is not None or self.claimed(key))

    def of_line(self, place: Place) -> list[Key]:
        return sorted(key for key, card in self.cards.items() if card.line == place)

    def dated(self) -> None:
        """Cards that were delivered in this step: of some the last day counts from it."""
        for card in self.cards.values():
            assert isinstance(card, Card)
            if card.state == "delivered" and card.sku == "gift" and not card.dated:
                card.last_day, card.dated = min(card.born, self.today + ground.VALID_DAYS), True

    def place(
        self, order: str, seller: tuple[str, str], lines: list[tuple[str, str, int]], nets: list[int], held: int | None, paid: int
    ) -> str | None:
        hold = self.holds[held] if held is not None else None
        if hold is not None and (hold.owner != seller or hold.sku not in {sku for _, sku, _ in lines}):
            return "reservation.elsewhere"
        outcomes = self.order(order, *seller, lines, held)
        for (line, sku, units), net, outcome in zip(lines, nets, outcomes, strict=True):
            made = self.books[order, line] = Line(sku=sku, units=units, net=net, paid=paid)
            if outcome == "delivered" and HOLD_FROM[sku] == "delivered":
                made.events.append((max(self.now, paid), units))
        self.sales[order] = "paid_without_stock" if "short" in outcomes else "delivered" if "delivered" in outcomes else "none"
        self.dated()
        return None

    def ended(self, order: str, state: str) -> None:
        waits = any(self.lines[place]["short"] for place in self.lines if place[0] == order)
        if self.sales[order] == "paid_without_stock" and not waits:
            self.sales[order] = state

    def tried_again(self, place: Place) -> str:
        """As the line draws: delivered or short."""
        line, made = self.lines[place], self.books[place]
        reseller, channel = line["owner"]
        (outcome,) = self.order(place[0], reseller, channel, [(place[1], line["sku"], line["left"])], None)
        if outcome == "delivered":
            if HOLD_FROM[made.sku] == "delivered":
                made.events.append((max(self.now, made.paid), self.lines[place]["left"]))
            self.ended(place[0], "delivered")
        self.dated()
        return str(outcome)

    def give_back(self, place: Place, units: int, amount: int, named: list[Key]) -> str | None:
        made = self.books[place]
        if self.now < made.paid or units > made.units - made.back_units or amount > made.net - made.back_net:
            return "refund.invalid"
        most = {sku: each * units for sku, each in stock_model.EACH.get(made.sku, {}).items()}
        for sku in {self.cards[key].sku for key in named}:
            if sum(self.cards[key].sku == sku for key in named) > most.get(sku, 0):
                return "card.elsewhere"
        if any(self.cards[key].line != place for key in named):
            return "card.elsewhere"
        made.back_units, made.back_net = made.back_units + units, made.back_net + amount
        made.refunds.append((self.now, units, amount))
        for key in self.of_line(place) if units else ():
            if self.cards[key].state == "delivered" and self.was_typed(key):
                self.cards[key].state, self.cards[key].seen = "revealed", True
        missing = self.refund(place, units, named) if units else 0
        if missing:
            self.missing.append((place, missing))
        self.ended(place[0], "resolved")
        return None

    def take_one(self, offer: str, person: str, request: str | None) -> tuple[str | None, bool]:
        """The refusal, and whether it is made now."""
        sku, starts, ends, quota = OFFERS[offer]
        period = str(self.today) if offer == "daily" else "ever"
        sent = [claimed[:2] for claimed, key in self.claims.items() if key == request and key is not None]
        if sent or (offer, person, period) in self.claims:
            return (None if sent in ([], [(offer, person)]) else "idempotency.other_request"), False
        if not starts <= self.now < ends:
            return ("claim.not_begun" if self.now < starts else "claim.ended"), False
        pool = self.pools["R1" if offer == "daily" else "R2", None]
        taken = sum(of == offer for of, _, _ in self.claims)
        if taken == quota:
            return "claim.sold_out", False
        if not self.drawable(sku, pool):
            self.lapse({sku}, [pool])
        found = self.drawable(sku, pool)
        if not found:
            return "claim.sold_out", False
        card = self.cards[found[0]]
        assert isinstance(card, Card)
        card.state, card.claim = "delivered", (offer, person, period)
        self.claims[offer, person, period] = request
        self.dated()
        return None, True

    def replace(self, key: Key) -> str | None:
        card = self.cards[key]
        assert isinstance(card, Card)
        if card.state not in {"delivered", "revealed"}:
            return "card.state"
        if card.claim is not None:
            if not self.drawable(card.sku, card.pool):
                return "stock.short"
        elif self.choose({card.sku: 1}, [card.pool]) is None:
            return "stock.short"
        (other,) = self.take(card.sku, card.pool, 1)
        assert isinstance(other, Card)
        other.state, other.line, other.claim = "delivered", card.line, card.claim
        card.gone("faulty")
        self.dated()
        return None

    def look(self, till: int, shown: Shown) -> tuple[Key | None, bool, str | None]:
        """Which card is found, whether what was shown is used up, and the refusal of the entry."""
        if shown.way == "dynamic":
            return (shown.card if shown.at == self.now else None), (shown.card, shown.at) in self.spent, None
        if self.now < self.closed.get((till, shown.way), 0):
            return None, False, f"{shown.way}{'s' if shown.way == 'code' else ''}.closed"
        if shown.way == "digits":
            return (shown.card if shown.good and shown.at == self.now else None), shown.text in self.spent, None
        return shown.card, False, None

    def verdict(self, till: int, card: Card | None, *, spent: bool) -> str:
        held = None if card is None else card.was if card.state == "frozen" else card.state
        if card is None or held not in {"delivered", "revealed", "redeemed", "void"}:
            return "unknown"
        if till == 1 and card.sku == "gift":
            return "not_here"
        if card.state in {"redeemed", "frozen", "void"}:
            return "expired" if card.reason == "expired" else {"redeemed": "used"}.get(card.state, card.state)
        if self.today > card.last_day:
            return "expired"
        if card.sku == "card" and self.today < 1:
            return "not_yet"
        return "unknown" if spent else "ok"

    def redeem(self, till: int, key: str, shown: Shown) -> tuple[str | None, str | None]:
        """The refusal, or the verdict."""
        if (till, key) in self.blocked:
            return "redemption.reversed", None
        if (till, key) in self.answers:
            return None, self.answers[till, key].verdict
        found, spent, refusal = self.look(till, shown)
        if refusal is not None:
            return refusal, None
        card = self.cards[found] if found is not None else None
        assert card is None or isinstance(card, Card)
        verdict = self.verdict(till, card, spent=spent)
        if (shown.way == "digits" and found is None) or (shown.way == "code" and verdict == "unknown"):
            self.missed(till, shown.way)
        self.answers[till, key] = Redeemed(till, key, self.now, verdict, found, way=shown.way)
        if verdict == "ok" and card is not None:
            card.state, card.was = "redeemed", card.state
            self.spent |= {(shown.card, shown.at)} if shown.way == "dynamic" else {shown.text} if shown.way == "digits" else set()
        return None, verdict

    def missed(self, till: int, way: str) -> None:
        times = [at for at in self.wrong.get((till, way), []) if at > self.now - WATCHED] + [self.now]
        if len(times) >= MOST_WRONG[way]:
            self.closed[till, way], times = self.now + CLOSED, []
        self.wrong[till, way] = times

    def reverse(self, till: int, key: str) -> str:
        made = self.answers.get((till, key))
        if made is None:
            self.blocked.add((till, key))
            return "blocked"
        if made.verdict != "ok" or made.undone:
            return "undone" if made.undone else "nothing"
        if self.now > made.at + UNDO or made.recorded:
            return "late"
        self.undo(made)
        return "undone"

    def undo(self, made: Redeemed) -> None:
        assert made.card is not None
        card = self.cards[made.card]
        card.state, card.was, made.undone = card.was or "", None, True
        if card.line is not None and self.is_owed(card, card.line):
            self.found_again(card.line)
            if card.state == "delivered" and not self.was_typed(made.card):
                card.free()
            else:
                card.seen = True
                card.gone("refunded")

    def was_typed(self, key: Key) -> bool:
        """Somebody at a till knows its code."""
        return any(made.card == key and made.way == "code" for made in self.answers.values())

    def is_owed(self, card: stock_model.Card, place: Place) -> bool:
        """Its line holds more of the SKU than was not paid back."""
        held = [key for key in self.of_line(place) if self.cards[key].sku == card.sku]
        kept = sum(self.cards[key].reason not in {"refunded", "faulty"} for key in held)
        return bool(kept > stock_model.EACH[self.books[place].sku][card.sku] * self.lines[place]["left"])

    def found_again(self, place: Place) -> None:
        """One card fewer is missing, of the oldest case."""
        for number, (of, count) in enumerate(self.missing):
            if of == place and count:
                self.missing[number] = (of, count - 1)
                break

    def units_used(self, place: Place) -> list[int]:
        """When each unit of the line was complete, by the redemptions that count."""
        at: dict[str, list[int]] = {sku: [] for sku in stock_model.EACH[self.books[place].sku]}
        for made in self.answers.values():
            if made.verdict == "ok" and made.recorded and not made.undone and made.card in self.of_line(place):
                at[self.cards[made.card].sku].append(made.at)
        each = stock_model.EACH[self.books[place].sku]
        whole = min(len(times) // each[sku] for sku, times in at.items())
        return [max(sorted(times)[unit * each[sku] - 1] for sku, times in at.items()) for unit in range(1, whole + 1)]

    def paid(self, made: Redeemed) -> int:
        """When the order of the card was, for the seller's clock may be ahead."""
        place = self.cards[made.card].line if made.card is not None else None
        return self.books[place].paid if place is not None else 0

    def settle(self) -> None:
        """Redemptions that are past being undone are events of their lines."""
        past = [
            made for made in self.answers.values()
            if made.verdict == "ok" and not made.undone and not made.recorded and max(made.at, self.paid(made)) <= self.now - UNDO
        ]  # fmt: skip
        for made in past:
            made.recorded = True
        for place, line in self.books.items():
            if HOLD_FROM[line.sku] == "redeemed" and any(made.card in self.of_line(place) for made in past):
                said = sum(units for _, units in line.events)
                line.events += [(max(at, line.paid), 1) for at in self.units_used(place)[said:]]

    def reverse_late(self, made: Redeemed) -> None:
        """Allowed by the second person."""
        card = self.cards[made.card] if made.card is not None else None
        place = card.line if card is not None else None
        counted = place is not None and made.recorded and HOLD_FROM[self.books[place].sku] == "redeemed"
        before = len(self.units_used(place)) if counted and place is not None else 0
        self.undo(made)
        if not counted or place is None:
            return
        line = self.books[place]
        said = sum(units for _, units in line.events)
        if max(said - len(self.units_used(place)), 0) > max(said - before, 0):
            earned = sum(self.entries(place).values()) if line.started is not None else 0
            over = line.started is not None and line.started + DAY <= self.now
            self.late[made.till, made.key] = (place, earned, earned if over else 0)

    def accrue(self) -> None:
        """The kernel has run over all there is."""
        for line in self.books.values():
            line.earned = line.net - line.back_net
            if line.started is None and HOLD_FROM[line.sku] != "paid":
                line.started = self.start(line)

    def start(self, line: Line) -> int | None:
        """The first instant at which the units that had their event are those that had not come back, if one is left."""
        for at in sorted({*(at for at, _ in line.events), *(at for at, _, _ in line.refunds)}):
            events = sum(units for when, units in line.events if when <= at)
            back = sum(units for when, units, _ in line.refunds if when <= at)
            amount = sum(minor for when, _, minor in line.refunds if when <= at)
            if events >= line.units - back and back < line.units and (line.net == 0 or amount < line.net):
                return at
        return None

    def entries(self, place: Place) -> dict[int, int]:
        """What each level has earned of the line after its refunds, as far as the kernel has run."""
        line, seller = self.books[place], self.lines[place]["owner"][0]
        if line.earned is None:
            return {}
        levels = [1, 2] if seller in PARENTS else [1]
        return {level: (line.earned * RATES[level] * 2 + 100) // 200 for level in levels}
