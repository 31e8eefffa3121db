import os
import signal
import subprocess
from pathlib import Path

import pytest

from qucheng.core.embedded import processes


def test_a_process_serves_the_folder_that_it_works_in(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "60"], cwd=tmp_path) as server:
        assert processes.serves(server.pid, tmp_path)
        assert not processes.serves(server.pid, tmp_path.parent)
        server.kill()
    assert not processes.serves(server.pid, tmp_path)


def test_where_the_system_hides_that_the_arguments_tell_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hidden(_path: Path, _other: Path) -> bool:
        raise PermissionError

    monkeypatch.setattr(Path, "samefile", hidden)
    command = ["/bin/sh", "-c", "echo here; read line", "sh", "-D", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"here\n"
        assert processes.serves(server.pid, tmp_path)
        assert not processes.serves(server.pid, tmp_path.parent)
        assert not processes.serves(os.getpid(), tmp_path)


def test_a_dead_child_that_nobody_collected_serves_nothing(tmp_path: Path) -> None:
    server = subprocess.Popen(["/bin/sleep", "0"], cwd=tmp_path)
    os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)
    assert not processes.serves(server.pid, tmp_path)
    server.wait()


def test_a_process_of_another_folder_is_not_ended(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "60"], cwd="/") as other:
        assert processes.end(other.pid, tmp_path, signal.SIGKILL, 1)
        assert other.poll() is None
        other.kill()
