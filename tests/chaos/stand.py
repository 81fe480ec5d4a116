"""What faults are done to: a PostgreSQL of our own and a real `rowline serve` on it."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg

from app.infra import libpq, schema
from tests.support import clusters, raw
from tests.support.clusters import Cluster, is_alive, until
from tests.support.family import children
from tests.support.history import Stored
from tests.support.raw import Server

API_PROCESSES = 2


class Stand:
    """The service under test, and the means to hurt it."""

    def __init__(self, cluster: Cluster, server: Server) -> None:
        self.cluster = cluster
        self.server = server

    @property
    def api(self) -> list[int]:
        """The processes of the API: gunicorn's own first, then those that answer."""
        return [self.server.program.pid, *children(self.server.program.pid)]

    @property
    def postgres(self) -> list[int]:
        """The processes of PostgreSQL, the postmaster first, which alone makes more."""
        return [self.cluster.pid, *children(self.cluster.pid)]

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(libpq.normal(self.cluster.url), autocommit=True, connect_timeout=5)

    def backends(self) -> list[int]:
        """The server processes that work for the API."""
        with self.connect() as connection:
            found = connection.execute("select pid from pg_stat_activity where application_name = 'rowline-api'")
            return [int(str(pid)) for (pid,) in found]

    def kill(self, pid: int) -> None:
        """Kill a process with SIGKILL and wait until it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        until(lambda: not is_alive(pid))

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop all processes of PostgreSQL, as a machine that hangs would, until the end of the block."""
        os.kill(self.cluster.pid, signal.SIGSTOP)  # it makes no more
        pids = self.postgres
        try:
            _send(pids, signal.SIGSTOP)
            yield
        finally:
            _send(pids, signal.SIGCONT)

    def stored(self) -> list[Stored]:
        """Read what the database holds."""
        with self.connect() as connection:
            found = connection.execute("select number::text, data->>'batch', (data->>'index')::int from rowline.jobs")
            return [Stored(str(number), str(batch), int(str(index))) for number, batch, index in found]


def _send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


@contextlib.contextmanager
def stand(postgres_bin: Path | None) -> Iterator[Stand]:
    """Bring the service up during the block."""
    with clusters.cluster(postgres_bin=postgres_bin) as cluster:
        schema.upgrade(cluster.url)
        with raw.server(cluster.url, ROWLINE_API_PROCESSES=str(API_PROCESSES)) as server:
            made = Stand(cluster, server)
            until(lambda: len(made.api) == 1 + API_PROCESSES)
            yield made
