"""Three statements add jobs, alone, several at once, with defaults: they store the same in a queue without any."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.domain.backoff import LONGEST_MS, Backoff, BackoffType
from app.domain.job import Job, NewJob
from app.postgres.database import Connection
from app.store import counts, jobs
from tests.support.jobs import QUEUE, new, row

ASKED = st.builds(
    new,
    name=st.sampled_from(["n", "\N{GRINNING FACE}", "a'b\\"]),
    data=st.sampled_from(["null", '{"a": 1e400, "a": "\\\\"}']),
    opts=st.sampled_from(["{}", '{"attempts": 5.0}']),
    custom_id=st.sampled_from([None, "mine", "there"]),
    priority=st.sampled_from([0, 1, 2_097_152]),
    lifo=st.booleans(),
    delay_ms=st.sampled_from([0, 1, LONGEST_MS]),
    attempts=st.sampled_from([1, 1_000]),
    backoff=st.none() | st.builds(Backoff, type=st.sampled_from(BackoffType), delay_ms=st.just(7), jitter=st.just(0.1)),
    timeout_ms=st.none() | st.just(LONGEST_MS),
    stacks_kept=st.none() | st.just(0),
    logs_kept=st.none() | st.just(5),
)

Insert = Callable[..., list[Job | None]]


def with_defaults(conn: Connection, *, queue: str, new: Sequence[NewJob]) -> list[Job | None]:
    created, has_settings, _ = jobs.insert_by_settings(conn, queue=queue, new=new)
    assert not has_settings
    return created


def stored(conn: Connection, asked: list[NewJob], insert: Insert = jobs.insert) -> tuple[Any, ...]:
    """Add jobs where one of the id `there` is; return what is stored of the first, as from its beginning, and counts.

    All is undone.
    """
    with conn.begin_nested() as savepoint:
        jobs.insert(conn, queue=QUEUE, new=[new(custom_id="there"), new()])
        before = counts.count(conn, queue=QUEUE)
        added = insert(conn, queue=QUEUE, new=asked)[0]
        changed = {status: now - before[status] for status, now in counts.count(conn, queue=QUEUE).items()}
        kept = row(conn, added.number)._asdict() if added else None
        if added:
            found = jobs.find(conn, queue=QUEUE, job_ids=[added.id])[added.id]
            assert added == found._replace(stacktrace=())  # what is told is what is stored
        savepoint.rollback()
    if not added or not kept:
        return None, changed
    run_us = (kept["run_at"] - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    since = {"run_at": kept["run_at"] - kept["added_at"], "added_at": None, "place": kept["place"] / run_us}
    return kept | since | {"number": None}, changed


def test_a_job_alone_is_stored_as_it_is_among_others(conn: Connection) -> None:
    @given(ASKED)
    def same(asked: NewJob) -> None:
        alone, counted = stored(conn, [asked])
        among, both_counted = stored(conn, [asked, new()])
        assert alone == among
        assert stored(conn, [asked, new()], with_defaults) == (among, both_counted)
        assert sum(counted.values()) == (1 if alone else 0)
        assert sum(both_counted.values()) == sum(counted.values()) + 1
        assert all(both_counted[status] >= number for status, number in counted.items())

    same()
