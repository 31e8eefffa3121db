"""Section 3: joins and placements in date order, and chains by date."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from typing import TYPE_CHECKING

from tests.model.reading import RefusedError

if TYPE_CHECKING:
    from datetime import date

    from tests.model.brand import Brand
    from tests.model.reading import Book
    from tests.model.records import Placement, Reseller

MOST_HEADS = 30
PERSONS_IN_A_CHAIN = 3


class Network:
    def __init__(self, brand: Brand) -> None:
        self.brand = brand
        self.parents: dict[str, str] = {}  # of those who have joined by now
        self.children: dict[str, set[str]] = defaultdict(set)
        self.rejected: set[str] = set()
        self.history: dict[str, list[tuple[date, str, str]]] = {}

    def ancestors(self, code: str) -> list[str]:
        """The reseller and everyone above it, as of now."""
        found = []
        while code:
            found.append(code)
            code = self.parents[code]
        return found

    def height(self, code: str) -> int:
        """Persons in the longest line from this reseller down, itself included."""
        return 1 + max((self.height(child) for child in self.children[code]), default=0)

    def heads(self, code: str) -> int:
        return 1 + sum(self.heads(child) for child in self.children[code])

    def move(self, code: str, parent: str) -> None:
        before = self.parents.get(code)
        if before:
            self.children[before].remove(code)
        self.parents[code] = parent
        if parent:
            self.children[parent].add(code)

    def judge_heads(self, code: str) -> None:
        root = self.ancestors(code)[-1]
        if self.brand.policy == "intl" and self.heads(root) >= MOST_HEADS and self.height(root) >= PERSONS_IN_A_CHAIN:
            raise RefusedError("network.heads_exceeded")

    def join(self, row: Reseller) -> None:
        depth = 1
        if row.parent:
            if row.parent in self.rejected:
                raise RefusedError("ref.unknown")
            if row.parent not in self.parents:
                raise RefusedError("network.parent_joined_later")
            depth += len(self.ancestors(row.parent))
        if depth > self.brand.max_depth:
            raise RefusedError("network.depth_exceeded")
        self.move(row.key, row.parent)
        try:
            self.judge_heads(row.key)
        except RefusedError:
            self.move(row.key, "")
            del self.parents[row.key]
            raise
        self.history[row.key] = [(row.joined_on, row.parent, row.tier)]

    def place(self, row: Placement) -> None:
        if row.reseller in self.rejected or row.parent in self.rejected:
            raise RefusedError("ref.unknown")
        if row.reseller not in self.parents:
            raise RefusedError("placement.before_joined")
        if row.parent and row.parent not in self.parents:
            raise RefusedError("network.parent_joined_later")
        above = self.ancestors(row.parent)
        if row.reseller in above:
            raise RefusedError("network.cycle")
        if len(above) + self.height(row.reseller) > self.brand.max_depth:
            raise RefusedError("network.depth_exceeded")
        before = self.parents[row.reseller]
        self.move(row.reseller, row.parent)
        try:
            self.judge_heads(row.reseller)
        except RefusedError:
            self.move(row.reseller, before)
            raise
        self.history[row.reseller].append((row.effective_on, row.parent, row.tier))

    def standing(self, code: str, on: date) -> tuple[str, str]:
        """Parent and tier on that date."""
        history = self.history[code]
        at = bisect_right(history, on, key=lambda entry: entry[0])
        return history[at - 1][1:]

    def chain(self, code: str, on: date) -> list[str]:
        found = []
        while code:
            found.append(code)
            code = self.standing(code, on)[0]
        return found


def rings(joins: dict[str, Reseller]) -> set[str]:
    """Who, among those joining on one day, is in a ring of parents."""
    found: set[str] = set()
    for code in joins:
        walked: list[str] = []
        at = code
        while at in joins and at not in walked:
            walked.append(at)
            at = joins[at].parent
        if at == code:
            found.add(code)
    return found


def parents_first(joins: dict[str, Reseller]) -> list[Reseller]:
    """Wave by wave, each by code; whoever is in a ring or hangs on one is not among them."""
    ordered: list[Reseller] = []
    done: set[str] = set()
    while True:
        wave = [row for code, row in joins.items() if code not in done and (row.parent not in joins or row.parent in done)]
        if not wave:
            return ordered
        ordered += sorted(wave, key=lambda row: row.key.encode())
        done.update(row.key for row in wave)


def build(brand: Brand, book: Book, resellers: list[tuple[int, Reseller]], placements: list[tuple[int, Placement]]) -> Network:
    network = Network(brand)
    numbers = {row.key: number for number, row in resellers}
    joining: dict[date, dict[str, Reseller]] = defaultdict(dict)
    for _, row in resellers:
        joining[row.joined_on][row.key] = row
    placing: dict[date, list[tuple[int, Placement]]] = defaultdict(list)
    for number, placement in placements:
        placing[placement.effective_on].append((number, placement))
    for day in sorted(set(joining) | set(placing)):
        joins = joining[day]
        ring = rings(joins)
        for code in ring:
            network.rejected.add(code)
            book.reject("resellers", numbers[code], "network.cycle")
        able = parents_first(joins)
        hanging = set(joins) - ring - {row.key for row in able}
        for code in hanging:
            network.rejected.add(code)
            book.reject("resellers", numbers[code], "ref.unknown")
        for row in able:
            try:
                network.join(row)
            except RefusedError as refusal:
                network.rejected.add(row.key)
                book.reject("resellers", numbers[row.key], str(refusal))
        for number, placement in sorted(placing[day], key=lambda item: item[1].reseller.encode()):
            try:
                network.place(placement)
            except RefusedError as refusal:
                book.reject("placements", number, str(refusal))
    return network
