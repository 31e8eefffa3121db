"""qucheng doctor, and qucheng servers: what this machine has for the product."""

from __future__ import annotations

import cyclopts

from qucheng.cli.statuses import DONE, STOPPED
from qucheng.core import doctor as doctors
from qucheng.core import servers, settings

app = cyclopts.App(name="servers", help="The embedded PostgreSQL and Valkey of this checkout.")


def doctor() -> int:
    """Say what this machine lacks for the product, and how to get it."""
    findings = doctors.check(settings.load())
    for finding in findings:
        print(
            f"{'ok     ' if finding.ok else 'MISSING'}  {finding.name}: {finding.what}"
            + (f"\n         {finding.remedy}" if not finding.ok else "")
        )
    return DONE if all(finding.ok for finding in findings) else STOPPED


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
