"""An installation for the tests of a module, and one test at a time in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.faults import site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.faults.site import Site


@pytest.fixture(scope="module")
def installation() -> Iterator[Site]:
    with site.site() as made:
        yield made


@pytest.fixture
async def at(installation: Site) -> AsyncIterator[Site]:
    async with site.entered(installation):
        yield installation
        installation.end()
