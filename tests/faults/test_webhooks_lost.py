"""A worker killed after a receiver has a message and before that is written down: it comes a second time, under its number."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests import books, receiver
from tests.rooms.identity import people, webhook_brand

from qucheng.core import crashpoint, crypto, db, outbox
from qucheng.identity import webhook_endpoint

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path: Path) -> Brand:
    assert workspace
    return await books.found(books.write(tmp_path / "bundle", code=f"b-{uuid.uuid4().hex[:20]}"))


@pytest.mark.parametrize("point", crashpoint.OF_WEBHOOKS)
async def test_killed_with_a_message_on_the_way(workspace: books.Workspace, brand: Brand, tmp_path: Path, point: str) -> None:
    owner = await people.member(keys := crypto.keys(tmp_path / "keys"), brand.id, "owner")
    served, _, trusted = receiver.authority(tmp_path)

    async def sent(**environment: str) -> tuple[int | None, bytes]:
        around = {"QUCHENG_VAR": str(tmp_path), "QUCHENG_WEBHOOK_NETWORKS": "127.0.0.0/8", "SSL_CERT_FILE": str(trusted)}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.faults.courier", workspace.app),
            cwd=ROOT,
            env={**os.environ, **around, **environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        return process.returncode, said

    async with receiver.running(served) as there:
        made = await webhook_endpoint.create(
            keys=keys, brand_id=brand.id, url=there.url(host="localhost"), kinds=["order.paid"], allowed=receiver.HERE,
            created_by=owner.user_id, actor=people.actor(owner), now=people.NOW,
        )  # fmt: skip
        async with db.atomic(brand.id):
            await outbox.tell(brand_id=brand.id, kind="order.paid", subject="O-1", data={"orderNo": "O-1"})
        assert await sent(QUCHENG_CRASH_AT=point) == (-signal.SIGKILL, b"")
        assert (await sent())[0] == 0  # as long as the lease lasts it is somebody's
        assert len(there.hits) == 1
        assert await books.seen(brand, "SELECT state, attempt FROM webhook_delivery") == [("sending", 1)]
        await books.seen(brand, "UPDATE webhook_delivery SET lease_until = clock_timestamp() RETURNING 1")
        code, said = await sent()
        assert (code, made.secret.encode() in said) == (0, False)
        assert await books.seen(brand, "SELECT state, attempt FROM webhook_delivery") == [("delivered", 2)]
        assert there.took() == [await webhook_brand.number_of(brand.id, "O-1")] * 2
        for hit in there.hits:
            assert webhook_brand.verified(hit, made.secret)["data"] == {"orderNo": "O-1"}
