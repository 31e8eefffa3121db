"""The evidence pack proves delivery and redemption: each card of a line with what became of it, and where it was used. No code is in it."""

from __future__ import annotations

import datetime as dt
import zipfile
from typing import TYPE_CHECKING

import pytest
from tests.rooms.insight.test_compliance_pack import columns
from tests.rooms.redemption import tills

from qucheng.core import crypto, db
from qucheng.insight import evidence
from qucheng.orders import fulfilment, intake

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

NOVEMBER = dt.date(2026, 11, 1)


async def test_what_was_delivered_shown_and_redeemed_is_in_the_pack(tmp_path: Path) -> None:
    ground = await tills.opened(tmp_path / "bundle", crypto.keys(tmp_path / "keys"), cards=2)
    (batch, kept), (_, undone) = ground.cards
    assert (await ground.redeem(ground.codes[0])).result == "ok"
    assert (await ground.redeem(ground.codes[1], key="k-2")).result == "ok"
    assert await ground.reverse("k-2")
    async with db.atomic(ground.brand.id):
        event = fulfilment.Event(order_no="O-1", line_no="1", event="delivered", at=tills.NOW, quantity=2)
        await fulfilment.record(brand_id=ground.brand.id, intake=await intake.enter(now=tills.NOW), events=[event])
    out = tmp_path / "pack.zip"
    await evidence.write(brand=ground.brand, wanted=evidence.Wanted(root="R1", first=NOVEMBER, last=NOVEMBER), out=out)
    with zipfile.ZipFile(out) as pack:
        cards = columns(pack, "cards.csv", "order_no", "line_no", "batch", "card", "from_state", "to_state", "kind")
        used = columns(pack, "redemptions.csv", "order_no", "batch", "card", "store", "terminal", "way", "undone", "reason")
        reported = columns(pack, "fulfilments.csv", "order_no", "line_no", "event", "at", "quantity")
        whole = b"".join(pack.read(name) for name in pack.namelist())
    steps = [("available", "delivered", "deliver"), ("delivered", "revealed", "reveal"), ("revealed", "redeemed", "redeem")]
    assert cards == [
        *(("O-1", "1", str(batch), str(kept), *step) for step in steps),
        *(("O-1", "1", str(batch), str(undone), *step) for step in (*steps, ("redeemed", "revealed", "undo"))),
    ]
    assert sorted(used) == sorted(
        [
            ("O-1", str(batch), str(kept), "S1", "till", "code", "f", ""),
            ("O-1", str(batch), str(undone), "S1", "till", "code", "t", "wrong card"),
        ]
    )
    assert reported == [("O-1", "1", "delivered", f"{tills.NOW.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}", "2")]
    for code in ground.codes:
        assert code.encode() not in whole
        assert code.replace("-", "").encode() not in whole
