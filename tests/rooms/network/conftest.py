"""The keys of an installation, and a brand with web and shop, a reseller R1, and an agreement in force."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.identity import people
from tests.rooms.network import desk

from qucheng.core import crypto

if TYPE_CHECKING:
    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand
    from qucheng.network import agreement


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> crypto.Keys:
    return crypto.keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    assert workspace
    folder = books.write(
        tmp_path_factory.mktemp("brand") / "bundle",
        code=f"b-{uuid.uuid4().hex[:20]}",
        tiers=["gold,金牌,1", "base,普通,2"],
        channels=["web,网店,agency", "shop,门店,agency"],
        resellers=[
            "R1,一号,company,,gold,2026-01-01,id-1",
            "R2,二号,individual,R1,base,2026-02-01,",
            "R3,三号,company,,base,2026-01-01,",
        ],
    )
    made = await books.found(folder)
    await books.take_in(made, folder)
    return made


@pytest.fixture
async def current(brand: Brand) -> agreement.Agreement:
    return await desk.agreed(brand)


@pytest.fixture
async def manager(keys: crypto.Keys, brand: Brand) -> permissions.Principal:
    return await people.member(keys, brand.id, "manager")
