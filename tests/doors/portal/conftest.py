"""Two brands of which every figure is known, and who looks at them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from tests.doors.account import browser
from tests.rooms.identity import people
from tests.rooms.insight import portal_brand

from qucheng.core import crypto, limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from tests import books

    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

    SignedIn = Callable[..., Awaitable[browser.Browser]]


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page lists people of several tests: the same keys open all of them."""
    return tmp_path_factory.mktemp("portal") / "var"


@pytest.fixture
async def house(
    workspace: books.Workspace, valkey_url: str, var: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[browser.House]:
    assert workspace
    monkeypatch.setattr(limits, "PREFIX", f"test:{uuid.uuid4()}:")
    async with browser.house(var, REDIS_URL=valkey_url) as made:
        yield made


@pytest.fixture(scope="module")
async def brand(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    assert workspace
    return await portal_brand.made(tmp_path_factory.mktemp("brands") / "ours", code="ours")


@pytest.fixture(scope="module")
async def other(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    assert workspace
    return await portal_brand.made(tmp_path_factory.mktemp("brands") / "other", code="other")


@pytest.fixture
def signed_in(house: browser.House, brand: Brand) -> SignedIn:
    """A browser of a new person with that role."""

    async def made(
        role: permissions.Role = "admin", reseller: str | None = portal_brand.PARENT, of: Brand = brand
    ) -> browser.Browser:
        login, found = f"{crypto.token()[:12].lower().strip('-_')}@example.com", await house.browser()
        await people.member(house.keys, of.id, role, reseller=reseller, login=login)
        await found.sign_in(login)
        return found

    return made
