"""Cards with secrets of one brand, and the tasks that make them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import books
from tests.rooms.identity import people

from qucheng.bundle import importing
from qucheng.core import audit, db, ids, key_provider, task
from qucheng.stock import batch, batch_import, draw, generate, rules, sealed_file, secret
from qucheng.stock import pool as pools

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from qucheng.core import crypto
    from qucheng.identity.brand import Brand

NOW = books.NOW
SKU, RESELLER, CHANNEL = "card", "R1", "web"


async def opened(folder: Path, code: str, *, orders: int = 2, units: int = 2) -> Brand:
    """A brand with orders O-1, O-2, … of a SKU that needs cards."""
    lines = [f"O-{number},1,2026-11-0{number}T10:00:00,R1,web,card,{units},200.00,0.00," for number in range(1, orders + 1)]
    brand = await books.found(books.write(folder, code=code, orders=lines))
    await importing.take_in(folder=folder, brand=brand, now=NOW, progress=books.QUIET)
    async with db.atomic(brand.id):
        await db.connection().execute("UPDATE sku SET kind = 'card_secret' WHERE code = $1", SKU)
    return brand


async def somebody(keys: crypto.Keys) -> audit.Actor:
    """Who acts."""
    return audit.Actor(user_id=await people.person(keys), role="manager", network="203.0.113.0/24")


async def taken(kind: str, brand: Brand) -> task.Work:
    """The newest task of the kind, claimed."""
    (waiting, *_) = await task.listing(brand_id=brand.id, kind=kind, states=("waiting",))
    await task.retry(waiting.id)
    got = await task.claim(waiting.id, worker=ids.new_id(), kinds=[kind])
    assert got is not None
    return task.Work(got)


async def own_pool(brand: Brand) -> int:
    async with db.atomic(brand.id):
        return await pools.pool_of(reseller=RESELLER, channel=None)


async def stocked(brand: Brand, keys: crypto.Keys, quantity: int, actor: audit.Actor, now: dt.datetime = NOW) -> int:
    """A released batch in the reseller's pool."""
    number = await generate.make_now(
        brand=brand, keys=keys, sku=SKU, quantity=quantity, pool=await own_pool(brand), actor=actor, now=now
    )
    await batch.release(brand=brand, number=number, actor=actor, now=now)
    return number


async def delivered(brand: Brand, order_no: str, units: int, actor: audit.Actor) -> list[tuple[int, int]]:
    async with db.atomic(brand.id):
        wanted = [draw.Wanted(line_no="1", sku=SKU, units=units)]
        (drawn,) = await draw.draw(
            brand=brand, order_no=order_no, reseller=RESELLER, channel=CHANNEL, lines=wanted, actor=actor, now=NOW
        )
        assert (drawn.state, drawn.cards) == ("delivered", units)
        rows = await db.connection().fetch("SELECT batch, number FROM card WHERE order_no = $1 ORDER BY 1, 2", order_no)
    return [(row["batch"], row["number"]) for row in rows]


async def sent(
    brand: Brand,
    keys: crypto.Keys,
    folder: Path,
    content: bytes,
    actor: audit.Actor,
    *,
    refuse_weak: bool = False,
    pool: int | None = None,
) -> int:
    """The file is received and waits for its task. pool: the reseller's where none is named."""
    with sealed_file.Incoming(folder, brand.id) as incoming:
        incoming.write(content)
        return await batch_import.keep(
            incoming=incoming,
            brand=brand,
            keys=keys,
            sku=SKU,
            file_name="codes.csv",
            refuse_weak=refuse_weak,
            pool=await own_pool(brand) if pool is None else pool,
            actor=actor,
            now=NOW,
        )


async def taken_in(brand: Brand, keys: crypto.Keys, folder: Path) -> None:
    work = await taken(batch_import.KIND, brand)
    await batch_import.run(work=work, brand=brand, keys=keys, folder=folder, now=NOW)


async def plain(brand: Brand, keys: crypto.Keys, batch: int) -> list[str]:
    """All codes of a batch, opened in the test."""
    rows = await books.seen(
        brand,
        "SELECT s.number, s.blob, k.wrapped, b.sku FROM card_secret s JOIN data_key k USING (brand_id, batch)"
        " JOIN batch b ON b.brand_id = s.brand_id AND b.number = s.batch WHERE s.batch = $1 ORDER BY s.number",
        batch,
    )
    opened = []
    for number, blob, wrapped, sku in rows:
        key = secret.opened(key_provider.Ring(keys), wrapped, brand_id=brand.id, batch=batch, sku=sku)
        opened.append(key.open(blob, card=rules.card_id(batch, number)).code.shown())
    return opened
