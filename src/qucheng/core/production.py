"""What an installation must have before real people work with it. With QUCHENG_PRODUCTION=1 no process serves or works without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from urllib import parse

import msgspec
import structlog

from qucheng.core import crashpoint, crypto, db, errors
from qucheng.core import settings as settings_
from qucheng.core.embedded import probe

if TYPE_CHECKING:
    import asyncpg

    from qucheng.core.settings import Settings

OTHERS = 0o007
log = structlog.get_logger("qucheng.production")
GUESSED = frozenset({"admin", "changeme", "password", "postgres", "qucheng", "redis", "secret", "test"})


class UnfitError(errors.RefusedError):
    """All reasons at once."""

    code: ClassVar[str] = "production.unfit"


class Reason(msgspec.Struct, frozen=True):
    what: str
    remedy: str


def require(current: Settings, *, demo: bool = False) -> None:
    """Raises UnfitError where this is production and lacks anything. demo: the demonstration was asked for."""
    if not current.production:
        return
    found = reasons(current)
    if demo:
        found.append(Reason("the demonstration was asked for", "start with --no-demo"))
    if found:
        listed = "\n".join(f"  - {reason.what}: {reason.remedy}" for reason in found)
        raise UnfitError(f"this installation is not fit for production (QUCHENG_PRODUCTION=1):\n{listed}")


def warn(current: Settings) -> None:
    """Into the log of a process that begins."""
    for found in warnings(current):
        log.warning("production.lacks", what=found.what, remedy=found.remedy)


def warnings(current: Settings) -> list[Reason]:
    """What a platform may do without, and another may not."""
    if not current.production or current.sms_url is not None:
        return []
    what = "QUCHENG_SMS_URL is not set: no text message is sent, and no consumer can sign in with a phone"
    return [Reason(what, "name the gateway for text messages, and its QUCHENG_SMS_TOKEN, if this platform has consumers")]


def reasons(current: Settings) -> list[Reason]:
    """What is wrong, and what to do about it; nothing is changed, and no server is started."""
    return [*_servers(current), *_addresses(current), *_secrets(current), *_process(current), *_database(current)]


def _servers(current: Settings) -> list[Reason]:
    named = {
        "DATABASE_URL": current.database_url,
        "APP_DATABASE_URL": current.app_database_url,
        "REDIS_URL": current.redis_url,
    }
    embedded = "name a server of your own: the embedded one is for trials"
    role = "name the same database as a role that owns nothing"
    return [
        Reason(f"{name} is not set", role if name.startswith("APP") else embedded)
        for name, value in named.items()
        if value is None
    ]


def _addresses(current: Settings) -> list[Reason]:
    found = []
    if not (current.public_url or "").startswith("https://"):
        found.append(Reason("QUCHENG_PUBLIC_URL is not an https address", "name the one at which people reach the proxy"))
    if not current.trusted_proxies:
        found.append(
            Reason("QUCHENG_TRUSTED_PROXIES is not set", "name the proxy that ends TLS, or limits count all people as one")
        )
    if current.mail_url is None:
        found.append(Reason("QUCHENG_MAIL_URL is not set", "name the mail server: letters would be files in var/outbox"))
    if current.mail_from == settings_.NOBODY:
        found.append(Reason("QUCHENG_MAIL_FROM is not set", "name the sender of letters"))
    if current.webhook_networks:
        found.append(Reason("QUCHENG_WEBHOOK_NETWORKS is set", "unset it: webhooks would reach machines behind this one"))
    return found


def _secrets(current: Settings) -> list[Reason]:
    found = []
    if current.metrics_token is None:
        found.append(Reason("QUCHENG_METRICS_TOKEN is not set", "give all web processes the same one"))
    named = {
        "DATABASE_URL": current.database_url,
        "APP_DATABASE_URL": current.app_database_url,
        "REDIS_URL": current.redis_url,
        "QUCHENG_MAIL_URL": current.mail_url,
    }
    found += [
        Reason(f"the password in {name} is one that is tried first", "give the role another")
        for name, url in named.items()
        if url is not None and _guessed(url)
    ]
    try:
        there = crypto.there(current.var / "keys")
    except crypto.KeysUnusableError as error:
        return [*found, Reason(str(error), "bring var/keys back")]
    if not there:
        remedy = "bring it from where this installation runs already; for the first start ever: qucheng keyring make"
        found.append(Reason("there is no ring of keys in var/keys", remedy))
    return found


def _guessed(url: str) -> bool:
    parts = parse.urlsplit(url)
    if parts.password is None:
        return False
    password = parse.unquote(parts.password).casefold()
    return password in GUESSED or password == parse.unquote(parts.username or "").casefold()


def _process(current: Settings) -> list[Reason]:
    found = []
    if crashpoint.chosen() is not None:
        found.append(Reason("QUCHENG_CRASH_AT is set", "unset it: it ends processes on purpose"))
    if current.var.is_dir() and current.var.stat().st_mode & OTHERS:
        found.append(Reason(f"{current.var} is open to everybody on this machine", f"chmod o-rwx {current.var}"))
    return found


def _database(current: Settings) -> list[Reason]:
    found = []
    if current.database_url is not None:
        shown = _asked(current.database_url, _shown_off, "DATABASE_URL")
        if isinstance(shown, Reason):
            found.append(shown)
        elif shown:
            found.append(Reason("the database holds the demonstration", "name one that was never given it"))
        if _asked(current.database_url, _simulated, "DATABASE_URL") is True:
            found.append(Reason("a brand lets the payment simulator take its money", "let its owner choose another at /selling"))
    if current.app_database_url is not None and current.database_url is not None:
        unsafe = _asked(current.app_database_url, _unsafe, "APP_DATABASE_URL")
        if isinstance(unsafe, Reason):
            found.append(unsafe)
        elif unsafe or _user(current.app_database_url) == _user(current.database_url):
            found.append(
                Reason("the role of APP_DATABASE_URL can switch the database's checks off", "name a role that owns nothing")
            )
    return found


def _asked(url: str, question: Any, name: str) -> bool | Reason:  # noqa: ANN401 - what probe.postgres takes
    try:
        return bool(probe.postgres(url, question))
    except errors.RefusedError as error:
        return Reason(str(error), f"check {name} and that server")


async def _shown_off(connection: asyncpg.Connection) -> bool:
    if await connection.fetchval("SELECT to_regclass('public.demonstration')") is None:
        return False
    return bool(await connection.fetchval("SELECT EXISTS (SELECT 1 FROM demonstration)"))


async def _simulated(connection: asyncpg.Connection) -> bool:
    """Payments by nobody."""
    if await connection.fetchval("SELECT to_regproc('public.simulated_payments')") is None:
        return False
    return bool(await connection.fetchval("SELECT simulated_payments()"))


async def _unsafe(connection: asyncpg.Connection) -> bool:
    return bool(await connection.fetchval(db.UNSAFE))


def _user(url: str) -> str:
    return parse.unquote(parse.urlsplit(url).username or "")
