"""What every test shares: real servers of its own run, no way out of this machine, and the switch for long tests.

The servers stand in one temporary folder for the whole run, workers of pytest-xdist included, and start when a test first asks.
The folder stands in memory where there is room: a database is over a thousand files, and hundreds of databases are made.
QUCHENG_TEST_DATABASE_URL and QUCHENG_TEST_REDIS_URL name other servers; QUCHENG_TEST_POSTGRES names a folder of other binaries.
"""

import fcntl
import ipaddress
import os
import shutil
import subprocess
import sys
import tempfile
from collections import abc
from pathlib import Path

import asyncpg
import coverage
import pytest

import qucheng
from qucheng.core import database
from qucheng.core.embedded import postgres, records, valkey
from tests import books

_FOLDER = "QUCHENG_TEST_FOLDER"
_PREFIX = "qucheng-tests-"
_MEMORY = Path("/dev/shm")  # noqa: S108 - open to every account, as a folder of temporary files is
_ROOM = 6 << 30
_MACHINE_MIB = 12_000
_PATH = os.pathsep.join([str(Path(qucheng.__file__).parents[1]), str(Path(pytest.__file__).parents[1])])
# Money code is not what these try, or others have tried it before them. Measuring takes half as long again as what is measured.
_UNMEASURED = (
    "browser", "doors/account", "doors/cli", "doors/matrix", "doors/open_api", "doors/public", "doors/till", "doors/web",
    "faults", "house", "rooms/campaigns", "rooms/connectors", "rooms/core", "rooms/identity", "rooms/insight",
    "rooms/redemption", "rooms/risk", "rooms/stock", "unit/identity",
)  # fmt: skip
_run: list[int] = []


class OutsideConnectionError(RuntimeError):
    """A test tried to reach another machine."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="run the tests marked `long` too")


def pytest_configure(config: pytest.Config) -> None:
    sys.addaudithook(_stay_inside)
    if hasattr(config, "workerinput"):
        return
    _remove_leftovers()
    draft = Path(tempfile.mkdtemp(prefix="qucheng-draft-", dir=_MEMORY if _is_roomy() else None))
    draft.chmod(0o755)  # the account that runs the servers goes through it; what they hold is closed
    held = os.open(draft / "run", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(held, fcntl.LOCK_EX)
    _run.append(held)
    # under its name only once it is locked: another run removes what nobody holds
    os.environ[_FOLDER] = str(draft.rename(draft.with_name(draft.name.replace("qucheng-draft-", _PREFIX))))


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput") and _run:
        _discard(Path(os.environ.pop(_FOLDER)))
        os.close(_run.pop())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--all"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> abc.Generator[None, object, object]:
    measuring = coverage.Coverage.current()
    if measuring is None or not item.nodeid.startswith(tuple(f"tests/{folder}/" for folder in _UNMEASURED)):
        return (yield)
    measuring.stop()
    try:
        return (yield)
    finally:
        measuring.start()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """The owner's URL: may create roles and databases, is no superuser. Make a database of your own in it."""
    programs = os.environ.get("QUCHENG_TEST_POSTGRES")
    return os.environ.get("QUCHENG_TEST_DATABASE_URL") or postgres.ensure(
        Path(os.environ[_FOLDER]), durable=False, programs=Path(programs) if programs else None
    )


@pytest.fixture(scope="session")
def product_home(postgres_url: str) -> abc.Iterator[None]:
    """For tests of the command line: it finds the servers of this run in its environment, and a `var` of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", postgres_url)
        patch.setenv("QUCHENG_VAR", str(Path(os.environ[_FOLDER]) / "app"))
        yield


@pytest.fixture(scope="session")
def valkey_url() -> str:
    """Database 0 is shared by all tests of the run: take a key prefix of your own."""
    return os.environ.get("QUCHENG_TEST_REDIS_URL") or valkey.ensure(Path(os.environ[_FOLDER]), durable=False)


@pytest.fixture
def open_folder() -> abc.Iterator[Path]:
    """A folder of an ordinary user; pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp())
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def as_nobody() -> abc.Callable[[str, Path], str]:
    """Run a program of ours with a folder as its argument, as a user without rights."""
    user = "nobody" if os.geteuid() == 0 else None
    # the interpreter of this run may stand where that user cannot go
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for interpreter in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        try:
            _run_as(interpreter, user, "import asyncpg, msgspec, qucheng.core.embedded.postgres", Path("/"))
        except (OSError, subprocess.CalledProcessError):
            continue
        return lambda program, folder: _run_as(interpreter, user, program, folder)
    pytest.skip("no interpreter here that an ordinary user can run")


def _run_as(interpreter: str, user: str | None, program: str, folder: Path) -> str:
    return subprocess.run(
        [interpreter, "-c", program, str(folder)],
        user=user,
        extra_groups=[] if user else None,
        cwd="/",
        env={"PATH": os.defpath, "PYTHONPATH": _PATH, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        check=True,
        text=True,
        timeout=120,
    ).stdout


def _remove_leftovers() -> None:
    """Stop the servers of runs that were killed."""
    for folder in [found for home in (Path(tempfile.gettempdir()), _MEMORY) for found in home.glob(f"{_PREFIX}*")]:
        try:
            held = os.open(folder / "run", os.O_RDWR)
        except OSError:  # of another user, or just being made
            continue
        try:
            if records.acquired(held):
                _discard(folder)
        finally:
            os.close(held)


def _is_roomy() -> bool:
    """Whether memory has room for the databases of all workers, and the machine for what runs beside them."""
    if not os.access(_MEMORY, os.W_OK):
        return False
    return shutil.disk_usage(_MEMORY).free >= _ROOM and postgres._memory() >= _MACHINE_MIB


def _discard(folder: Path) -> None:
    try:
        valkey.discard(folder)
    finally:
        postgres.discard(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _stay_inside(event: str, arguments: tuple[object, ...]) -> None:
    if event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
        address = arguments[1]
        if isinstance(address, abc.Sequence) and not isinstance(address, str | bytes) and not _local(address[0]):
            raise OutsideConnectionError(f"a test may not connect to {address[0]}")
    elif event == "socket.getaddrinfo" and not _local(arguments[0]):
        raise OutsideConnectionError(f"a test may not look up {arguments[0]}")


def _local(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(str(name)).is_loopback
    except ValueError:
        return False


@pytest.fixture(scope="session")
async def books_home(postgres_url: str) -> tuple[str, str]:
    """The owner's and the app's address on the server of this run; the workers share the role and so its password."""
    return postgres_url, await database.app_url(postgres_url, None, Path(os.environ[_FOLDER]) / "app")


@pytest.fixture(scope="module")
async def workspace(books_home: tuple[str, str]) -> abc.AsyncIterator[books.Workspace]:
    """A migrated database of the module's own, with the engine on it as the app."""
    async with books.fresh(books_home) as made:
        yield made


@pytest.fixture(scope="module")
async def owner(workspace: books.Workspace) -> abc.AsyncIterator[asyncpg.Connection]:
    async with books.connected(workspace.owner) as connection:
        yield connection


@pytest.fixture
async def app(workspace: books.Workspace) -> abc.AsyncIterator[asyncpg.Connection]:
    """As the app's role, without a brand."""
    async with books.connected(workspace.app) as connection:
        yield connection
