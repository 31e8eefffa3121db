"""Signing in and one's own account, in both languages, on a telephone and on a desk, by day and by night."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.rooms.identity import people

if TYPE_CHECKING:
    from tests.browser import scene, screen
    from tests.browser.conftest import Stage

    from qucheng.identity import permissions

pytestmark = pytest.mark.anyio

WAYS: list[tuple[screen.Language, int, screen.Theme]] = [
    ("zh-CN", 1440, "light"),
    ("zh-CN", 390, "dark"),
    ("en", 1440, "dark"),
    ("en", 390, "light"),
]
WORDS = {
    "zh-CN": ("登录名或密码不对。", "验证码不对"),
    "en": ("The login or the password is wrong.", "The code is wrong"),
}


@pytest.mark.parametrize(("language", "width", "theme"), WAYS)
async def test_signing_in_with_mistakes_and_out_again(
    stage: Stage, language: screen.Language, width: int, theme: screen.Theme
) -> None:
    assert stage.other is not None
    # a person has a code every thirty seconds: nobody signs in here twice
    account = [each for each in stage.other.accounts if each.secret is not None][WAYS.index((language, width, theme))]
    wrong, wrong_code = WORDS[language]
    assert account.secret is not None
    async with stage.opened(None, language, width, theme) as shown:
        shown.allowed = {422}
        await shown.open("/account")
        assert shown.path == "/sign-in?next=%2Faccount"
        await shown.seemly("sign-in")
        await shown.send("/sign-in", login=account.login, password=people.WRONG)
        await shown.says(wrong)
        await shown.seemly("sign-in-wrong")
        await shown.send("/sign-in", password=people.PASSWORD)
        await shown.seemly("second-factor")
        await shown.send("/second-factor", code="000000")
        await shown.says(wrong_code)
        await shown.seemly("second-factor-wrong")
        await shown.send("/second-factor", code=await stage.codes.code(account.secret))
        assert shown.path == "/account"
        await shown.seemly("account")


STRANGERS = ("/password/forgotten", "/password", "/invitation")


@pytest.mark.parametrize(("language", "width", "theme"), WAYS)
async def test_the_pages_before_a_sign_in(stage: Stage, language: screen.Language, width: int, theme: screen.Theme) -> None:
    async with stage.opened(None, language, width, theme) as shown:
        for path in STRANGERS:
            assert (await shown.open(path)).status == 200
            await shown.seemly(path.strip("/").replace("/", "-"))


async def test_a_second_factor_is_set_up_with_its_code_and_its_recovery_codes(
    stage: Stage, accounts: dict[permissions.Role, scene.Account]
) -> None:
    async with stage.opened(accounts["seller"], "zh-CN", 390) as shown:
        await shown.open("/second-factor/new")
        await shown.seemly("second-factor-new")


async def test_what_was_typed_outlives_the_session_for_its_own_person(stage: Stage) -> None:
    """Signed out in another tab, a form is sent: after the sign-in it stands there as it was typed, and for somebody else it is empty."""
    assert stage.main is not None
    assert stage.other is not None
    mine, other = stage.main.account("manager"), stage.other.account("manager")
    async with stage.opened(None, "en") as shown:
        await stage.sign_in(shown, mine)
        for person, found in ((mine, "中秋发货安排"), (other, "")):
            await shown.open("/texts/new")
            await shown.fill(shown.form("/texts/new"), {"title_zh": "中秋发货安排", "body_zh": "", "title_en": "", "body_en": ""})
            tab = await shown.page.context.new_page()
            await tab.goto(shown.base + "/account")
            async with tab.expect_navigation(wait_until="load"):
                await tab.locator('aside form[action="/sign-out"] button').click()
            await tab.close()
            await shown.send("/texts/new")
            assert shown.path == "/sign-in?next=%2Ftexts%2Fnew&done=ended"
            await shown.says("You were signed out meanwhile, so nothing was sent.")
            await shown.send("/sign-in", login=person.login, password=people.PASSWORD)
            await shown.send("/second-factor", code=await stage.codes.code(person.secret or ""))
            assert shown.path == "/texts/new"
            assert await shown.page.locator("#title_zh").input_value() == found
