"""Orders that are sent one by one against the price book: flagged or refused, by what the channel does."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from tests.rooms.catalog import price_shop
from tests.rooms.catalog.conftest import keys
from tests.rooms.catalog.price_shop import DAY

from qucheng.core import audit, db
from qucheng.orders import rules, sale

if TYPE_CHECKING:
    from pathlib import Path

    from tests import books

    from qucheng.core import crypto as crypto_of

__all__ = ["keys"]
pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

LINES = [
    ("S1", "wechat", "tea", 2, 5520),
    ("S1", "wechat", "tea", 2, 5400),
    ("S1", "tmall", "tea", 1, 2700),
    ("S1", "wechat", "pass", 1, 5000),
    ("G1", "wechat", "tea", 1, 2680),
    ("G1", "tmall", "tea", 1, 2650),
    ("G1", "tmall", "pass", 1, 1),
]


async def test_what_deviates_is_flagged_or_refused(workspace: books.Workspace, keys: crypto_of.Keys, tmp_path: Path) -> None:
    """tmall refuses. G1 may sell in tmall only; of the pass there is no price anywhere."""
    assert workspace
    shop = await price_shop.opened(keys, tmp_path, code=f"d-{uuid.uuid4().hex[:8]}")
    async with db.atomic(shop.brand.id):
        connection = db.connection()
        await connection.execute("UPDATE channel SET deviation = 'refuse' WHERE code = 'tmall'")
        await connection.execute(
            "INSERT INTO reseller_channel (brand_id, reseller, channel, starts_on) VALUES ($1, 'G1', 'tmall', '2026-01-01')",
            shop.brand.id,
        )
    assert [await outcome(shop, number, *each) for number, each in enumerate(LINES)] == [
        [],
        ["order.price_deviates"],
        "order.price_deviates",
        ["order.not_for_sale"],
        ["order.not_for_sale"],
        [],
        "order.not_for_sale",
    ]


async def outcome(
    shop: price_shop.Shop, number: int, reseller: str, channel: str, sku: str, quantity: int, gross: int
) -> list[str] | str:
    """The flags, or why it was refused."""
    line = rules.LineIn(line_no="1", sku=sku, quantity=quantity, gross_minor=gross)
    try:
        placed = await sale.place(
            brand=shop.brand, order_no=f"O{number}", lines=[line], reseller=reseller, channel=channel, source="page",
            actor=audit.SYSTEM, now=price_shop.at(DAY),
        )  # fmt: skip
    except sale.OrderInvalidError as refusal:
        (fault,) = refusal.faults
        return fault.code
    return list(placed.lines[0].flags)
