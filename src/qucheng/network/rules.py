"""The network by date: which joins and moves the depth cap allows.

Events take effect in date order, on one day joins first (a parent before its children), then placements by reseller code.
Each is judged against the network as it stands at that moment; one that is refused leaves it as it was.
Source: 禁止传销条例 (2005) art. 7; the 30 heads and 3 persons are those of the criminal threshold (2013 opinion, art. 1).
"""

from __future__ import annotations

import collections
import copy
import datetime as dt
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HEADS_LIMIT = 30
CHAIN_LIMIT = 3


class Cap(msgspec.Struct, frozen=True):
    """later: the tighter depths that hold from a day on, in order."""

    max_depth: int
    heads_limited: bool
    later: tuple[tuple[dt.date, int], ...] = ()

    def depth(self, event: Event) -> int:
        """What is stored was placed under the cap of its day; what is new also stands under the tighter one that is known."""
        held = [depth for day, depth in self.later if event.row is not None or day <= event.day]
        return held[-1] if held else self.max_depth


class Event(msgspec.Struct, frozen=True):
    """A join (moved is False) or a placement. row: of the file it came in, None for one that is stored."""

    day: dt.date
    moved: bool
    reseller: str
    parent: str | None
    row: int | None = None


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """heads: of the root, itself among them. persons: in the longest line under it. below: who stands below the reseller itself."""

    root: str
    depth: int
    heads: int
    persons: int
    below: int


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
        """Lets the event happen and returns None, or returns the code of the rule it breaks and leaves everything as it was."""
        code = self._fault(event)
        if code is None:
            self._place(event.reseller, event.parent)
        return code

    def figures(self, reseller: str) -> Figures:
        """Of one that stands in it."""
        chain = self._chain(reseller)
        root = chain[-1]
        return Figures(
            root=root, depth=len(chain), heads=self.heads[root], persons=self._height(root), below=self._below(reseller, 1)[0] - 1
        )

    def _fault(self, event: Event) -> str | None:
        parent, chain = event.parent, self._chain(event.parent)
        faults = (
            ("ref.unknown", parent in self.refused or (event.moved and event.reseller in self.refused)),
            ("placement.before_joined", event.moved and event.reseller not in self.parent),
            ("network.parent_joined_later", parent is not None and parent not in self.parent),
            ("network.cycle", event.moved and event.reseller in chain),
            ("network.depth_exceeded", len(chain) + self._height(event.reseller) > self.cap.depth(event)),
        )
        code = next((code for code, broken in faults if broken), None)
        if code is None and self.cap.heads_limited and self._too_many_heads(event, chain):
            code = "network.heads_exceeded"
        return code

    def _too_many_heads(self, event: Event, chain: list[str]) -> bool:
        root = chain[-1] if chain else event.reseller
        heads, thirds = self._below(event.reseller, len(chain) + 1)
        if event.moved and (now := self._chain(event.reseller))[-1] == root:
            leaving = self._below(event.reseller, len(now))
            heads, thirds = heads - leaving[0], thirds - leaving[1]
        return self.heads[root] + heads >= HEADS_LIMIT and self.thirds[root] + thirds > 0

    def _below(self, reseller: str, depth: int) -> tuple[int, int]:
        """How many persons a reseller at the depth and those below it are, and how many of them are third in a line."""
        parts = [self._below(child, depth + 1) for child in self.children.get(reseller, ())]
        return 1 + sum(part[0] for part in parts), (depth == CHAIN_LIMIT) + sum(part[1] for part in parts)

    def _place(self, reseller: str, parent: str | None) -> None:
        if reseller in self.parent:
            self._count(reseller, -1)
            above = self.parent[reseller]
            if above is not None:
                self.children[above].discard(reseller)
        self.parent[reseller] = parent
        if parent is not None:
            self.children[parent].add(reseller)
        self._count(reseller, 1)

    def _count(self, reseller: str, step: int) -> None:
        """Adds a reseller and those below it to the figures of its root, or takes them away."""
        chain = self._chain(reseller)
        heads, thirds = self._below(reseller, len(chain))
        self.heads[chain[-1]] += step * heads
        self.thirds[chain[-1]] += step * thirds

    def _chain(self, reseller: str | None) -> list[str]:
        """The reseller and those above it, the root last."""
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
    rings = _same_day_rings(new)
    faults: dict[Event, str] = {}
    network = Network(cap)
    timeline = _in_order([*stored, *new], rings)
    later_stored = sum(event.row is None for event in timeline)
    for at, event in enumerate(timeline):
        if event.row is None:
            later_stored -= 1
            network.apply(event)
            continue
        before = copy.deepcopy(network) if later_stored else None
        code = rings[event] if event in rings else network.apply(event)
        if code is None and before is not None:
            code = _first_fault(copy.deepcopy(network), [e for e in timeline[at + 1 :] if e.row is None])
            network = before if code is not None else network
        if code is not None:
            faults[event] = code
            if not event.moved:
                network.refused.add(event.reseller)
    return faults


def standing(stored: Iterable[Event], day: dt.date, cap: Cap) -> Network:
    """The network as it stands at the end of a day."""
    network = Network(cap)
    for event in _in_order([event for event in stored if event.day <= day], {}):
        network.apply(event)
    return network


def _first_fault(network: Network, events: Iterable[Event]) -> str | None:
    return next((code for event in events if (code := network.apply(event)) is not None), None)


def _in_order(events: Iterable[Event], rings: dict[Event, str]) -> list[Event]:
    """By day; joins before placements; on one day rings first, then a parent's join before its children's, otherwise by code."""
    days: dict[dt.date, list[Event]] = collections.defaultdict(list)
    for event in events:
        days[event.day].append(event)
    ordered: list[Event] = []
    for day in sorted(days):
        joins = {event.reseller: event for event in days[day] if not event.moved and event not in rings}
        ordered += [event for event in days[day] if event in rings]
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
