"""The client finds jobs."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import rowline

from app.postgres.database import Database
from tests.support import work
from tests.support.httpproxy import HttpProxy
from tests.support.tokens import issue


def ids(found: list[rowline.JobInfo]) -> list[str]:
    return [job.id for job in found]


def test_jobs_are_found_by_all_words(queue: rowline.Queue, db: Database) -> None:
    failed = queue.add("mail", {"customer": {"id": 42}, "ok": True}, tags=["vip", "eu"])
    work.fail_next(db, reason="timeout after 3 s")
    other = queue.add("mail", {"customer": {"id": "43"}}, tags=["eu"])
    begin = datetime.fromtimestamp(failed.timestamp / 1000, UTC) - timedelta(minutes=1)

    for wanted in (
        {"error": "timeout"},
        {"statuses": ["failed", "completed"]},
        {"tags": ["eu", "vip"]},
        {"data": {"customer.id": 42, "ok": True}},
        {"worker": work.WORKER},
        {"finished_since": begin, "finished_until": begin + timedelta(hours=1)},
    ):
        assert ids([*queue.jobs(name="mail", **wanted)]) == [failed.id]
    assert ids([*queue.jobs(data={"customer.id": "43"})]) == [other.id]
    assert ids([*queue.jobs(data={"customer.id": 43})]) == [other.id]
    assert ids([*queue.jobs(since=begin)]) == [other.id, failed.id]
    assert ids([*queue.jobs(since=failed.timestamp - 1, is_oldest_first=True)]) == [failed.id, other.id]
    assert ids([*queue.jobs(until=begin)]) == []
    [found] = queue.jobs(tags=("vip",))
    assert (found.failed_reason, found.data, found.queue) == ("timeout after 3 s", failed.data, None)


def test_a_search_goes_on_over_responses_only_as_far_as_its_jobs_are_used(
    queue: rowline.Queue, proxy: HttpProxy
) -> None:
    added = queue.add_many([rowline.NewJob(name="n", data=nth) for nth in range(250)])
    before = len(proxy.requests)

    found = [*itertools.islice(queue.jobs(), 100)]
    assert len(proxy.requests) - before == 1
    assert ids(found) == [job.id for job in added[:-101:-1]]
    assert ids([*queue.jobs()]) == [job.id for job in reversed(added)]


def test_over_all_queues_each_job_says_its_queue(api: rowline.Rowline, proxy: HttpProxy, db: Database) -> None:
    for name in ("a", "b:c", "a"):
        api.queue(name).add("n", {"x": 1}, tags=["t"])

    assert [job.queue for job in api.jobs()] == ["a", "b:c", "a"]
    assert [job.queue for job in api.jobs(tags=["t"], data={"x": 1}, is_oldest_first=True)] == ["a", "b:c", "a"]
    with rowline.Rowline(proxy.url, issue(db, "jobs:read@b*").secret) as reader:
        assert [(job.queue, job.data) for job in reader.jobs()] == [("b:c", None)]
        with pytest.raises(rowline.Forbidden):
            next(reader.jobs(error="x"))


@pytest.mark.parametrize(
    ("word", "hint"),
    [("tag", "'tags'"), ("status", "'statuses'"), ("finishedSince", "'finished_since'"), ("zzz", "known are statuses")],
)
def test_an_unknown_word_is_refused_at_once_since_without_it_more_jobs_would_be_found(
    api: rowline.Rowline, word: str, hint: str
) -> None:
    queue = api.queue("q")
    wanted: Any = {word: "x"}
    for find in (queue.jobs, api.jobs, lambda **words: queue.plan("remove", statuses=["failed"], **words)):
        with pytest.raises(TypeError, match=f"'{word}' is no word to find jobs by.*{hint}"):
            find(**wanted)
    assert queue.plans() == ()


def test_a_string_is_one_status_or_one_tag(queue: rowline.Queue) -> None:
    job = queue.add("n", tags=["vip"])
    assert ids([*queue.jobs(statuses="waiting", tags="vip")]) == [job.id]
    assert [one.id for one in queue.list(statuses="waiting").jobs] == [job.id]
    plan = queue.plan("cancel", statuses="waiting", tags="vip", ids=job.id)
    assert plan.info.filter == {"statuses": ["waiting"], "tag": ["vip"], "ids": [job.id]}
    assert plan.matched == 1


def test_an_object_is_found_as_it_was_added(queue: rowline.Queue) -> None:
    customer = {"id": 7, "names": ["Ada", "über"]}
    job = queue.add("n", {"customer": customer})
    for data in ({"customer": customer}, {"customer.names": ["Ada", "über"]}, {"customer.id": 7}):
        assert ids([*queue.jobs(data=data)]) == [job.id]
        assert queue.plan("remove", data=data).matched == 1


def test_an_empty_list_is_refused_since_it_would_mean_all_jobs(api: rowline.Rowline) -> None:
    queue = api.queue("q")
    empty: list[dict[str, Any]] = [{"statuses": []}, {"tags": []}]
    for wanted in empty:
        for find in (queue.jobs, api.jobs):
            with pytest.raises(ValueError, match="must not be empty"):
                find(**wanted)
        with pytest.raises(rowline.InvalidRequest):
            queue.plan("remove", **wanted)


def test_data_that_is_no_dict_is_refused(api: rowline.Rowline) -> None:
    queue = api.queue("q")
    data: Any = "k=1"
    for find in (queue.jobs, lambda **wanted: queue.plan("remove", **wanted)):
        with pytest.raises(TypeError, match="data must be a dict of paths and values"):
            find(data=data)
