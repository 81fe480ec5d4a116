"""A streaming standby of a server under test: both on this machine, each with a home and a socket of its own."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from app.infra.settings import Settings
from app.local import binaries, home
from tests.support import clusters, databases
from tests.support.clusters import Cluster, until

STREAMING = "select count(*) from pg_stat_replication where state = 'streaming'"


@contextlib.contextmanager
def standby_of(primary: Cluster) -> Iterator[Cluster]:
    """Run a standby that has all of `primary` during the block."""
    _let_in(primary)
    with clusters.folder(clusters.in_memory()) as made:
        settings = Settings(home=made / "home", postgres_bin=primary.settings.postgres_bin)
        with home.hold(settings.home):
            standby = Cluster(settings)
            try:
                _copy(primary, standby.server.data)
                standby.start()
                until(lambda: databases.ask(primary.url, STREAMING) == [(1,)], within_s=60)
                yield standby
            finally:
                standby.stop()
                standby.server.clear()


def both(first: Cluster, second: Cluster, **more: str) -> str:
    """Return a URL that names both servers, in this order."""
    parts = urlsplit(first.url)
    given = {name: values[0] for name, values in parse_qs(parts.query).items()}
    hosts = ",".join(parse_qs(urlsplit(cluster.url).query)["host"][0] for cluster in (first, second))
    return urlunsplit(parts._replace(query=urlencode(given | {"host": hosts} | more, safe="/,")))


def _let_in(primary: Cluster) -> None:
    """Let the standby's account, which runs nothing else here, copy all."""
    access = primary.settings.home / "pg_hba.conf"
    access.write_text(f"local replication all trust\n{access.read_text()}")
    databases.run(primary.url, "select pg_reload_conf()")


def _copy(primary: Cluster, data: Path) -> None:
    program = binaries.folder(primary.settings) / "pg_basebackup"
    words = ["-d", primary.url, "-D", str(data), "--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
    subprocess.run([program, *words], check=True, capture_output=True, timeout=100)
    owner = primary.server.data.stat()
    for folder, _, names in os.walk(data):
        for path in (folder, *(os.path.join(folder, name) for name in names)):  # noqa: PTH118 - as walk gives them
            shutil.chown(path, owner.st_uid, owner.st_gid)
