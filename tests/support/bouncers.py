"""pgbouncer, the real one, in front of a server under test."""

import contextlib
import os
import pwd
import shlex
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg

from tests.support import clusters
from tests.support.clusters import Cluster, free_port, until


class Bouncer:
    """A pgbouncer that runs."""

    def __init__(self, port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
        """Name its port, its process and the file of what it says."""
        self._port, self._process, self._log = port, process, log

    def url(self, database: str, *, user: str = "rowline_runtime") -> str:
        """Return the URL of a database of the server behind it; `user` is who is logged in there."""
        return f"postgresql://{user}@127.0.0.1:{self._port}/{user}.{database}"

    def console(self, command: str) -> None:
        """Say a command on its console."""
        url = f"postgresql://admin@127.0.0.1:{self._port}/pgbouncer"
        with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor) as console:
            console.execute(command.encode())

    def set(self, name: str, value: str) -> None:
        """Change a setting while it runs."""
        self.console(f"set {name} = '{value}'")

    def wait(self) -> None:
        """Wait until it answers."""
        until(self._answers)

    def _answers(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1):
            return True
        return False


@contextlib.contextmanager
def bouncer(program: str, cluster: Cluster, *, mode: str, **settings: object) -> Iterator[Bouncer]:
    """Run `program` in front of all databases of `cluster` during the block, with `settings` of its own."""
    host = parse_qs(urlsplit(cluster.url).query)["host"][0]
    owner = urlsplit(cluster.url).username
    with clusters.folder() as made:
        port = free_port()
        said = {"listen_addr": "127.0.0.1", "listen_port": port, "unix_socket_dir": "", "auth_type": "any"}
        said |= {"admin_users": "admin", "pool_mode": mode, "max_client_conn": 500} | settings
        # Any user may come: the database says who is logged in.
        names = [(name, user) for (name,) in _databases(cluster) for user in (owner, "rowline_runtime")]
        databases = [f"{user}.{name} = host={host} dbname={name} user={user}" for name, user in names]
        ini, log = made / "pgbouncer.ini", made / "log"
        words = [f"{name} = {value}" for name, value in said.items()]
        ini.write_text("\n".join(["[databases]", *databases, "[pgbouncer]", *words, ""]))
        ini.chmod(0o644)
        account = ["-u", pwd.getpwuid(cluster.server.data.stat().st_uid).pw_name] if os.geteuid() == 0 else []
        with log.open("wb") as written:
            argv = [*shlex.split(program), *account, str(ini)]
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=written, stderr=written)
        try:
            started = Bouncer(port, process, log)
            started.wait()
            yield started
        finally:
            process.kill()
            process.wait()


def let_in(cluster: Cluster) -> None:
    """Let every role in who comes to the socket of `cluster`, which nobody else reaches."""
    access = cluster.settings.home / "pg_hba.conf"
    access.write_text(f"local all all trust\n{access.read_text()}")
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        connection.execute("select pg_reload_conf()")


def _databases(cluster: Cluster) -> list[tuple[str]]:
    with psycopg.connect(cluster.url) as connection:
        return connection.execute("select datname from pg_database where datallowconn").fetchall()
