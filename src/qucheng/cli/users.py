"""qucheng user: people of the platform. Everybody else is invited by somebody who is there already."""

from __future__ import annotations

import asyncio
import getpass
import sys
from typing import Literal

import cyclopts

from qucheng.core import audit, clock, crypto, platform, settings
from qucheng.identity import founding
from qucheng.identity import user as users

app = cyclopts.App(name="user", help="People of the platform.")


@app.command
def add(login: str, *, name: str, locale: Literal["zh-CN", "en"] = "zh-CN") -> None:
    """Make an operator of the platform: the first one, who invites the others.

    The password is asked for; where there is no terminal it is the first line of the standard input.

    Parameters
    ----------
    login
        An e-mail address, or 3 to 64 letters, digits, dots, hyphens and underscores.
    name
        What the person is called.
    locale
        The language of letters to them.

    """
    made = asyncio.run(_add(login, name, locale, _password()))
    print(f"{made.login} is an operator. At the first sign-in a second factor is set up: have an authenticator at hand.")


def _password() -> str:
    return getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")


async def _add(login: str, name: str, locale: Literal["zh-CN", "en"], password: str) -> users.User:
    current, now = settings.load(), clock.now()
    async with platform.entered(current):
        return await founding.first_operator(
            keys=crypto.keys(current.var / "keys"),
            login=login,
            name=name,
            locale=locale,
            password=password,
            actor=audit.SYSTEM,
            now=now,
        )
