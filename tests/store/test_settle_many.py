"""Settling many jobs in one statement: in any order, and the same job more than once."""

from collections.abc import Callable, Collection, Sequence

import pytest

from app.domain.job import Completion, Failure, JsonText, LeaseKey, Release
from app.postgres.database import Connection
from app.store import leases
from tests.support.jobs import QUEUE, claim, insert, new, row

STALE, NOWHERE = "00000000-0000-4000-8000-000000000000", "00000000-0000-4000-8000-000000000001"
Tell = Callable[[Connection, Sequence[LeaseKey]], Collection[int]]
WAYS: dict[str, Tell] = {
    "complete": lambda conn, keys: leases.complete(
        conn, queue=QUEUE, completions=[Completion(lease=key, result=JsonText("1")) for key in keys]
    ),
    "fail": lambda conn, keys: leases.fail(
        conn, queue=QUEUE, failures=[Failure(lease=key, reason=str(key.number)) for key in keys]
    ),
    "retry_later": lambda conn, keys: leases.retry_later(conn, queue=QUEUE, retries=[retry(key) for key in keys]),
    "release": lambda conn, keys: leases.release(
        conn, queue=QUEUE, releases=[Release(lease=key, delay_ms=key.number) for key in keys]
    ),
    "extend": lambda conn, keys: leases.extend(conn, queue=QUEUE, leases=keys, lease_ms=1000),
    "hold": lambda conn, keys: leases.lock(conn, queue=QUEUE, leases=keys),
    "expire": lambda conn, keys: leases.expire(conn, queue=QUEUE, leases=keys),
}


def retry(key: LeaseKey) -> leases.Retry:
    """Make a word from which a test can tell whose it is."""
    return leases.Retry(failure=Failure(lease=key, reason=str(key.number)), delay_ms=key.number)


def held(conn: Connection, count: int) -> list[LeaseKey]:
    insert(conn, *[new() for _ in range(count)])
    return [lease.key for lease in claim(conn, count)]


@pytest.mark.parametrize("way", WAYS)
def test_what_is_told_counts_in_any_order_and_beside_words_of_lost_leases(conn: Connection, way: str) -> None:
    first, second, third = held(conn, 3)
    lost = [LeaseKey(key.number, STALE) for key in (first, second, third)]
    unknown = [LeaseKey(0, STALE), LeaseKey(0, NOWHERE)]
    told = [third, lost[0], first, *unknown, lost[2], third]
    assert set(WAYS[way](conn, told)) == {first.number, third.number}
    assert row(conn, second.number).status == "active"


@pytest.mark.parametrize("way", WAYS)
def test_of_nothing_nothing_is_told(conn: Connection, way: str) -> None:
    assert not WAYS[way](conn, [])


def test_each_job_gets_its_own_word(conn: Connection) -> None:
    keys = held(conn, 4)
    WAYS["retry_later"](conn, [keys[2], keys[0]])
    WAYS["fail"](conn, [keys[3], keys[1]])
    rows = [row(conn, key.number) for key in keys]
    assert [stored.failed_reason for stored in rows] == [str(key.number) for key in keys]
    assert [rows[0].delay_ms, rows[2].delay_ms] == [keys[0].number, keys[2].number]


@pytest.mark.parametrize("told", [leases.Retry, Release])
def test_jobs_that_join_the_line_together_do_so_in_the_order_of_their_numbers(conn: Connection, told: type) -> None:
    keys = held(conn, 3)
    backwards = keys[::-1]
    if told is Release:
        leases.release(conn, queue=QUEUE, releases=[Release(lease=key, delay_ms=5) for key in backwards])
    else:
        failures = [Failure(lease=key, reason="r") for key in backwards]
        leases.retry_later(conn, queue=QUEUE, retries=[leases.Retry(failure=one, delay_ms=5) for one in failures])
    places = [row(conn, key.number).place for key in keys]
    assert places == [places[0], places[0] + 1, places[0] + 2]
