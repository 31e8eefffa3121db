"""Every page of every role, as its navigation and the links on it lead there: nothing a browser or axe complains about, at any width."""

from __future__ import annotations

import html
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.doors.matrix import table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.browser import scene, screen
    from tests.browser.conftest import Stage

    from qucheng.identity import permissions

pytestmark = pytest.mark.anyio

# everybody's own pages are looked at with one role of each kind
WITH_ACCOUNT: frozenset[permissions.Role] = frozenset({"accountant", "seller"})
ACCOUNT = ("/account", "/roles", "/second-factor")
ROLES: tuple[permissions.Role, ...] = ("accountant", "owner", "manager", "auditor", "support", "admin", "seller", "operator")
LANGUAGES: tuple[screen.Language, ...] = ("zh-CN", "en")
# those who have pages that nobody else has; the others see the same pages, with more or less on them
BOTH_WIDTHS: frozenset[permissions.Role] = frozenset({"accountant", "admin", "operator"})
LOOKS: dict[screen.Language, list[tuple[int, screen.Theme]]] = {
    "zh-CN": [(1440, "light"), (390, "dark")],
    "en": [(390, "light"), (1440, "dark")],
}
LINKS = re.compile(r'<a\b[^>]*\bhref="(/[^"]*)"')
MOST = 120
PAGES = [route.path for route in table.routes() if route.audience == "pages" and route.method == "GET"]
# the first that fits is the one: addresses without a parameter come first
TEMPLATES = [
    (path, re.compile(re.sub(r"\{\w+\}", "[^/]+", path))) for path in sorted(PAGES, key=lambda path: ("{" in path, path))
]


def template(address: str) -> str | None:
    """The page of which this is one."""
    path = address.partition("?")[0]
    return next((name for name, pattern in TEMPLATES if pattern.fullmatch(path)), None)


def is_first(language: screen.Language, kind: str) -> bool:
    """Whether no other test of this run, in whatever process, has looked at the page in that language."""
    folder = Path(os.environ["QUCHENG_TEST_FOLDER"]) / "looked" / language
    folder.mkdir(parents=True, exist_ok=True)
    try:
        (folder / kind.replace("/", "-")).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


async def pages_of(shown: screen.Screen, wanted: Callable[[str], bool]) -> AsyncIterator[str]:
    """Opens them from the first page on, along the links: of each kind of page the first that is met. Files are left out.

    All of them are asked for; those that are not wanted are not opened.
    """
    met: set[str] = set()
    waiting = [("/", "/")]
    while waiting and len(met) < MOST:
        origin, address = waiting.pop(0)
        kind = template(address)
        if kind is None or kind in met:
            continue
        met.add(kind)
        answer = await shown.page.context.request.get(shown.base + address)
        if answer.status != 200:
            shown.faults.append(f"{origin} leads to {address}, which answers {answer.status}")
        elif answer.headers.get("content-type", "").startswith("text/html"):
            waiting += [(address, html.unescape(link)) for link in dict.fromkeys(LINKS.findall(await answer.text()))]
            if wanted(kind):
                await shown.open(address)
                yield kind


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("role", ROLES)
async def test_every_page_of_a_role_is_seemly(
    stage: Stage,
    accounts: dict[permissions.Role, scene.Account],
    role: permissions.Role,
    language: screen.Language,
    request: pytest.FixtureRequest,
) -> None:
    """Without --all, a page that was looked at as another role of the same place is asked for only."""
    every = request.config.getoption("--all")
    looks = LOOKS[language] if role in BOTH_WIDTHS or not every else LOOKS[language][1:]

    def wanted(kind: str) -> bool:
        return (role in WITH_ACCOUNT or not kind.startswith(ACCOUNT)) and (every or is_first(language, kind))

    async with stage.opened(accounts[role], language) as shown:
        async for kind in pages_of(shown, wanted):
            for width, theme in looks:
                await shown.resize(width, theme)
                await shown.seemly(f"{role}{kind.replace('/', '-').replace('{', '').replace('}', '')}".rstrip("-"))
            if len(looks) > 1:
                await shown.resize(320)
                await shown.fits()
