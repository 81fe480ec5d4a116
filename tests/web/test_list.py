"""GET /queues/:queue/jobs: pages and counts."""

import itertools
import threading
from collections import Counter
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.states import Status
from app.operations import maintenance, manage
from app.postgres.database import Database
from app.queries import jobs
from tests.support import answers, clusters, work
from tests.support.acting import ACTOR
from tests.support.client import Client
from tests.support.json_texts import IN_DATABASE

STATUSES = ["waiting", "prioritized", "delayed", "active", "waiting-children", "completed", "failed"]
ENTERED = [status for status in STATUSES if status != "waiting-children"]  # no event enters it yet
PATH = "/queues/q/jobs"


def _add(client: Client, number: int) -> list[str]:
    """Add jobs; return their ids in the order added."""
    return [job["id"] for job in client.add(*({"name": "n", "data": index} for index in range(number)))]


def _ids(page: dict[str, Any]) -> list[str]:
    return [job["id"] for job in page["jobs"]]


def test_an_unknown_queue_is_an_empty_one(client: Client) -> None:
    assert client.page("nobody") == {"counts": dict.fromkeys(STATUSES, 0), "jobs": [], "start": 0, "length": 10}


def test_a_page_holds_the_ten_newest_jobs_unless_asked_otherwise(client: Client) -> None:
    ids = _add(client, 12)

    page = client.page()

    assert _ids(page) == ids[:1:-1]
    assert (page["start"], page["length"], page["counts"]["waiting"]) == (0, 10, 12)


def test_a_page_says_of_each_job_what_get_says(client: Client, db: Database) -> None:
    work.one_in_each_status(client, db)

    jobs = client.page()["jobs"]

    assert [client.job(job["id"]) for job in jobs] == jobs
    assert {job["name"]: job["status"] for job in jobs} == {status: status for status in ENTERED}


def test_the_jobs_of_another_queue_are_not_in_the_page(client: Client) -> None:
    _add(client, 2)
    client.add({"name": "n", "data": 0}, queue="q2")

    assert (client.page("q2")["counts"]["waiting"], len(client.page("q2")["jobs"])) == (1, 1)


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_the_jobs_of_a_small_queue_are_found_behind_many_of_another(client: Client, order: str) -> None:
    ids = []
    for _ in range(3):
        client.add(*[{"name": "n", "data": 0}] * 100, queue="other")
        ids.append(client.add({"name": "n", "data": 0})[0]["id"])
        client.add(*[{"name": "n", "data": 0}] * 100, queue="other")
    expected = ids if order == "asc" else ids[::-1]

    assert [job["id"] for job in client.page(order=order)["jobs"]] == expected
    assert [job["id"] for job in client.page(order=order, start=1, length=1)["jobs"]] == expected[1:2]
    assert client.page(order=order, start=3)["jobs"] == []


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize(
    "statuses",
    [(), ("all",), *((status,) for status in ENTERED), *itertools.combinations(ENTERED, 2), tuple(reversed(ENTERED))],
)
def test_jobs_come_in_the_order_added_over_all_statuses_asked_for(
    client: Client, db: Database, statuses: tuple[str, ...], order: str
) -> None:
    ids = work.one_in_each_status(client, db)
    wanted = [job_id for status, job_id in ids.items() if status in statuses or statuses in {(), ("all",)}]

    page = client.page(statuses=",".join(statuses), order=order)

    assert _ids(page) == sorted(wanted, key=int, reverse=order == "desc")
    assert sum(page["counts"].values()) == len(wanted)


@pytest.mark.parametrize("status", STATUSES)
def test_counts_have_one_number_for_each_status_asked_for(client: Client, db: Database, status: str) -> None:
    work.one_in_each_status(client, db)

    assert client.page(statuses=status)["counts"] == {status: 1 if status in ENTERED else 0}
    assert list(client.page(statuses=f"{status},waiting")["counts"]) == list(dict.fromkeys([status, "waiting"]))


@pytest.mark.parametrize("statuses", ["", ",", ",,", "all", "all,", "waiting,all", ",".join(STATUSES)])
def test_all_and_nothing_and_every_word_mean_every_status(client: Client, db: Database, statuses: str) -> None:
    ids = work.one_in_each_status(client, db)

    page = client.page(statuses=statuses)

    assert set(page["counts"]) == set(STATUSES) == set(Status)
    assert set(_ids(page)) == set(ids.values())


@pytest.mark.parametrize("statuses", ["waiting,,delayed", "delayed,waiting,delayed", ",delayed,waiting,"])
def test_empty_words_count_for_nothing_and_twins_for_one(client: Client, db: Database, statuses: str) -> None:
    ids = work.one_in_each_status(client, db)

    page = client.page(statuses=statuses, length=2)

    assert page["counts"] == {"waiting": 1, "delayed": 1}
    assert _ids(page) == [ids["delayed"], ids["waiting"]]


@pytest.mark.parametrize("statuses", ["nope", "waiting,nope", "Waiting", "waiting;nope", "paused", "ALL"])
def test_an_unknown_status_is_named(client: Client, statuses: str) -> None:
    said = answers.problem(client.get(f"{PATH}?statuses={statuses}"), 400)

    assert said["error"].startswith(f"statuses must be all or of {', '.join(Status)}, not ")
    assert repr(statuses.removeprefix("waiting,")) in said["error"]


def test_a_long_unknown_status_is_not_echoed_whole(client: Client) -> None:
    assert len(client.get(f"{PATH}?statuses={'x' * 3_000}").text) < 1_000


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("statuses", ["all", "waiting,delayed,failed"])
@pytest.mark.parametrize("length", [1, 3, 7])
def test_pages_neither_overlap_nor_miss(client: Client, statuses: str, order: str, length: int) -> None:
    opts: list[dict[str, int]] = [{}, {"delay": 60_000}]
    added = client.add(*({"name": "n", "data": 0, "opts": opts[index % 3 == 0]} for index in range(14)))

    pages = [client.page(statuses=statuses, order=order, start=start, length=length) for start in range(0, 21, length)]

    found = [job_id for page in pages for job_id in _ids(page)]
    assert found == sorted((job["id"] for job in added), key=int, reverse=order == "desc")
    assert {page["counts"]["waiting"] for page in pages} == {9}


@IN_DATABASE
@given(data=st.data())
def test_any_page_is_that_part_of_the_whole(client: Client, data: st.DataObject) -> None:
    if not client.page()["jobs"]:
        client.add(*({"name": "n", "data": 0, "opts": {"priority": 1} if index % 2 else {}} for index in range(9)))
    statuses = data.draw(st.sampled_from(["all", "waiting", "waiting,prioritized", "prioritized,failed"]))
    order = data.draw(st.sampled_from(["asc", "desc"]))
    start, length = data.draw(st.integers(0, 12)), data.draw(st.integers(0, 12))

    whole = client.page(statuses=statuses, order=order, length=100)
    page = client.page(statuses=statuses, order=order, start=start, length=length)

    assert page == {**whole, "jobs": whole["jobs"][start : start + length], "start": start, "length": length}


@pytest.mark.parametrize("statuses", ["all", "waiting"])
def test_a_length_of_zero_asks_for_the_counts_alone(client: Client, statuses: str) -> None:
    _add(client, 3)

    page = client.page(statuses=statuses, length=0)

    assert (page["jobs"], page["counts"]["waiting"], page["length"]) == ([], 3, 0)


@pytest.mark.parametrize("length", [99, 100])
def test_a_page_may_hold_a_hundred_jobs(client: Client, length: int) -> None:
    ids = _add(client, 101)

    assert _ids(client.page(length=length)) == ids[: 100 - length : -1]


@pytest.mark.parametrize("start", [2, 3, 10_000_000, 2**53])
@pytest.mark.parametrize("statuses", ["all", "waiting,failed"])
def test_a_page_past_the_end_is_empty(client: Client, start: int, statuses: str) -> None:
    _add(client, 2)

    page = client.page(statuses=statuses, start=start)

    assert (page["jobs"], page["start"], page["counts"]["waiting"]) == ([], start, 2)


def test_a_page_far_past_the_end_is_empty_without_a_walk_through_the_queue(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    _add(client, 2)
    monkeypatch.delattr(jobs, "_send")  # what reads the jobs of a page

    page = client.page(start=2**53, statuses="waiting,delayed")
    assert (page["counts"], page["jobs"]) == ({"waiting": 2, "delayed": 0}, [])


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("start=-1", f"start must be between 0 and {2**53}"),
        (f"start={2**53 + 1}", f"start must be between 0 and {2**53}"),
        ("length=-1", "length must be between 0 and 100"),
        ("length=101", "length must be between 0 and 100"),
        *(
            (f"start={bad}", "start must be an integer")
            for bad in ("", "x", "1.5", "--1", "1e2", "+1", "%D9%A1", "%00")
        ),
        *((f"length={bad}", "length must be an integer") for bad in ("", "ten", "0x10", "9" * 5_000, "1%2C2", "true")),
        *((f"order={bad}", "order must be asc or desc") for bad in ("", "ASC", "up", "asc,desc")),
        ("start=0&start=0", "start must not be given twice"),
        ("length=1&length=2", "length must not be given twice"),
        ("statuses=waiting&statuses=failed", "statuses must not be given twice"),
        ("order=asc&order=asc", "order must not be given twice"),
    ],
)
def test_a_bad_parameter_is_named(client: Client, query: str, error: str) -> None:
    assert answers.error(client.get(f"{PATH}?{query}"), 400) == error


def test_every_fault_of_a_query_is_told(client: Client) -> None:
    said = answers.problem(client.get(f"{PATH}?start=-1&length=x&order=y&statuses=z"), 400)

    assert sorted(fault["path"] for fault in said["details"]) == ["length", "order", "start", "statuses"]


@pytest.mark.parametrize("query", ["%ff", "\xff", "%ed%a0%80", "%00", "\x80\xff"])
def test_a_query_that_is_no_utf_8_is_refused(client: Client, query: str) -> None:
    answer = client.flask.get(
        PATH, headers=client.authorization, environ_overrides={"QUERY_STRING": f"statuses={query}"}
    )

    answers.problem(answer, 400)


@pytest.mark.parametrize("query", ["foo=1", "foo=1&foo=2", "sort=data&filter=.*", "status=nope", "&&", "=", "START=-1"])
def test_unknown_parameters_are_ignored(client: Client, query: str) -> None:
    ids = _add(client, 2)

    answer = client.get(f"{PATH}?{query}&length=1")

    assert _ids(answer.json or {}) == ids[1:]


def test_a_due_job_shows_where_its_priority_puts_it(client: Client, db: Database) -> None:
    client.add(
        {"name": "a", "data": 0, "opts": {"delay": 1}}, {"name": "b", "data": 0, "opts": {"delay": 1, "priority": 1}}
    )

    clusters.until(lambda: maintenance.promote_due(db) or client.page()["counts"]["delayed"] == 0)

    assert {job["name"]: job["status"] for job in client.page()["jobs"]} == {"a": "waiting", "b": "prioritized"}


def test_counts_and_page_show_one_moment(client: Client, db: Database) -> None:
    """Jobs are completed, and retried, until pages have shown enough moments, however slow either side is."""
    retry = partial(manage.retry, db, actor=ACTOR, queue="q")
    retries: list[Any] = [partial(retry, job_id=job_id) for job_id in _add(client, 90)]
    is_enough, pages = threading.Event(), list[dict[str, Any]]()

    def move() -> None:
        for act in itertools.cycle([partial(work.complete_next, db)] * len(retries) + retries):
            if is_enough.is_set():
                return
            act()

    def look() -> bool:
        pages.append(client.page(length=100))
        return len({page["counts"]["completed"] for page in pages}) > 20

    worker = threading.Thread(target=move)
    worker.start()
    try:
        clusters.until(look)
    finally:
        is_enough.set()
        worker.join()

    for page in pages:
        assert Counter(page["counts"]) == Counter(job["status"] for job in page["jobs"])
