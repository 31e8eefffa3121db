"""Who asks while a look is under way is answered by the next one, and never by one that began before."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from qucheng.core import together

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.anyio


class Shop:
    """Answers with the number of its look; each takes until it is let go."""

    def __init__(self) -> None:
        self.looks: list[list[int]] = []
        self.go = asyncio.Event()

    async def serve(self, place: str, asked: Sequence[int]) -> list[tuple[str, int, int]]:
        self.looks.append(list(asked))
        number = len(self.looks)
        await self.go.wait()
        if 13 in asked:
            raise RuntimeError("unlucky")
        return [(place, each, number) for each in asked]


async def test_who_comes_later_is_answered_by_a_later_look_together() -> None:
    shop = Shop()
    served = together.Together(shop.serve, most=3)
    first = [asyncio.create_task(served.ask("a", number)) for number in (1, 2)]
    other = asyncio.create_task(served.ask("b", 9))
    await asyncio.sleep(0.01)
    later = [asyncio.create_task(served.ask("a", number)) for number in (3, 4, 5, 6)]
    await asyncio.sleep(0.01)
    later[1].cancel()
    shop.go.set()
    assert await asyncio.gather(*first, other) == [("a", 1, 1), ("a", 2, 1), ("b", 9, 2)]
    found = await asyncio.gather(*later, return_exceptions=True)
    assert [each for each in found if not isinstance(each, BaseException)] == [("a", 3, 3), ("a", 5, 3), ("a", 6, 4)]
    assert isinstance(found[1], asyncio.CancelledError)
    assert shop.looks == [[1, 2], [9], [3, 5], [6]]
    assert await served.ask("a", 7) == ("a", 7, 5)


async def test_what_a_look_raises_each_is_told_and_the_next_goes_on() -> None:
    shop = Shop()
    shop.go.set()
    served = together.Together(shop.serve)
    found = await asyncio.gather(*(served.ask("a", number) for number in (1, 13)), return_exceptions=True)
    assert [str(each) for each in found] == ["unlucky", "unlucky"]
    assert await served.ask("a", 2) == ("a", 2, 2)
