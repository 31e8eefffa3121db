"""Limits that hold over all processes: one call to Valkey decides and counts (limits.lua)."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import msgspec
from redis import exceptions

from qucheng.core import errors

if TYPE_CHECKING:
    from redis import asyncio as redis

SCRIPT = Path(__file__).with_suffix(".lua").read_text(encoding="utf-8")
PREFIX = "qucheng:limit:"
SECOND = 1_000_000
V4_NETWORK, V6_NETWORK = 24, 56


class LimitedError(errors.RefusedError):
    code: ClassVar[str] = "limit.reached"
    status: ClassVar[int] = 429

    def __init__(self, decision: Decision) -> None:
        super().__init__(f"Too many requests: try again in {decision.retry_after} s.")
        self.retry_after = decision.retry_after


class LimiterDownError(errors.RefusedError):
    """What must be counted cannot be, and so is not done."""

    code: ClassVar[str] = "limit.down"
    status: ClassVar[int] = 503
    retry_after = 5


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """count within seconds, all at once or spread out. closed_when_down: sign-in, codes and payouts; reading stays open."""

    name: str
    count: int
    seconds: int
    closed_when_down: bool = False


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """remaining: what may be taken at once now. reset_after: seconds until all of it may. counted: False where nobody could count."""

    allowed: bool
    limit: int
    remaining: int
    retry_after: int
    reset_after: int
    counted: bool = True


async def take(client: redis.Redis, limit: Limit, *, subject: str, cost: int = 1) -> Decision:
    """subject: whose limit it is, as a principal's id or a network."""
    interval = limit.seconds * SECOND // limit.count
    try:
        allowed, remaining, wait, reset = await client.eval(  # type: ignore[misc] # declared for both the waiting and the async client
            SCRIPT, 1, f"{PREFIX}{limit.name}:{subject}", str(interval), str(limit.count), str(cost)
        )
    except (exceptions.RedisError, OSError):
        if limit.closed_when_down:
            raise LimiterDownError("This cannot be done for the moment: try again in a few seconds.") from None
        return uncounted(limit)
    return _decision(limit, allowed=bool(allowed), remaining=remaining, wait=wait, reset=reset)


async def take_each(client: redis.Redis, limit: Limit, *, subject: str, times: int) -> list[Decision]:
    """So many who come at once, and what each would be told if one came after the other; counted in one call where all may."""
    whole = await take(client, limit, subject=subject, cost=times)
    if times == 1 or not whole.counted:
        return [whole] * times
    if not whole.allowed:
        return [await take(client, limit, subject=subject) for _ in range(times)]
    return [msgspec.structs.replace(whole, remaining=whole.remaining + later) for later in reversed(range(times))]


def _decision(limit: Limit, *, allowed: bool, remaining: int, wait: int, reset: int) -> Decision:
    return Decision(
        allowed=allowed,
        limit=limit.count,
        remaining=remaining,
        retry_after=-(-wait // SECOND),
        reset_after=-(-reset // SECOND),
    )


def uncounted(limit: Limit) -> Decision:
    """Where nobody can count, and that is no reason to refuse."""
    return Decision(allowed=True, limit=limit.count, remaining=limit.count, retry_after=0, reset_after=0, counted=False)


async def require(client: redis.Redis, limit: Limit, *, subject: str, cost: int = 1) -> Decision:
    """Raises LimitedError where nothing is left."""
    decision = await take(client, limit, subject=subject, cost=cost)
    if not decision.allowed:
        raise LimitedError(decision)
    return decision


def network_of(address: str) -> str:
    """The network that one person has at most: of IPv4 the first 24 bits, of IPv6 the first 56."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or found
    bits = V4_NETWORK if found.version == 4 else V6_NETWORK  # noqa: PLR2004 - the version is its own name
    return str(ipaddress.ip_network((found, bits), strict=False))
