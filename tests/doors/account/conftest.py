"""A web process on the module's own database, with limits that no other test has used up."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from tests.doors.account import browser

from qucheng.core import limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests import books


@pytest.fixture
async def house(
    workspace: books.Workspace, valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[browser.House]:
    assert workspace
    monkeypatch.setattr(limits, "PREFIX", f"test:{uuid.uuid4()}:")
    async with browser.house(tmp_path / "var", REDIS_URL=valkey_url) as made:
        yield made


@pytest.fixture
async def guest(house: browser.House) -> browser.Browser:
    return await house.browser()
