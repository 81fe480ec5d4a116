"""The home of the embedded PostgreSQL: its lock, its owner and modes, and the facts stored in the lock file."""

import contextlib
import fcntl
import json
import os
import stat
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from app.infra import ownership
from app.local.processes import Account, StartError

_TRIES, _LOOK_S = 20, 0.01
_WRITTEN = ("postgresql.conf", "pg_hba.conf", "pg_ident.conf")
_OURS = ("lock", "secret.key", "server", "start.log", *_WRITTEN, *(f"{name}.new" for name in _WRITTEN))
"""What is in a home and does not belong to the account of the server."""


class EmbeddedError(StartError):
    """The embedded PostgreSQL cannot run; the message says why and what to do."""


class AlreadyRunning(EmbeddedError):
    """Another `rowline run` holds this home. `pid` and `url` are None until it has stored them."""

    def __init__(self, home: Path, *, pid: int | None, url: str | None) -> None:
        self.pid = pid
        self.url = url
        known = ", ".join(filter(None, [f"process {pid}" if pid else None, url]))
        super().__init__(f"Rowline already runs in {home}" + (f" ({known})" if known else ""))


@dataclass(frozen=True)
class Facts:
    """What a running Rowline stores in its lock file: its pid, and the URLs of its API and its database.

    `token`: one that its API knows, for commands on this machine. It ends with this run.
    """

    pid: int | None = None
    url: str | None = None
    database_url: str | None = None
    owner_url: str | None = None
    token: str | None = field(default=None, repr=False)


class Lock:
    """The lock on a home. It is held until the process ends; children do not inherit it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def store(self, facts: Facts) -> None:
        """Store `facts` in the lock file, for a second start and for commands of the same account."""
        content = {
            "pid": facts.pid,
            "url": facts.url,
            "databaseUrl": facts.database_url,
            "ownerUrl": facts.owner_url,
            "token": facts.token,
        }
        self.clear()
        os.pwrite(self._descriptor, json.dumps(content).encode(), 0)

    def clear(self) -> None:
        """Remove the facts from the lock file."""
        os.ftruncate(self._descriptor, 0)


@contextlib.contextmanager
def hold(home: Path) -> Iterator[Lock]:
    """Create `home` if it is missing, and hold its lock during the block. Raises AlreadyRunning, EmbeddedError."""
    try:
        _make_ours(home)
        descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        os.fchmod(descriptor, 0o600)  # it will hold a token
    except OSError as error:
        raise EmbeddedError(f"{home} cannot be used: {error}. Choose another folder with ROWLINE_HOME.") from error
    try:
        _take(home, descriptor)
        lock = Lock(descriptor)
        lock.store(Facts(pid=os.getpid()))
        try:
            yield lock
        finally:
            lock.clear()
    finally:
        os.close(descriptor)


def running(home: Path) -> Facts | None:
    """Return the facts of the Rowline that runs in `home`, once its database does; else None. Raises EmbeddedError.

    A killed one leaves its facts, but not its lock: its pid and its port may be another account's by now.
    """
    try:
        descriptor = os.open(home / "lock", os.O_RDONLY | os.O_NOFOLLOW)
    except PermissionError as error:
        raise EmbeddedError(f"{home} is another user's: {error}") from error
    except OSError:
        return None
    with os.fdopen(descriptor) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            _require(ownership.fault_of_file(os.fstat(descriptor), home / "lock") or _fault(home))
            found = _facts(file.read())
        else:
            return None
    return found if found.database_url and found.pid and lives(found.pid) else None


def _facts(content: str) -> Facts:
    try:
        stored = json.loads(content)
    except ValueError:
        return Facts()
    names = ("pid", "url", "databaseUrl", "ownerUrl", "token")
    return Facts(*map(stored.get, names))


def lives(pid: int) -> bool:
    """Return whether there is a process with this id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def require_reach(home: Path, account: Account | None) -> None:
    """Raise EmbeddedError if `account` cannot enter `home`. The modes of existing folders are not changed."""
    if account is None:
        return
    folder = home.resolve()
    for step in [*reversed(folder.parents), folder]:
        # Only an actual access checks ACLs and the like.
        tried = subprocess.run(["test", "-x", step], check=False, cwd="/", **account.arguments)  # noqa: S603, S607
        if tried.returncode:
            raise EmbeddedError(
                f"the account {account.name!r}, under which PostgreSQL runs, cannot enter {step}. "
                "Choose another folder with ROWLINE_HOME, or open that one (chmod o+x)."
            )


def own(folder: Path, account: Account | None) -> None:
    """Ensure that `folder` exists, belongs to `account` (None: this process's) and is closed to other users."""
    uid, gid = (account.uid, account.gid) if account else (os.geteuid(), os.getegid())
    folder.mkdir(mode=0o700, exist_ok=True)
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid not in {uid, os.geteuid()}:
        raise EmbeddedError(f"{folder} is not a folder of Rowline: it must belong to {uid}. Move it away.")
    if state.st_uid != uid:
        os.chown(folder, uid, gid, follow_symlinks=False)
    if stat.S_IMODE(state.st_mode) != 0o700:  # noqa: PLR2004
        folder.chmod(0o700)


def _make_ours(home: Path) -> None:
    """Create `home` if it is missing. Raises EmbeddedError, before anything is made, if others could change it."""
    missing = [folder for folder in [home, *home.parents] if not folder.exists()]
    for folder in reversed(missing):
        _require(ownership.fault_of_parents(folder.parent))
        _make(folder, 0o700 if os.geteuid() else 0o711 if folder == home else 0o755)
    _require(_fault(home))


def _fault(home: Path) -> str | None:
    """Return what is wrong if another account could change what is in `home`, or did so before it became ours."""
    try:
        found = ownership.fault(home)
    except OSError as error:
        return f"{home} cannot be used: {error}"
    for path in (home / name for name in _OURS):
        with contextlib.suppress(FileNotFoundError):
            found = found or ownership.fault_of_file(path.lstat(), path)
    return found


def _require(fault: str | None) -> None:
    if fault:
        raise EmbeddedError(fault)


def _make(folder: Path, mode: int) -> None:
    """Create a missing folder; as root with a mode that lets an unprivileged account pass through it.

    What has come there meanwhile stays as it is: in a sticky folder it may be a link that another account made.
    """
    with contextlib.suppress(FileExistsError):
        folder.mkdir(0o700)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)


def _take(home: Path, descriptor: int) -> None:
    """Take the lock. Raises AlreadyRunning. Commands hold it for a moment, when they look whether it is held."""
    for is_last in (*[False] * _TRIES, True):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if is_last:
                found = _facts(os.pread(descriptor, 65536, 0).decode(errors="replace"))
                raise AlreadyRunning(home, pid=found.pid, url=found.url) from error
            time.sleep(_LOOK_S)
        else:
            return
