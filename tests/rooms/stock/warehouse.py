"""A brand with cards in pools, orders that draw them, and what the database says of both."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any

from tests import books

from qucheng.bundle import importing
from qucheng.catalog import rules as catalog_rules
from qucheng.catalog import sku
from qucheng.core import audit, db
from qucheng.stock import allocation, batch, draw, pool

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from qucheng.identity.brand import Brand

NOW = dt.datetime(2026, 11, 22, 4, 0, tzinfo=dt.UTC)
TODAY = dt.date(2026, 11, 22)
NEVER = dt.date.max
ACTOR = audit.Actor(user_id=None, role="manager", network="198.51.100.0/24", request_id="r-1")
SELLER = audit.Actor(user_id=None, role="api_key")
SKUS = [
    "card,视频月卡,video,100.00,60.00",
    "gift,礼品卡,video,50.00,20.00",
    "tea,乌龙茶,tea,30.00,20.00",
    "box,权益包,video,120.00,70.00",
]
RESELLERS = ["R1,一号,company,,gold,2026-01-01,", "R2,二号,company,,gold,2026-01-01,", "R3,三号,company,R1,gold,2026-01-01,"]
CHANNELS = ["web,网店,agency", "shop,门店,agency"]


async def brand(folder: Path) -> Brand:
    """`card` and `gift` are sold from stock, `box` holds one card and two gifts, `tea` needs no cards."""
    bundle = books.write(
        folder / uuid.uuid4().hex, code=f"b-{uuid.uuid4().hex[:20]}", skus=SKUS, resellers=RESELLERS, channels=CHANNELS
    )
    made = await books.found(bundle)
    await importing.take_in(folder=bundle, brand=made, now=NOW, progress=books.QUIET)
    for code in ("card", "gift"):
        await _say(made, code, kind="card_secret")
    parts = (
        catalog_rules.Part(sku="card", quantity=1, share_ppm=600_000),
        catalog_rules.Part(sku="gift", quantity=2, share_ppm=400_000),
    )
    await _say(made, "box", kind="package", parts=parts)
    return made


async def _say(of: Brand, code: str, **changes: object) -> None:
    wanted = sku.Changes(**changes)  # type: ignore[arg-type]
    await sku.change(brand_id=of.id, code=code, seen=None, changes=wanted, actor=ACTOR, now=NOW)


async def opened(of: Brand, reseller: str | None = None, channel: str | None = None) -> int:
    return await pool.open_pool(brand_id=of.id, reseller=reseller, channel=channel, actor=ACTOR)


async def came_in(of: Brand, *days: dt.date, sku: str = "card", pool: int = 0) -> int:
    """A batch of cards, one for each day, inactive."""
    async with db.atomic(of.id):
        number = await batch.open_batch(
            brand_id=of.id, sku=sku, source="imported", quantity=len(days), pool=pool, actor=ACTOR, now=NOW
        )
        await db.connection().execute(
            "INSERT INTO card (brand_id, batch, number, sku, pool, expires_on)"
            " SELECT current_brand(), $1, place, $2, $3, day FROM unnest($4::date[]) WITH ORDINALITY d (day, place)",
            number,
            sku,
            pool,
            list(days),
        )
        await batch.filled(number=number)
    return number


async def stocked(of: Brand, *days: dt.date, sku: str = "card", pool: int = 0) -> int:
    """The same, released."""
    number = await came_in(of, *days, sku=sku, pool=pool)
    await batch.release(brand=of, number=number, actor=ACTOR, now=NOW)
    return number


async def moved(of: Brand, to_pool: int, quantity: int, *, sku: str = "card", from_pool: int = 0) -> uuid.UUID:
    return await allocation.allocate(
        brand=of, sku=sku, from_pool=from_pool, to_pool=to_pool, quantity=quantity, actor=ACTOR, now=NOW
    )


async def lines(of: Brand, order_no: str, wanted: Sequence[tuple[str, str, int]], *, reseller: str, channel: str) -> None:
    """Inside a transaction: order lines of a delivery, as they stand."""
    await db.connection().execute(
        """INSERT INTO order_line (brand_id, order_no, line_no, intake, source_row, paid_at, paid_on, reseller, channel, sku, quantity,
               gross_minor, discount_minor, net_minor, tier, category, cost_minor, self_purchase)
           SELECT $1, $2, line, 1, 1, $5::timestamptz, $6::date, $3, $4, sku, units, 0, 0, 0, 'gold', 'video', 0, false
           FROM unnest($7::text[], $8::text[], $9::int[]) w (line, sku, units)""",
        of.id,
        order_no,
        reseller,
        channel,
        NOW,
        TODAY,
        *([each[place] for each in wanted] for place in range(3)),
    )


async def sold(
    of: Brand,
    order_no: str,
    *wanted: tuple[str, str, int],
    reseller: str = "R1",
    channel: str = "web",
    reservation: uuid.UUID | None = None,
    now: dt.datetime = NOW,
) -> list[tuple[str, str, int, int | None]]:
    """An order of these lines (number, SKU, units): what each drew."""
    async with db.atomic(of.id):
        await lines(of, order_no, wanted, reseller=reseller, channel=channel)
        drawn = await draw.draw(
            brand=of,
            order_no=order_no,
            reseller=reseller,
            channel=channel,
            lines=[draw.Wanted(line_no=line, sku=sku, units=units) for line, sku, units in wanted],
            reservation=reservation,
            actor=SELLER,
            now=now,
        )
    return [(each.line_no, each.state, each.cards, each.pool) for each in drawn]


async def refunded(
    of: Brand, order_no: str, line: str, units: int, left: int, *named: tuple[int, int], now: dt.datetime = NOW
) -> tuple[int, int, int]:
    async with db.atomic(of.id):
        back = await draw.give_back(
            brand=of, order_no=order_no, line_no=line, units=units, left=left, cards=named, actor=SELLER, now=now
        )
    return back.returned, back.voided, back.missing


async def states(of: Brand, of_batch: int) -> list[str]:
    """Of a batch's cards, in the order of their numbers."""
    return [row[0] for row in await books.seen(of, "SELECT state FROM card WHERE batch = $1 ORDER BY number", of_batch)]


async def places(of: Brand, order_no: str) -> list[tuple[Any, ...]]:
    """An order's cards: batch, number, state, pool."""
    return await books.seen(
        of, "SELECT batch, number, state, pool FROM card WHERE order_no = $1 ORDER BY batch, number", order_no
    )


async def level(of: Brand, of_pool: int, sku: str = "card") -> dict[str, int]:
    """What of a SKU is in a pool, without zeros."""
    columns = "inactive, available, reserved, delivered, revealed, redeemed, frozen, void, came_in, moved_in, moved_out"
    sums = ", ".join(f"coalesce(sum({name}), 0)::int AS {name}" for name in columns.split(", "))
    (found,) = await books.seen(of, f"SELECT {sums} FROM stock_level WHERE pool = $1 AND sku = $2", of_pool, sku)
    return {name: value for name, value in zip(columns.split(", "), found, strict=True) if value}


async def differences(of: Brand) -> list[tuple[Any, ...]]:
    return await books.seen(of, "SELECT * FROM stock_differences()")
