"""A new key that wraps data keys and seals, and the old ones let go: nothing stops meanwhile, for every key of the ring opens what it wrapped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from qucheng.core import audit, crypto, db, key_provider, resealing, task
from qucheng.stock import secret

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from pathlib import Path

REWRAP = "keys.rewrap"
CHUNK = 500


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """How many values in a place a key has sealed or wrapped."""

    key: int
    place: str
    count: int


async def rotate(*, folder: Path, actor: audit.Actor) -> int:
    """A key of the ring that wraps and seals from now on, and the task that wraps and seals anew with it; returns its number."""
    number = crypto.add_key(folder)
    async with db.atomic(audit.PLATFORM):
        await task.add(kind=REWRAP, queue="rest", key=REWRAP)
        await audit.record(brand_id=audit.PLATFORM, actor=actor, action="keys.rotate", subject=str(number))
    return number


async def rewrap(*, work: task.Work, keys: crypto.Keys, brands: list[uuid.UUID], now: dt.datetime) -> None:
    """Wraps and seals anew what older keys have wrapped and sealed. A new rotation meanwhile is seen."""
    done = 0
    for brand_id in brands:
        while True:
            async with work.effect(brand_id):
                count = await _chunk(keys, brand_id, now)
            if not count:
                break
            done += count
            await work.progress(done, done)
    await resealing.reseal(work=work, keys=keys, brands=[*brands, audit.PLATFORM], done=done)


async def _chunk(keys: crypto.Keys, brand_id: uuid.UUID, now: dt.datetime) -> int:
    provider = key_provider.Ring(keys)
    rows = await db.connection().fetch(
        "SELECT batch, wrapped FROM data_key WHERE get_byte(wrapped, 1) * 256 + get_byte(wrapped, 2) <> $1"
        " ORDER BY batch LIMIT $2 FOR NO KEY UPDATE",
        provider.wrapping,
        CHUNK,
    )
    fresh = []
    for row in rows:
        place = secret.place(brand_id, row["batch"])
        fresh.append((row["batch"], provider.wrap(provider.unwrap(row["wrapped"], place=place), place=place), now))
    await db.connection().executemany("UPDATE data_key SET wrapped = $2, wrapped_at = $3 WHERE batch = $1", fresh)
    return len(rows)


async def status() -> list[Held]:
    """What each key still holds."""
    async with db.atomic():
        rows = await db.connection().fetch("SELECT key, place, count FROM sealed_values() ORDER BY key, place")
    return [Held(**dict(row)) for row in rows]


async def retire(*, folder: Path, number: int, actor: audit.Actor) -> None:
    """Lets a key go that holds nothing any more. Raises crypto.KeyNeededError."""
    held = [each for each in await status() if each.key == number]
    if held:
        places = ", ".join(f"{each.count} in {each.place}" for each in held)
        async with db.atomic(audit.PLATFORM):
            await task.add(kind=REWRAP, queue="rest", key=REWRAP)
        raise crypto.KeyNeededError(f"Key {number} is still needed: {places}. The workers seal it anew: try again later.")
    crypto.remove_key(folder, number)
    async with db.atomic(audit.PLATFORM):
        await audit.record(brand_id=audit.PLATFORM, actor=actor, action="keys.retire", subject=str(number))
