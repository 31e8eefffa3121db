"""Who runs a server, and where its data and its programs stand.

PostgreSQL refuses to run as root, so root lends both servers to an account without rights. What that account cannot reach (a
checkout below /root) stands in /var/tmp, in a folder named after the checkout.
"""

import hashlib
import os
import pwd
import shutil
import stat
import subprocess
from collections import abc
from pathlib import Path

import msgspec

from qucheng.core.embedded import refusals

_OUTSIDE = Path("/var/tmp")  # noqa: S108 -- kept over restarts and open to every account; our folder in it is checked below
_SHELL = "/bin/sh"


class Account(msgspec.Struct, frozen=True):
    uid: int
    gid: int

    @property
    def lent(self) -> bool:
        return self.uid != os.geteuid()


class Place(msgspec.Struct, frozen=True):
    data: Path
    account: Account


def outside(folder: Path) -> Path:
    return _OUTSIDE / f"qucheng-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}"


def existing(folder: Path, name: str) -> Path | None:
    """The data folder `name` of the checkout's folder, wherever it was made."""
    homes = [folder]
    if os.geteuid() == 0 and outside(folder).is_dir():
        homes.insert(0, _owned(outside(folder)))
    return next((home / name for home in homes if (home / name).is_dir()), None)


def prepare(folder: Path, name: str) -> Place:
    """The data folder `name`, made if it is new, and the account that owns it."""
    data = existing(folder, name)
    if data is None:
        return _make(folder, name)
    owner = data.stat()
    if os.geteuid() != 0 and owner.st_uid != os.geteuid():
        raise refusals.ForeignFolderError(
            f"{data} belongs to another user: run as that user, or set QUCHENG_VAR to a folder of yours"
        )
    if os.geteuid() == 0 and owner.st_uid == 0:
        account = _unprivileged()
        give(data, account)
        return Place(data, account)
    return Place(data, Account(owner.st_uid, owner.st_gid))


def give(path: Path, account: Account) -> None:
    for item in (path, *path.rglob("*")):
        os.chown(item, account.uid, account.gid, follow_symlinks=False)


def programs(source: Path, entry: Path, folder: Path, account: Account, *, keep: abc.Sequence[str]) -> Path:
    """`entry` (a program below `source`), or its copy outside where the account cannot run it. `keep`: what to copy of the
    folder that holds `source`; the libraries of a wheel stand beside its package and are found by relative path.
    """
    if not account.lent or _can(account, '"$0" --version', entry):
        return entry
    stamp = entry.stat()
    home = _owned(outside(folder))
    copy = home / f"{source.name}-{stamp.st_mtime_ns:x}-{stamp.st_size:x}"
    if not copy.is_dir():
        for old in home.glob(f"{source.name}-*"):
            shutil.rmtree(old)
        draft = home / f"draft-{source.name}-{os.getpid()}"
        for part in keep:
            if (source.parent / part).is_dir():
                shutil.copytree(source.parent / part, draft / part, ignore=shutil.ignore_patterns("include", "__pycache__"))
            else:
                (draft / part).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source.parent / part, draft / part)
        _open(draft)
        draft.rename(copy)
    return copy / entry.relative_to(source.parent)


def start(
    command: abc.Sequence[str | Path],
    account: Account,
    *,
    log: int,
    pass_fds: abc.Sequence[int] = (),
    stdin: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """A server that outlives us, in a session of its own, with nothing of our environment."""
    return subprocess.Popen(
        [os.fspath(part) for part in command],
        stdin=stdin,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd="/",
        env={"PATH": os.defpath, "LC_ALL": "C"},
        start_new_session=True,
        umask=0o077,
        pass_fds=pass_fds,
        user=account.uid if account.lent else None,
        group=account.gid if account.lent else None,
        extra_groups=[] if account.lent else None,
    )


def _make(folder: Path, name: str) -> Place:
    account = _unprivileged() if os.geteuid() == 0 else Account(os.geteuid(), os.getegid())
    data = folder / name
    data.mkdir(mode=0o700, parents=True)
    if account.lent and not _handed_over(data, account):
        data.rmdir()
        data = _owned(outside(folder)) / name
        data.parent.mkdir(exist_ok=True)
        data.mkdir(mode=0o700)
        give(data, account)
    return Place(data, account)


def _handed_over(data: Path, account: Account) -> bool:
    try:
        give(data, account)
    except PermissionError:  # a folder shared from another system keeps its owner
        return False
    return _can(account, 'test -w "$0" && cd "$0"', data)


def _can(account: Account, script: str, path: Path) -> bool:
    command = [_SHELL, "-c", script, os.fspath(path)]
    return start(command, account, log=subprocess.DEVNULL).wait(timeout=60) == 0


def _unprivileged() -> Account:
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise refusals.NoAccountError("root starts the servers as postgres or nobody, and this system has neither account")


def _owned(home: Path) -> Path:
    """Anybody may make a folder in /var/tmp: only one of ours is used."""
    home.mkdir(mode=0o711, exist_ok=True)
    found = home.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise refusals.ForeignFolderError(f"{home} was not made by this user: remove it")
    home.chmod(0o711)
    return home


def _open(tree: Path) -> None:
    for item in (tree, *tree.rglob("*")):
        if not item.is_symlink():
            item.chmod(0o755 if item.is_dir() or item.stat().st_mode & 0o100 else 0o644)
