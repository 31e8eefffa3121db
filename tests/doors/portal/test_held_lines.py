"""What a reseller reads of commission that is held until its article is delivered or redeemed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.doors.portal.test_portal_pages import text

from qucheng.insight import portal

if TYPE_CHECKING:
    from tests.doors.portal.conftest import SignedIn

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

ORDERS = [
    "WAITS,1,2026-02-02T10:00:00,R1,web,gift,2,200.00,,",
    "COUPON,1,2026-02-02T11:00:00,R1,web,meal,1,100.00,,",
    "GIVEN,1,2026-02-02T12:00:00,R1,web,gift,1,100.00,,",
    "EATEN,1,2026-02-02T13:00:00,R1,web,meal,1,100.00,,",
]


@pytest.fixture(scope="module")
async def brand(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    """Nothing is settled: what is due is due, however long ago."""
    assert workspace
    folder = books.write(
        tmp_path_factory.mktemp("brands") / "ours",
        code="ours",
        settlement="hold_days = 7",
        skus=["gift,礼品卡,video,100.00,0,delivered", "meal,套餐券,video,100.00,0,redeemed"],
        orders=ORDERS,
        refunds=["F1,WAITS,1,2026-02-03T10:00:00,1,100.00"],
        fulfilments=["GIVEN,1,delivered,2026-02-05T10:00:00,1", "EATEN,1,redeemed,2026-02-06T10:00:00,1"],
    )
    made = await books.found(folder)
    await books.take_in(made, folder)
    return made


async def test_an_order_says_what_it_waits_for_or_since_when_it_was_held(signed_in: SignedIn) -> None:
    admin = await signed_in(reseller="R1")
    for order_no, sentence in (
        ("WAITS", "Pending until everything that is left of this line is delivered, and then 7 days for refunds."),
        ("WAITS", "Counts when the line does."),
        ("COUPON", "Pending until everything that is left of this line is redeemed, and then 7 days for refunds."),
        ("GIVEN", "Due on 2026-02-12: delivered 2026-02-05 10:00, then 7 days for refunds."),
        ("EATEN", "Due on 2026-02-13: redeemed 2026-02-06 10:00, then 7 days for refunds."),
        ("EATEN", "On the statement of 2026-02, which is made after the end of that month."),
    ):
        assert (await admin.get(f"/portal/orders/{order_no}")).status_code == 200
        assert sentence in text(admin.page), order_no
    await admin.get("/portal/orders/WAITS")
    assert "On the statement of" not in text(admin.page)


async def test_it_is_pending_without_a_day(signed_in: SignedIn, brand: Brand) -> None:
    admin = await signed_in(reseller="R1")
    await admin.get("/portal/orders?status=pending")
    assert "until it is redeemed" in text(admin.page)
    assert "until it is delivered" in text(admin.page)
    admin.language = "zh-CN"
    await admin.get("/portal/orders?status=pending")
    assert "待核销" in text(admin.page)
    figures = await portal.figures(brand=brand, reseller="R1", now=books.NOW)
    assert (figures.due_minor, figures.pending_minor, figures.next_on, figures.payout_minor) == (2000, 2000, None, 2000)
    await admin.get("/portal")
    assert "待商品发放或核销" in text(admin.page)
