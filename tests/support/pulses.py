"""What processes say when they look what time has brought, heard by a connection of the test's own."""

import contextlib
from collections.abc import Callable, Iterator

import psycopg

from app.postgres import notify
from app.postgres.wakeups import PULSE
from tests.support import databases
from tests.support.clusters import PATIENCE_S


class Pulses:
    """The pulses of one database, as they come."""

    def __init__(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        self._connection = connection

    def pid(self, *, unlike: Callable[[int], bool] = lambda _pid: False) -> int:
        """Wait for the next pulse of a process for which `unlike` is false; return its pid."""
        for said in self._connection.notifies(timeout=PATIENCE_S):
            if not unlike(pid := int(said.payload.rpartition(":")[2])):
                return pid
        raise AssertionError(f"no pulse within {PATIENCE_S} s")


@contextlib.contextmanager
def heard(url: str) -> Iterator[Pulses]:
    """Hear the pulses in the database of `url` during the block."""
    with psycopg.connect(databases.as_owner(url), autocommit=True) as connection:
        connection.execute(f"listen {notify.channel(PULSE)}".encode())
        yield Pulses(connection)
