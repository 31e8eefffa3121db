"""Cards in people's hands: claimed, shown, redeemed in every way, and taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.rooms.everything import ground, machine, model
from tests.rooms.everything.machine import CHANCE, request
from tests.rooms.identity import people

from qucheng.core import errors
from qucheng.settlement import decision
from qucheng.stock import secret_reveal

if TYPE_CHECKING:
    import uuid

    from qucheng.redemption import redemption

WAYS = ["code", "code", "dynamic", "digits", "digits", "again"]


class Using(machine.Machine):
    @request(
        3,
        offer=["daily", "daily", "once"],
        person=["ann", "ben", "cai"],
        key=[None, "k-1"],
    )
    def claim(self, offer: str, person: str, key: str | None) -> None:
        claims = len(self.model.claims)
        cards = {number: card.state for number, card in self.model.cards.items()}
        refusal, fresh = self.model.take_one(offer, person, key)
        # holds that were past their deadline are looked at, also where nothing is left then
        stays = cards == {number: card.state for number, card in self.model.cards.items()}
        made = self.ask(refusal, self.ground.claim, offer, person, key, self.now, stays=stays)
        assert len(self.model.claims) == claims + fresh
        if refusal is None:
            assert made.fresh == fresh

    @request(2, chance=CHANCE)
    def reveal(self, chance: int) -> None:
        key = self.some(chance, sorted(self.model.cards))
        held = self.model.in_hands()
        if held and chance % 4:
            key = self.some(chance, held)
        card = self.model.cards[key]
        refusal = None if card.state in {"delivered", "revealed"} else "reveal.nothing"
        viewer = secret_reveal.Viewer(kind="user", id=self.ground.maker.user_id)
        shown = self.ask(
            refusal,
            secret_reveal.reveal_card,
            keys=self.keys,
            card=f"{key[0]}-{key[1]}",
            viewer=viewer,
            purpose="a look",
            **self.who,
        )
        if refusal is None:
            assert shown.code.shown() == self.ground.codes[key]
            card.state, card.seen = "revealed", True

    @request(9, chance=CHANCE, till=[0, 0, 0, 1], way=WAYS)
    def redeem(self, chance: int, till: int, way: str) -> None:
        key = self.some(chance, sorted(self.model.cards))
        held = self.model.in_hands()
        if held and chance % 5:
            key = self.some(chance, held)
        if way == "again" and self.last_shown is None:
            way = "code"
        if way != "again":
            said: Any = way
            shown_at = till if chance % 7 else 1 - till
            text = self.do(self.ground.presented, said, key, shown_at, self.now)
            phone = ground.PHONE if chance % 5 else ground.OTHER_PHONE
            good = phone == ground.PHONE and shown_at == till
            self.last_shown = model.Shown(way, text, phone if way == "digits" else "", key, self.model.now, good)
            self.last_till = till
        assert self.last_shown is not None
        self.present(self.last_till if way == "again" else till, self.next("k"), self.last_shown)

    def begin(self) -> None:
        """Every walk begins where something was sold, redeemed and counted: what follows that comes late in a walk."""
        self.order(1, "gift", None, 2, named=False)
        for key in self.model.in_hands():
            self.present(0, self.next("k"), model.Shown("code", self.ground.codes[key], "", key, self.model.now, good=True))
        self.go_on(6, watched=True)
        self.earn()

    def present(self, till: int, key: str, shown: model.Shown) -> None:
        refusal, verdict = self.model.redeem(till, key, shown)
        refused = refusal is not None or verdict != "ok"
        but = ground.ASKED if refusal is None else ()
        before = self.do(self.ground.digest, self.owner, self.tables, but) if refused else None
        got, answer = None, None
        way: redemption.Way = shown.way  # type: ignore[assignment]
        try:
            answer = self.do(self.ground.redeem, till, key, way, shown.text, shown.phone_end, self.now)
        except errors.RefusedError as error:
            got = error.code
        assert (got, answer and answer.result) == (refusal, verdict)
        self.reached[f"redeem {way} {refusal or verdict}"] += 1
        if refused:
            assert self.do(self.ground.digest, self.owner, self.tables, but) == before
        if answer is not None:
            self.made[till, key] = answer.id
            self.again = lambda: self.answered_again(till, key, shown, answer.id)

    def answered_again(self, till: int, key: str, shown: model.Shown, made: uuid.UUID) -> None:
        """The same key: the same answer, whatever the card has become."""
        kept = self.model.answers[till, key]
        way: Any = shown.way
        answer = self.do(self.ground.redeem, till, key, way, shown.text, shown.phone_end, self.now)
        assert (answer.id, answer.result, answer.undone, answer.at) == (made, kept.verdict, kept.undone, self.at(kept.at))

    @request(3, chance=CHANCE, what=["own", "own", "own", "elsewhere", "first"])
    def reverse(self, chance: int, what: str) -> None:
        """By its till, by another, or before the redemption, which then never comes."""
        answers = sorted(self.model.answers)
        good = [place for place in answers if self.model.answers[place].verdict == "ok"]
        good.sort(key=lambda place: self.model.answers[place].at)
        newest = good[-1:] if chance % 2 else good
        till, key = self.some(chance, newest if good and chance % 4 else answers) or (0, self.next("k"))
        if what == "elsewhere":
            till = 1 - till
        elif what == "first":
            key = self.next("k")
        result = self.model.reverse(till, key)
        assert self.do(self.ground.reverse, till, key, self.now).result == result
        self.reached[f"reverse {result}"] += 1
        if what == "first" and self.last_shown is not None:
            self.present(till, key, self.last_shown)

    @request(3, chance=CHANCE, allowed=[True, True, True, False, None])
    def reverse_late(self, chance: int, *, allowed: bool | None) -> None:
        """One asks, another allows or does not, or lets it wait."""
        counted = [place for place, made in sorted(self.model.answers.items()) if made.recorded and not made.undone]
        place = self.some(chance, counted if chance % 6 else sorted(self.model.answers))
        if place is None:
            return
        made = self.model.answers[place]
        refusal = None if made.verdict == "ok" and not made.undone else "redemption.changed"
        approval = self.ask(refusal, self.ground.ask_late, self.made[place])
        if refusal is None:
            # asked for twice it is one request
            assert self.waiting.setdefault(place, approval) == approval
            if allowed is not None:
                self.decide(place, allowed=allowed)

    @request(1, chance=CHANCE)
    def allow(self, chance: int) -> None:
        """What has waited, and may have been taken back at its till meanwhile."""
        place = self.some(chance, sorted(self.waiting))
        if place is not None:
            self.decide(place, allowed=True)

    def decide(self, place: tuple[int, str], *, allowed: bool) -> None:
        made, checker = self.model.answers[place], self.ground.checker
        refusal = "redemption.changed" if allowed and made.undone else None
        if allowed and refusal is None:
            self.model.reverse_late(made)
            self.reached["reverse_late counted" if place in self.model.late else "reverse_late plain"] += 1
        self.ask(
            refusal, decision.decide, principal=checker, brand_id=self.ground.brand.id, approval_id=self.waiting[place], approve=allowed,
            reason="no", actor=people.actor(checker), now=self.now,
        )  # fmt: skip
        if refusal is None:
            del self.waiting[place]
