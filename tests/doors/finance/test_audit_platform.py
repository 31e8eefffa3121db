"""The trail of the platform: for its operators, who see no brand's."""

from __future__ import annotations

import csv
import io
import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.doors.finance import keepers
from tests.doors.finance.test_audit_log import actions, recorded

from qucheng.core import audit

if TYPE_CHECKING:
    from pathlib import Path

    from tests.doors.account import browser

pytestmark = pytest.mark.anyio


async def test_operators_read_the_platforms_trail_and_no_brands(
    house: browser.House, workspace: books.Workspace, tmp_path: Path
) -> None:
    assert workspace
    brand = await books.found(books.write(tmp_path / "bundle", code=f"b-{uuid.uuid4().hex[:12]}"))
    await recorded(audit.PLATFORM, audit.SYSTEM, "test.platform", "p")
    await recorded(brand.id, audit.SYSTEM, "test.brand", "b")
    operator = await keepers.signed_in(house, audit.PLATFORM, "operator")
    assert (await operator.get("/platform/audit?action=test.platform")).status_code == 200
    assert actions(operator.page) == ["test.platform"]
    await operator.get("/platform/audit?action=test.brand")
    assert actions(operator.page) == []
    assert (await operator.get("/audit")).status_code == 404
    await operator.get("/platform/audit")
    made = await operator.send("/platform/audit/export", form="csv", action="test.platform")
    assert [row["action"] for row in csv.DictReader(io.StringIO(made.content.decode("utf-8-sig")))] == ["test.platform"]
