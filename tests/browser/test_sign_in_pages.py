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
