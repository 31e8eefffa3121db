"""One web process over two brands for all of a module, and what it may not change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.doors.account import browser
from tests.doors.matrix import attempts, world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg
    from tests import books


@pytest.fixture(scope="module")
async def ground(
    workspace: books.Workspace, owner: asyncpg.Connection, valkey_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[attempts.Ground]:
    assert workspace
    folder = tmp_path_factory.mktemp("matrix")
    with pytest.MonkeyPatch.context() as patch:
        async with browser.house(folder / "var", REDIS_URL=valkey_url) as house:
            made = await world.made(folder, owner, house.keys)
            ground = attempts.Ground(house=house, world=made, client=(await house.browser()).client, owner=owner, patch=patch)
            ground.unlimited()
            yield ground
