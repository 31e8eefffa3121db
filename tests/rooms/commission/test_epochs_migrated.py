"""Books of the first release learn which rules their deliveries knew: all that were there, as they were accrued by."""

from __future__ import annotations

import datetime as dt
import secrets
import uuid

import pytest
from piccolo.apps.migrations.commands import forwards
from tests import books

from qucheng.core import database, db

pytestmark = pytest.mark.anyio

FIRST_RELEASE = "2026-11-22T01:00:00:000000"
EARLY, LATE = (dt.datetime(2026, month, 1, tzinfo=dt.UTC) for month in (4, 5))
# deliveries 1 and 2 were accrued together, 3 later, 4 waits
ACCRUED = {1: EARLY, 2: EARLY, 3: LATE, 4: None}


async def test_deliveries_that_were_accrued_together_know_the_same_rules(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, brand_id = f"release_{secrets.token_hex(6)}", uuid.uuid4()
    url = database.with_database(postgres_url, name)
    monkeypatch.setenv("PICCOLO_CONF", "qucheng.piccolo_conf")
    async with books.connected(postgres_url) as server:
        await server.execute(f"CREATE DATABASE {name}")
        try:
            async with db.connected(url, as_owner=True):
                assert (await forwards.run_forwards(app_name="qucheng", migration_id=FIRST_RELEASE)).success
            async with books.connected(url) as owner:
                await owner.execute(
                    "INSERT INTO brand VALUES ($1, 'old', 'old', 'CNY', 2, 'Asia/Shanghai', 'zh-CN', 'cn-strict', NULL, NULL, 2, 1, 300000, 7, 0, 'none')",
                    brand_id,
                )
                for number, accrued_at in ACCRUED.items():
                    await owner.execute("INSERT INTO intake VALUES ($1, $2, $3, $4)", brand_id, number, EARLY, accrued_at)
                await owner.execute(
                    "INSERT INTO rule (brand_id, code, kind, level, basis, rate_ppm, rate_text, priority) VALUES ($1, 'OWN', 'percent', 1, 'net', 100000, '0.1', 0)",
                    brand_id,
                )
                await owner.execute(
                    "INSERT INTO period (brand_id, starts_on, starts_at, ends_at, settled_at) VALUES ($1, '2026-03-01', '2026-03-01', '2026-04-01', $2)",
                    brand_id,
                    EARLY + dt.timedelta(days=2),
                )
            await database.migrate(url)
            async with books.connected(url) as owner:
                assert [tuple(row) for row in await owner.fetch("SELECT number, accrued_through FROM intake ORDER BY 1")] == [
                    (1, 2),
                    (2, 2),
                    (3, 3),
                    (4, None),
                ]
                assert [tuple(row) for row in await owner.fetch("SELECT code, intake FROM rule")] == [("OWN", 1)]
                # the statements of a month know what had been accrued when it was settled
                assert await owner.fetchval("SELECT intake FROM period") == 2
        finally:
            await database.drop(server, name)
