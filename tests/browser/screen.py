"""One page on a screen: what a person does there, and everything that a browser complains about."""

from __future__ import annotations

import importlib.resources
import os
import re
import time
from pathlib import Path
from typing import Literal

from playwright import async_api

Language = Literal["zh-CN", "en"]
Theme = Literal["light", "dark"]

AXE = importlib.resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice")
# what is changing its colour has changed it; whether axe is there already
SETTLED = """() => { document.getAnimations().filter(each => each.effect.getComputedTiming().endTime !== Infinity).forEach(each => each.finish());
    return typeof window.axe !== 'undefined' }"""
# of what is in order it makes no report; every sheet of styles is ours, so it fetches none
FINDINGS = """tags => axe.run(document, {runOnly: tags, resultTypes: ['violations'], preload: false}).then(found => found.violations.map(
    each => each.id + ' (' + each.impact + '): ' + each.help + ' at ' + each.nodes.map(node => node.target.join(' ')).slice(0, 4).join(', ')))"""
# what the policy stopped is said in the console too, where every complaint is read
WATCH = """document.addEventListener('securitypolicyviolation', event =>
    console.error('stopped by the policy: ' + event.violatedDirective + ' ' + event.blockedURI))"""
TOO_WIDE = """() => { const width = document.documentElement.clientWidth;
    return document.documentElement.scrollWidth <= width ? [] : [...document.querySelectorAll('body *')]
        .filter(each => each.getBoundingClientRect().right > width + 1).slice(0, 5).map(each => each.outerHTML.slice(0, 120)) }"""
HEIGHT = 900
MINUTE = 60
PAUSE = 400
STATUS_SAID = re.compile(r"the server responded with a status of (\d+)")
TOKEN = re.compile(r"[?#&](token|code)=[^&]+")


class Screen:
    """faults: complaints so far. allowed: statuses that this test provokes; cut: the connection is lost on purpose."""

    def __init__(self, page: async_api.Page, base: str, language: Language) -> None:
        self.page, self.base, self.language = page, base, language
        self.width = 1440
        self.theme: Theme = "light"
        self.faults: list[str] = []
        self.allowed: set[int] = set()
        self.cut = False
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        page.on("requestfailed", self._failed)
        page.on("response", self._answered)

    def _console(self, message: async_api.ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not STATUS_SAID.search(message.text) and not self.cut:
            self.faults.append(f"console {message.type}: {message.text}")

    def _failed(self, request: async_api.Request) -> None:
        # a download ends a navigation, and a page that is left ends what it was still asking for
        if not self.cut and "ERR_ABORTED" not in (request.failure or ""):
            self.faults.append(f"request failed: {request.failure} {self._where(request.url)}")

    def _answered(self, response: async_api.Response) -> None:
        if not response.url.startswith((self.base, "data:")):
            self.faults.append(f"asked elsewhere: {response.url}")
        elif response.status >= 400 and response.status not in self.allowed:
            self.faults.append(f"{response.status}: {self._where(response.url)}")

    def _where(self, url: str) -> str:
        return TOKEN.sub("", url.removeprefix(self.base))

    async def open(self, path: str) -> async_api.Response:
        answer = await self.page.goto(self.base + path, wait_until="load")
        assert answer is not None, path
        return answer

    async def resize(self, width: int, theme: Theme = "light") -> None:
        self.width, self.theme = width, theme
        await self.page.set_viewport_size({"width": width, "height": HEIGHT})
        await self.page.emulate_media(color_scheme=theme)

    def form(self, action: str) -> async_api.Locator:
        """The form of the page that goes to this address."""
        return self.page.locator(f'main form[action="{action}"]').first

    async def fill(self, form: async_api.Locator, fields: dict[str, str]) -> None:
        for name, value in fields.items():
            field = form.locator(f'[name="{name}"]')
            if await field.evaluate("each => each.tagName") == "SELECT":
                await field.select_option(value)
            else:
                await field.fill(value)

    async def send(self, action: str, *, button: str | None = None, **fields: str) -> None:
        """With the form's button, or the one of this value; waits for the page that follows."""
        form = self.form(action)
        await self.fill(form, fields)
        chosen = f'[type="submit"][value="{button}"]' if button else '[type="submit"]'
        async with self.page.expect_navigation(wait_until="load"):
            await form.locator(chosen).first.click()

    async def twice(self, button: async_api.Locator) -> None:
        """A double click: both send the form, and the answer to the second is waited for."""
        await self.page.evaluate("() => { window.clicked = true }")
        await button.dblclick()
        until = time.monotonic() + MINUTE
        while await self._is_the_page_before():
            assert time.monotonic() < until, f"nothing came of the clicks on {self.path}"
            await self.page.wait_for_timeout(PAUSE)

    async def _is_the_page_before(self) -> bool:
        try:
            return bool(await self.page.evaluate("() => window.clicked || document.readyState !== 'complete'"))
        except async_api.Error:  # between two pages
            return True

    async def until(self, path: str, selector: str) -> None:
        """Opens the page again and again, until what is made behind it is there."""
        until = time.monotonic() + MINUTE
        await self.open(path)
        while not await self.page.locator(selector).count():
            assert time.monotonic() < until, f"{path} never shows {selector}: {await self.page.locator('main').inner_text()}"
            await self.page.wait_for_timeout(PAUSE)
            await self.open(path)

    async def download(self, selector: str) -> tuple[str, bytes]:
        """What the link or button brings: its name, and all of it."""
        async with self.page.expect_download() as waiting:
            await self.page.locator(selector).first.click()
        brought = await waiting.value
        return brought.suggested_filename, Path(await brought.path()).read_bytes()

    async def says(self, *texts: str) -> None:
        shown = await self.page.locator("body").inner_text()
        missing = [text for text in texts if text not in shown]
        assert not missing, f"{self.path} does not say {missing}: {shown}"

    @property
    def path(self) -> str:
        return self.page.url.removeprefix(self.base)

    async def seemly(self, name: str | None = None) -> None:
        """No finding of axe, nothing wider than the screen; with a name, a picture of it where pictures are taken."""
        if name:
            await self.shot(name)
        if not await self.page.evaluate(SETTLED):
            await self.page.evaluate(AXE)
        self.faults += [f"{self._as()}: {found}" for found in await self.page.evaluate(FINDINGS, list(TAGS))]
        await self.fits()

    async def fits(self) -> None:
        self.faults += [f"{self._as()} is too wide: {each}" for each in await self.page.evaluate(TOO_WIDE)]

    def _as(self) -> str:
        return f"{self._where(self.page.url)} {self.language} {self.width} {self.theme}"

    async def shot(self, name: str) -> None:
        """Into the folder that QUCHENG_SCREENS names, var/screens where it is not set; where it is empty, nowhere."""
        named = os.environ.get("QUCHENG_SCREENS", str(Path(__file__).parents[2] / "var" / "screens"))
        if not named:
            return
        folder = Path(named)
        folder.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(
            path=folder / f"{name}-{self.language}-{self.width}-{self.theme}.png", full_page=True, animations="disabled"
        )

    def clean(self) -> None:
        """Raises what the browser complained about."""
        assert not self.faults, "\n".join(dict.fromkeys(self.faults))


async def watched(context: async_api.BrowserContext, base: str, language: Language) -> Screen:
    await context.add_init_script(WATCH)
    return Screen(await context.new_page(), base, language)
