"""A shop that sells by hand and behind a link, with the payments of its buyers."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from tests import books
from tests.rooms.catalog import price_shop

from qucheng.connectors import payment_simulator
from qucheng.core import audit, clock
from qucheng.orders import order_number, payment, sales_link, sales_setting

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from qucheng.core import crypto
    from qucheng.identity.brand import Brand

NUMBER, CALLED = "138 0571 2264", "+8613805712264"
ON = sales_setting.Setting(manual_sale="paid", provider="simulator")


class Desk:
    """Of the reseller G1 in the channel wechat, where `tea` is 26.80 for it."""

    def __init__(self, brand: Brand, link: sales_link.Link, keys: crypto.Keys, var: Path) -> None:
        self.brand, self.link, self.keys = brand, link, keys
        self.simulator = payment_simulator.of(var, keys)

    async def begun(self, *, quantity: int = 1, now: dt.datetime | None = None, **given: Any) -> payment.Payment:
        """A payment that the provider has."""
        now = now or clock.now()
        made = await payment.open_payment(
            **{
                "brand": self.brand,
                "link": self.link,
                "order_no": order_number.made("P", self.brand, now),
                "sku": "tea",
                "quantity": quantity,
                "number": NUMBER,
                "locale": "zh-CN",
                "keys": self.keys,
                "actor": audit.SYSTEM,
                "now": now,
                **given,
            }
        )
        charge = payment.charge(self.brand, made, name="茶券", address=f"/o/{self.link.code}/{made.id}")
        return await payment.sent(brand=self.brand, payment=made.id, created=await self.simulator.create(charge))

    async def tell(
        self, made: payment.Payment, kind: str = "paid", now: dt.datetime | None = None, **given: Any
    ) -> payment.Effect:
        """A notice as the provider would send it, taken in as the door does."""
        now = now or clock.now()
        notice = payment_simulator.payment_port.Notice(
            **{
                "id": f"evt-{uuid.uuid4().hex}", "charge": made.id, "kind": kind, "amount_minor": made.gross_minor,
                "currency": made.currency, "at": now, **given,
            }
        )  # fmt: skip
        return await payment.told(
            brand=self.brand, provider="simulator", notice=notice, keys=self.keys, actor=audit.SYSTEM, now=now
        )

    async def orders(self) -> list[tuple[Any, ...]]:
        return await books.seen(
            self.brand,
            "SELECT s.order_no, s.source, l.sku, l.quantity, l.gross_minor FROM sale s JOIN order_line l USING (brand_id, order_no) ORDER BY s.order_no",
        )

    async def state(self, made: payment.Payment) -> tuple[str, str | None, bool]:
        """State, problem, and whether there is an order."""
        found = await payment.read(brand_id=self.brand.id, payment=made.id)
        return found.state, found.problem, found.placed_at is not None


async def opened(
    keys: crypto.Keys, folder: Path, *, setting: sales_setting.Setting = ON, **tables: Any
) -> tuple[price_shop.Shop, Desk]:
    shop = await price_shop.opened(keys, folder, code=f"d-{uuid.uuid4().hex[:20]}", **tables)
    await sales_setting.change(brand_id=shop.brand.id, setting=setting, production=False, actor=audit.SYSTEM, now=clock.now())
    link = await sales_link.create(
        brand=shop.brand,
        reseller="G1",
        channel="wechat",
        sku="tea",
        name="门口",
        expires_at=None,
        actor=audit.SYSTEM,
        now=clock.now(),
    )
    return shop, Desk(shop.brand, link, keys, folder / "var")
