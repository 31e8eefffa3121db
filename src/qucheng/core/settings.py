"""What the environment decides. Everything else is data of a brand."""

import ipaddress
import os
from collections import abc
from pathlib import Path
from typing import ClassVar
from urllib import parse

import msgspec

from qucheng.core import errors

_SHORTEST_TOKEN = 20
# somebody else made it
_SHORTEST_SMS_TOKEN = 8
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
NOBODY = "Qucheng <qucheng@localhost>"
# where the web listens when nobody has said how people reach it
LOCAL_URL = "http://127.0.0.1:8000"


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

    local_url: str
    """QUCHENG_LOCAL_URL: what stands in letters and messages where nothing is published. `up` says where it listens."""

    metrics_token: str | None
    """QUCHENG_METRICS_TOKEN: who sends it may read /metrics. None: made once, in var/metrics-token."""

    mail_url: str | None
    """QUCHENG_MAIL_URL: smtp://user:password@host:port (TLS from STARTTLS on) or smtps://. None: letters are files in var/outbox."""

    mail_from: str
    """QUCHENG_MAIL_FROM: who letters come from."""

    sms_url: str | None
    """QUCHENG_SMS_URL: https://… of the gateway that text messages are posted to. None: a folder in a trial, nowhere in production."""

    sms_token: str | None
    """QUCHENG_SMS_TOKEN: what the gateway knows us by."""

    production: bool
    """QUCHENG_PRODUCTION=1: a start refuses what is good enough for a trial only (core/production.py)."""

    trusted_proxies: tuple[str, ...]
    """QUCHENG_TRUSTED_PROXIES: addresses and networks whose X-Forwarded-For and X-Forwarded-Proto are believed. None: nobody's."""

    webhook_networks: tuple[str, ...]
    """QUCHENG_WEBHOOK_NETWORKS: addresses and networks on this machine or beside it that webhooks go to all the same, for development."""

    var: Path
    """QUCHENG_VAR: the folder of everything that is kept beside the databases (embedded servers, keys, files)."""

    root: Path
    """The checkout; where there is none (installed from a wheel), the working folder."""

    @property
    def address(self) -> str:
        """What links in letters and messages begin with."""
        return self.public_url or self.local_url

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
    sms_url, sms_token = _gateway(environment)
    return Settings(
        database_url=database_url,
        app_database_url=app_database_url,
        redis_url=_address(environment, "REDIS_URL", ("redis", "rediss", "unix")),
        public_url=(_address(environment, "QUCHENG_PUBLIC_URL", ("http", "https")) or "").rstrip("/") or None,
        local_url=(_address(environment, "QUCHENG_LOCAL_URL", ("http",)) or LOCAL_URL).rstrip("/"),
        metrics_token=_token(environment, "QUCHENG_METRICS_TOKEN"),
        mail_url=_address(environment, "QUCHENG_MAIL_URL", ("smtp", "smtps")),
        mail_from=environment.get("QUCHENG_MAIL_FROM", "").strip() or NOBODY,
        sms_url=sms_url,
        sms_token=sms_token,
        production=_switch(environment, "QUCHENG_PRODUCTION"),
        trusted_proxies=_networks(environment, "QUCHENG_TRUSTED_PROXIES", "would believe everybody: name the proxies"),
        webhook_networks=_networks(environment, "QUCHENG_WEBHOOK_NETWORKS", "would reach everything: name the receivers"),
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


def _gateway(environment: abc.Mapping[str, str]) -> tuple[str | None, str | None]:
    """Phone numbers and codes go there: only to this machine without TLS."""
    name = "QUCHENG_SMS_URL"
    url, token = _address(environment, name, ("https", "http")), _token(environment, "QUCHENG_SMS_TOKEN", _SHORTEST_SMS_TOKEN)
    if (url is None) != (token is None):
        raise SettingError(f"{name} and QUCHENG_SMS_TOKEN are set together, or neither is")
    if url is None:
        return None, None
    try:
        parts = parse.urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise SettingError(f"{name} is no address") from None
    if not host or "@" in parts.netloc or parts.fragment or not url.isascii() or not url.isprintable() or " " in url:
        raise SettingError(f"{name} is an address such as https://texts.example/send, without a user and without a fragment")
    if parts.scheme != "https" and host not in _THIS_MACHINE:
        raise SettingError(f"{name} must begin with https://: only this machine is spoken to without TLS")
    return url, token


def _token(environment: abc.Mapping[str, str], name: str, shortest: int = _SHORTEST_TOKEN) -> str | None:
    value = environment.get(name, "").strip()
    if not value:
        return None
    if len(value) < shortest or not value.isascii() or not value.isprintable() or " " in value:
        raise SettingError(f"{name} must be {shortest} or more letters, digits and signs without spaces")
    return value


def _switch(environment: abc.Mapping[str, str], name: str) -> bool:
    value = environment.get(name, "").strip()
    if value not in ("", "0", "1"):
        raise SettingError(f"{name} is 1 or 0")
    return value == "1"


def _networks(environment: abc.Mapping[str, str], name: str, too_wide: str) -> tuple[str, ...]:
    try:
        found = [ipaddress.ip_network(part.strip()) for part in environment.get(name, "").split(",") if part.strip()]
    except ValueError:
        raise SettingError(f"{name} is a list such as 127.0.0.1, 10.0.4.0/24") from None
    if any(network.prefixlen == 0 for network in found):
        raise SettingError(f"{name} {too_wide}")
    return tuple(str(network) for network in found)


def _root() -> Path:
    checkout = Path(__file__).resolve().parents[3]
    return checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()
