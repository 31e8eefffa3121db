"""Orders that are sent one by one against the price book: flagged or refused, by what the channel does."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from tests.rooms.catalog import price_shop
from tests.rooms.catalog.conftest import keys
from tests.rooms.catalog.price_shop import DAY

from qucheng.core import db
from qucheng.orders import deviation

if TYPE_CHECKING:
    from pathlib import Path

    from tests import books

    from qucheng.core import crypto as crypto_of

__all__ = ["keys"]
pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

STAGED = "CREATE TEMP TABLE sent (row integer, paid_at timestamptz, reseller text, channel text, sku text, quantity integer, gross_minor bigint, fault text) ON COMMIT DROP"
LINES = [
    (1, "S1", "wechat", "tea", 2, 5520),
    (2, "S1", "wechat", "tea", 2, 5400),
    (3, "S1", "tmall", "tea", 1, 2700),
    (4, "S1", "wechat", "pass", 1, 5000),
    (5, "G1", "wechat", "tea", 1, 2680),
    (6, "G1", "tmall", "tea", 1, 2650),
    (7, "G1", "tmall", "pass", 1, 1),
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
        await connection.execute(STAGED)
        await connection.executemany(
            "INSERT INTO sent VALUES ($1, $7, $2, $3, $4, $5, $6, NULL)", [(*line, price_shop.at(DAY)) for line in LINES]
        )
        await connection.execute(
            "INSERT INTO sent SELECT 8, paid_at, reseller, channel, sku, quantity, 1, 'value.invalid:gross' FROM sent WHERE row = 1"
        )
        await deviation.judge(staged="sent", judged="judged")
        found = [tuple(row) for row in await connection.fetch("SELECT row, code, refused FROM judged ORDER BY row")]
    assert found == [
        (2, "order.price_deviates", False),
        (3, "order.price_deviates", True),
        (4, "order.not_for_sale", False),
        (5, "order.not_for_sale", False),
        (7, "order.not_for_sale", True),
    ]
