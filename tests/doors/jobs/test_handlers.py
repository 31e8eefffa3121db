"""Every kind of task that is scheduled or asked for has a handler, and the upkeep does its work."""

from __future__ import annotations

import email
import email.policy
from typing import TYPE_CHECKING

import pytest

from qucheng import worker
from qucheng.bundle import upload
from qucheng.catalog import price_export, sku_export
from qucheng.commission import plan_publish
from qucheng.core import audit, audit_heads, clock, crypto, db, ids, letter, settings, task
from qucheng.identity import trail
from qucheng.insight import analytics_export, evidence
from qucheng.jobs import handlers, runner
from qucheng.ledger import export
from qucheng.network import queries as network_queries
from qucheng.orders import intake
from qucheng.redemption import redemption_export
from qucheng.settlement import advance, document_store, plan_simulation, statement_export
from qucheng.stock import batch, batch_import, generate, key_rotation, text_message

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

ACTOR = audit.SYSTEM


async def performed(kind: str, current: settings.Settings, **subject: object) -> task.Task:
    async with db.atomic():
        task_id = await task.add(kind=kind, queue="rest", subject=subject)
    with handlers.Tools(current) as tools:
        assert await runner.perform(task_id, worker=ids.new_id(), tools=tools)
    return await task.read(task_id)


async def test_what_is_asked_for_has_a_handler() -> None:
    asked = {each.kind for each in worker.TIMETABLE} | {advance.SETTLE, advance.ISSUE, document_store.RENDER, letter.SEND}
    asked |= {upload.TAKE_IN, export.JOURNAL, export.TRIAL_BALANCE, trail.EXPORT, statement_export.LIST, statement_export.ARCHIVE}
    asked |= {
        analytics_export.KIND,
        redemption_export.KIND,
        evidence.PACK,
        sku_export.KIND,
        price_export.KIND,
        network_queries.LIST,
    }
    asked |= {plan_simulation.KIND, plan_publish.CERTIFICATE}
    asked |= {intake.ACCRUE, generate.KIND, batch_import.KIND, batch.RELEASE, key_rotation.REWRAP, text_message.SEND}
    assert asked == set(handlers.HANDLERS)


async def test_the_trail_is_sealed_and_its_head_kept(tmp_path: Path) -> None:
    current = settings.load({"QUCHENG_VAR": str(tmp_path)})
    async with db.atomic(audit.PLATFORM):
        await audit.record(brand_id=audit.PLATFORM, actor=ACTOR, action="brand.create", subject="lanxi")
    assert (await performed("audit.seal", current)).state == "done"
    assert [head.number for head in audit_heads.kept(tmp_path / "audit")] == [1]


async def test_the_night_removes_what_is_over(tmp_path: Path, owner: asyncpg.Connection) -> None:
    current = settings.load({"QUCHENG_VAR": str(tmp_path)})
    old = await performed("nightly.prune", current)
    await owner.execute("UPDATE task SET ended_at = ended_at - interval '31 days' WHERE id = $1", old.id)
    assert (await performed("nightly.prune", current)).state == "done"
    with pytest.raises(task.TaskUnknownError):
        await task.read(old.id)


async def test_a_letter_goes_into_the_folder_where_no_server_is_named(tmp_path: Path) -> None:
    current = settings.load({"QUCHENG_VAR": str(tmp_path), "QUCHENG_PUBLIC_URL": "https://shop.example"})
    keys = crypto.keys(current.var / "keys")
    async with db.atomic():
        await letter.write(
            keys=keys, kind="password-reset", to="wang@shop.example", locale="en", values={"token": "T-1"}, now=clock.now()
        )
    (waiting,) = await task.listing(kind=letter.SEND, states=("waiting",))
    with handlers.Tools(current) as tools:
        await runner.perform(waiting.id, worker=ids.new_id(), tools=tools)
    assert (await task.read(waiting.id)).state == "done"
    (file,) = (current.var / "outbox").iterdir()
    sent = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert (sent["To"], sent["From"]) == ("wang@shop.example", "Qucheng <qucheng@localhost>")
    assert "https://shop.example/" in sent.get_content()
    assert file.stat().st_mode & 0o077 == 0
