"""The keys of an installation, and a brand."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books, receiver
from tests.rooms.identity import people, webhook_brand

from qucheng.core import crypto

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.rooms.identity.webhook_brand import House

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


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("var")


@pytest.fixture(scope="module")
def contexts(ring: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    served, trusting, _ = receiver.authority(ring)
    return served, trusting


@pytest.fixture
async def house(
    ring: Path, workspace: books.Workspace, contexts: tuple[ssl.SSLContext, ssl.SSLContext], tmp_path: Path
) -> AsyncIterator[House]:
    assert workspace
    brand = await books.found(books.write(tmp_path / "bundle", code=f"b-{uuid.uuid4().hex[:20]}"))
    keys = crypto.keys(ring / "keys")
    owner = await people.member(keys, brand.id, "owner")
    async with receiver.running(contexts[0]) as there:
        yield webhook_brand.House(
            keys=keys, brand=brand, owner=owner, there=there, courier=webhook_brand.courier(ring, contexts[1])
        )
