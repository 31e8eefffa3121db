"""A brand with a terminal and four cards that were sold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.rooms.redemption import tills

from qucheng.core import crypto

if TYPE_CHECKING:
    from pathlib import Path

    from tests import books


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> crypto.Keys:
    return crypto.keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
async def ground(workspace: books.Workspace, keys: crypto.Keys, tmp_path: Path) -> tills.Ground:
    assert workspace
    return await tills.opened(tmp_path / "b", keys)
