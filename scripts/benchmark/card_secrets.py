"""What secrets cost: codes made, encrypted and stored, against the INSERT … SELECT of the same finished rows, in one run.

    PYTHONPATH=. python scripts/benchmark/card_secrets.py [--cards 200000] [--rounds 3]

A brand in a workspace of its own. Each round fills a batch through its task, chunk by chunk, then puts rows that are as finished as
those (the same blobs, fingerprints of their own) into another batch by one INSERT … SELECT into each of the same two tables: with
the same keys, indexes and triggers. Goal: at most twice the time. Besides, without a database: how many codes one core makes,
indexes and encrypts in a second. Goal: 300 000.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import kernel
from tests.rooms.stock import warehouse

from qucheng.core import crypto, db, ids, key_provider, task
from qucheng.stock import batch, card_intake, code, generate, rules, secret

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

FINISHED = """
    CREATE TEMP TABLE finished AS SELECT number, blob, decode(md5(blind || $2::text::bytea), 'hex') AS blind, last_four
    FROM card_secret WHERE brand_id = current_brand() AND batch = $1 ORDER BY number"""
CARDS_IN = """
    INSERT INTO card (brand_id, batch, number, sku, pool, expires_on)
    SELECT b.brand_id, b.number, f.number, b.sku, b.pool, 'infinity' FROM finished f, batch b WHERE b.brand_id = $1 AND b.number = $2"""
SECRETS_IN = """
    INSERT INTO card_secret (brand_id, batch, number, blob, blind, last_four) SELECT $1, $2, number, blob, blind, last_four FROM finished"""


def without_database(keys: crypto.Keys, brand: Brand, cards: int) -> None:
    provider = key_provider.Ring(keys)
    key = secret.opened(provider, secret.fresh(provider, brand_id=brand.id, batch=1), brand_id=brand.id, batch=1, sku="card")
    index, started = secret.BlindIndex(keys, brand.id), time.process_time()
    for first in range(1, cards, card_intake.CHUNK):
        plain = code.many(card_intake.CHUNK)
        key.seal_many(plain, [rules.card_id(1, first + step) for step in range(len(plain))])
        index.many(plain)
    print(f"without a database {cards / (time.process_time() - started):>9,.0f} codes a second of one core")


async def through_task(brand: Brand, keys: crypto.Keys, cards: int) -> tuple[int, float]:
    number = await generate.request(brand=brand, keys=keys, sku="card", quantity=cards, actor=warehouse.ACTOR, now=warehouse.NOW)
    (waiting,) = await task.listing(kind=generate.KIND, states=("waiting",))
    got = await task.claim(waiting.id, worker=ids.new_id(), kinds=[generate.KIND])
    if got is None:
        raise RuntimeError("the task is not there")
    started = time.perf_counter()
    await generate.run(work=task.Work(got), brand=brand, keys=keys, now=warehouse.NOW)
    return number, time.perf_counter() - started


async def finished_rows(brand: Brand, like: int, cards: int) -> float:
    async with db.atomic(brand.id):
        await db.connection().execute(FINISHED, like, str(like))
        number = await batch.open_batch(
            brand_id=brand.id, sku="card", source="generated", quantity=cards, actor=warehouse.ACTOR, now=warehouse.NOW
        )
    started = time.perf_counter()
    async with db.atomic(brand.id):
        await db.connection().execute(CARDS_IN, brand.id, number)
        await db.connection().execute(SECRETS_IN, brand.id, number)
        await batch.filled(number=number)
    seconds = time.perf_counter() - started
    async with db.atomic(brand.id):
        await db.connection().execute("DROP TABLE finished")
    return seconds


async def measured(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as name:
        keys = crypto.keys(Path(name) / "keys")
        async with kernel.workspace():
            brand = await warehouse.brand(Path(name))
            without_database(keys, brand, options.cards)
            ratios = []
            for turn in range(options.rounds):
                number, ours = await through_task(brand, keys, options.cards)
                theirs = await finished_rows(brand, number, options.cards)
                ratios.append(ours / theirs)
                print(
                    f"{turn + 1}: {options.cards:,} made, encrypted and stored in {ours:.2f} s, as finished rows in {theirs:.2f} s"
                )
            print(f"ratio {statistics.median(ratios):.2f} (goal: at most 2)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cards", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    asyncio.run(measured(parser.parse_args()))


if __name__ == "__main__":
    main()
