"""Who runs the brand is told of few cards and of old ones: of each alert once, in the reader's language."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.identity import people
from tests.rooms.stock.warehouse import ACTOR, NEVER, NOW, TODAY, opened, sold, stocked
from tests.rooms.stock.warehouse import brand as made

from qucheng.core import crypto
from qucheng.stock import pool, watch
from qucheng.web import notice_words, texts

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio
TOLD = "SELECT kind, mail, content::text, subject FROM notification WHERE user_id = $1 ORDER BY told_at, kind"


async def test_each_alert_is_told_once_and_names_the_pool(workspace: books.Workspace, tmp_path: Path) -> None:
    assert workspace
    brand, keys = await made(tmp_path), crypto.keys(tmp_path / "keys")
    own, last = await opened(brand, "R1"), TODAY + dt.timedelta(days=14)
    await stocked(brand, last, NEVER, NEVER, pool=own)
    await pool.set_rule(brand_id=brand.id, pool=own, sku="card", low_level=3, borrow_quota=None, actor=ACTOR)
    who, other = await people.member(keys, brand.id, "manager"), await people.member(keys, brand.id, "support")
    await watch.look(brand=brand, now=NOW)
    await sold(brand, "O1", ("1", "card", 1))
    for _ in range(2):
        await watch.look(brand=brand, now=NOW)
    seen = await books.seen(brand, TOLD, who.user_id)
    assert [row[:2] for row in seen] == [("stock.expiring", "none"), ("stock.low", "waiting")]
    assert json.loads(seen[1][2]) == {
        "count": 1,
        "alerts": [{"sku": "card", "pool": own, "cards": 2, "expires_on": None, "reseller": "R1", "channel": None}],
    }
    words = texts.texts("en")
    lines = [notice_words.line(row[0], row[3], json.loads(row[2]), 2, words) for row in seen]
    assert [(each.title, each.rows, each.address) for each in lines] == [
        ("Cards in 1 pool expire soon", [f"card · R1: 1 card, the first until {words.day(last)}"], f"/pools/{own}"),
        ("1 pool runs low", ["card · R1: 2 cards left"], f"/pools/{own}"),
    ]
    assert await books.seen(brand, TOLD, other.user_id) == []
