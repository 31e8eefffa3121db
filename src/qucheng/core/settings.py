"""What the environment decides. Everything else is data of a brand."""

import os
from collections import abc
from pathlib import Path
from typing import ClassVar

import msgspec

from qucheng.core import errors

_SHORTEST_TOKEN = 20


class SettingError(errors.RefusedError):
    """A variable of the environment cannot be meant as it stands. Its value is not repeated: it may hold a password."""

    code: ClassVar[str] = "setting_unusable"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    database_url: str | None
    """DATABASE_URL: a PostgreSQL 15 or newer, as an owner that may create roles and databases. None: the embedded one."""

    app_database_url: str | None
    """APP_DATABASE_URL: the same database as the role that serves, which owns nothing. None: made by the owner."""

    redis_url: str | None
    """REDIS_URL: a Valkey or Redis. None: the embedded one."""

    public_url: str | None
    """QUCHENG_PUBLIC_URL: where people reach this installation, without a slash at the end; it stands in links and QR codes. None: not published."""

    metrics_token: str | None
    """QUCHENG_METRICS_TOKEN: who sends it may read /metrics. None: made once, in var/metrics-token."""

    mail_url: str | None
    """QUCHENG_MAIL_URL: smtp://user:password@host:port (TLS from STARTTLS on) or smtps://. None: letters are files in var/outbox."""

    mail_from: str
    """QUCHENG_MAIL_FROM: who letters come from."""

    var: Path
    """QUCHENG_VAR: the folder of everything that is kept beside the databases (embedded servers, keys, files)."""

    root: Path
    """The checkout; where there is none (installed from a wheel), the working folder."""

    @property
    def documents(self) -> Path:
        """Where the documents of issued statements are kept."""
        return self.var / "documents"


def load(environment: abc.Mapping[str, str] = os.environ) -> Settings:
    root = _root()
    database_url = _address(environment, "DATABASE_URL", ("postgresql", "postgres"))
    app_database_url = _address(environment, "APP_DATABASE_URL", ("postgresql", "postgres"))
    if app_database_url is not None and database_url is None:
        raise SettingError("APP_DATABASE_URL is set and DATABASE_URL is not: both name the same database")
    return Settings(
        database_url=database_url,
        app_database_url=app_database_url,
        redis_url=_address(environment, "REDIS_URL", ("redis", "rediss", "unix")),
        public_url=(_address(environment, "QUCHENG_PUBLIC_URL", ("http", "https")) or "").rstrip("/") or None,
        metrics_token=_token(environment, "QUCHENG_METRICS_TOKEN"),
        mail_url=_address(environment, "QUCHENG_MAIL_URL", ("smtp", "smtps")),
        mail_from=environment.get("QUCHENG_MAIL_FROM", "").strip() or "Qucheng <qucheng@localhost>",
        var=Path(environment.get("QUCHENG_VAR") or root / "var").absolute(),
        root=root,
    )


def _address(environment: abc.Mapping[str, str], name: str, schemes: tuple[str, ...]) -> str | None:
    value = environment.get(name, "").strip()
    if not value:
        return None
    if value.partition("://")[0] not in schemes:
        raise SettingError(f"{name} must begin with {schemes[0]}://")
    return value


def _token(environment: abc.Mapping[str, str], name: str) -> str | None:
    value = environment.get(name, "").strip()
    if not value:
        return None
    if len(value) < _SHORTEST_TOKEN or not value.isascii() or not value.isprintable() or " " in value:
        raise SettingError(f"{name} must be {_SHORTEST_TOKEN} or more letters, digits and signs without spaces")
    return value


def _root() -> Path:
    checkout = Path(__file__).resolve().parents[3]
    return checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()
