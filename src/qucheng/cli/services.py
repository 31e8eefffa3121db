"""qucheng serve and qucheng up: the platform kept running."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from qucheng.cli import opening
from qucheng.cli.statuses import DONE
from qucheng.core import backup as backups
from qucheng.core import clock, errors, log, platform, production, servers, settings, supervisor
from qucheng.core import restore as restoring
from qucheng.web import server

HOST, PORT = "127.0.0.1", 8000
ASK_SECONDS, ASK_AGAIN_SECONDS = 5, 0.2
PROGRAM = (sys.executable, "-P", "-m", "qucheng.cli")


def serve(*, host: str = HOST, port: int = PORT) -> None:
    """Serve the web until SIGTERM or Ctrl-C: /healthz, /readyz, and /metrics for who sends its token.

    Parameters
    ----------
    host
        The address to listen on; only this machine reaches 127.0.0.1.
    port
        The port to listen on.

    """
    log.configure()
    current = settings.load()
    production.require(current)
    production.warn(current)
    asyncio.run(server.serve(settings=current, host=host, port=port))


def up(*, demo: bool = True, host: str = HOST, port: int = PORT) -> int:
    """Open the demonstration, then keep the web and a worker running until Ctrl-C or SIGTERM. What dies is started again.

    Parameters
    ----------
    demo
        --no-demo leaves the demo brands and their people out.
    host
        The address that the web listens on; only this machine reaches 127.0.0.1.
    port
        The port that the web listens on.

    """
    current = settings.load()
    production.require(current, demo=demo)
    server.reserve(host, port).close()
    with contextlib.suppress(KeyboardInterrupt), _servers_as_found(current), supervisor.interruptible():
        asyncio.run(_prepare(current))
        if demo:
            opening.open_platform(current.public_url or _here(host, port))
            print()
        _keep_up(current, host, port, demo=demo)
    print("stopped")
    return DONE


def _keep_up(current: settings.Settings, host: str, port: int, *, demo: bool) -> None:
    # the worker does not listen, and writes the links in letters and messages
    os.environ.setdefault("QUCHENG_LOCAL_URL", _here(host, port))
    programs = [
        supervisor.Program("web", (*PROGRAM, "serve", "--host", host, "--port", str(port))),
        supervisor.Program("worker", (*PROGRAM, "worker")),
    ]
    if demo:  # beside them and after them: whoever opens the first page waits for no PDF
        programs.append(supervisor.Program("demo", ("nice", "-n", "10", *PROGRAM, "demo"), once=True))
    stop = supervisor.Stop()
    with stop.listening():
        print("web and worker are starting", flush=True)
        threading.Thread(target=_tell, args=(_here(host, port), stop), name="telling", daemon=True).start()
        supervisor.keep_up(programs, stop=stop, say=_say, tend=lambda: _mend(current))


def _tell(here: str, stop: supervisor.Stop) -> None:
    """Says where the web is once it answers: who followed the address before that would find nobody."""
    while not stop.wanted:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{here}/healthz", timeout=ASK_SECONDS, trust_env=False).is_success:
                print(f"渠成 is at {here}; Ctrl-C stops it", flush=True)
                return
        time.sleep(ASK_AGAIN_SECONDS)


def _here(host: str, port: int) -> str:
    """Where a browser on this machine finds it."""
    named = "127.0.0.1" if host in {"0.0.0.0", "::"} else f"[{host}]" if ":" in host else host  # noqa: S104 - not bound here
    return f"http://{named}:{port}"


def _say(text: str) -> None:
    print(f"qucheng: {text}", file=sys.stderr, flush=True)


def _mend(current: settings.Settings) -> None:
    try:
        for name in servers.mend(current):
            _say(f"{name} was down and has been started")
    except (errors.RefusedError, OSError) as error:
        _say(str(error))


def backup(*, out: Path, documents: bool = True) -> None:
    """Copy the platform's database, as it is at one instant, and its documents into one file.

    Parameters
    ----------
    out
        The file, or a folder in which it is named by the time. It holds everything that the platform knows: keep it closed.
    documents
        --no-documents leaves the files of the statements out; they can be made again.

    """
    current = settings.load()
    owner = servers.database_url(current)
    folder = current.documents if documents else None
    taken = asyncio.run(backups.write(owner_url=owner, documents=folder, out=out, now=clock.now()))
    print(f"{taken.file}: {taken.tables} tables, {taken.rows} rows, {taken.documents} documents, {taken.bytes} bytes")


def restore(file: Path, *, into: str | None = None, documents: bool = True) -> None:
    """Put a backup back, into a database that is empty or not there yet. All of it or nothing is restored.

    Parameters
    ----------
    file
        What qucheng backup wrote.
    into
        The name of a database on the same server. Without it the platform's own, which must be empty.
    documents
        --no-documents leaves the files of the statements where they are in the backup.

    """
    current = settings.load()
    owner = servers.database_url(current)
    folder = current.documents if documents else None
    made = asyncio.run(restoring.restore(owner_url=owner, documents=folder, file=file, into=into))
    print(f"restored into {made.database}: {made.tables} tables, {made.rows} rows, {made.documents} documents; all equal")


async def _prepare(current: settings.Settings) -> None:
    """Both servers run and the schema is there, before the two programs ask for them at once."""
    servers.redis_url(current)
    async with platform.entered(current):
        pass


@contextlib.contextmanager
def _servers_as_found(current: settings.Settings) -> Iterator[None]:
    """Afterwards runs of the embedded servers what ran before."""
    ran = {status.name for status in servers.status(current) if status.address is not None}
    try:
        yield
    finally:
        servers.stop(current, keep=ran)
