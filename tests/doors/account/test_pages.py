"""What every page has: headers, both languages, a problem page for what goes wrong, assets under their own bytes."""

from __future__ import annotations

import hashlib
import re
import tomllib
from typing import TYPE_CHECKING, Any

import litestar
import pytest
from litestar import Request, get
from tests.rooms.identity import people

from qucheng.core import audit, clock, crypto, db
from qucheng.identity import user as users
from qucheng.web import account, assets, guards, pages, texts

if TYPE_CHECKING:
    import httpx
    from tests.doors.account import browser

pytestmark = pytest.mark.anyio

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self';"
    " base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
)
BARE = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
ALWAYS = {
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
OPEN = ("/sign-in", "/password/forgotten", "/password", "/invitation")
OWN = ("/", "/account", "/account/password", "/account/sessions", "/roles")


@get("/broken", opt=guards.page(guards.ANYBODY))
async def broken(request: Request[Any, Any, Any]) -> None:
    raise RuntimeError(str(request.url))


@get("/strict", opt=guards.page("tasks.read"))
async def for_operators() -> None:
    """Nobody else gets here."""


def held(answer: httpx.Response) -> None:
    """The headers of a page."""
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert {name: answer.headers[name] for name in ALWAYS} == ALWAYS
    assert answer.headers["x-request-id"]


async def signed_in(house: browser.House, guest: browser.Browser) -> None:
    login = f"{crypto.token()[:12].lower().strip('-_')}@example.com"
    await people.person(house.keys, login)
    assert (await guest.sign_in(login)).status_code == 303


async def test_every_page_is_held_in_both_languages(house: browser.House, guest: browser.Browser) -> None:
    found = {}
    for path in OPEN:
        for guest.language in ("en", "zh"):
            answer = await guest.get(path)
            held(answer)
            found[path, guest.language] = answer.text.partition("<h1>")[2].partition("</h1>")[0]
    await signed_in(house, guest)
    for path in OWN:
        for guest.language in ("en", "zh"):
            answer = await guest.get(path)
            held(answer)
            found[path, guest.language] = answer.text.partition('<h1 class="page-title">')[2].partition("</h1>")[0]
    assert found == {
        ("/sign-in", "en"): "Sign in", ("/sign-in", "zh"): "登录",
        ("/password/forgotten", "en"): "Forgotten password", ("/password/forgotten", "zh"): "忘记密码",
        ("/password", "en"): "Set a new password", ("/password", "zh"): "设置新密码",
        ("/invitation", "en"): "Invitation", ("/invitation", "zh"): "邀请",
        ("/", "en"): "某人", ("/", "zh"): "某人",
        ("/account", "en"): "Profile", ("/account", "zh"): "个人资料",
        ("/account/password", "en"): "Change password", ("/account/password", "zh"): "修改密码",
        ("/account/sessions", "en"): "Devices", ("/account/sessions", "zh"): "登录设备",
        ("/roles", "en"): "Roles", ("/roles", "zh"): "角色",
    }  # fmt: skip


async def test_a_language_that_was_chosen_stays(guest: browser.Browser) -> None:
    await guest.get("/sign-in?next=%2Faccount")
    assert '<html lang="en">' in guest.page
    assert 'href="?next=%2Faccount&amp;lang=zh-CN" hreflang="zh-CN"' in guest.page
    answer = await guest.get("/sign-in?lang=zh-CN")
    (given,) = [value for value in answer.headers.get_list("set-cookie") if "language" in value]
    assert given == "__Host-language=zh-CN; HttpOnly; Max-Age=31536000; Path=/; SameSite=lax; Secure"
    for path in ("/sign-in", "/sign-in?lang=fr", "/nowhere"):
        await guest.get(path)
        assert '<html lang="zh-CN">' in guest.page, path


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "zh-CN"), ("fr", "zh-CN"), ("en", "en"), ("en-GB,zh;q=0.9", "en"), ("zh-TW,en;q=0.9", "zh-CN"), ("fr,en;q=0.5,zh;q=0.7", "zh-CN"),
        ("en;q=x,zh;q=0.1", "zh-CN"), ("en;q=0", "zh-CN"), (";,;q=,en", "en"),
    ],
)  # fmt: skip
def test_the_language_that_a_browser_prefers(header: str, language: str) -> None:
    assert texts.accepted(header) == language


async def test_what_goes_wrong_is_a_page_in_both_languages(house: browser.House, guest: browser.Browser) -> None:
    house.add(broken)
    house.add(for_operators)
    await signed_in(house, guest)
    found = []
    for guest.language in ("en", "zh"):
        for path in ("/nowhere", "/strict", "/sign-out", "/broken"):
            answer = await guest.get(path)
            held(answer)
            found.append((path, answer.status_code, answer.text.partition("<h1>")[2].partition("</h1>")[0]))
        await guest.get("/")
        answer = await guest.send("/account/password", old="x" * 70_000)
        held(answer)
        found.append(("too large", answer.status_code, answer.text.partition("<h1>")[2].partition("</h1>")[0]))
    assert found == [
        ("/nowhere", 404, "Nothing here"), ("/strict", 404, "Nothing here"), ("/sign-out", 405, "Nothing here"),
        ("/broken", 500, "Something broke on our side"), ("too large", 413, "Too large"),
        ("/nowhere", 404, "没有这个页面"), ("/strict", 404, "没有这个页面"), ("/sign-out", 405, "没有这个页面"),
        ("/broken", 500, "我们这边出错了"), ("too large", 413, "内容过大"),
    ]  # fmt: skip


async def test_machines_get_a_problem_and_none_of_the_pages_rights(guest: browser.Browser) -> None:
    answer = await guest.client.get("/nowhere", headers={"accept": "application/json"})
    assert (answer.status_code, answer.headers["content-type"], answer.json()["code"]) == (
        404, "application/problem+json", "http.not_found",
    )  # fmt: skip
    assert answer.headers["content-security-policy"] == BARE
    assert (await guest.client.get("/healthz")).headers["content-security-policy"] == BARE
    led = await guest.get("/")
    assert (led.headers["content-security-policy"], led.content) == (BARE, b"")


async def test_an_asset_is_kept_for_ever_under_its_own_bytes(guest: browser.Browser) -> None:
    await guest.get("/sign-in")
    named = sorted(set(re.findall(r'(?:src|href)="(/static/[^"]+)"', guest.page)))
    assert [path.rpartition("/")[2] for path in named] == [
        "app-narrow.css", "app-parts.css", "app.css", "app.js", "favicon.svg", "theme.js", "tokens.css",
    ]  # fmt: skip
    for path in named:
        answer = await guest.client.get(path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.content == assets.FOLDER.joinpath(path.split("/", 3)[3]).read_bytes()
        assert answer.headers["x-content-type-options"] == "nosniff"
    font = await guest.client.get(assets.address("fonts/inter-var-latin.woff2"))
    assert (font.status_code, font.headers["content-type"]) == (200, "font/woff2")
    for path in (
        named[0].replace(assets.digest(), "0" * 16), "/static/x/app.css", assets.address("app.css") + "x",
        f"/static/{assets.digest()}/../pages.py", f"/static/{assets.digest()}/vendor.lock", f"/static/{assets.digest()}/icons/x.svg",
    ):  # fmt: skip
        assert (await guest.client.get(path)).status_code == 404, path


def test_what_was_taken_from_others_is_what_the_lock_says() -> None:
    wanted = tomllib.loads(assets.FOLDER.joinpath("vendor.toml").read_text(encoding="utf-8"))
    locked = tomllib.loads(assets.FOLDER.joinpath("vendor.lock").read_text(encoding="utf-8"))
    assert {name: each["version"] for name, each in wanted.items()} == {name: each["version"] for name, each in locked.items()}
    for name, each in wanted.items():
        assert set(each["files"].values()) == set(locked[name]["files"])
        for path, lock in locked[name]["files"].items():
            content = assets.FOLDER.joinpath(path).read_bytes()
            assert (len(content), hashlib.sha384(content).hexdigest()) == (lock["bytes"], lock["sha384"])


@pytest.mark.parametrize("opt", [{}, {"permission": "anybody"}, guards.page("of.nobody"), guards.page("")])
async def test_a_route_that_does_not_say_who_may_come_in_is_not_served(
    guest: browser.Browser, opt: dict[str, str], house: browser.House
) -> None:
    @get("/unnamed", opt=opt)
    async def unnamed() -> str:
        return "open"

    with pytest.raises(guards.UnnamedRouteError, match="/unnamed"):
        guards.require_named(litestar.Litestar(route_handlers=[unnamed], logging_config=None))
    house.add(unnamed)
    answer = await guest.get("/unnamed")
    assert (answer.status_code, "open" in answer.text) == (500, False)


def test_who_may_come_in_where() -> None:
    assert {
        (max(each.http_methods), path): (each.opt["permission"], each.opt["audience"])
        for each in account.ROUTES
        for path in each.paths
    } == {
        ("GET", "/"): ("account.read", "pages"),
        ("GET", "/account"): ("account.read", "pages"),
        ("GET", "/account/sessions"): ("sessions.read", "pages"),
        ("POST", "/account/sessions/{session_id:uuid}/end"): ("sessions.end", "pages"),
        ("POST", "/account/sessions/end-others"): ("sessions.end", "pages"),
        ("GET", "/account/password"): ("account.change", "pages"),
        ("POST", "/account/password"): ("account.change", "pages"),
        ("POST", "/account/recovery-codes"): ("account.change", "pages"),
        ("POST", "/account/language"): ("account.change", "pages"),
        ("GET", "/account/second-factor"): ("account.change", "pages"),
        ("POST", "/account/second-factor"): ("account.change", "pages"),
        ("POST", "/account/second-factor/confirm"): ("account.change", "pages"),
        ("GET", "/sign-in"): ("anybody", "pages"),
        ("POST", "/sign-in"): ("anybody", "pages"),
        ("POST", "/sign-out"): ("signed-in", "pages"),
        ("GET", "/second-factor"): ("second_factor.confirm", "pages"),
        ("POST", "/second-factor"): ("second_factor.confirm", "pages"),
        ("GET", "/second-factor/new"): ("second_factor.enrol", "pages"),
        ("POST", "/second-factor/new"): ("second_factor.enrol", "pages"),
        ("POST", "/second-factor/confirm"): ("second_factor.enrol", "pages"),
        ("GET", "/roles"): ("memberships.choose", "pages"),
        ("POST", "/roles"): ("memberships.choose", "pages"),
        ("GET", "/notifications"): ("notifications.read", "pages"),
        ("GET", "/notifications/settings"): ("notifications.read", "pages"),
        ("POST", "/notifications/settings"): ("notifications.change", "pages"),
        ("POST", "/notifications/read"): ("notifications.change", "pages"),
        ("POST", "/notifications/{notification_id:uuid}/open"): ("notifications.change", "pages"),
        ("POST", "/notifications/{notification_id:uuid}/read"): ("notifications.change", "pages"),
        ("GET", "/password/forgotten"): ("anybody", "pages"),
        ("POST", "/password/forgotten"): ("anybody", "pages"),
        ("GET", "/password"): ("anybody", "pages"),
        ("POST", "/password"): ("anybody", "pages"),
        ("GET", "/invitation"): ("anybody", "pages"),
        ("POST", "/invitation"): ("anybody", "pages"),
        ("POST", "/invitation/accept"): ("anybody", "pages"),
    }


def test_an_amount_has_a_real_minus_and_its_colour() -> None:
    assert str(pages.amount(-123450, 2)) == '<span class="num neg">\u22121,234.50</span>'
    assert str(pages.amount(0, 2)) == '<span class="num">0.00</span>'


async def test_what_a_person_is_called_is_text(house: browser.House, guest: browser.Browser) -> None:
    async with db.atomic(audit.PLATFORM):
        await users.insert(
            keys=house.keys,
            login="mallory",
            name="<script>x</script>",
            locale="en",
            password_hash=people.quick_hash(),
            now=clock.now(),
        )
    await guest.sign_in("mallory")
    await guest.get("/")
    assert "<script>x" not in guest.page
    assert '<h1 class="page-title">&lt;script&gt;x&lt;/script&gt;</h1>' in guest.page


async def test_the_other_language_of_an_answer_is_the_page_of_its_form(house: browser.House, guest: browser.Browser) -> None:
    await guest.get("/invitation")
    await guest.send("/invitation/accept", name="x")
    assert 'class="lang-link" href="/invitation?lang=zh-CN"' in guest.page
    await signed_in(house, guest)
    await guest.enrol()
    assert len(guest.codes()) == 10
    assert "lang-link" not in guest.page  # they are shown this once


@pytest.mark.parametrize(("host", "status"), [("[", 200), ("shop.example:x", 200), ("", 200), ("\u00e9", 400)])
async def test_a_host_that_is_none_is_no_fault_of_ours(guest: browser.Browser, host: str, status: int) -> None:
    answer = await guest.client.get("/sign-in", headers={b"host": host.encode("latin-1")})
    assert answer.status_code == status
    assert [value.partition("=")[0] for value in answer.headers.get_list("set-cookie")] == ["__Host-visit"] * (status == 200)
