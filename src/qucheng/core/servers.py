"""The servers of this installation: those that the environment names, else the embedded ones of its `var` folder."""

from collections import abc
from urllib import parse

import msgspec

from qucheng.core import settings
from qucheng.core.embedded import postgres, valkey


class Status(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    named: bool
    """Set by the environment: not ours to start or stop."""

    address: str | None
    """Host and port; None when the embedded one is not running."""


def database_url(current: settings.Settings | None = None) -> str:
    """The owner's URL. Starts the embedded PostgreSQL, or raises `embedded.refusals.BinariesMissingError` where there is none."""
    current = current or settings.load()
    return current.database_url or postgres.ensure(current.var)


def redis_url(current: settings.Settings | None = None) -> str:
    """Valkey's URL. Starts the embedded one, or raises `embedded.refusals.BinariesMissingError` where there is none."""
    current = current or settings.load()
    return current.redis_url or valkey.ensure(current.var)


def stop(current: settings.Settings | None = None, *, keep: abc.Collection[str] = ()) -> None:
    """Stop what is embedded, except those of these names; servers that the environment names stay as they are."""
    current = current or settings.load()
    if "Valkey" not in keep:
        valkey.stop(current.var)
    if "PostgreSQL" not in keep:
        postgres.stop(current.var)


def mend(current: settings.Settings) -> list[str]:
    """Start the embedded servers that have died; returns their names."""
    dead = [found.name for found in status(current) if found.address is None]
    if "PostgreSQL" in dead:
        database_url(current)
    if "Valkey" in dead:
        redis_url(current)
    return dead


def status(current: settings.Settings | None = None) -> list[Status]:
    current = current or settings.load()
    return [
        _status("PostgreSQL", current.database_url, None if current.database_url else postgres.running(current.var)),
        _status("Valkey", current.redis_url, None if current.redis_url else valkey.running(current.var)),
    ]


def _status(name: str, url: str | None, port: int | None) -> Status:
    address = parse.urlsplit(url).netloc.rpartition("@")[2] if url else f"127.0.0.1:{port}" if port else None
    return Status(name=name, named=url is not None, address=address)
