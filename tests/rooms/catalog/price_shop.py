"""A brand with the prices of the specification's table, two managers, and the steps from a draft to its effect."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from tests import books
from tests.rooms.identity import people

from qucheng.catalog import price_cell, price_limit, price_publish, price_version, quote
from qucheng.catalog.price_records import Change, Key, LimitChange
from qucheng.settlement import decision

if TYPE_CHECKING:
    import uuid
    from pathlib import Path

    from qucheng.catalog.price_records import Saved
    from qucheng.core import crypto
    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

NOW = books.NOW
TODAY = dt.date(2026, 11, 22)
# far from the day of the test: the database takes no version that would be in force already
DAY = dt.date(2101, 3, 1)
LATER = dt.date(2101, 6, 1)
TABLES: dict[str, list[str]] = {
    "tiers": ["gold,金牌,1", "silver,银牌,2"],
    "channels": ["tmall,天猫,agency", "wechat,微信,agency", "dealer,经销,wholesale"],
    "resellers": ["G1,金一,company,,gold,2026-01-01,", "S1,银一,company,,silver,2026-01-01,"],
    "skus": ["tea,茶券,茶,30.00,20.00", "pass,月卡,会员,50.00,10.00"],
    "prices": [
        "tea,,,27.60,24.60,2026-01-01,",
        "tea,,gold,26.80,,2026-01-01,",
        "tea,tmall,,28.80,,2026-01-01,",
        "tea,tmall,gold,26.50,,2026-11-10,",
    ],
}


def at(day: dt.date, zone_hours: int = 8) -> dt.datetime:
    """Noon of that day, a fixed distance from UTC."""
    return dt.datetime.combine(day, dt.time(12), dt.timezone(dt.timedelta(hours=zone_hours)))


class Shop:
    """A brand with two managers. The first edits and asks, the second allows."""

    def __init__(self, brand: Brand, maker: permissions.Principal, checker: permissions.Principal) -> None:
        self.brand, self.maker, self.checker = brand, maker, checker

    async def draft(self, **given: Any) -> int:
        return await price_version.open_draft(brand_id=self.brand.id, actor=people.actor(self.maker), now=NOW, **given)

    async def change(
        self, version: int, *changes: Change, day: dt.date = TODAY, who: permissions.Principal | None = None
    ) -> Saved:
        return await price_cell.set_cells(
            brand_id=self.brand.id,
            version=version,
            changes=changes,
            day=day,
            actor=people.actor(who or self.maker),
            now=NOW,
        )

    async def limit(self, version: int, *changes: LimitChange, day: dt.date = TODAY) -> Saved:
        return await price_limit.set_limits(
            brand_id=self.brand.id, version=version, changes=changes, day=day, actor=people.actor(self.maker), now=NOW
        )

    async def submit(self, version: int, on: dt.date = DAY, now: dt.datetime = NOW) -> uuid.UUID:
        return await price_publish.submit(
            brand=self.brand, principal=self.maker, number=version, effective_on=on, actor=people.actor(self.maker), now=now
        )

    async def allow(self, approval: uuid.UUID, now: dt.datetime = NOW) -> None:
        await decision.decide(
            principal=self.checker,
            brand_id=self.brand.id,
            approval_id=approval,
            approve=True,
            reason="",
            actor=people.actor(self.checker),
            now=now,
        )

    async def publish(self, *changes: Change, on: dt.date = DAY, limits: tuple[LimitChange, ...] = (), **given: Any) -> int:
        """A version from its draft to its approval."""
        version = await self.draft(**given)
        saved = await self.change(version, *changes)
        assert (len(saved.saved), saved.stale, saved.faults) == (len(changes), (), ())
        if limits:
            assert len((await self.limit(version, *limits)).saved) == len(limits)
        await self.allow(await self.submit(version, on))
        return version

    async def quoted(
        self, sku: str, channel: str, reseller: str, moment: dt.datetime, *, as_reseller: bool = False
    ) -> quote.Quote:
        return await quote.resolve(
            brand_id=self.brand.id,
            sku=sku,
            channel=channel,
            reseller=reseller,
            quantity=1,
            at=moment,
            as_reseller=as_reseller,
        )

    async def cells(self, version: int) -> list[tuple[Any, ...]]:
        return await books.seen(
            self.brand,
            "SELECT sku, channel, tier, starts_on::text, ends_on::text, price_minor FROM price_cell WHERE version = $1"
            " ORDER BY sku, channel NULLS FIRST, tier NULLS FIRST, starts_on",
            version,
        )

    async def limits(self, version: int) -> list[tuple[Any, ...]]:
        return await books.seen(
            self.brand,
            "SELECT sku, starts_on::text, ends_on::text, floor_minor, cost_minor FROM price_limit WHERE version = $1 ORDER BY sku, starts_on",
            version,
        )


def price(minor: int, sku: str = "tea", channel: str | None = None, tier: str | None = None, **given: Any) -> Change:
    return Change(sku=sku, channel=channel, tier=tier, action="set", price_minor=minor, **given)


def write(folder: Path, code: str, **tables: list[str]) -> Path:
    given: dict[str, Any] = {**TABLES, **tables}
    return books.write(folder, code=code, **given)


async def opened(keys: crypto.Keys, folder: Path, *, code: str, zone: str = "Asia/Shanghai", **tables: list[str]) -> Shop:
    bundle = write(folder / code, code, **tables)
    if zone != "Asia/Shanghai":
        toml = bundle / "brand.toml"
        toml.write_text(toml.read_text(encoding="utf-8").replace("Asia/Shanghai", zone), encoding="utf-8")
    brand = await books.found(bundle)
    await books.take_in(brand, bundle)
    maker, checker = [await people.member(keys, brand.id, "manager") for _ in range(2)]
    return Shop(brand, maker, checker)


BASE, GOLD = Key("tea"), Key("tea", None, "gold")
