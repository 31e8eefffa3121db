"""A manager finds a live order and gives a part of it back."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.browser import scene

from qucheng.commission import accrual
from qucheng.core import audit, clock, db
from qucheng.orders import rules, sale

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser import screen
    from tests.browser.conftest import Stage

pytestmark = pytest.mark.anyio

LONG = pytest.mark.long
WAYS = [
    ("zh-CN", 390, "light"),
    pytest.param("en", 1440, "dark", marks=LONG),
    pytest.param("zh-CN", 1440, "light", marks=LONG),
    pytest.param("en", 390, "dark", marks=LONG),
]
SAID = {
    "zh-CN": ("超过该行余下的部分。", "退款已入账"),
    "en": ("This is more than is left of the line.", "The refund is in the books"),
}


@pytest.mark.parametrize(("language", "width", "theme"), WAYS)
async def test_from_the_list_to_a_refund(
    stage: Stage, tmp_path: Path, language: screen.Language, width: int, theme: screen.Theme
) -> None:
    code = f"o-{uuid.uuid4().hex[:12]}"
    async with books.connected(stage.owner_url) as owner, db.connected(stage.app_url):
        folder = books.write(
            tmp_path / "bundle",
            code=code,
            orders=["D1,1,2026-03-02T10:00:00,R1,web,card,1,100.00,0,"],
            prices=["card,,,90.00,,2026-01-01,"],
        )
        brand = await books.found(folder)
        await books.take_in(brand, folder)
        lines = [rules.LineIn(line_no=str(n), sku="card", quantity=n, gross_minor=9_000 * n) for n in (1, 2)]
        await sale.place(
            brand=brand,
            order_no="L1",
            lines=lines,
            reseller="R1",
            channel="web",
            source="page",
            actor=audit.SYSTEM,
            now=clock.now(),
        )
        await accrual.accrue(brand_id=brand.id, now=clock.now())
        account = await scene.account(owner, stage.keys, brand.id, code, "manager")
    assert account.secret is not None
    refused, done = SAID[language]
    async with stage.opened(account, language, width, theme) as shown:
        await shown.open("/orders")
        await shown.seemly("orders")
        await shown.page.locator('main a[href="/orders/L1"]').click()
        await shown.seemly("order")
        await shown.page.locator('main a[href="/orders/L1/refund"]').click()
        await shown.seemly("order-refund")
        shown.allowed = {422}
        await shown.send(
            "/orders/L1/refund", **{"units-1": "3", "amount-1": "90.00", "code": await stage.codes.code(account.secret)}
        )
        await shown.says(refused)
        await shown.seemly("order-refund-refused")
        shown.allowed = set()
        await shown.send(
            "/orders/L1/refund", **{"units-1": "1", "amount-1": "90.00", "code": await stage.codes.code(account.secret)}
        )
        await shown.says(done, "90.00")
        await shown.seemly("order-refunded")
