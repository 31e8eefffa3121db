"""The network by date: which joins and moves the depth cap allows.

Events take effect in date order, on one day joins first (a parent before its children), then placements by reseller code.
Each is judged against the network as it stands at that moment; one that is refused leaves it as it was.
Source: 禁止传销条例 (2005) art. 7; the 30 heads and 3 persons are those of the criminal threshold (2013 opinion, art. 1).
"""

from __future__ import annotations

import collections
import copy
import datetime as dt  # noqa: TC003 - msgspec reads the annotations
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HEADS_LIMIT = 30
CHAIN_LIMIT = 3


class Cap(msgspec.Struct, frozen=True):
    max_depth: int
    heads_limited: bool


class Event(msgspec.Struct, frozen=True):
    """A join (moved is False) or a placement. row: of the file it came in, None for one that is stored."""

    day: dt.date
    moved: bool
    reseller: str
    parent: str | None
    row: int | None = None


class Network:
    """Who stands under whom at one moment."""

    def __init__(self, cap: Cap) -> None:
        self.cap = cap
        self.parent: dict[str, str | None] = {}
        self.children: dict[str, set[str]] = collections.defaultdict(set)
        self.heads: collections.Counter[str] = collections.Counter()
        self.thirds: collections.Counter[str] = collections.Counter()
        self.refused: set[str] = set()

    def apply(self, event: Event) -> str | None:
        """Lets the event happen and returns None, or returns the code of the rule it breaks and changes nothing."""
        code = self._fault(event)
        if code is None:
            self._place(event.reseller, event.parent)
        elif not event.moved:
            self.refused.add(event.reseller)
        return code

    def _fault(self, event: Event) -> str | None:
        parent = event.parent
        if parent in self.refused or (event.moved and event.reseller in self.refused):
            return "ref.unknown"
        if event.moved and event.reseller not in self.parent:
            return "placement.before_joined"
        if parent is not None and parent not in self.parent:
            return "network.parent_joined_later"
        chain = self._chain(parent)
        if event.moved and event.reseller in chain:
            return "network.cycle"
        if len(chain) + self._height(event.reseller) > self.cap.max_depth:
            return "network.depth_exceeded"
        if self.cap.heads_limited and self._too_many_heads(event, chain):
            return "network.heads_exceeded"
        return None

    def _too_many_heads(self, event: Event, chain: list[str]) -> bool:
        root = chain[-1] if chain else event.reseller
        before = self._chain(event.reseller)[-1] if event.moved else None
        heads, thirds = collections.Counter(self.heads), collections.Counter(self.thirds)
        if event.moved:
            self._count(heads, thirds, event.reseller, before, len(self._chain(event.reseller)), -1)
        self._count(heads, thirds, event.reseller, root, len(chain) + 1, 1)
        return heads[root] >= HEADS_LIMIT and thirds[root] > 0

    def _place(self, reseller: str, parent: str | None) -> None:
        if reseller in self.parent:
            chain = self._chain(reseller)
            self._count(self.heads, self.thirds, reseller, chain[-1], len(chain), -1)
            above = self.parent[reseller]
            if above is not None:
                self.children[above].discard(reseller)
        self.parent[reseller] = parent
        if parent is not None:
            self.children[parent].add(reseller)
        chain = self._chain(reseller)
        self._count(self.heads, self.thirds, reseller, chain[-1], len(chain), 1)

    def _count(
        self, heads: collections.Counter[str], thirds: collections.Counter[str], reseller: str, root: str | None, depth: int, step: int
    ) -> None:
        """Adds a reseller at the depth, and all below it, to the figures of the root (step 1), or takes them away (-1)."""
        if root is None:
            return
        heads[root] += step
        if depth == CHAIN_LIMIT:
            thirds[root] += step
        for child in self.children.get(reseller, ()):
            self._count(heads, thirds, child, root, depth + 1, step)

    def _chain(self, reseller: str | None) -> list[str]:
        chain: list[str] = []
        while reseller is not None:
            chain.append(reseller)
            reseller = self.parent.get(reseller)
        return chain

    def _height(self, reseller: str) -> int:
        return 1 + max((self._height(child) for child in self.children.get(reseller, ())), default=0)


def judge(new: Sequence[Event], stored: Sequence[Event], cap: Cap) -> dict[Event, str]:
    """The new events that are refused, each with its code.

    A new event that would make a stored one break a rule is refused with that rule's code.
    """
    faults = {event: code for event, code in _same_day_rings(new).items()}
    network = Network(cap)
    timeline = _in_order([*stored, *(event for event in new if event not in faults)])
    network.refused |= {event.reseller for event in faults}
    later_stored = sum(event.row is None for event in timeline)
    for at, event in enumerate(timeline):
        if event.row is None:
            later_stored -= 1
            network.apply(event)
            continue
        before = copy.deepcopy(network) if later_stored else None
        code = network.apply(event)
        if code is None and before is not None:
            code = _first_fault(copy.deepcopy(network), [e for e in timeline[at + 1 :] if e.row is None])
            if code is not None:
                network = before
                if not event.moved:
                    network.refused.add(event.reseller)
        if code is not None:
            faults[event] = code
    return faults


def _first_fault(network: Network, events: Iterable[Event]) -> str | None:
    return next((code for event in events if (code := network.apply(event)) is not None), None)


def _in_order(events: Iterable[Event]) -> list[Event]:
    """By day; joins before placements; on one day a parent's join before its children's, otherwise by code."""
    days: dict[dt.date, list[Event]] = collections.defaultdict(list)
    for event in events:
        days[event.day].append(event)
    ordered: list[Event] = []
    for day in sorted(days):
        joins = {event.reseller: event for event in days[day] if not event.moved}
        ordered += sorted(joins.values(), key=lambda event: (_generation(event, joins), event.reseller))
        ordered += sorted((event for event in days[day] if event.moved), key=lambda event: event.reseller)
    return ordered


def _generation(event: Event, joins: dict[str, Event]) -> int:
    """How many of those above it join on the same day."""
    generation = 0
    while event.parent is not None and event.parent in joins:
        event, generation = joins[event.parent], generation + 1
    return generation


def _same_day_rings(new: Iterable[Event]) -> dict[Event, str]:
    """Joins of one day that are, in a ring, each other's parents, and whoever hangs on such a ring on that day."""
    days: dict[dt.date, dict[str, Event]] = collections.defaultdict(dict)
    for event in new:
        if not event.moved:
            days[event.day][event.reseller] = event
    faults: dict[Event, str] = {}
    for joins in days.values():
        for event in joins.values():
            walked = [event.reseller]
            parent = event.parent
            while parent in joins and parent not in walked:
                walked.append(parent)
                parent = joins[parent].parent
            if parent in walked:
                faults[event] = "network.cycle" if parent == event.reseller else "ref.unknown"
    return faults
