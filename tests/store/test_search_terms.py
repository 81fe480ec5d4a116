"""Finding jobs by their terms: the same as without them, against the oracle; and how few jobs are looked at."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.job import JsonText
from app.domain.jobfilter import JobFilter
from app.domain.states import Status
from app.postgres.database import Connection, Database
from app.store import search, search_all, terms
from tests.store.test_search import PATHS, Stored, filters, is_match, store, stored, walked
from tests.support import terms as support
from tests.support.jobs import insert, new
from tests.support.json_texts import IN_DATABASE


def fill(conn: Connection, jobs: list[Stored], *, queue: str, keys: list[str]) -> None:
    support.trust(conn, queue=queue, keys=keys)
    terms.fill(conn, queue=queue, numbers=[job.number for job in jobs])


@IN_DATABASE
@given(
    jobs=stored(),
    wanted=filters.filter(lambda wanted: wanted.tags or wanted.data),
    keys=st.lists(st.sampled_from(PATHS), unique=True, max_size=5),
    few=st.sampled_from([0, 1, 3, 2_000]),
    most=st.integers(1, 5),
    limit=st.integers(1, 7),
    newest_first=st.booleans(),
    until=st.none() | st.integers(999, 1_040),
)
def test_by_terms_the_steps_joined_are_what_the_oracle_finds(
    db: Database,
    jobs: list[Stored],
    wanted: JobFilter,
    keys: list[str],
    few: int,
    most: int,
    limit: int,
    newest_first: bool,  # noqa: FBT001 - a case
    until: int | None,
) -> None:
    with db.begin() as conn, pytest.MonkeyPatch.context() as patched:
        patched.setattr(terms, "FEW", few)
        store(conn, jobs)
        store(conn, jobs, queue="other")
        fill(conn, jobs, queue="q", keys=keys)
        fill(conn, jobs, queue="other", keys=PATHS[:2])
        assert support.stored(conn) == support.expected(conn)
        found = walked(conn, wanted, most=most, limit=limit, newest_first=newest_first, until=until)
        conn.rollback()
        conn.begin()

    numbers = [job.number for job in jobs if is_match(job, wanted)]
    within = [number for number in numbers if until is None or (number >= until if newest_first else number <= until)]
    assert found == sorted(within, reverse=newest_first)


def test_only_jobs_with_the_rarest_term_are_looked_at(conn: Connection) -> None:
    insert(conn, *[new(tags=("often",)) for _ in range(50)])
    [rare] = insert(conn, new(tags=("rare", "often")))
    insert(conn, *[new(tags=("often",)) for _ in range(50)])
    support.trust(conn)
    for tags in [("rare",), ("often", "rare")]:
        seen = search.search(conn, queue="q", wanted=JobFilter(tags=tags), most=10)
        assert (seen.looked_at, seen.numbers, seen.is_complete) == (1, [rare], True)
    assert search.search(conn, queue="q", wanted=JobFilter(tags=("none", "often")), most=10).looked_at == 0


def test_of_two_common_terms_the_one_of_fewer_of_the_newest_jobs_is_looked_along(
    conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terms, "FEW", 5)
    insert(conn, *[new(tags=("often", "seldom") if nth % 5 == 0 else ("often",)) for nth in range(100)])
    support.trust(conn)
    for tags in [("often", "seldom"), ("seldom", "often")]:
        seen = search.search(conn, queue="q", wanted=JobFilter(tags=tags), most=10)
        assert (seen.looked_at, len(seen.numbers)) == (10, 10)


def test_few_jobs_in_the_statuses_asked_for_are_looked_at_rather_than_many_with_the_tag(
    conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terms, "FEW", 5)
    insert(conn, *[new(tags=("often",)) for _ in range(50)])
    [delayed] = insert(conn, new(tags=("often",), delay_ms=1_000_000))
    insert(conn, *[new(tags=("often",)) for _ in range(50)])
    support.trust(conn)
    wanted = JobFilter(tags=("often",), statuses=(Status.DELAYED,))
    seen = search.search(conn, queue="q", wanted=wanted, most=10)
    assert (seen.looked_at, seen.numbers) == (1, [delayed])


def test_until_all_jobs_have_theirs_terms_are_not_trusted(conn: Connection) -> None:
    [number] = insert(conn, new(tags=("a",)))
    conn.exec_driver_sql("delete from rowline.terms")
    assert search.search(conn, queue="q", wanted=JobFilter(tags=("a",)), most=10).numbers == [number]
    support.trust(conn)
    assert search.search(conn, queue="q", wanted=JobFilter(tags=("a",)), most=10).numbers == []


@pytest.mark.parametrize("queues", [3, search_all.QUEUES_MAX + 5])
def test_over_all_queues_those_with_the_tag_are_searched_alone(conn: Connection, queues: int) -> None:
    for nth in range(queues):
        insert(conn, new(), new(tags=("b",)), queue=f"q{nth}")
    mine = insert(conn, new(tags=("a", "b")), new(tags=("a", "b")), queue="q1")
    support.trust(conn)
    found = search_all.search_all(conn, readable=["%"], shown=["%"], wanted=JobFilter(tags=("a", "b")), most=10)
    assert (found.numbers, found.looked_at, found.is_complete) == (mine[::-1], 2, True)


@pytest.mark.parametrize(
    ("value", "sought"),
    [
        ("x" * 201, ["x" * 201, '"' + "x" * 201 + '"']),
        ('"quoted"', ['"quoted"', '"\\"quoted\\""']),
        ({"a": "=1"}, ['{"a": "=1"}']),
        ("#1", ["#1", '"#1"']),
        ("", ['""']),
        (" 4 2 ", [" 4 2 ", '" 4 2 "']),
        (None, ["null"]),
        ("null", ["null", '"null"']),
        (2.50, ["2.5"]),
    ],
)
def test_values_of_any_kind_and_length_are_found(conn: Connection, value: object, sought: list[str]) -> None:
    [number] = insert(conn, new(data=JsonText(json.dumps({"k": value}))))
    support.trust(conn, keys=["k"])
    terms.fill(conn, queue="q", numbers=[number])
    for text in sought:
        assert search.search(conn, queue="q", wanted=JobFilter(data=(("k", text),)), most=2).numbers == [number], text
    for text in ("42", '"\\u0000"', '"\\ud800"', '"', '"unclosed'):
        assert search.search(conn, queue="q", wanted=JobFilter(data=(("k", text),)), most=2).numbers == []
