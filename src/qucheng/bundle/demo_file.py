"""The sign-ins of the demonstration: one file in var, for the eyes of its owner, whole whenever it is read."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING, ClassVar

import msgspec
import pyotp

from qucheng.core import errors

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from qucheng.core.settings import Settings

# neither vowels, which make words and names, nor letters that look like others
LETTERS = "bcdfghjkmnpqrstvwxz23456789"
GROUPS, GROUP = 4, 5
STEP_SECONDS = 30


class SignInUnknownError(errors.RefusedError):
    code: ClassVar[str] = "demo.unknown"
    status: ClassVar[int] = 404


class FileUnusableError(errors.RefusedError):
    """The file is not there, or is none of ours."""

    code: ClassVar[str] = "demo.file"


class Role(msgspec.Struct, kw_only=True, omit_defaults=False):
    """brand: its code, null on the platform. reseller: its code, for people of one."""

    role: str
    brand: str | None
    reseller: str | None


class SignIn(msgspec.Struct, kw_only=True):
    """totp_secret: null where a password is enough."""

    login: str
    password: str
    totp_secret: str | None
    name: str
    roles: list[Role]


class ApiKey(msgspec.Struct, kw_only=True):
    """token: the bearer. signing_secret: null for a key that moves no money."""

    name: str
    brand: str
    reseller: str | None
    id: str
    token: str
    signing_secret: str | None


class Demo(msgspec.Struct, kw_only=True):
    base_url: str
    people: list[SignIn]
    api_keys: list[ApiKey]

    def person(self, login: str) -> SignIn:
        """Raises SignInUnknownError."""
        for each in self.people:
            if each.login == login.strip().casefold():
                return each
        raise SignInUnknownError(f"{login!r} is no sign-in of the demonstration: qucheng demo people lists them.")


def place(settings: Settings) -> Path:
    return settings.var / "demo.json"


def read(settings: Settings) -> Demo:
    """Raises FileUnusableError."""
    file = place(settings)
    try:
        return msgspec.json.decode(file.read_bytes(), type=Demo)
    except FileNotFoundError:
        raise FileUnusableError(f"{file} is not there: scripts/run opens the demonstration and writes it.") from None
    except msgspec.DecodeError:
        raise FileUnusableError(f"{file} does not hold sign-ins as this release writes them.") from None


def write(settings: Settings, demo: Demo) -> None:
    file = place(settings)
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(msgspec.json.format(msgspec.json.encode(demo), indent=1) + b"\n")
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)


def password() -> str:
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(GROUP)) for _ in range(GROUPS))


def code(sign_in: SignIn, *, now: dt.datetime) -> tuple[str, int]:
    """The one-time code that counts now, and for how many seconds more. Raises SignInUnknownError where none is asked for."""
    if sign_in.totp_secret is None:
        raise SignInUnknownError(f"{sign_in.login} signs in with the password alone.")
    return pyotp.TOTP(sign_in.totp_secret).at(now), STEP_SECONDS - int(now.timestamp()) % STEP_SECONDS
