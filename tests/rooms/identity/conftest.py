"""The keys of an installation, and a brand."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books

from qucheng.core import crypto

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> crypto.Keys:
    return crypto.keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
async def empty_brand(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    """A brand of the test's own, with one reseller and no people."""
    assert workspace
    folder = books.write(tmp_path_factory.mktemp("brand") / "bundle", code=f"b-{uuid.uuid4().hex[:20]}")
    brand = await books.found(folder)
    await books.take_in(brand, folder)
    return brand
