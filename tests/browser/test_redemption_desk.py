"""What a brand's people see of offers, stores, terminals, rules and redemptions, with something on every page."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.browser import scene
from tests.rooms.identity import people
from tests.rooms.stock import warehouse

from qucheng.bundle import demo_redemption
from qucheng.core import clock, db
from qucheng.identity import api_key
from qucheng.identity import user as users
from qucheng.redemption import store

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser import screen
    from tests.browser.conftest import Stage

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio
NEVER = dt.date(2100, 1, 1)
LOOKS: list[tuple[int, screen.Theme]] = [(390, "light"), (1440, "dark")]
PAGES = {
    "offers": "/offers",
    "offer-new": "/offers/new",
    "offer": "/offers/welcome",
    "offer-poster": "/offers/welcome/poster",
    "offer-end": "/offers/welcome/end",
    "stores": "/stores",
    "store-new": "/stores/new",
    "stores-import": "/stores/import",
    "store": "/stores/S01",
    "store-edit": "/stores/S01/edit",
    "store-close": "/stores/S01/close",
    "terminal-clerk": "/stores/S02/terminals/new?for=person",
    "terminal-program": "/stores/S02/terminals/new",
    "rule": "/products/card/redemption?place=S01&at=2026-11-20T08%3A00&channel=",
    "redemptions": "/redemptions",
    "redemptions-none": "/redemptions?card=1-99",
}


async def filled(stage: Stage, folder: Path) -> tuple[Brand, scene.Account]:
    """A brand with all that the demonstration has of it, and its manager."""
    async with books.connected(stage.owner_url) as owner, db.connected(stage.app_url):
        now, brand = clock.now(), await warehouse.brand(folder)
        for sku in ("card", "gift"):
            await warehouse.stocked(brand, *[NEVER] * (demo_redemption.RUNNING + demo_redemption.ENDED), sku=sku)
        manager = await scene.account(owner, stage.keys, brand.id, brand.code, "manager")
        manager_id = await users.holder(keys=stage.keys, login=manager.login)
        assert manager_id is not None
        await people.member(stage.keys, brand.id, "clerk", login=f"clerk@{brand.code}.example")
        await api_key.create(
            keys=stage.keys, brand_id=brand.id, name="till", mode="live", reseller=None, scopes={store.SCOPE}, networks=[],
            expires_at=now + dt.timedelta(days=1), created_by=manager_id, actor=warehouse.ACTOR, now=now,
        )  # fmt: skip
        await demo_redemption.fill(keys=stage.keys, brand=brand, manager=manager_id, now=now)
    return brand, manager


@pytest.mark.parametrize("language", ["zh-CN", pytest.param("en", marks=pytest.mark.long)])
async def test_every_page_is_seemly_when_there_is_something_on_it(
    stage: Stage, tmp_path: Path, language: screen.Language, request: pytest.FixtureRequest
) -> None:
    """Without --all, a page is looked at as on a phone or as on a desk, the one after the other."""
    brand, manager = await filled(stage, tmp_path)
    async with books.connected(stage.owner_url) as owner:
        rows = await owner.fetch(
            "SELECT verdict || undone AS name, min(id::text) AS id FROM redemption WHERE brand_id = $1 GROUP BY 1", brand.id
        )
        terminal = await owner.fetchval("SELECT id FROM terminal WHERE brand_id = $1 AND store = 'S01'", brand.id)
    found = {row["name"]: row["id"] for row in rows}
    assert set(found) == {"oktrue", "okfalse", "usedfalse", "not_herefalse", "not_yetfalse", "unknownfalse"}
    more = {f"redemption-{name}": f"/redemptions/{found[name]}" for name in ("okfalse", "oktrue", "unknownfalse")}
    async with stage.opened(manager, language) as shown:
        more["terminal-end"] = f"/stores/S01/terminals/{terminal}/end"
        for place, (name, address) in enumerate({**PAGES, **more}.items()):
            answer = await shown.open(address)
            assert answer.status == 200, address
            for width, theme in LOOKS if request.config.getoption("--all") else LOOKS[place % 2 :][:1]:
                await shown.resize(width, theme)
                await shown.seemly(name)
            await shown.resize(320)
            await shown.fits()
        shown.allowed.add(422)
        await shown.open("/offers/new")
        await shown.send("/offers/new", name="", quota="0")
        await shown.seemly("offer-refused")
