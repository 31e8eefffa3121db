"""Two brands of which every figure is known, and who looks at them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.doors.console.conftest import house, var
from tests.rooms.identity import people
from tests.rooms.insight import portal_brand

from qucheng.core import crypto

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests import books
    from tests.doors.account import browser

    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

    SignedIn = Callable[..., Awaitable[browser.Browser]]

__all__ = ["brand", "house", "other", "signed_in", "var"]


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
