"""Statements add jobs, alone, together, with terms, with defaults: they store the same in a queue without any."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.domain.backoff import LONGEST_MS, Backoff, BackoffType
from app.domain.job import Job, JsonText, NewJob
from app.postgres.database import Connection
from app.store import counts, jobs
from app.store.statements import Statement
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
    found = jobs.insert_by_settings(conn, queue=queue, new=new)
    assert (found.has_settings, found.has_keys) == (False, False)
    return found.created


with_terms = partial(jobs.insert, has_keys=True)


def in_words(value: Any) -> JsonText:
    return JsonText(json.dumps(value, ensure_ascii=False))


TEXTS = st.sampled_from(["", "a", "null", "é\u2028", 'b"\\', "42", "x" * 200, "x" * 201, "\U0001f600" * 201])
SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.sampled_from([1.5, -0.0, 1e300]) | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "0", "-1", ""]), inner),
    max_leaves=8,
)
KEYS = ["a", "a.b", "b.0", "0", "b.-1"]
TERMS_OF_ONE = Statement(
    "test/terms",
    "-- terms: -> -\nselect number,\n    :_terms\n    as terms\nfrom rowline.jobs as job\nwhere queue = :queue\n",
)
"""The terms of each job as the statements that remove and fill them see them."""


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
        assert stored(conn, [asked, new()], with_terms) == (among, both_counted)
        assert stored(conn, [asked], with_terms) == (alone, counted)
        assert sum(counted.values()) == (1 if alone else 0)
        assert sum(both_counted.values()) == sum(counted.values()) + 1
        assert all(both_counted[status] >= number for status, number in counted.items())

    same()


def test_new_jobs_have_the_terms_by_which_they_are_removed(conn: Connection) -> None:
    keys = "insert into rowline.queue_settings (queue, keys) values (%s, %s)"
    conn.exec_driver_sql(keys, (QUEUE, KEYS))
    tagged = st.builds(
        new,
        data=VALUES.map(in_words),
        tags=st.none() | st.lists(st.sampled_from(["a", "b", "é"]), min_size=1, max_size=3),
    )

    @given(st.lists(tagged, min_size=1, max_size=3))
    def same(asked: list[NewJob]) -> None:
        found = []
        for insert in (with_terms, jobs.insert_by_settings):
            with conn.begin_nested() as savepoint:
                insert(conn, queue=QUEUE, new=asked)
                there = "select number, array_agg(term order by term) as terms from rowline.terms group by number"
                stored = {row.number: row.terms for row in conn.exec_driver_sql(there)}
                of_one = {one.number: sorted(set(one.terms)) for one in TERMS_OF_ONE.rows(conn, queue=QUEUE)}
                assert stored == {number: terms for number, terms in of_one.items() if terms}
                found.append([terms for _, terms in sorted(of_one.items())])
                savepoint.rollback()
        assert found[0] == found[1]
        assert len(found[0]) == len(asked)

    same()


def test_a_queue_with_keys_alone_takes_the_insert_that_stores_terms(conn: Connection) -> None:
    conn.exec_driver_sql("insert into rowline.queue_settings (queue, keys) values (%s, '{a}')", (QUEUE,))
    assert jobs.insert(conn, queue=QUEUE, new=[new()]) == [None]
    assert with_terms(conn, queue=QUEUE, new=[new()]) != [None]
    found = jobs.insert_by_settings(conn, queue=QUEUE, new=[new()])
    assert (found.has_settings, found.has_keys) == (False, True)
    conn.exec_driver_sql("update rowline.queue_settings set start_within_ms = 1000 where queue = %s", (QUEUE,))
    for one in ([new()], [new(), new()]):
        assert with_terms(conn, queue=QUEUE, new=one) == [None] * len(one)
    found = jobs.insert_by_settings(conn, queue=QUEUE, new=[new()])
    assert (found.has_settings, found.has_keys) == (True, True)
