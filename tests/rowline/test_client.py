"""The client against a real service: what is asked, and what comes back."""

import math
import multiprocessing
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import rowline

from app.domain.job import JsonText
from app.postgres.database import Database
from tests.support import clusters, raw, work
from tests.support.clusters import until
from tests.support.httpproxy import Fault, HttpProxy

NOBODY = "http://127.0.0.1:1"


def test_an_added_job_comes_back_with_its_id_and_options(queue: rowline.Queue) -> None:
    added = queue.add("welcome", {"to": "ü"}, attempts=3, backoff=50, delay_ms=60_000, priority=7, job_id="w-1")

    assert (added.id, added.name, added.data, added.outcome) == ("w-1", "welcome", {"to": "ü"}, "created")
    assert added.opts == {"attempts": 3, "backoff": 50, "delay": 60_000, "priority": 7, "jobId": "w-1"}
    assert (added.status, added.delay_ms, added.priority, added.is_finished) == ("delayed", 60_000, 7, False)
    assert queue.add("welcome", job_id="w-1").outcome == "duplicate"
    assert queue.add("welcome", start_by=2_000_000_000_000).start_by == 2_000_000_000_000
    assert queue.get("w-1").data == {"to": "ü"}


def test_many_jobs_are_added_in_their_order_or_not_at_all(queue: rowline.Queue) -> None:
    added = queue.add_many(rowline.NewJob(name="n", data=number) for number in range(20))

    assert [job.data for job in added] == list(range(20))
    with pytest.raises(rowline.InvalidRequest, match="priority") as raised:
        queue.add_many([rowline.NewJob(name="n"), rowline.NewJob(name="n", priority=-1)])
    assert (raised.value.status, raised.value.code) == (400, "invalid_request")
    assert raised.value.details[0]["path"] == "jobs[1].opts.priority"
    assert raised.value.request_id
    assert queue.add_many([]) == ()
    assert queue.counts("waiting") == {"waiting": 20}


def test_a_page_has_counts_and_jobs(queue: rowline.Queue) -> None:
    queue.add_many([rowline.NewJob(name="n", data=1), rowline.NewJob(name="n", data=2, delay_ms=60_000)])

    page = queue.list(statuses=["waiting", "delayed"], length=1)
    assert (page.counts, [job.data for job in page.jobs]) == ({"waiting": 1, "delayed": 1}, [2])
    assert [job.data for job in queue.list(is_oldest_first=True).jobs] == [1, 2]
    assert queue.list(start=5).jobs == ()


def test_what_is_too_long_for_one_answer_comes_in_several(queue: rowline.Queue, proxy: HttpProxy) -> None:
    added = [queue.add("n", "x" * 900_000, job_id=f"own-{nth}").id for nth in range(12)]
    [lease] = queue.claim()
    for _ in range(35):
        queue.log(lease, "🐘" * 65_536)
    proxy.requests.clear()

    page = queue.list(length=12, is_oldest_first=True)

    assert ([job.id for job in page.jobs], page.length, page.counts["waiting"]) == (added, 12, 11)
    assert len(queue.logs(lease.id, length=35).lines) == 35
    assert len(proxy.requests) == 4


@pytest.mark.parametrize("name", ["a b", "café", "50%", "a?b#c", "über:mail", "..x"])
def test_names_go_as_they_are(api: rowline.Rowline, name: str) -> None:
    added = api.queue(name).add("n", job_id=name)

    assert api.queue(name).get(name).id == added.id == name


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_would_be_another_path_is_refused_here(api: rowline.Rowline, name: str) -> None:
    with pytest.raises(ValueError, match="no name of a queue or a job"):
        api.queue(name)
    with pytest.raises(ValueError, match="no name of a queue or a job"):
        api.queue("q").get(name)


def test_what_json_cannot_hold_is_refused_before_anything_is_sent(queue: rowline.Queue, proxy: HttpProxy) -> None:
    for data in (float("nan"), "\udcff"):
        with pytest.raises(ValueError, match=r"JSON|surrogates"):
            queue.add("n", data)
    with pytest.raises(TypeError):
        queue.add("n", {1, 2})
    assert proxy.requests == []


def test_errors_have_classes(api: rowline.Rowline, proxy: HttpProxy) -> None:
    with pytest.raises(rowline.NotFound) as raised:
        api.queue("q").get("nobody")
    assert raised.value.code == "job_not_found"
    with rowline.Rowline(proxy.url, "wrong") as stranger, pytest.raises(rowline.Unauthorized):
        stranger.queue("q").counts()
    with rowline.Rowline(f"{proxy.url}/elsewhere/", raw.TOKEN) as lost, pytest.raises(rowline.NotFound):
        lost.queue("q").counts()


def test_a_completed_job_is_waited_for(queue: rowline.Queue, db: Database) -> None:
    added = queue.add("n", 1)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(queue.wait, added, timeout_s=10)
        work.complete_next(db, result=JsonText('{"sent": true}'))
        job = waiting.result()

    assert (job.status, job.result) == ("completed", {"sent": True})
    assert (job.attempts_made, job.attempts_started) == (1, 1)
    assert job.processed_by == work.WORKER
    assert added.timestamp <= (job.processed_on or 0) <= (job.finished_on or 0)


def test_waiting_for_a_failed_job_raises_its_reason(queue: rowline.Queue, db: Database) -> None:
    added = queue.add("n", 1)
    work.fail_next(db, reason="no such address")

    with pytest.raises(rowline.JobFailed, match="no such address") as raised:
        queue.wait(added.id, timeout_s=10)
    assert raised.value.job.failed_reason == "no such address"


def test_waiting_asks_once_as_long_as_the_service_makes_it_wait(
    queue: rowline.Queue, db: Database, proxy: HttpProxy
) -> None:
    added = queue.add("n", 1)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(queue.wait, added, timeout_s=45)
        until(lambda: any(b"?wait=30000 " in request for request in proxy.requests))
        work.complete_next(db)
        assert waiting.result().status == "completed"
    assert sum(request.startswith(b"GET ") for request in proxy.requests) == 1


def test_waiting_goes_on_while_the_service_is_unavailable(queue: rowline.Queue, db: Database, proxy: HttpProxy) -> None:
    added = queue.add("n", 1)
    proxy.plan = [Fault.SAY_LATER, Fault.LOSE_ANSWER, Fault.CUT]
    work.complete_next(db)

    assert queue.wait(added, timeout_s=45).status == "completed"
    assert proxy.plan == []


def test_waiting_for_a_service_that_is_away_ends_when_the_time_is_over() -> None:
    with (
        rowline.Rowline("http://127.0.0.1:1", "t") as client,
        pytest.raises(TimeoutError, match="its status is unknown: the service is unavailable"),
    ):
        client.queue("q").wait("1", timeout_s=0.1)


def test_waiting_without_an_end_is_possible(queue: rowline.Queue, db: Database) -> None:
    added = queue.add("n", 1)
    work.complete_next(db)

    assert queue.wait(added, timeout_s=math.inf).status == "completed"


def test_a_removed_job_is_waited_for_no_longer(queue: rowline.Queue, db: Database, proxy: HttpProxy) -> None:
    added = queue.add("n", 1)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(queue.wait, added, timeout_s=45)
        until(lambda: any(b"?wait=" in request for request in proxy.requests))
        with db.begin() as conn:
            conn.exec_driver_sql("delete from rowline.jobs")
        with pytest.raises(rowline.NotFound):
            waiting.result()


def test_waiting_ends_when_the_time_is_over(queue: rowline.Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rowline.queue.RESPONSE_S", 60.0)  # for a response that comes late
    added = queue.add("n", 1)

    with pytest.raises(TimeoutError, match="its status is waiting"):
        queue.wait(added, timeout_s=0.2)


@pytest.mark.parametrize(
    ("url", "token"),
    [
        ("127.0.0.1:8080", "t"),
        ("ftp://a", "t"),
        ("http://user:secret@a", "t"),
        ("http://a?b", "t"),
        ("", "t"),
        ("http://a", ""),
        ("http://a", "two words"),
        ("http://a", "line\r\nend"),
    ],
)
def test_an_address_or_token_that_cannot_be_is_refused(url: str, token: str) -> None:
    with pytest.raises(ValueError, match=r"must|is required"):
        rowline.Rowline(url, token)


def test_address_and_token_come_from_the_environment(proxy: HttpProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROWLINE_URL", proxy.url)
    monkeypatch.setenv("ROWLINE_TOKEN", raw.TOKEN)
    monkeypatch.setenv("http_proxy", NOBODY)  # is not asked
    with rowline.Rowline.from_env() as client:
        assert client.queue("q").counts("waiting") == {"waiting": 0}


def test_threads_share_a_client(queue: rowline.Queue) -> None:
    with ThreadPoolExecutor(8) as pool:
        ids = {added.id for added in pool.map(lambda number: queue.add("n", number), range(40))}

    assert queue.counts("waiting")["waiting"] == len(ids) == 40


def test_a_fork_has_connections_of_its_own(queue: rowline.Queue) -> None:
    queue.add("n", 0)
    child = multiprocessing.get_context("fork").Process(target=queue.add_many, args=([rowline.NewJob(name="n")] * 5,))
    child.start()
    for number in range(20):
        assert queue.add("n", number).data == number
    child.join(60)

    assert child.exitcode == 0
    assert queue.counts("waiting") == {"waiting": 26}


def test_importing_rowline_brings_neither_the_service_nor_urllib3() -> None:
    asked = "import sys, rowline; print(sorted({'urllib3', 'ssl', 'app', 'flask'} & set(sys.modules)))"
    told = subprocess.run(
        [sys.executable, "-P", "-c", asked],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(clusters.IMPORTABLE)},
    )
    assert told.stdout == "[]\n"
    with pytest.raises(AttributeError, match="no attribute 'Client'"):
        _ = rowline.Client


@pytest.mark.parametrize(
    ("url", "token", "named"), [("", "t", "ROWLINE_URL"), ("http://127.0.0.1:1", "", "ROWLINE_TOKEN")]
)
def test_what_is_missing_in_the_environment_is_named(
    url: str, token: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROWLINE_URL", url)
    monkeypatch.setenv("ROWLINE_TOKEN", token)

    with pytest.raises(ValueError, match=named):
        rowline.Rowline.from_env()
