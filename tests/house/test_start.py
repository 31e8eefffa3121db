"""A worker starts without what it has no use for: the pages, the engine of documents, what writes migrations."""

from __future__ import annotations

import subprocess
import sys

USELESS = ("black", "litestar", "qucheng.web.console", "qucheng.web.finance", "weasyprint")


def loaded(module: str) -> list[str]:
    code = f"import sys, {module}; print(*(each for each in {USELESS} if each in sys.modules))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.split()


def test_a_worker_loads_no_pages() -> None:
    assert loaded("qucheng.cli.tasks") == []


def test_the_web_loads_them() -> None:
    assert loaded("qucheng.cli.services") == ["litestar", "qucheng.web.console", "qucheng.web.finance"]
