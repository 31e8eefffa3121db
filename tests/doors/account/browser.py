"""A browser as far as the pages need one: it keeps cookies, and sends the forms that it was shown."""

from __future__ import annotations

import contextlib
import html
import re
from typing import TYPE_CHECKING, Any

import httpx
import pyotp
from tests.rooms.identity import people

from qucheng import app as wiring
from qucheng.core import crypto, settings
from qucheng.web import site as sites

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import litestar

HOME = "https://shop.example"
TOKEN = re.compile(r'name="_csrf" value="([^"]+)"')
FIELD = re.compile(r'<input[^>]* name="([^"]+)"[^>]* value="([^"]*)"')
CODE = re.compile(r"<code class=\"num\">([A-Z2-7-]+)</code>")


class Browser:
    """page: what it shows now."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.page = ""
        self.language = "en"

    async def get(self, path: str, **headers: str) -> httpx.Response:
        answer = await self.client.get(path, headers={"accept": "text/html", "accept-language": self.language, **headers})
        self.page = answer.text
        return answer

    async def open(self, path: str) -> httpx.Response:
        """Follows where it is led, as a person does not notice."""
        answer = await self.get(path)
        while answer.status_code == 303:
            answer = await self.get(answer.headers["location"])
        return answer

    async def send(self, path: str, **fields: str) -> httpx.Response:
        """The form of the page that it shows."""
        found = TOKEN.search(self.page)
        assert found is not None, self.page
        answer = await self.post(path, {"_csrf": html.unescape(found[1]), **fields})
        if answer.status_code != 303:
            self.page = answer.text
        return answer

    async def post(self, path: str, fields: dict[str, str], **headers: str) -> httpx.Response:
        named = {"accept": "text/html", "accept-language": self.language, "origin": str(self.client.base_url).rstrip("/")}
        merged = {**named, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return await self.client.post(path, data=fields, headers={name: value for name, value in merged.items() if value})

    async def sign_in(self, login: str, password: str = people.PASSWORD, **fields: str) -> httpx.Response:
        await self.get("/sign-in")
        return await self.send("/sign-in", login=login, password=password, **fields)

    def hidden(self, name: str) -> str:
        """What the page's form carries under that name."""
        (value,) = {html.unescape(value) for found, value in FIELD.findall(self.page) if found == name}
        return value

    def codes(self) -> list[str]:
        return CODE.findall(self.page)

    async def enrol(self) -> str:
        """Sets a second factor up; returns its secret."""
        await self.open("/second-factor/new")
        await self.send("/second-factor/new")
        secret = re.sub(r"\s", "", re.findall(r"<code>([A-Z2-7 ]+)</code>", self.page)[0])
        answer = await self.send("/second-factor/confirm", enrolment=self.hidden("enrolment"), code=pyotp.TOTP(secret).now())
        assert answer.status_code == 200, answer.text
        return secret

    def token(self) -> str | None:
        """The session's."""
        return self.client.cookies.get("__Host-session")


class House:
    """One web process, and as many browsers as somebody opens."""

    def __init__(self, app: litestar.Litestar, browsers: contextlib.AsyncExitStack) -> None:
        self.app = app
        self.keys: crypto.Keys = app.state["site"].keys
        self.as_wired = True
        self._browsers = browsers

    def add(self, route: litestar.handlers.BaseRouteHandler) -> None:
        """A route that the product has not; this app serves nobody after."""
        self.as_wired = False
        self.app.register(route)

    async def browser(self, address: str = "198.51.100.7", base: str = HOME, agent: str = "") -> Browser:
        transport = httpx.ASGITransport(self.app, client=(address, 40_000), raise_app_exceptions=False)  # type: ignore[arg-type]
        headers = {"user-agent": agent or "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
        return Browser(
            await self._browsers.enter_async_context(httpx.AsyncClient(transport=transport, base_url=base, headers=headers))
        )


# wired and not in use: wiring one takes longer than most tests do
_apps: list[litestar.Litestar] = []


@contextlib.asynccontextmanager
async def house(var: Path, **environment: Any) -> AsyncIterator[House]:
    """What differs between web processes stands in the app's state: so an app serves one test after the other."""
    loaded = settings.load({"QUCHENG_VAR": str(var), **environment})
    app = _apps.pop() if _apps else wiring.create_app(loaded)
    site = app.state["site"] = sites.Site(loaded)
    try:
        async with contextlib.AsyncExitStack() as browsers:
            made = House(app, browsers)
            yield made
        if made.as_wired:
            _apps.append(app)
    finally:
        await site.close()
