"""The embedded PostgreSQL of `rowline run`: its data, its server, its URL.

The home contains `postgres/` (the data), `log/`, `run/` (the socket), `postgresql.conf`, `pg_hba.conf` and
`pg_ident.conf` (written at each start), `start.log` (the server's output before its log begins) and, for root,
sometimes `server/` (a copy of the programs).
"""

import contextlib
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from app.infra import release
from app.infra.settings import Settings
from app.local import binaries, home
from app.local.home import EmbeddedError
from app.local.processes import Account, Child, tie

OWNER = "rowline"
"""The superuser, for migrations and for people."""
RUNTIME = "rowline_runtime"
"""The role of the running processes; `app/store/roles.sql` creates it."""
DATABASE = "rowline"
PORT = 5432
"""The port in the socket's name; the server does not listen on TCP."""
LONGEST_SOCKET = 103
"""The most bytes in the path of a socket: 103 on macOS, 107 on Linux."""

SERVER_SETTINGS = {
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "1GB",
    "wal_compression": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_lock_waits": "on",
    # One file per weekday, overwritten each week.
    "logging_collector": "on",
    "log_destination": "jsonlog",
    "log_filename": "postgres-%a.log",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_truncate_on_rotation": "on",
}
_CONF_HEAD = (
    "# Written by `rowline run` at each start. To change a setting: ALTER SYSTEM SET ... (make psql), restart.\n"
)
_ACCESS_HEAD = "# Written by `rowline run` at each start: only the account that runs it has access, as any role.\n"
_ACCESS = "local all all peer map=rowline\nlocal replication all peer map=rowline\n"


def _silent(_line: str) -> None:
    pass


class Embedded:
    """The server of one home, whose lock the caller holds."""

    def __init__(self, settings: Settings, *, tell: Callable[[str], None] = _silent) -> None:
        """`tell` is called with a message before work that takes long."""
        self.data = settings.home / "postgres"
        self._settings = settings
        self._home = settings.home
        self._tell = tell
        self._mark = _mark(settings.home)

    @property
    def sockets(self) -> Path:
        """The folder of the socket, closed to other users: in the home, unless that path is too long."""
        folder = self._home / "run"
        path = os.fsencode(folder / f".s.PGSQL.{PORT}")
        if len(path) <= LONGEST_SOCKET and path.isascii() and b"," not in path:
            return folder
        return Path(tempfile.gettempdir()) / self._mark

    @property
    def url(self) -> str:
        """The URL of the database as the run-time role, which the script of the roles must create first."""
        return self._url(DATABASE, RUNTIME)

    @property
    def owner_url(self) -> str:
        """The URL of the database as the superuser, for migrations."""
        return self._url(DATABASE, OWNER)

    def prepare(self) -> Child:
        """Create what is missing, stop what a crash left running, and return the server as a child to start.

        Raises EmbeddedError.
        """
        try:
            account = binaries.account_for(self.data, wanted=self._settings.postgres_account)
            home.require_reach(self._home, account)
            found = binaries.programs_for(self._settings, account, tell=self._tell)
            self.clear()
            self._make_data(found, account)
            home.own(self._home / "log", account)
            home.own(self.sockets, account)
            self._write_conf()
            self._write_access()
        except OSError as error:
            raise EmbeddedError(f"PostgreSQL cannot be prepared in {self._home}: {error}") from error
        return self._child(found, account)

    def clear(self) -> None:
        """Stop the processes that still use the data, and remove pid files that would prevent the next start.

        Only the holder of the home's lock may call it. Takes up to some seconds. Raises EmbeddedError.
        """
        if not self.data.exists():
            return
        self._end_leftovers()
        pid = _postmaster(self.data)
        if pid and home.lives(pid) and not _is_server(self._commands().get(pid, [])):
            # The pid belongs to another program now: postgres would take it for a server on this data.
            (self.data / "postmaster.pid").unlink(missing_ok=True)
        for left in self.sockets.glob(".s.PGSQL.*"):
            left.unlink(missing_ok=True)

    def is_ready(self) -> bool:
        """Return whether the server accepts connections."""
        try:
            self._connect(within_s=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def last_words(self) -> str:
        """Return the server's output before it failed to start, for a person."""
        said = (self._home / "start.log").read_text(errors="replace").strip()
        return f"It said:\n{said}\nMore may be in {self._home / 'log'}."

    def ensure_database(self) -> None:
        """Create the database if it is missing. Raises EmbeddedError."""
        try:
            with self._connect(within_s=10) as conn:
                found = conn.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,)).rowcount
                if not found:
                    conn.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg.Error as error:
            raise EmbeddedError(f"the database cannot be created: {error}") from error

    def _connect(self, *, within_s: int) -> psycopg.Connection[Any]:
        """Connect to the database `postgres`, which every server has. Raises psycopg.Error."""
        named = release.named("rowline-run")
        url = self._url("postgres", OWNER)
        return psycopg.connect(url, application_name=named, autocommit=True, connect_timeout=within_s)

    def _end_leftovers(self) -> None:
        """Stop the processes of an orphaned server: fast, then immediate, then SIGKILL. Commits survive all three."""
        for number, wait_s in ((signal.SIGINT, 10.0), (signal.SIGQUIT, 1.0), (signal.SIGKILL, 2.0)):
            left = self._leftovers()
            if number == signal.SIGINT:
                left &= {_postmaster(self.data)}  # its children would only cancel a query
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            ends_at = time.monotonic() + wait_s
            while left and self._leftovers() and time.monotonic() < ends_at:
                time.sleep(0.01)
        if left := self._leftovers():
            raise EmbeddedError(f"processes of an earlier PostgreSQL on {self.data} do not end: {sorted(left)}")

    def _leftovers(self) -> set[int]:
        """Return the processes of a server of this home: their titles have its mark, or the folder of the data.

        Titles can say anything: of other accounts than the owner of the data no process is one.
        """
        return {pid for pid, words in self._commands().items() if self._is_ours(words)}

    def _commands(self) -> dict[int, list[str]]:
        return _commands({self.data.stat().st_uid, os.geteuid()})

    def _is_ours(self, words: list[str]) -> bool:
        line = f" {' '.join(words)} "
        if _is_server(words):
            return f" {self.data} " in line or f"cluster_name={self._mark}" in line
        return line.startswith(f" postgres: {self._mark}:")

    def _url(self, database: str, role: str) -> str:
        return f"postgresql://{role}@/{database}?host={quote(str(self.sockets), safe='/')}&port={PORT}"

    def _make_data(self, found: binaries.Programs, account: Account | None) -> None:
        """Run initdb unless there is data, in a folder beside it that is then renamed, so that it is atomic."""
        version = self.data / "PG_VERSION"
        if version.exists():
            if version.read_text().strip() != found.major:
                raise EmbeddedError(
                    f"{self.data} was made by PostgreSQL {version.read_text().strip()}, but {found.folder} holds "
                    f"{found.version}. Set ROWLINE_POSTGRES_BIN to the older one, or dump and restore."
                )
            return
        for left in self._home.glob("postgres.new-*"):
            shutil.rmtree(left, ignore_errors=True)
        self._tell(f"Creating the database in {self.data}")
        fresh = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self._home))
        home.own(fresh, account)
        _initdb(found, fresh, account)
        fresh.rename(self.data)
        _sync(self._home)

    def _write_conf(self) -> None:
        lines = [f"{name} = '{value}'\n" for name, value in SERVER_SETTINGS.items()]
        self._write("postgresql.conf", _CONF_HEAD + "".join(lines))

    def _write_access(self) -> None:
        """Give access to the account of this process only: not even to the server's, which may run other programs."""
        us = account_name(os.geteuid()).replace('"', '""')
        # Before PostgreSQL 16 `all` is the name of a role, and so changes nothing.
        lines = [f'rowline "{us}" {role}\n' for role in (OWNER, RUNTIME, "all")]
        self._write("pg_ident.conf", _ACCESS_HEAD + "".join(lines))
        self._write("pg_hba.conf", _ACCESS_HEAD + _ACCESS)

    def _write(self, name: str, text: str) -> None:
        fresh = self._home / f"{name}.new"
        fresh.write_text(text)
        fresh.chmod(0o644)
        fresh.replace(self._home / name)

    def _child(self, found: binaries.Programs, account: Account | None) -> Child:
        sockets = str(self.sockets).replace('"', '""')
        must = {
            "config_file": str(self._home / "postgresql.conf"),
            "hba_file": str(self._home / "pg_hba.conf"),
            "ident_file": str(self._home / "pg_ident.conf"),
            "log_directory": str(self._home / "log"),
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_directories": f'"{sockets}"',
            "unix_socket_permissions": "0700",
            "cluster_name": self._mark,
        }
        options = [word for name, value in must.items() for word in ("-c", f"{name}={value}")]
        return Child(
            name="postgres",
            argv=[found.folder / "postgres", "-D", self.data, *options],
            env=_environment(),
            account=account,
            cwd=Path("/"),
            errors=self._home / "start.log",
            stop_signal=signal.SIGINT,  # fast: ends sessions, then writes a checkpoint
            before=self.clear,
        )


def _mark(folder: Path) -> str:
    """Return a short hash of a home, for the process titles of its server and for a folder in /tmp."""
    who = f"{os.geteuid()} {folder.resolve()}"
    return "rowline-" + hashlib.sha256(os.fsencode(who)).hexdigest()[:16]


def account_name(uid: int) -> str:
    """Return the name of the account `uid`, by which PostgreSQL authenticates it. Raises EmbeddedError."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise EmbeddedError(
            f"the user id {uid} has no name here, and PostgreSQL lets in accounts by their names. "
            "Run Rowline as a user that /etc/passwd knows, or set DATABASE_URL."
        ) from None


def url_of_running(settings: Settings) -> str:
    """Return the URL of the database of the `rowline run` of this home, for programs. Raises EmbeddedError."""
    return _urls(settings)[0]


def owner_url_of_running(settings: Settings) -> str:
    """Return the same URL as the superuser, for migrations and for people. Raises EmbeddedError."""
    url, owner_url = _urls(settings)
    return owner_url or url  # older releases stored only the superuser's URL


def _urls(settings: Settings) -> tuple[str, str | None]:
    facts = home.running(settings.home)
    if facts is None or facts.database_url is None:
        raise EmbeddedError(
            f"Rowline does not run in {settings.home}. Start it with `rowline run`, "
            "or set ROWLINE_HOME as for the one that runs. This command needs the database (DATABASE_URL)."
        )
    return facts.database_url, facts.owner_url


def programs(settings: Settings) -> Path:
    """Return the folder of psql, pg_dump and PostgreSQL's other programs."""
    return binaries.folder(settings)


def _initdb(found: binaries.Programs, folder: Path, account: Account | None) -> None:
    words = "--encoding=UTF8 --locale=C --data-checksums --auth-local=peer --auth-host=reject --no-instructions"
    done = subprocess.run(  # noqa: S603
        [found.folder / "initdb", "-D", folder, f"--username={OWNER}", *words.split()],
        check=False,
        capture_output=True,
        text=True,
        env=_environment(),
        cwd="/",
        start_new_session=True,
        preexec_fn=tie(signal.SIGKILL),
        **(account.arguments if account else {}),
    )
    if done.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        raise EmbeddedError(f"initdb failed: {done.stderr.strip()}")


def _environment() -> dict[str, str]:
    """Return a minimal environment for PostgreSQL: without PGDATA and the like, and without secrets."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
    return kept | {"LC_ALL": "C"}


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _postmaster(data: Path) -> int | None:
    """Return the pid in the data's pid file. The process may have exited, or be of another program."""
    try:
        return abs(int((data / "postmaster.pid").read_text().split("\n", 1)[0]))
    except (OSError, ValueError):
        return None


def _commands(owners: Collection[int]) -> dict[int, list[str]]:
    """Return the command lines of the processes of some users; unlike their working directories, all can read them."""
    proc = Path("/proc")
    if (proc / "self").exists():
        found = {int(entry.name): _command(entry, owners) for entry in proc.iterdir() if entry.name.isdigit()}
    else:
        shown = subprocess.run(["ps", "-axwwo", "pid=,uid=,command="], check=True, capture_output=True, text=True)  # noqa: S607
        lines = [line.split() for line in shown.stdout.splitlines()]
        found = {int(words[0]): words[2:] for words in lines if int(words[1]) in owners}
    return found


def _command(entry: Path, owners: Collection[int]) -> list[str]:
    try:
        if entry.stat().st_uid not in owners:
            return []
        return (entry / "cmdline").read_text(errors="replace").split("\0")
    except OSError:  # it has ended
        return []


def _is_server(words: list[str]) -> bool:
    """Return whether a command line is that of a postmaster, of this home or another one."""
    return bool(words) and Path(words[0]).name in {"postgres", "postmaster"}
