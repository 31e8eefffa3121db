"""The keys of an installation, and a brand with prices and the people who keep them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from tests.rooms.catalog import price_shop

from qucheng.core import crypto

if TYPE_CHECKING:
    from pathlib import Path

    from tests import books


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> crypto.Keys:
    return crypto.keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
async def shop(workspace: books.Workspace, keys: crypto.Keys, tmp_path: Path) -> price_shop.Shop:
    assert workspace
    return await price_shop.opened(keys, tmp_path, code=f"s-{uuid.uuid4().hex[:20]}")
