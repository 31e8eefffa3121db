"""The keys of an installation, a brand of the test's own whose January is settled, and who works at its desk."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from tests.rooms.settlement import desk

from qucheng.core import crypto

if TYPE_CHECKING:
    from tests import books

    from qucheng.identity.brand import Brand


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> crypto.Keys:
    return crypto.keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    assert workspace
    return await desk.settled(tmp_path_factory.mktemp("brand"), f"b-{uuid.uuid4().hex[:20]}")


@pytest.fixture
async def team(keys: crypto.Keys, brand: Brand) -> desk.Team:
    return await desk.team(keys, brand)
