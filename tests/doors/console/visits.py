"""People with a role who are signed in, with their second factor; and what a page shows of a list."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

import msgspec
from tests.rooms.identity import people

from qucheng.core import audit

if TYPE_CHECKING:
    import asyncpg
    from tests.doors.account import browser

    from qucheng.identity import permissions


def a_login() -> str:
    return f"u-{uuid.uuid4().hex[:12]}@example.com"


async def entered(
    house: browser.House,
    brand_id: uuid.UUID,
    role: permissions.Role,
    *,
    reseller: str | None = None,
    login: str | None = None,
) -> tuple[browser.Browser, permissions.Principal]:
    """A browser in which a new person with the role is at work. From a network of its own: limits are not what is tested."""
    login = login or a_login()
    who = await people.member(house.keys, brand_id, role, reseller=reseller, login=login)
    visitor = await house.browser(f"203.{uuid.uuid4().int % 200}.{uuid.uuid4().int % 200}.1")
    assert (await visitor.sign_in(login)).status_code == 303
    if role in ("operator", "owner", "manager", "accountant"):
        await visitor.enrol()
    return visitor, who


async def operator(house: browser.House) -> tuple[browser.Browser, permissions.Principal]:
    return await entered(house, audit.PLATFORM, "operator")


def plain(page: str) -> str:
    """The words of its main part."""
    main = page.partition("<main")[2].partition("</main>")[0].partition(">")[2]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", main)).strip()


async def letters(house: browser.House, owner: asyncpg.Connection, to: str) -> list[dict[str, str]]:
    """What the letters to that address hold, those that go out and those that wait for somebody's word."""
    rows = await owner.fetch("SELECT id, to_cipher, values_cipher FROM letter WHERE to_cipher IS NOT NULL ORDER BY id")
    return [
        msgspec.json.decode(house.keys.open(row["values_cipher"], place=f"letter.values/{row['id']}"))
        for row in rows
        if house.keys.open(row["to_cipher"], place=f"letter.to/{row['id']}").decode() == to
    ]
