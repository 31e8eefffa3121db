"""A web process with the module's own keys, limits that no other test has used up, and a brand."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.doors.account import browser

from qucheng.core import limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from qucheng.identity.brand import Brand


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page lists people of several tests: the same keys open all of them."""
    return tmp_path_factory.mktemp("pages") / "var"


@pytest.fixture
async def house(
    workspace: books.Workspace, valkey_url: str, var: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[browser.House]:
    assert workspace
    monkeypatch.setattr(limits, "PREFIX", f"test:{uuid.uuid4()}:")
    async with browser.house(var, REDIS_URL=valkey_url) as made:
        yield made


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path: Path) -> Brand:
    """With one reseller, R1, and no people."""
    assert workspace
    folder = books.write(tmp_path / "bundle", code=f"b-{uuid.uuid4().hex[:20]}")
    made = await books.found(folder)
    await books.take_in(made, folder)
    return made
