"""Limits: exact over processes, refilled evenly, closed or open as each says when nobody can count."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
import uuid
from typing import TYPE_CHECKING

import pytest
from redis import asyncio as redis

from qucheng.core import limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(valkey_url: str) -> AsyncIterator[redis.Redis]:
    made = redis.Redis.from_url(valkey_url)
    yield made
    await made.aclose()


def limit(count: int, seconds: int, **more: bool) -> limits.Limit:
    """Of this test alone."""
    return limits.Limit(name=uuid.uuid4().hex, count=count, seconds=seconds, **more)


async def test_what_is_taken_at_once_ends_at_the_limit(client: redis.Redis) -> None:
    hourly = limit(5, 3600)
    found = [await limits.take(client, hourly, subject="a") for _ in range(7)]
    assert [(each.allowed, each.remaining) for each in found] == [
        (True, 4),
        (True, 3),
        (True, 2),
        (True, 1),
        (True, 0),
        (False, 0),
        (False, 0),
    ]
    assert (found[0].limit, found[0].retry_after, found[0].reset_after) == (5, 0, 720)
    assert 719 <= found[-1].retry_after <= 720
    assert 3599 <= found[-1].reset_after <= 3600
    assert (await limits.take(client, hourly, subject="b")).allowed


async def test_many_at_once_are_told_what_they_would_be_one_by_one(client: redis.Redis) -> None:
    hourly = limit(5, 3600)
    found = await limits.take_each(client, hourly, subject="a", times=3)
    assert [(each.allowed, each.remaining) for each in found] == [(True, 4), (True, 3), (True, 2)]
    found = await limits.take_each(client, hourly, subject="a", times=4)
    assert [(each.allowed, each.remaining) for each in found] == [(True, 1), (True, 0), (False, 0), (False, 0)]


async def test_some_is_given_back_with_time(client: redis.Redis) -> None:
    quick = limit(4, 8)  # one every two seconds
    started = time.monotonic()
    assert [(await limits.take(client, quick, subject="a")).allowed for _ in range(5)] == [True] * 4 + [False]
    while not (await limits.take(client, quick, subject="a")).allowed:  # noqa: ASYNC110 - what is awaited is time itself
        await asyncio.sleep(0.02)
    assert 1.6 < time.monotonic() - started < 6


async def test_a_refusal_takes_nothing(client: redis.Redis) -> None:
    hourly = limit(3, 3600)
    assert not (await limits.take(client, hourly, subject="a", cost=4)).allowed
    assert (await limits.take(client, hourly, subject="a", cost=2)).remaining == 1
    assert not (await limits.take(client, hourly, subject="a", cost=2)).allowed
    assert (await limits.take(client, hourly, subject="a")).remaining == 0


async def test_nothing_is_kept_longer_than_it_counts(client: redis.Redis) -> None:
    short = limit(10, 20)
    await limits.take(client, short, subject="a")
    assert 0 < await client.pttl(f"qucheng:limit:{short.name}:a") <= 2000


async def test_require_says_when(client: redis.Redis) -> None:
    hourly = limit(1, 3600)
    assert (await limits.require(client, hourly, subject="a")).remaining == 0
    with pytest.raises(limits.LimitedError) as caught:
        await limits.require(client, hourly, subject="a")
    assert (caught.value.status, caught.value.code) == (429, "limit.reached")
    assert 3599 <= caught.value.retry_after <= 3600


def _hammer(url: str, name: str, calls: int) -> int:
    async def main() -> int:
        made = redis.Redis.from_url(url)
        hourly = limits.Limit(name=name, count=100, seconds=36_000)
        try:
            found = await asyncio.gather(*(limits.take(made, hourly, subject="all") for _ in range(calls)))
        finally:
            await made.aclose()
        return sum(each.allowed for each in found)

    return asyncio.run(main())


def _read_and_write(url: str, name: str, calls: int) -> int:
    """The control: the count is read, compared, and written."""

    async def main() -> int:
        made = redis.Redis.from_url(url)

        async def take() -> bool:
            count = int(await made.get(name) or 0)
            if count >= 100:
                return False
            await made.set(name, count + 1)
            return True

        try:
            return sum(await asyncio.gather(*(take() for _ in range(calls))))
        finally:
            await made.aclose()

    return asyncio.run(main())


@pytest.mark.parametrize("work", [_hammer, _read_and_write])
def test_four_processes_are_allowed_what_one_is(valkey_url: str, work: object) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        allowed = sum(pool.starmap(work, [(valkey_url, f"l{time.time_ns()}", 400)] * 4))  # type: ignore[arg-type]
    assert (allowed == 100) is (work is _hammer)


@pytest.mark.parametrize("closed", [True, False])
async def test_without_a_server_it_is_closed_or_open_as_it_says(closed: bool) -> None:  # noqa: FBT001
    nowhere = redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=1)
    some = limit(1, 60, closed_when_down=closed)
    if closed:
        with pytest.raises(limits.LimiterDownError):
            await limits.take(nowhere, some, subject="a")
    else:
        found = [await limits.take(nowhere, some, subject="a") for _ in range(2)]
        assert [(each.allowed, each.counted) for each in found] == [(True, False)] * 2
    await nowhere.aclose()


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("198.51.100.77", "198.51.100.0/24"),
        ("2001:db8:1:2ff:aa::1", "2001:db8:1:200::/56"),
        ("::ffff:198.51.100.77", "198.51.100.0/24"),
        ("fe80::1%eth0", "fe80::/56"),
        ("unix", "unknown"),
        ("", "unknown"),
    ],
)
def test_the_network_of_an_address(address: str, network: str) -> None:
    assert limits.network_of(address) == network
