"""Chromium, the platform and the product's processes: once for each process of the tests."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib import parse

import pytest
from tests import books, serving
from tests.browser import chromium, scene, screen
from tests.rooms.identity import people

from qucheng.core import audit, crypto, database, db

if TYPE_CHECKING:
    from collections import abc
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright import async_api

    from qucheng.identity import permissions


@dataclass
class Stage:
    """The platform and its web process. Brands are made in it with `brand`; `opened` is what somebody sees."""

    base: str
    owner_url: str
    app_url: str
    folder: Path
    keys: crypto.Keys
    browser: async_api.Browser
    codes: scene.Codes = field(default_factory=scene.Codes)
    main: scene.Cast | None = None
    other: scene.Cast | None = None
    operator: scene.Account | None = None
    states: dict[str, async_api.StorageState] = field(default_factory=dict)

    async def brand(self, code: str, name: str, **how: int) -> scene.Cast:
        async with books.connected(self.owner_url) as owner, db.connected(self.app_url):
            return await scene.staged(self.folder / code, owner, self.keys, code=code, name=name, **how)

    @contextlib.asynccontextmanager
    async def opened(
        self,
        account: scene.Account | None = None,
        language: screen.Language = "en",
        width: int = 1440,
        theme: screen.Theme = "light",
    ) -> AsyncIterator[screen.Screen]:
        """Signed in, if anybody is. What the browser complained about fails the test at the end."""
        context = await self.browser.new_context(
            locale="zh-CN" if language == "zh-CN" else "en-GB",
            timezone_id="Asia/Shanghai",
            storage_state=await self._state(account) if account else None,
            accept_downloads=True,
        )
        context.set_default_timeout(chromium.MINUTE)
        try:
            shown = await screen.watched(context, self.base, language)
            await shown.resize(width, theme)
            yield shown
            shown.clean()
        finally:
            await context.close()

    async def _state(self, account: scene.Account) -> async_api.StorageState:
        """Of a browser in which the account has signed in, through the pages."""
        if account.login not in self.states:
            context = await self.browser.new_context(locale="en-GB")
            try:
                await self.sign_in(screen.Screen(await context.new_page(), self.base, "en"), account)
                self.states[account.login] = await context.storage_state()
            finally:
                await context.close()
        return self.states[account.login]

    async def sign_in(self, shown: screen.Screen, account: scene.Account) -> None:
        await shown.open("/sign-in")
        await shown.send("/sign-in", login=account.login, password=people.PASSWORD)
        if account.secret is not None:
            await shown.send("/second-factor", code=await self.codes.code(account.secret))
        assert not shown.path.startswith(("/sign-in", "/second-factor")), shown.path


@pytest.fixture(scope="session")
async def chrome() -> AsyncIterator[async_api.Browser]:
    async for browser in chromium.started():
        yield browser


@pytest.fixture(scope="session")
async def stage(
    chrome: async_api.Browser, books_home: tuple[str, str], valkey_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("browser")
    owner, app = books_home
    async with database.workspace(owner, app) as app_url:
        owner_url = database.with_database(owner, database.database_name(app_url))
        addresses = {
            "DATABASE_URL": owner_url,
            "APP_DATABASE_URL": app_url,
            "REDIS_URL": parse.urlsplit(valkey_url)._replace(path=f"/{_number()}").geturl(),
        }
        keys = crypto.keys(folder / "var" / "keys")
        with serving.web(folder / "var", **addresses) as web, _worker(folder / "var", addresses):
            made = Stage(f"http://127.0.0.1:{web.port}", owner_url, app_url, folder, keys, chrome)
            made.main = await made.brand("shanlan", "山岚权益")
            made.other = await made.brand("haitang", "海棠会员", months=1)
            async with books.connected(owner_url) as connection, db.connected(app_url):
                made.operator = await scene.account(connection, keys, audit.PLATFORM, "platform", "operator")
            yield made


def _number() -> int:
    """Of a database of Valkey that no other process of the tests counts in."""
    return 1 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 14


@contextlib.contextmanager
def _worker(var: Path, addresses: dict[str, str]) -> abc.Iterator[None]:
    with (var / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "qucheng.cli", "worker"],
            env={**serving.environment(var), **addresses},
            stdout=log,
            stderr=log,
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def accounts(stage: Stage) -> dict[permissions.Role, scene.Account]:
    """One of every role, on the platform or in the main brand."""
    assert stage.main is not None
    assert stage.operator is not None
    return {"operator": stage.operator, **{role: stage.main.account(role) for role in (*scene.STAFF, "admin", "seller")}}
