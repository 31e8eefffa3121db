"""Orders on the brand's pages: found, looked at, and refunded once with the code."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.doors.console import visits

from qucheng.commission import accrual
from qucheng.core import audit, clock
from qucheng.orders import rules, sale

if TYPE_CHECKING:
    from pathlib import Path

    from tests.doors.account import browser

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio
REFUNDS = "SELECT order_no, line_no, quantity, amount_minor FROM refund"


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path: Path) -> Brand:
    """A delivered order, and one that was sold by hand."""
    assert workspace
    folder = books.write(
        tmp_path / "bundle", code=f"b-{uuid.uuid4().hex[:20]}", orders=["D1,1,2026-03-02T10:00:00,R1,web,card,1,100.00,0,"]
    )
    made = await books.found(folder)
    await books.take_in(made, folder)
    line = rules.LineIn(line_no="1", sku="card", quantity=3, gross_minor=30_000)
    await sale.place(
        brand=made, order_no="L1", lines=[line], reseller="R1", channel="web", source="page", actor=audit.SYSTEM, now=clock.now()
    )
    await accrual.accrue(brand_id=made.id, now=clock.now())
    return made


async def test_orders_are_found_and_shown(house: browser.House, brand: Brand) -> None:
    visitor, _ = await visits.entered(house, brand.id, "support")
    text = visits.plain((await visitor.get("/orders")).text)
    assert re.findall(r"\b[DL]1\b", text) == ["L1", "D1"]
    for query, found in (
        ("source=delivery", ["D1"]),
        ("source=page&stock=none", ["L1"]),
        ("period=2026-03", ["D1"]),
        ("text=l1", ["L1"]),
        ("text=R1", ["L1", "D1"]),
    ):
        assert re.findall(r"\b[DL]1\b", visits.plain((await visitor.get(f"/orders?{query}")).text).replace("l1", "")) == found, (
            query
        )
    shown = visits.plain((await visitor.get("/orders/L1")).text)
    assert "30.00" in shown
    assert (await visitor.get("/orders/none")).status_code == 404
    # support reads and gives nothing back
    assert (await visitor.get("/orders/L1/refund")).status_code == 404


async def test_a_refund_is_given_once_with_the_code(house: browser.House, brand: Brand) -> None:
    visitor, who = await visits.entered(house, brand.id, "manager")
    codes = visitor.codes()
    page = (await visitor.get("/orders/L1/refund")).text
    number = re.search(r'name="refund_no" value="([^"]+)"', page)
    assert number is not None
    sent = {"refund_no": number[1], "units-0": "1", "amount-0": "100.00", "reason": "asked for it"}
    wrong: list[dict[str, str]] = [
        {"code": ""},
        {"code": "000000"},
        {"units-0": "4", "code": codes.pop()},
        {"units-0": "x"},
        {"units-0": "", "amount-0": ""},
    ]
    for each in wrong:
        assert (await visitor.send("/orders/L1/refund", **{**sent, **each})).status_code == 422, each
    assert await books.seen(brand, REFUNDS) == []
    answer = await visitor.send("/orders/L1/refund", **sent, code=codes.pop())
    assert (answer.status_code, answer.headers["location"]) == (303, "/orders/L1?done=refunded")
    # the form sent again is the same refund
    assert (await visitor.send("/orders/L1/refund", **sent, code=codes.pop())).status_code == 303
    assert await books.seen(brand, REFUNDS) == [("L1", "1", 1, 10_000)]
    assert await books.seen(brand, "SELECT user_id FROM audit_record WHERE action = 'order.refund'") == [(who.user_id,)]
    assert "100.00" in visits.plain((await visitor.get("/orders/L1?done=refunded")).text)
