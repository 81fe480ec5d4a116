"""Finding jobs: the SQL against an oracle, over random jobs and filters; its bounds."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.jobfilter import JobFilter
from app.domain.states import Status
from app.postgres.database import Connection, Database
from app.store import search
from app.store.search import Searched
from tests.support.json_texts import IN_DATABASE

HOUR_MS = 3_600_000
BEGIN_MS = 1_780_000_000_000
SOME: dict[str, Any] = {"wanted": JobFilter(name="b"), "most": 100}
INSERT = """
insert into rowline.jobs (queue, number, custom_id, name, status, priority, lifo, place, run_at, added_at, delay_ms,
    attempts, attempts_started, processed_at, processed_by, finished_at, lease_token, leased_until, result,
    failed_reason, data, opts, tags)
select %(queue)s, %(number)s, %(custom_id)s, %(name)s, status, case status when 'prioritized' then 1 else 0 end, false,
    1, now(), to_timestamp(%(added_ms)s / 1000.0), 0, 1, case when begun then 1 else 0 end,
    case when begun then now() end, case when begun then %(worker)s end,
    case when status in ('completed', 'failed') then to_timestamp(%(ended_ms)s / 1000.0) end,
    case when status = 'active' then gen_random_uuid() end,
    case when status = 'active' then now() + interval '1 hour' end, case when status = 'completed' then '1'::json end,
    %(reason)s, %(data)s::json, '{}', %(tags)s::text[]
from (values (%(status)s::text)) as asked (status)
cross join lateral (select status in ('active', 'completed', 'failed') as begun) as life
"""
VALUES: list[Any] = [
    {"customer": {"id": 42}},
    {"customer": {"id": "42", "name": "Zoë"}},
    {"customer": {"id": None}, "list": [1, {"a": True}]},
    {"customer": {}, "list": []},
    {"a%b": "_"},
    [1, [2.5, "x"]],
    "text",
    None,
]
PATHS = ["customer.id", "customer", "customer.name", "list.1.a", "list.0", "0", "1.1", "a%b", "nothing.there", "-1"]
SOUGHT = ["42", '"42"', "null", "true", "1", "2.5", "x", "Zoë", "_", "{}", '{"id": 42}', "", "{bad"]


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A job, as the oracle has it."""

    number: int
    custom_id: str | None
    name: str
    status: Status
    tags: tuple[str, ...]
    added_ms: int
    ended_ms: int
    worker: str
    reason: str | None
    data: Any

    @property
    def has_begun(self) -> bool:
        return self.status in {Status.ACTIVE, Status.COMPLETED, Status.FAILED}


@st.composite
def stored(draw: st.DrawFn) -> list[Stored]:
    """Some jobs; their numbers have gaps."""
    found = []
    for nth in range(draw(st.integers(0, 12))):
        status = draw(st.sampled_from(list(Status)))
        reason = draw(st.sampled_from(["timeout after 3 s", "100% broken_", "Timeout"]))
        found.append(
            Stored(
                number=1_000 + 3 * nth,
                custom_id=draw(st.sampled_from([None, f"custom-{nth}"])),
                name=draw(st.sampled_from(["a", "b"])),
                status=status,
                tags=draw(st.sampled_from([(), ("x",), ("x", "y"), ("y", "z")])),
                added_ms=BEGIN_MS + draw(st.integers(0, 3)),
                ended_ms=BEGIN_MS + HOUR_MS + draw(st.integers(0, 3)),
                worker=draw(st.sampled_from(["w1", "w2"])),
                reason=reason if status is Status.FAILED or draw(st.booleans()) else None,
                data=draw(st.sampled_from(VALUES)),
            )
        )
    return found


def moments(begin_ms: int) -> st.SearchStrategy[int | None]:
    return st.none() | st.integers(begin_ms - 1, begin_ms + 4)


filters = st.builds(
    JobFilter,
    statuses=st.just(tuple(Status)) | st.lists(st.sampled_from(Status), unique=True, min_size=1).map(tuple),
    name=st.none() | st.sampled_from(["a", "A"]),
    tags=st.sampled_from([(), (), ("x",), ("y", "x"), ("none",)]),
    since_ms=moments(BEGIN_MS),
    until_ms=moments(BEGIN_MS),
    finished_since_ms=st.none() | moments(BEGIN_MS + HOUR_MS),
    finished_until_ms=st.none() | moments(BEGIN_MS + HOUR_MS),
    error=st.none() | st.sampled_from(["timeout", "%", "n_", "Timeout", "zzz"]),
    data=st.just(()) | st.lists(st.tuples(st.sampled_from(PATHS), st.sampled_from(SOUGHT)), max_size=2).map(tuple),
    worker=st.none() | st.sampled_from(["w1", "w"]),
)


def store(conn: Connection, jobs: list[Stored], *, queue: str = "q") -> None:
    for job in jobs:
        row = vars(job) | {"queue": queue, "status": job.status.value, "tags": list(job.tags) or None}
        conn.exec_driver_sql(INSERT, row | {"data": json.dumps(job.data, ensure_ascii=False)})


def at_path(data: Any, path: str) -> list[Any]:
    """Return the value at a path, in a list; an empty one if there is none."""
    for key in path.split("."):
        if isinstance(data, dict) and key in data:
            data = data[key]
        elif isinstance(data, list) and key.lstrip("-").isdigit() and -len(data) <= int(key) < len(data):
            data = data[int(key)]
        else:
            return []
    return [data]


def has(data: Any, path: str, sought: str) -> bool:
    return any(
        sought in {json.dumps(value, ensure_ascii=False), value if isinstance(value, str) else None}
        for value in at_path(data, path)
    )


def is_match(job: Stored, wanted: JobFilter) -> bool:
    ended_ms = job.ended_ms if job.status in {Status.COMPLETED, Status.FAILED} else None
    return (
        job.status in wanted.statuses
        and wanted.name in {None, job.name}
        and set(wanted.tags) <= set(job.tags)
        and (wanted.since_ms is None or job.added_ms >= wanted.since_ms)
        and (wanted.until_ms is None or job.added_ms < wanted.until_ms)
        and (wanted.finished_since_ms is None or (ended_ms is not None and ended_ms >= wanted.finished_since_ms))
        and (wanted.finished_until_ms is None or (ended_ms is not None and ended_ms < wanted.finished_until_ms))
        and (wanted.error is None or (job.reason is not None and wanted.error in job.reason))
        and (wanted.worker is None or (job.has_begun and job.worker == wanted.worker))
        and all(has(job.data, path, sought) for path, sought in wanted.data)
    )


def walked(conn: Connection, wanted: JobFilter, *, most: int, limit: int, newest_first: bool, **more: Any) -> list[int]:
    """Go on from step to step until all are looked at; return the numbers found."""
    found: list[int] = []
    after = None
    while True:
        step = search.search(
            conn,
            queue="q",
            wanted=wanted,
            most=most,
            limit=limit,
            newest_first=newest_first,
            after=after,
            time_ms=600_000,
            **more,
        )
        assert step.looked_at <= limit
        assert len(step.numbers) <= most
        found += step.numbers
        if step.is_complete and len(step.numbers) < most:
            return found
        assert step.last is not None
        after = step.last


@IN_DATABASE
@given(
    jobs=stored(),
    wanted=filters,
    most=st.integers(1, 5),
    limit=st.integers(1, 7),
    newest_first=st.booleans(),
    until=st.none() | st.integers(999, 1_040),
)
def test_the_steps_of_a_search_joined_are_what_the_oracle_finds(
    db: Database,
    jobs: list[Stored],
    wanted: JobFilter,
    most: int,
    limit: int,
    newest_first: bool,  # noqa: FBT001 - a case
    until: int | None,
) -> None:
    with db.begin() as conn:
        store(conn, jobs)
        store(conn, jobs, queue="other")
        found = walked(conn, wanted, most=most, limit=limit, newest_first=newest_first, until=until)
        conn.rollback()
        conn.begin()

    numbers = [job.number for job in jobs if is_match(job, wanted)]
    within = [number for number in numbers if until is None or (number >= until if newest_first else number <= until)]
    assert found == sorted(within, reverse=newest_first)


@IN_DATABASE
@given(jobs=stored(), wanted=filters, picks=st.lists(st.integers(0, 13), max_size=5), newest_first=st.booleans())
def test_those_with_ids_are_looked_up(
    db: Database,
    jobs: list[Stored],
    wanted: JobFilter,
    picks: list[int],
    newest_first: bool,  # noqa: FBT001 - a case
) -> None:
    """A job with a custom id does not have its number as an id."""
    names = [job.custom_id or str(job.number) for job in jobs] + [str(job.number) for job in jobs] + ["none", "01"]
    asked = {names[pick % len(names)] for pick in picks} or {"none"}
    with db.begin() as conn:
        store(conn, jobs)
        found = walked(conn, replace(wanted, ids=tuple(asked)), most=3, limit=100, newest_first=newest_first)
        conn.rollback()
        conn.begin()

    expected = [job.number for job in jobs if (job.custom_id or str(job.number)) in asked and is_match(job, wanted)]
    assert found == sorted(expected, reverse=newest_first)


def sample(number: int, **values: Any) -> Stored:
    given: dict[str, Any] = {"custom_id": None, "name": "a", "status": Status.WAITING, "tags": (), "worker": "w1"}
    given |= {"added_ms": BEGIN_MS, "ended_ms": BEGIN_MS, "reason": None, "data": 1}
    return Stored(number=number, **given | values)


@pytest.mark.parametrize("newest_first", [True, False])
def test_jobs_that_come_or_go_between_two_steps_shift_none(conn: Connection, *, newest_first: bool) -> None:
    store(conn, [sample(number) for number in range(1, 7)])
    first = search.search(conn, queue="q", wanted=JobFilter(name="a"), most=2, newest_first=newest_first)
    store(conn, [sample(0), sample(7)])
    conn.exec_driver_sql(f"delete from rowline.jobs where number = {first.last}")
    second = search.search(
        conn, queue="q", wanted=JobFilter(name="a"), most=2, newest_first=newest_first, after=first.last
    )

    order = [6, 5, 4, 3] if newest_first else [1, 2, 3, 4]
    assert first.numbers + second.numbers == order


def test_a_search_says_how_far_it_looked_and_why_it_stopped(conn: Connection) -> None:
    store(conn, [sample(number, name="ab"[number % 2]) for number in range(10)])

    def seen(**bounds: Any) -> Searched:
        return search.search(conn, queue="q", **{**SOME, **bounds})

    assert seen() == Searched(10, 0, [9, 7, 5, 3, 1], is_complete=True)
    assert seen(most=2) == Searched(3, 7, [9, 7], is_complete=True)
    assert seen(limit=4) == Searched(4, 6, [9, 7], is_complete=False)
    assert seen(limit=3, most=2) == Searched(3, 7, [9, 7], is_complete=True)
    assert seen(after=0) == Searched(0, None, [], is_complete=True)
    assert seen(wanted=JobFilter(statuses=())) == Searched(0, None, [], is_complete=True)


def test_a_search_looks_at_one_job_at_least_and_at_no_more_when_its_time_is_over(conn: Connection) -> None:
    """However slow the machine is, the next step goes on behind this one."""
    large = "x" * 1_000_000
    store(conn, [sample(number, data={"a": large}) for number in range(30)])
    wanted = JobFilter(data=(("a", "y"),))

    steps = [search.search(conn, queue="q", wanted=wanted, most=10, time_ms=0)]
    while not steps[-1].is_complete:
        steps.append(search.search(conn, queue="q", wanted=wanted, most=10, time_ms=0, after=steps[-1].last))
    assert [step.looked_at for step in steps] == [1] * 30
    assert [step.last for step in steps] == [*range(29, -1, -1)]
    quick = search.search(conn, queue="q", wanted=wanted, most=10, time_ms=1)
    assert 1 <= quick.looked_at < 30
    assert not quick.is_complete


def test_a_time_is_compared_to_the_microsecond(conn: Connection) -> None:
    store(conn, [sample(1)])
    conn.exec_driver_sql(
        "update rowline.jobs set added_at = %s",
        (datetime.fromtimestamp(BEGIN_MS // 1000, UTC).replace(microsecond=999),),
    )
    for since_ms, until_ms, numbers in ((BEGIN_MS, BEGIN_MS + 1, [1]), (BEGIN_MS + 1, None, []), (None, BEGIN_MS, [])):
        wanted = JobFilter(since_ms=since_ms, until_ms=until_ms)
        assert search.search(conn, queue="q", wanted=wanted, most=1).numbers == numbers
