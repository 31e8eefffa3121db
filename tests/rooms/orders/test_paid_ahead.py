"""Orders of a seller whose clock is ahead: what is delivered before they were paid counts from their payment."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.stock import card_desk

from qucheng.core import crypto
from qucheng.orders import delivery, rules, sale

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio
NOW = books.NOW


async def test_what_waited_is_delivered_before_its_payment(workspace: books.Workspace, tmp_path: Path) -> None:
    assert workspace
    keys = crypto.keys(tmp_path / "keys")
    brand = await card_desk.opened(tmp_path / "b", f"c-{uuid.uuid4().hex[:12]}", orders=0)
    actor = await card_desk.somebody(keys)
    await books.seen(brand, "UPDATE sku SET hold_from = 'delivered' WHERE code = 'card' RETURNING 1")
    paid_at = NOW + dt.timedelta(minutes=3)
    line = rules.LineIn(line_no="1", sku="card", quantity=1, gross_minor=10_000)
    await sale.place(
        brand=brand, order_no="O1", lines=[line], reseller="R1", channel="web", source="page", paid_at=paid_at, actor=actor, now=NOW
    )  # fmt: skip
    await card_desk.stocked(brand, keys, 1, actor)
    ((case,),) = await books.seen(brand, "SELECT id FROM stock_case")
    later = NOW + dt.timedelta(minutes=1)
    assert (await delivery.retry(brand=brand, case=case, keys=keys, actor=actor, now=later)).state == "delivered"
    assert await books.seen(brand, "SELECT event, at, quantity FROM fulfilment") == [("delivered", paid_at, 1)]
