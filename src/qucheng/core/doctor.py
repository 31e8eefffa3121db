"""What this installation needs and has: each finding says what is so and, where something is missing, what to do about it.

`python -m qucheng.core.doctor --pango` is what scripts/setup asks: it prints the line that installs Pango here, if it is missing.
"""

import ctypes.util
import os
import platform
import shutil
import sys
from collections import abc
from importlib import util
from pathlib import Path

import asyncpg
import msgspec

from qucheng.core import servers, settings
from qucheng.core.embedded import binaries, postgres, probe, refusals, valkey

LIBRARIES = ("pango-1.0", "pangoft2-1.0", "harfbuzz", "harfbuzz-subset")
FONTS = ("QuchengSans-Regular.otf", "QuchengSans-Bold.ttf")
_OLDEST_PYTHON = (3, 11)
_OLDEST_POSTGRES = 15
_FREE_BYTES = 2_000_000_000

_INSTALL = {
    "debian": "apt-get update && {sudo}apt-get install -y --no-install-recommends libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0",
    "fedora": "dnf install -y pango",
    "alpine": "apk add pango harfbuzz-subset",
    "arch": "pacman -S --needed pango",
    "suse": "zypper install -y libpango-1_0-0 libharfbuzz-subset0",
}
_LIKE = {"ubuntu": "debian", "rhel": "fedora", "centos": "fedora", "opensuse": "suse"}


class Finding(msgspec.Struct, frozen=True):
    name: str
    ok: bool
    what: str
    remedy: str | None = None


def check(current: settings.Settings | None = None) -> list[Finding]:
    """Look at everything and change nothing: no server is started."""
    try:
        current = current or settings.load()
    except settings.SettingError as error:
        return [python(), Finding("environment", ok=False, what=str(error), remedy="correct or unset that variable")]
    return [
        python(),
        lock(current),
        pango(),
        fonts(),
        full_font(),
        environment(current),
        database(current),
        doorbell(current),
        disk(current.var),
    ]


def python() -> Finding:
    ok = sys.version_info >= _OLDEST_PYTHON
    return Finding(
        "Python", ok, platform.python_version(), None if ok else "install Python 3.11 or newer, then run scripts/setup"
    )


def lock(current: settings.Settings) -> Finding:
    """scripts/setup keeps a copy of the lock in the environment that it made from it."""
    wanted, used = current.root / "scripts/requirements.lock", Path(sys.prefix) / "requirements.lock"
    if not wanted.is_file():
        return Finding("packages", ok=True, what="installed without a checkout")
    if used.is_file() and used.read_bytes() == wanted.read_bytes():
        return Finding("packages", ok=True, what="as in scripts/requirements.lock")
    return Finding("packages", ok=False, what=f"{sys.prefix} is not what scripts/requirements.lock says", remedy="scripts/setup")


def pango() -> Finding:
    missing = [name for name in LIBRARIES if ctypes.util.find_library(name) is None]
    if not missing:
        return Finding("Pango", ok=True, what="statements can be made into PDF")
    return Finding("Pango", ok=False, what=f"statements wait for their PDF: {', '.join(missing)} not found", remedy=pango_line())


def pango_line() -> str:
    """The one line that installs Pango on this system."""
    sudo = "" if os.geteuid() == 0 else "sudo "
    if platform.system() == "Darwin":
        return "brew install pango"
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    for name in (release.get("ID", ""), *release.get("ID_LIKE", "").split()):
        family = _LIKE.get(name, name).partition("-")[0]
        if family in _INSTALL:
            return sudo + _INSTALL[family].format(sudo=sudo)
    return f"install {', '.join(LIBRARIES)} with this system's package manager"


def fonts(folder: Path = Path(__file__).parents[1] / "settlement" / "fonts") -> Finding:
    missing = [name for name in FONTS if not (folder / name).is_file()]
    if not missing:
        return Finding("fonts", ok=True, what="the statement's fonts are here")
    return Finding(
        "fonts", ok=False, what=f"{', '.join(missing)} not in {folder}", remedy="restore the folder from the repository"
    )


def full_font() -> Finding:
    if util.find_spec("pylopdf_fonts_zh_cn"):
        return Finding("rare characters", ok=True, what="the full Chinese font is here")
    return Finding("rare characters", ok=False, what="pylopdf-fonts-zh-cn is not installed", remedy="scripts/setup")


def environment(current: settings.Settings) -> Finding:
    names = {
        "DATABASE_URL": current.database_url,
        "APP_DATABASE_URL": current.app_database_url,
        "REDIS_URL": current.redis_url,
    }
    named = [name for name, value in names.items() if value]
    return Finding(
        "environment", ok=True, what=f"{', '.join(named)} set" if named else "no server is named: the embedded ones serve"
    )


def database(current: settings.Settings) -> Finding:
    if current.database_url is None and (finding := _embedded("PostgreSQL", binaries.postgres, postgres.running(current.var))):
        return finding
    url = servers.database_url(current)  # named, or running already
    try:
        number, version, may_create = probe.postgres(url, _facts)
    except (probe.NotLetInError, probe.SilentError) as error:
        return Finding("PostgreSQL", ok=False, what=str(error), remedy="check DATABASE_URL and that server")
    if number < _OLDEST_POSTGRES * 10_000:
        return Finding("PostgreSQL", ok=False, what=f"version {version}", remedy="name a PostgreSQL 15 or newer in DATABASE_URL")
    if not may_create:
        remedy = "as its superuser: ALTER ROLE … CREATEDB CREATEROLE, for the user of DATABASE_URL"
        return Finding("PostgreSQL", ok=False, what="the user of DATABASE_URL may not create databases and roles", remedy=remedy)
    return Finding("PostgreSQL", ok=True, what=f"version {version}, {_where(current.database_url)}")


async def _facts(connection: asyncpg.Connection) -> tuple[int, str, bool]:
    row = await connection.fetchrow(
        """
        SELECT current_setting('server_version_num')::int, split_part(current_setting('server_version'), ' ', 1),
               rolsuper OR (rolcreatedb AND rolcreaterole)
        FROM pg_roles WHERE rolname = current_user
        """
    )
    return row[0], row[1], row[2]


def doorbell(current: settings.Settings) -> Finding:
    if current.redis_url is None and (finding := _embedded("Valkey", binaries.valkey, valkey.running(current.var))):
        return finding
    try:
        probe.valkey(servers.redis_url(current), "PING")
    except (probe.NotLetInError, probe.SilentError) as error:
        return Finding("Valkey", ok=False, what=str(error), remedy="check REDIS_URL and that server")
    return Finding("Valkey", ok=True, what=f"answers, {_where(current.redis_url)}")


def disk(folder: Path) -> Finding:
    there = next(place for place in (folder, *folder.parents) if place.is_dir())
    free = shutil.disk_usage(there).free
    what = f"{free // 1_000_000:,} MB free for {folder}"
    if free >= _FREE_BYTES:
        return Finding("disk", ok=True, what=what)
    return Finding("disk", ok=False, what=what, remedy=f"make room, {_FREE_BYTES // 1_000_000:,} MB at least, or set QUCHENG_VAR")


def _embedded(name: str, program: abc.Callable[[], Path], port: int | None) -> Finding | None:
    """What there is to say of an embedded server that does not run; nothing when it does."""
    try:
        program()
    except refusals.BinariesMissingError as error:
        return Finding(name, ok=False, what="none is named and none is embedded", remedy=str(error))
    return Finding(name, ok=True, what="embedded, starts when it is needed") if port is None else None


def _where(url: str | None) -> str:
    return "named by the environment" if url else "embedded"


if __name__ == "__main__":
    found = [pango()] if "--pango" in sys.argv else check()
    for finding in found:
        if not finding.ok:
            sys.stdout.write(f"{finding.remedy}\n")
    sys.exit(any(not finding.ok for finding in found))
