"""Debian's Chromium: where it is, and how it is started for tests."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from playwright import async_api

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
LINE = "apt-get install -y --no-install-recommends chromium fonts-noto-cjk"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
MINUTE = 60_000


def program() -> str:
    """QUCHENG_CHROMIUM, or what the path has. Skips the test where there is none."""
    found = os.environ.get("QUCHENG_CHROMIUM") or next((path for name in PROGRAMS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no Chromium here. On Debian: sudo {LINE}")
    return found


async def started() -> AsyncIterator[async_api.Browser]:
    async with async_api.async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program(), headless=True, args=list(FLAGS), timeout=MINUTE)
        try:
            yield browser
        finally:
            await browser.close()
