"""qucheng doctor, migrate, servers and keyring: what this machine has for the product."""

from __future__ import annotations

import asyncio

import cyclopts

from qucheng.cli.statuses import DONE, STOPPED
from qucheng.core import crypto, database, servers, settings
from qucheng.core import doctor as doctors
from qucheng.core import production as productions

app = cyclopts.App(name="servers", help="The embedded PostgreSQL and Valkey of this checkout.")
keyring = cyclopts.App(name="keyring", help="The keys that open what is stored encrypted.")


def doctor() -> int:
    """Say what this machine lacks for the product, and how to get it."""
    current = settings.load()
    findings = [*doctors.check(current), *_production(current)]
    for finding in findings:
        mark = "MISSING" if not finding.ok else "WARNING" if finding.remedy else "ok     "
        print(f"{mark}  {finding.name}: {finding.what}" + (f"\n         {finding.remedy}" if finding.remedy else ""))
    return DONE if all(finding.ok for finding in findings) else STOPPED


def _production(current: settings.Settings) -> list[doctors.Finding]:
    """A finding for each reason for which a start is refused, and each warning; nothing where this is no production."""
    if not current.production:
        return []
    found = [doctors.Finding("production", ok=False, what=each.what, remedy=each.remedy) for each in productions.reasons(current)]
    if not found:
        found = [doctors.Finding("production", ok=True, what="nothing is missing")]
    warned = productions.warnings(current)
    return [*found, *(doctors.Finding("production", ok=True, what=each.what, remedy=each.remedy) for each in warned)]


def migrate() -> None:
    """Bring the platform's database up to this release. Every start does so too; this does nothing else."""
    asyncio.run(database.migrate(servers.database_url(settings.load())))
    print(f"the database is at {database.newest_migration()}")


@keyring.command
def make() -> None:
    """Make the ring of keys of a new installation, in var/keys. One that is there already is refused: it opens what is stored."""
    folder = settings.load().var / "keys"
    if crypto.there(folder):
        raise crypto.KeysUnusableError(f"{folder} has a ring of keys already.")
    crypto.keys(folder)
    print(f"the ring of keys is in {folder}: copy it to every machine of this installation, and to a safe place")


@keyring.command
def add() -> None:
    """Add a key that seals from now on; the others open what they have sealed. To have what they sealed sealed anew as well: qucheng keys rotate."""
    folder = settings.load().var / "keys"
    if not crypto.there(folder):
        raise crypto.KeysUnusableError(f"{folder} has no ring of keys: qucheng keyring make.")
    print(f"key {crypto.add_key(folder)} of {folder} seals from now on")


@app.command(name="status")
def server_status() -> None:
    """Which servers are used, and whether they run."""
    for status in servers.status(settings.load()):
        print(f"{status.name}: {status.address or 'not running'}{' (named by the environment)' if status.named else ''}")


@app.command(name="start")
def server_start() -> None:
    """Start PostgreSQL and Valkey, or find them running."""
    servers.database_url(settings.load())
    servers.redis_url(settings.load())
    server_status()


@app.command(name="stop")
def server_stop() -> None:
    """Stop the embedded servers. Their data stays."""
    servers.stop(settings.load())
    server_status()
