"""Accountants with their authenticators, and a brand whose March can be computed."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyotp
from tests import books
from tests.doors.finance import keepers
from tests.rooms.identity import people

from qucheng.core import crypto

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg
    import httpx
    from tests.doors.account import browser

    from qucheng.core.task import Task
    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

APPROVAL = re.compile(r"/approvals/[0-9a-f-]{36}")


@dataclass
class Keeper:
    """Somebody signed in, with the secret of their second factor."""

    browser: browser.Browser
    who: permissions.Principal
    secret: str
    owner: asyncpg.Connection

    async def code(self) -> str:
        """One that was not used; in a test there is no time to wait for the next."""
        await self.owner.execute("UPDATE second_factor SET last_step = 0 WHERE user_id = $1", self.who.user_id)
        return pyotp.TOTP(self.secret).now()

    async def shows(self, path: str) -> str:
        """The text of a page that is there."""
        answer = await self.browser.open(path)
        assert answer.status_code == 200, answer.text[-2000:]
        return self.browser.page

    async def send(self, path: str, **fields: str) -> httpx.Response:
        return await self.browser.send(path, **fields)


async def stored(folder: Path) -> Brand:
    code = f"m{uuid.uuid4().hex[:12]}"
    brand = await books.found(books.example(folder / code, code=code))
    await books.take_in(brand, folder / code)
    return brand


async def keeper(
    house: browser.House, owner: asyncpg.Connection, brand_id: uuid.UUID, role: permissions.Role = "accountant"
) -> Keeper:
    login = f"{crypto.token()[:12].lower().strip('-_')}@example.com"
    who = await people.member(house.keys, brand_id, role, login=login)
    opened = await house.browser()
    await opened.sign_in(login)
    return Keeper(opened, who, await opened.enrol(), owner)


async def work_off(house: browser.House, brand: Brand) -> list[Task]:
    """Does what waits, and what that brings, until nothing waits."""
    done: list[Task] = []
    while ended := await keepers.work_off(house, brand):
        done += ended
    return done


async def computed(house: browser.House, brand: Brand, at: Keeper) -> str:
    """Through the pages; the code of the run."""
    await at.shows("/runs")
    assert (await at.send("/runs/compute", month="2026-03")).status_code == 303
    assert [each.state for each in await keepers.work_off(house, brand)] == ["done"]
    return f"{brand.code}-202603-1"


async def asked(house: browser.House, brand: Brand, at: Keeper) -> tuple[str, str]:
    """Computed, checked and asked for: the run's code and the address of the request."""
    code = await computed(house, brand, at)
    await at.shows(f"/runs/{code}")
    await at.send(f"/runs/{code}/check")
    await at.shows(f"/runs/{code}/request")
    answer = await at.send(f"/runs/{code}/request", code=await at.code())
    assert (answer.status_code, answer.headers["location"]) == (303, f"/runs/{code}?done=asked")
    found = APPROVAL.search(await at.shows(f"/runs/{code}"))
    assert found is not None
    return code, found[0]
