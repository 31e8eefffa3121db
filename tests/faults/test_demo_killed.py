"""The opening of the demonstration killed half way, again and again: the next start completes it, and nothing is there twice."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from tests import serving
from tests.doors.cli import demo_state

from qucheng.bundle import demo_file, demo_platform
from qucheng.cli import opening
from qucheng.core import settings

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

AT = "http://127.0.0.1:8000"
OPEN = f"from qucheng.cli import opening; opening.open_platform({AT!r})"
# when it is killed: in the middle of what comes next
STAGES = (
    "SELECT count(*) >= 1 FROM brand",
    "SELECT count(*) >= 7 FROM person",
    "SELECT count(*) >= 1 FROM api_key",
    "SELECT count(*) >= 1 FROM application",
    "SELECT count(*) >= 3 FROM settlement_run WHERE state = 'issued'",
)


def kill_when(url: str, stage: str) -> dict[str, Any]:
    """What is there afterwards."""
    with subprocess.Popen([sys.executable, "-c", OPEN], env={**os.environ}, stdout=subprocess.DEVNULL) as process:
        until = time.monotonic() + 3 * serving.LONG
        there = "SELECT to_regclass('public.api_key') IS NOT NULL"
        while not (serving.ask(url, there) and serving.ask(url, stage)):
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)
        process.kill()
    return demo_state.figures(url)


def test_a_start_that_is_killed_is_completed_by_the_next(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with demo_state.platform(postgres_url, tmp_path / "var") as url:
        left = [kill_when(url, stage) for stage in STAGES]
        assert [figures["mark"] for figures in left] == [0] * len(STAGES)
        assert [figures["runs"] == demo_state.WHOLE["runs"] for figures in left] == [False] * len(STAGES)

        async def always() -> bool:
            return True

        # the control: a start that takes what it finds for the whole leaves it as it is
        with monkeypatch.context() as patch:
            patch.setattr(demo_platform, "is_finished", always)
            opening.open_platform(AT)
        assert demo_state.figures(url) == left[-1]
        opening.open_platform(AT)
        # an hour that went by between two starts may have brought a delivery of its own
        assert {**demo_state.figures(url), "intakes": demo_state.WHOLE["intakes"]} == demo_state.WHOLE
        assert demo_state.unusable(url, demo_file.read(settings.load())) == []
