"""Finding jobs of all queues, whether these are searched by themselves or walked over in the order of all numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.jobfilter import JobFilter
from app.operations import maintenance
from app.postgres.database import Connection, Database
from app.store import jobs as jobs_store
from app.store import search_all
from tests.store.test_search import Stored, filters, is_match, sample, store, stored
from tests.support.jobs import insert, new
from tests.support.json_texts import IN_DATABASE

COUNT = (
    "insert into rowline.job_counts (queue, failed) select distinct queue, 1 from rowline.jobs on conflict do nothing"
)
FEW, NONE = 20, -1
"""How many queues are searched by themselves: all that a test has, or none."""


def walked(conn: Connection, wanted: JobFilter, *, most: int, limit: int, newest_first: bool) -> list[int]:
    """Go on from step to step until all are looked at; return the numbers found."""
    found: list[int] = []
    after = None
    while True:
        step = search_all.search_all(
            conn,
            readable=["mail%", "x"],
            shown=["%"],
            wanted=wanted,
            most=most,
            limit=limit,
            after=after,
            newest_first=newest_first,
            time_ms=600_000,
        )
        assert len(step.numbers) <= most
        found += step.numbers
        if step.is_complete and len(step.numbers) < most:
            return found
        assert step.last is not None
        assert after is None or (step.last < after if newest_first else step.last > after)
        after = step.last


@IN_DATABASE
@given(
    jobs=stored(),
    queues=st.lists(st.sampled_from(["mail", "mailer", "x", "xx"]), min_size=12, max_size=12),
    wanted=filters | st.just(JobFilter()),
    most=st.integers(1, 5),
    limit=st.integers(1, 9),
    newest_first=st.booleans(),
    few=st.sampled_from([FEW, NONE]),
    first=st.integers(1, 3),
)
def test_the_steps_joined_are_what_the_oracle_finds(
    db: Database,
    jobs: list[Stored],
    queues: list[str],
    wanted: JobFilter,
    most: int,
    limit: int,
    newest_first: bool,  # noqa: FBT001 - a case
    few: int,
    first: int,
) -> None:
    with pytest.MonkeyPatch.context() as patch, db.begin() as conn:
        patch.setattr(search_all, "QUEUES_MAX", few)
        patch.setattr(search_all, "FIRST", first)
        patch.setattr(search_all, "MORE", 2)
        placed = [*zip(jobs, queues, strict=False)]
        for job, queue in placed:
            store(conn, [job], queue=queue)
        conn.exec_driver_sql(COUNT)
        found = walked(conn, wanted, most=most, limit=limit, newest_first=newest_first)
        conn.rollback()
        conn.begin()

    numbers = [job.number for job, queue in placed if queue != "xx" and is_match(job, wanted)]
    assert found == sorted(numbers, reverse=newest_first)


@pytest.mark.parametrize("few", [FEW, NONE])
def test_over_all_queues_those_that_may_be_read_and_seen_are_found(
    conn: Connection, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(search_all, "QUEUES_MAX", few)
    for queue, number in (("mail", 1), ("mailer", 2), ("other", 3), ("mail", 4), ("a%b", 5)):
        store(conn, [sample(number)], queue=queue)

    conn.exec_driver_sql(COUNT)

    def found(readable: list[str], shown: list[str], *, newest_first: bool = True) -> list[int]:
        return search_all.search_all(
            conn, readable=readable, shown=shown, wanted=JobFilter(), most=10, newest_first=newest_first
        ).numbers

    assert found(["%"], ["%"]) == [5, 4, 3, 2, 1]
    assert found(["mail%"], ["%"], newest_first=False) == [1, 2, 4]
    assert found(["mail%", "other"], ["mail", "a\\%b"]) == [4, 1]
    assert found([], ["%"]) == []


def test_a_queue_whose_jobs_are_not_folded_into_the_counts_yet_is_searched_too(db: Database) -> None:
    def found() -> list[int]:
        with db.read() as conn:
            return search_all.search_all(conn, readable=["%"], shown=["%"], wanted=JobFilter(), most=10).numbers

    with db.begin() as conn:
        numbers = [*insert(conn, new(), queue="a"), *insert(conn, new(), queue="b")]
    assert found() == numbers[::-1]
    assert maintenance.fold_counts(db)
    assert found() == numbers[::-1]
    with db.begin() as conn:
        jobs_store.remove(conn, queue="a", numbers=numbers[:1])
    assert found() == numbers[1:]


def test_jobs_of_other_statuses_are_not_looked_at_and_more_of_a_long_queue_than_of_others(conn: Connection) -> None:
    store(conn, [sample(number) for number in range(5_000, 5_300)], queue="long")
    store(conn, [sample(1)], queue="short")
    conn.exec_driver_sql(COUNT)

    seen = search_all.search_all(conn, readable=["%"], shown=["%"], wanted=JobFilter(name="none"), most=10)
    assert (seen.looked_at, seen.numbers, seen.is_complete) == (301, [], True)
    bounded = search_all.search_all(
        conn, readable=["%"], shown=["%"], wanted=JobFilter(name="none"), most=10, limit=200
    )
    assert (bounded.looked_at, bounded.last, bounded.is_complete) == (200, 5_101, False)
