"""The faults, by name. Each does its harm, waits until the harm is over, and says since when it is.

To add one: write a function, and name it in FAULTS with how often it is done in a run.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import psycopg

from tests.chaos.stand import Stand
from tests.support.clusters import is_alive, until

STORM_S, STORM_EVERY_S = 3.0, 0.2
FROZEN_S = (2.0, 6.0)


@dataclass(frozen=True, slots=True)
class Harm:
    """What was done: which API processes were killed, and the monotonic time from which all could be well again."""

    over_at: float
    killed: frozenset[int] = frozenset()


Fault = Callable[[Stand, Random], Harm]


def kill_postmaster(stand: Stand, random: Random) -> Harm:
    """kill -9 of the postmaster; started again, at once or later, as `rowline run` does."""
    stand.cluster.kill()
    time.sleep(random.choice((0.0, random.uniform(0.0, 2.0))))
    stand.cluster.start()
    return Harm(time.monotonic())


def kill_backend(stand: Stand, random: Random) -> Harm:
    """kill -9 of one backend: the postmaster ends all others and recovers."""
    backends = stand.backends()
    stand.kill(random.choice(backends))
    until(lambda: not any(map(is_alive, backends)))
    return Harm(time.monotonic())


def terminate_storm(stand: Stand, _random: Random) -> Harm:
    """pg_terminate_backend of every connection of the API, again and again."""
    ends_at = time.monotonic() + STORM_S
    with stand.connect() as connection:
        while time.monotonic() < ends_at:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'rowline-api'"
            )
            time.sleep(STORM_EVERY_S)
    return Harm(time.monotonic())


def kill_api_process(stand: Stand, random: Random) -> Harm:
    """kill -9 of one gunicorn worker; gunicorn starts another."""
    began_at, before = time.monotonic(), stand.api
    killed = random.choice(before[1:])
    stand.kill(killed)
    until(lambda: len([pid for pid in stand.api if is_alive(pid)]) == len(before))
    return Harm(began_at, frozenset({killed}))


def freeze_postgres(stand: Stand, random: Random) -> Harm:
    """SIGSTOP of all of PostgreSQL for some seconds, then SIGCONT."""
    with stand.frozen():
        time.sleep(random.uniform(*FROZEN_S))
    return Harm(time.monotonic())


FAULTS: dict[str, tuple[Fault, int]] = {
    "kill-postmaster": (kill_postmaster, 20),
    "kill-backend": (kill_backend, 20),
    "terminate-storm": (terminate_storm, 6),
    "kill-api-process": (kill_api_process, 20),
    "freeze-postgres": (freeze_postgres, 8),
}
"""Each with how often it is done in a run of the usual length."""


def back(stand: Stand) -> bool:
    """Say whether PostgreSQL takes connections."""
    try:
        stand.connect().close()
    except psycopg.OperationalError:
        return False
    return True
