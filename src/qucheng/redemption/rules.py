"""What is answered when a card is presented. Nothing here asks a database or a clock."""

from __future__ import annotations

import datetime as dt
import uuid
import zoneinfo
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection

Verdict = Literal["ok", "used", "frozen", "expired", "not_yet", "not_here", "void", "unknown"]
VERDICTS: tuple[Verdict, ...] = ("ok", "used", "frozen", "expired", "not_yet", "not_here", "void", "unknown")
UNDO = dt.timedelta(minutes=5)
MOST_NAMED = 200
Names = Annotated[tuple[str, ...], msgspec.Meta(max_length=MOST_NAMED)]
Day = Annotated[int, msgspec.Meta(ge=1, le=7)]


class Window(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of the brand's day, half-open. One that ends before it begins goes on after midnight."""

    begins: dt.time
    ends: dt.time

    def holds(self, at: dt.time) -> bool:
        if self.begins < self.ends:
            return self.begins <= at < self.ends
        return at >= self.begins or at < self.ends


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When and where cards of a SKU may be used; what is left out is no limit. days: 1 for Monday."""

    starts_on: dt.date | None = None
    days: Annotated[tuple[Day, ...], msgspec.Meta(max_length=7)] = ()
    windows: Annotated[tuple[Window, ...], msgspec.Meta(max_length=24)] = ()
    stores: Names = ()
    areas: Names = ()
    channels: Names = ()
    terminals: Names = ()


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """As it was. last_day: of its use; None for never. channel: in which it was sold, or whose pool it is in.

    holder: the order line or the claim that has it.
    """

    sku: str
    state: str
    came_from: str | None
    void_reason: str | None
    last_day: dt.date | None
    channel: str | None
    holder: str | None = None


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where it was presented. may: the terminal has the right for this SKU. closed: the store is no more."""

    terminal: str
    store: str
    area: str | None
    may: bool
    closed: bool


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """All that an answer depends on besides the time. spent: the picture or the digits were used before.

    used_by: the redemption by which the card is used up. No clock says which it is: those of two servers may differ.
    """

    zone: str
    place: Place
    card: Card | None
    rule: Rule | None = None
    rule_version: int | None = None
    spent: bool = False
    used_by: uuid.UUID | None = None


def verdict(seen: Snapshot, now: dt.datetime) -> Verdict:
    """Who may not redeem it here is told that alone, whatever has become of the card."""
    card = seen.card
    if card is None or not _delivered(card):
        return "unknown"
    if not _here(seen, card):
        return "not_here"
    local = now.astimezone(zoneinfo.ZoneInfo(seen.zone))
    gone = _gone(card, local.date())
    if gone is not None:
        return gone
    if not _in_time(seen.rule, local):
        return "not_yet"
    return "unknown" if seen.spent else "ok"


def _delivered(card: Card) -> bool:
    held = card.came_from if card.state == "frozen" else card.state
    return held in {"delivered", "revealed", "redeemed", "void"}


def _gone(card: Card, today: dt.date) -> Verdict | None:
    if card.state == "redeemed":
        return "used"
    if card.state == "frozen":
        return "frozen"
    if card.state == "void":
        return "expired" if card.void_reason == "expired" else "void"
    return "expired" if card.last_day is not None and today > card.last_day else None


def _here(seen: Snapshot, card: Card) -> bool:
    place, rule = seen.place, seen.rule
    if not place.may or place.closed:
        return False
    return rule is None or (
        _among(place.store, rule.stores)
        and _among(place.area, rule.areas)
        and _among(card.channel, rule.channels)
        and _among(place.terminal, rule.terminals)
    )


def _among(value: str | None, named: Collection[str]) -> bool:
    return not named or value in named


def _in_time(rule: Rule | None, local: dt.datetime) -> bool:
    if rule is None:
        return True
    begun = rule.starts_on is None or local.date() >= rule.starts_on
    on_day = not rule.days or local.isoweekday() in rule.days
    return begun and on_day and (not rule.windows or any(window.holds(local.time()) for window in rule.windows))
