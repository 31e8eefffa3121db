"""Chance for the demo brand: seeded, and the same on every machine and Python version.

Everything is drawn from `getrandbits`, whose stream is fixed; `choice`, `shuffle`, `sample` and the distributions of
`random` changed theirs between versions.
"""

from __future__ import annotations

import bisect
import hashlib
import itertools
import random
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_WORD_BITS = 64

T = TypeVar("T")


class Chance:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - invented sales, nothing to protect

    def below(self, bound: int) -> int:
        return self._random.getrandbits(_WORD_BITS) * bound >> _WORD_BITS

    def between(self, least: int, most: int) -> int:
        return least + self.below(most - least + 1)

    def per_mille(self, share: int) -> bool:
        return self.below(1000) < share

    def pick(self, items: Sequence[T]) -> T:
        return items[self.below(len(items))]


class Weighted(Generic[T]):
    """Things to pick from, each as often as its weight says."""

    def __init__(self, weights: Iterable[tuple[T, int]]) -> None:
        pairs = [(item, weight) for item, weight in weights if weight > 0]
        self._items = [item for item, _ in pairs]
        self._bounds = list(itertools.accumulate(weight for _, weight in pairs))

    def pick(self, chance: Chance) -> T:
        return self._items[bisect.bisect_right(self._bounds, chance.below(self._bounds[-1]))]


def opaque(*parts: object) -> str:
    """A stand-in for the keyed hash under which a brand knows a person."""
    return hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).hexdigest()
