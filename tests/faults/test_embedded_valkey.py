import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import abc
from concurrent import futures
from pathlib import Path

import pytest

from qucheng.core.embedded import binaries, places, probe, records, refusals, valkey


@pytest.fixture
def folder(tmp_path: Path) -> abc.Iterator[Path]:
    yield tmp_path / "var"
    valkey.discard(tmp_path / "var")


def data_of(folder: Path) -> Path:
    data = places.existing(folder.resolve(), "valkey/data")
    assert data is not None
    return data


def server_pid(folder: Path) -> int:
    return int((data_of(folder) / "running").read_text())


def password_of(url: str) -> str:
    return url.split(":")[2].split("@", maxsplit=1)[0]


def test_it_is_set_up_to_keep_what_it_is_told_and_to_listen_here_only(folder: Path) -> None:
    url = valkey.ensure(folder)
    assert url.startswith("redis://:")
    wanted = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "bind": "127.0.0.1"}
    with socket.create_connection(("127.0.0.1", valkey.running(folder) or 0), timeout=5) as client:
        client.sendall(f"AUTH {password_of(url)}\r\n".encode())
        assert client.recv(100) == b"+OK\r\n"
        for name, value in wanted.items():
            client.sendall(f"CONFIG GET {name}\r\n".encode())
            assert client.recv(100).decode().split()[-1] == value


def test_a_running_server_is_used_again_and_a_stopped_one_keeps_its_port_and_password(folder: Path) -> None:
    url = valkey.ensure(folder)
    pid = server_pid(folder)
    assert valkey.ensure(folder) == url
    assert server_pid(folder) == pid
    assert f":{valkey.running(folder)}/" in url
    valkey.stop(folder)
    assert valkey.running(folder) is None
    assert valkey.ensure(folder) == url
    assert server_pid(folder) != pid


def test_a_kill_loses_nothing_that_is_a_second_old(folder: Path) -> None:
    url = valkey.ensure(folder)
    probe.valkey(url, *(f"RPUSH kept {number}" for number in range(1000)))
    time.sleep(1.2)
    os.kill(server_pid(folder), signal.SIGKILL)
    assert valkey.ensure(folder) == url
    assert probe.valkey(url, "LLEN kept", "LINDEX kept 999") == ["1000", "999\r\n"]


def test_it_is_waited_for_until_it_has_read_what_it_kept(folder: Path) -> None:
    url = valkey.ensure(folder)
    probe.valkey(url, *(f"SET kept:{number} {number}" for number in range(50_000)))
    os.kill(server_pid(folder), signal.SIGKILL)
    valkey.ensure(folder)
    assert probe.valkey(url, "GET kept:0") == ["0\r\n"]


def test_the_number_of_an_unrelated_process_is_neither_taken_for_the_server_nor_killed(folder: Path) -> None:
    valkey.ensure(folder)
    valkey.stop(folder)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as unrelated:
        try:
            (data_of(folder) / "running").write_text(str(unrelated.pid))
            assert valkey.running(folder) is None
            valkey.stop(folder)
            assert probe.valkey(valkey.ensure(folder), "PING") == ["PONG"]
            assert server_pid(folder) != unrelated.pid
            (data_of(folder) / "running").write_text(str(unrelated.pid))
            with pytest.raises(refusals.StopError):
                valkey.stop(folder)
            assert unrelated.poll() is None
            valkey.ensure(folder)
            assert server_pid(folder) != unrelated.pid
        finally:
            unrelated.kill()


def test_a_server_that_is_stopped_for_a_moment_is_waited_for_and_gets_no_rival(folder: Path) -> None:
    url = valkey.ensure(folder)
    pid = server_pid(folder)
    os.kill(pid, signal.SIGSTOP)
    with futures.ThreadPoolExecutor(1) as thread:
        again = thread.submit(valkey.ensure, folder)
        time.sleep(0.3)
        assert not again.done()
        os.kill(pid, signal.SIGCONT)
        assert again.result(timeout=30) == url
    assert server_pid(folder) == pid


def test_starts_at_once_give_one_server(folder: Path) -> None:
    program = "import sys, pathlib; from qucheng.core.embedded import valkey; print(valkey.ensure(pathlib.Path(sys.argv[1])))"

    def start(_number: int) -> str:
        return subprocess.check_output([sys.executable, "-c", program, folder], text=True, timeout=120).strip()

    with futures.ThreadPoolExecutor(3) as threads:
        urls = set(threads.map(start, range(3)))
    assert urls == {valkey.ensure(folder)}
    commands = subprocess.check_output(["/bin/ps", "-ewwo", "args"], text=True)
    assert commands.count(f"valkey-server - --dir {data_of(folder)}\n") == 1


def test_the_password_stands_in_a_file_of_the_owner_only_and_in_no_command(folder: Path) -> None:
    password = password_of(valkey.ensure(folder))
    record = folder / "valkey/valkey.json"
    assert record.stat().st_mode & 0o777 == 0o600
    assert password in record.read_text()
    assert password not in subprocess.check_output(["/bin/ps", "-ewwo", "args"], text=True)
    assert data_of(folder).stat().st_mode & 0o777 == 0o700


def test_a_wrong_password_and_none_are_refused(folder: Path) -> None:
    url = valkey.ensure(folder)
    with pytest.raises(probe.NotLetInError):
        probe.valkey(url.replace(password_of(url), "wrong"), "PING")
    with pytest.raises(probe.NotLetInError):
        probe.valkey(url.replace(f":{password_of(url)}@", ""), "PING")


def test_a_server_whose_password_is_gone_is_replaced(folder: Path) -> None:
    url = valkey.ensure(folder)
    pid = server_pid(folder)
    (folder / "valkey/valkey.json").unlink()
    again = valkey.ensure(folder)
    assert password_of(again) != password_of(url)
    assert server_pid(folder) != pid
    assert probe.valkey(again, "PING") == ["PONG"]


def test_discard_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    valkey.ensure(folder, durable=False)
    valkey.discard(folder)
    assert valkey.running(folder) is None
    assert list(folder.iterdir()) == []
    assert not places.outside(folder.resolve()).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root lends the servers to another account")
def test_what_the_lent_account_cannot_reach_stands_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = tmp_path / "closed"
    source = binaries.valkey()
    copy = closed / source.relative_to(source.parents[3])
    copy.parent.mkdir(parents=True)
    closed.chmod(0o700)
    shutil.copy2(source, copy)
    monkeypatch.setattr(binaries, "valkey", lambda: copy)
    try:
        url = valkey.ensure(closed / "var", durable=False)
        assert probe.valkey(url, "PING") == ["PONG"]
        assert data_of(closed / "var").is_relative_to(places.outside((closed / "var").resolve()))
        assert data_of(closed / "var").stat().st_uid != 0
        assert valkey.ensure(closed / "var") == url
    finally:
        valkey.discard(closed / "var")


def test_an_ordinary_user_has_a_server_too(as_nobody: abc.Callable[[str, Path], str], open_folder: Path) -> None:
    program = "import sys, pathlib; from qucheng.core.embedded import valkey as v; f = pathlib.Path(sys.argv[1]); "
    try:
        urls = as_nobody(program + "print(v.ensure(f)); print(v.ensure(f))", open_folder).split()
        assert urls[0] == urls[1]
        assert probe.valkey(urls[0], "PING") == ["PONG"]
    finally:
        as_nobody(program + "v.stop(f)", open_folder)
        assert valkey.running(open_folder) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can leave a folder that a user may not enter")
def test_a_folder_of_another_user_is_refused_by_name(as_nobody: abc.Callable[[str, Path], str], open_folder: Path) -> None:
    valkey.ensure(open_folder, durable=False)
    program = (
        "import sys, pathlib\nfrom qucheng.core.embedded import refusals, valkey\n"
        "try: valkey.ensure(pathlib.Path(sys.argv[1]))\nexcept refusals.ForeignFolderError as error: print(error)"
    )
    try:
        assert "belongs to another user" in as_nobody(program, open_folder)
    finally:
        valkey.discard(open_folder)


def test_a_record_is_written_whole_and_read_by_its_owner_only(tmp_path: Path) -> None:
    records.save(tmp_path / "a.json", valkey.Record("word", 1))
    records.save(tmp_path / "a.json", valkey.Record("other", 2))
    assert records.load(tmp_path / "a.json", valkey.Record) == valkey.Record("other", 2)
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
