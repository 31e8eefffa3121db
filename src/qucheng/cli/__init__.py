"""The command line: it translates, and the rooms do the work.

Commands are named by their place and loaded when they are used: what settles a bundle need not load the web.
"""

from __future__ import annotations

import errno
import logging
import sys
from collections.abc import Sequence

import cyclopts

from qucheng.cli.statuses import DONE, STOPPED, WRONG_USAGE
from qucheng.core import errors, log, supervisor

HELP = """渠成: a reseller network platform with commission settlement for virtual goods.

Exit status: 0 done; 3 done, with rows rejected; 1 stopped, with the reason, or something was found wrong; 2 wrong usage."""
app = cyclopts.App(name="qucheng", help=HELP, suppress_keyboard_interrupt=False)
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
DISK_FULL = "53100"
COMMANDS = {
    "settle": ("settlements:settle", "Settle a bundle into proven statements and balanced books, or a stored brand in place."),
    "demo": ("demonstration:app", "Settle the demo brand; the sign-ins of the demonstration."),
    "import": ("brands:take_in", "Import a bundle into the platform: a new brand, or what a stored one does not have yet."),
    "export": ("brands:export", "Write a stored brand's books as a bundle."),
    "runs": ("runs:app", "Settlement runs: list, show, issue, discard, render, zip."),
    "explain": ("books:explain", "Tell the life of one figure: line, rule, rate, rounding, cap, refunds, statement, journal."),
    "books": ("books:app", "Check that the books agree with themselves."),
    "plan": ("plans:app", "Lint a commission plan that is described in a file."),
    "user": ("users:app", "People of the platform: make the first operator."),
    "audit": ("audit:app", "The trail of who did what: verify its chains, seal it."),
    "tasks": ("tasks:app", "Background work: list, retry, cancel."),
    "worker": ("tasks:worker", "Do background work until stopped."),
    "serve": ("services:serve", "Serve the web until stopped."),
    "up": ("services:up", "Open the demonstration, then keep web and worker running."),
    "backup": ("services:backup", "Write the platform's database and documents to a file."),
    "restore": ("services:restore", "Bring a backup back."),
    "openapi": ("openapi:describe", "Write the description of the interface for machines."),
    "doctor": ("installation:doctor", "Say what this machine lacks, and how to get it."),
    "migrate": ("installation:migrate", "Bring the platform's database up to this release."),
    "keyring": ("installation:keyring", "The keys that open what is stored encrypted: make the ring, add a key."),
    "keys": ("keys:app", "A new key for what is stored encrypted; what the old ones still hold; letting them go."),
    "servers": ("installation:app", "The embedded PostgreSQL and Valkey of this checkout."),
}
for name, (place, what) in COMMANDS.items():
    app.command(f"qucheng.cli.{place}", name=name, help=what)


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status. arguments: those of the process where none are given."""
    try:
        status = app(arguments, exit_on_error=False, print_error=True, result_action="return_value")
    except cyclopts.CycloptsError:
        return WRONG_USAGE
    except errors.RefusedError as refusal:
        print(f"qucheng: {refusal}", file=sys.stderr)
        return STOPPED
    except OSError as error:  # a file that was named and is not there, a folder that is closed, a disk that is full
        if error.filename is None and error.errno not in NO_SPACE:
            raise
        named = "" if error.filename is None else f"{error.filename}: "
        print(f"qucheng: {named}{error.strerror}", file=sys.stderr)
        return STOPPED
    except Exception as error:
        if getattr(error, "sqlstate", None) != DISK_FULL:
            raise
        print("qucheng: PostgreSQL's disk is full: make room there, then give the command again", file=sys.stderr)
        return STOPPED
    except KeyboardInterrupt:
        print("qucheng: stopped; what was not committed is as it was", file=sys.stderr)
        return STOPPED
    return status if isinstance(status, int) else DONE


def main() -> None:
    """The entry point of the command `qucheng`."""
    supervisor.tie()
    log.configure(level=logging.ERROR)
    sys.exit(run())
