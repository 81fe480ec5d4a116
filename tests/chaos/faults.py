"""The faults, by name. Each does its harm, waits until the harm is over, and says since when it is.

To add one: write a function, and name it in FAULTS with how often it is done in a run. The names are those of the
matrix in the handbook's page on faults.
"""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

import psycopg

from tests.chaos.stand import LISTENING, Stand
from tests.support.clusters import is_alive, until
from tests.support.faultproxy import Fault as Trouble

STORM_S, STORM_EVERY_S = 3.0, 0.2
FROZEN_S = (2.0, 6.0)
PAUSED_S = 6.0  # three leases
CUTTING_S = 2.0
CONNECTIONS = 300


@dataclass(frozen=True, slots=True)
class Harm:
    """What was done: which API processes were killed, whom it hit, and since when all could be well again."""

    over_at: float
    killed: frozenset[int] = frozenset()
    targets: tuple[str, ...] = ()


Fault = Callable[[Stand, Random], Harm]


def kill_postmaster(stand: Stand, random: Random) -> Harm:
    """kill -9 of the postmaster; started again, at once or later, as `rowline run` does."""
    stand.cluster.kill()
    time.sleep(random.choice((0.0, random.uniform(0.0, 2.0))))
    stand.cluster.start()
    return Harm(time.monotonic())


def stop_immediately(stand: Stand, _random: Random) -> Harm:
    """`pg_ctl stop -m immediate`, and start."""
    stand.cluster.stop_immediately()
    stand.cluster.start()
    return Harm(time.monotonic())


def kill_backend(stand: Stand, random: Random) -> Harm:
    """kill -9 of one backend: the postmaster ends all others and recovers."""
    backends = stand.backends()
    stand.kill(random.choice(backends))
    until(lambda: not any(map(is_alive, backends)))
    return Harm(time.monotonic())


def terminate_storm(stand: Stand, _random: Random) -> Harm:
    """pg_terminate_backend of every connection of Rowline, again and again."""
    ends_at = time.monotonic() + STORM_S
    with stand.connect() as connection:
        while time.monotonic() < ends_at:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'rowline-%'"
            )
            time.sleep(STORM_EVERY_S)
    return Harm(time.monotonic())


def kill_listeners(stand: Stand, _random: Random) -> Harm:
    """pg_terminate_backend of every connection that listens for wake-ups."""
    with stand.connect() as connection:
        for pid in stand.backends(LISTENING):
            connection.execute("select pg_terminate_backend(%s)", [pid])
    return Harm(time.monotonic())


def exhaust_connections(stand: Stand, _random: Random) -> Harm:
    """Hold every connection that PostgreSQL gives, for a while."""
    with _held(stand):
        time.sleep(2)
    return Harm(time.monotonic())


@contextlib.contextmanager
def _held(stand: Stand) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(psycopg.OperationalError):
            for _ in range(CONNECTIONS):
                stack.enter_context(stand.connect())
        yield


def freeze_postgres(stand: Stand, random: Random) -> Harm:
    """SIGSTOP of all of PostgreSQL for some seconds, then SIGCONT."""
    with stand.frozen():
        time.sleep(random.uniform(*FROZEN_S))
    return Harm(time.monotonic())


def kill_api_process(stand: Stand, random: Random) -> Harm:
    """kill -9 of one gunicorn worker; gunicorn starts another."""
    began_at, before = time.monotonic(), stand.api
    killed = random.choice(before[1:])
    stand.kill(killed)
    until(lambda: len([pid for pid in stand.api if is_alive(pid)]) == len(before))
    return Harm(began_at, frozenset({killed}))


def stop_api(stand: Stand, _random: Random) -> Harm:
    """SIGTERM to a node under load; a supervisor starts it again."""
    before = stand.api
    stand.nodes[0].kept.end(signal.SIGTERM)
    return Harm(time.monotonic(), frozenset(before))


def pause_api_process(stand: Stand, random: Random) -> Harm:
    """SIGSTOP of one gunicorn worker, and of its maintaining loops with it, for two leases; then SIGCONT."""
    began_at, pid = time.monotonic(), random.choice(stand.api[1:])
    os.kill(pid, signal.SIGSTOP)
    time.sleep(4)
    os.kill(pid, signal.SIGCONT)
    return Harm(began_at)


def kill_worker(stand: Stand, random: Random) -> Harm:
    """kill -9 of a Python worker in the middle of its jobs."""
    worker = random.choice(stand.workers)
    target = f"{socket.gethostname()}:{worker.pid}"
    worker.end(signal.SIGKILL)
    return Harm(time.monotonic(), targets=(target,))


def stop_worker(stand: Stand, random: Random) -> Harm:
    """SIGTERM to a Python worker: it drains."""
    worker = random.choice(stand.workers)
    target = f"{socket.gethostname()}:{worker.pid}"
    worker.end(signal.SIGTERM)
    return Harm(time.monotonic(), targets=(target,))


def pause_worker(stand: Stand, random: Random) -> Harm:
    """SIGSTOP of a Python worker for three leases while its handlers run on; then SIGCONT."""
    worker = random.choice(stand.workers)
    worker.pause(PAUSED_S)
    return Harm(time.monotonic(), targets=(f"{socket.gethostname()}:{worker.pid}",))


def kill_dispatcher(stand: Stand, random: Random) -> Harm:
    """kill -9 of a dispatcher in the middle of its calls."""
    random.choice(stand.dispatchers).end(signal.SIGKILL)
    return Harm(time.monotonic())


def pause_dispatcher(stand: Stand, random: Random) -> Harm:
    """SIGSTOP of a dispatcher for three leases; then SIGCONT."""
    random.choice(stand.dispatchers).pause(PAUSED_S)
    return Harm(time.monotonic())


def _through(trouble: Trouble) -> Fault:
    def fault(stand: Stand, _random: Random) -> Harm:
        stand.proxy.fault = trouble
        time.sleep(CUTTING_S)
        stand.proxy.fault = Trouble.NONE
        return Harm(time.monotonic())

    fault.__doc__ = f"Between the second node and PostgreSQL {trouble.value}."
    return fault


FAULTS: dict[str, tuple[Fault, int]] = {
    "F01 kill-api-process": (kill_api_process, 30),
    "F03 stop-api": (stop_api, 6),
    "F07 kill-worker": (kill_worker, 25),
    "F09 pause-worker": (pause_worker, 8),
    "F14 stop-immediately": (stop_immediately, 15),
    "F15 kill-backend": (kill_backend, 15),
    "F16 terminate-storm": (terminate_storm, 5),
    "F17 kill-listeners": (kill_listeners, 15),
    "F25 swallow-packets": (_through(Trouble.SWALLOW), 8),
    "F18 drop-notifications": (_through(Trouble.DROP_NOTIFICATIONS), 10),
    "F20 cut-before-commit": (_through(Trouble.CUT_BEFORE_COMMIT), 15),
    "F21 cut-after-commit": (_through(Trouble.CUT_AFTER_COMMIT), 15),
    "stop-worker": (stop_worker, 8),
    "F29 exhaust-connections": (exhaust_connections, 5),
    "F50 pause-api-process": (pause_api_process, 6),
    "kill-dispatcher": (kill_dispatcher, 15),
    "pause-dispatcher": (pause_dispatcher, 5),
    "kill-postmaster": (kill_postmaster, 10),
    "freeze-postgres": (freeze_postgres, 4),
}
"""Each with how often it is done in a run of the usual length."""


def back(stand: Stand) -> bool:
    """Say whether PostgreSQL takes connections."""
    try:
        stand.connect().close()
    except psycopg.OperationalError:
        return False
    return True
