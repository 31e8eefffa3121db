"""What can be known of a process by its number. The system gives numbers out again, so a number alone proves nothing."""

import atexit
import os
import signal
import subprocess
import time
from pathlib import Path

_PROC = Path("/proc/self/stat")
_children: list[subprocess.Popen[bytes]] = []


def adopt(process: subprocess.Popen[bytes]) -> None:
    """Remember a server that we started and shall not wait for; a dead child that nobody collects looks alive."""
    _children.append(process)


@atexit.register
def _let_go() -> None:
    for process in _children:
        process.returncode = 0  # it is meant to run on: Python warns of children left behind


def serves(pid: int, folder: Path) -> bool:
    """Whether this living process is the server of `folder`: it works in it, or was started with it as an argument."""
    for process in [child for child in _children if child.poll() is not None]:
        _children.remove(process)
    if not _PROC.exists():
        known = subprocess.run(
            ["/bin/ps", "-ww", "-o", "stat=,command=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        return not known.stdout.startswith("Z") and str(folder) in known.stdout
    try:
        return (_PROC.parents[1] / str(pid) / "cwd").samefile(folder)
    except PermissionError:  # root of a container may not look there, and may read the arguments
        return os.fsencode(folder) in _arguments(pid)
    except OSError:  # gone, or dead and not collected
        return False


def _arguments(pid: int) -> list[bytes]:
    try:
        return (_PROC.parents[1] / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def end(pid: int, folder: Path, number: signal.Signals, seconds: float) -> bool:
    """Signal the process if it still is the one of `folder`, and wait until it is gone."""
    if not serves(pid, folder):
        return True
    os.kill(pid, number)
    deadline = time.monotonic() + seconds
    while serves(pid, folder):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
