"""The client's calls for queues."""

import threading

import psycopg
import pytest
import rowline
from werkzeug import serving

from app.infra.settings import Settings
from app.operations import plans
from app.postgres.database import Database
from app.web import app
from tests.support import databases
from tests.support.clusters import until
from tests.support.httpproxy import Fault, HttpProxy
from tests.support.plans import run


def test_a_queue_is_paused_and_resumed_and_tells_how_it_stands(queue: rowline.Queue) -> None:
    queue.add("n")
    paused = queue.pause("the provider is down")
    assert (paused.name, paused.is_paused, paused.pause_reason, paused.paused_by) == (
        "q",
        True,
        "the provider is down",
        "env:1",
    )
    assert (paused.counts["waiting"], paused.claims_in_flight, paused.next_due_on) == (1, 0, None)
    assert queue.claim() == ()
    assert queue.pause().pause_reason == "the provider is down"
    assert queue.info().is_paused
    assert not queue.resume().is_paused
    assert len(queue.claim()) == 1


def test_a_claim_that_waits_gets_its_job_when_the_queue_is_resumed(api: rowline.Rowline, proxy: HttpProxy) -> None:
    queue = api.queue("q")
    queue.pause()
    queue.add("n")
    assert queue.claim(wait_ms=300) == ()
    queue.resume()
    assert len(queue.claim(wait_ms=10_000)) == 1


def test_queues_are_listed_with_how_many_there_are(api: rowline.Rowline) -> None:
    for name in ("a1", "a2", "b"):
        api.queue(name).add("n")
    found = api.queues(pattern="a*", length=1)
    assert ([one.name for one in found.queues], found.count) == (["a1"], 2)
    assert [one.name for one in api.queues(start=1).queues] == ["a2", "b"]


@pytest.mark.usefixtures("early_in_a_minute")
def test_a_queue_tells_its_rates_and_how_long_its_ready_jobs_take(queue: rowline.Queue, shared_url: str) -> None:
    queue.add("n")
    assert queue.info().drain_ms is None
    databases.run(
        shared_url,
        "insert into rowline.job_minutes select date_trunc('minute', now()) - interval '3 minutes', 'q', 60, 30, 30",
    )
    found = queue.info()
    assert found.rates["5m"] == {"added": 0.2, "completed": 0.1, "failed": 0.1}
    assert found.drain_ms == 5_000


def test_a_list_tells_what_happened_in_the_last_minutes(api: rowline.Rowline, shared_url: str) -> None:
    api.queue("q").add("n")
    databases.run(
        shared_url,
        "insert into rowline.job_minutes select date_trunc('minute', now()) - interval '30 minutes', 'q', 60, 30, 29",
    )
    [found] = api.queues(minutes=True).queues
    assert found.minutes
    assert (len(found.minutes.added), sum(found.minutes.ended)) == (60, 59)
    assert 60 in found.minutes.added
    assert found.minutes.from_ % 60_000 == 0
    [plain] = api.queues().queues
    assert plain.minutes is None


def test_a_queue_tells_who_works_it(api: rowline.Rowline, shared_url: str) -> None:
    queue = api.queue("crew")
    assert (queue.workers(), queue.info().workers) == ((), 0)
    databases.run(
        shared_url,
        "insert into rowline.queue_workers values ('crew', 'crane', gen_random_uuid(), 'python', 8, 3, now())",
    )
    [found] = queue.workers()
    assert (found.worker, found.way, found.slots, found.busy) == ("crane", "python", 8, 3)
    assert found.seen_on > 0
    assert queue.info().workers == 1


def test_a_worker_over_http_is_told_by_the_node_that_it_calls(api: rowline.Rowline) -> None:
    queue = api.queue("boats")
    queue.add("n")
    queue.claim(3, worker="boat")
    until(queue.workers)
    assert [(one.worker, one.way, one.slots, one.busy) for one in queue.workers()] == [("boat", "pull", 3, 1)]


def test_a_pause_is_a_conflict_while_an_older_program_is_connected(queue: rowline.Queue, shared_url: str) -> None:
    with (
        psycopg.connect(shared_url, application_name="rowline-dispatcher 0016"),
        pytest.raises(rowline.Conflict, match="rowline-dispatcher 0016") as raised,
    ):
        queue.pause()
    assert raised.value.code == "older_nodes_run"


def test_settings_of_a_queue_and_of_the_service_are_changed_and_taken_away(api: rowline.Rowline) -> None:
    queue = api.queue("q")
    assert queue.change_settings(remove_on_complete={"age": 60}, remove_on_fail=False).settings == {
        "removeOnComplete": {"age": 60},
        "removeOnFail": False,
    }
    assert queue.change_settings(remove_on_complete=None).settings == {"removeOnFail": False}
    assert queue.change_settings(start_within_ms=60_000).settings == {"removeOnFail": False, "startWithin": 60_000}
    assert queue.change_settings(start_within_ms=None).settings == {"removeOnFail": False}
    [key] = queue.change_settings(keys=["customer.id"]).keys
    assert (key.path, key.status, key.scanned) == ("customer.id", "waiting", 0)
    assert queue.change_settings(keys=None).settings == {"removeOnFail": False}
    assert queue.info().keys == ()
    assert queue.forget().settings == {}
    before = api.settings()
    try:
        assert api.change_settings(remove_on_complete=10)["removeOnComplete"] == {"count": 10}
        assert "removeOnFail" not in api.change_settings(remove_on_fail=None)
    finally:
        api.change_settings(
            remove_on_complete=before.get("removeOnComplete"), remove_on_fail=before.get("removeOnFail")
        )
    queue.add("n")
    with pytest.raises(rowline.Conflict):
        queue.forget()


def test_defaults_of_a_queue_hold_for_jobs_that_are_added_without_them(queue: rowline.Queue) -> None:
    wanted = {"attempts": 5, "tags": ["a"]}
    assert queue.change_settings(defaults=wanted).settings == queue.info().settings == {"defaults": wanted}

    job = queue.add("n", attempts=1)
    assert (job.opts, job.effective, job.tags) == ({"attempts": 1}, {"tags": ["a"]}, ("a",))
    assert queue.get(job.id).effective == {"tags": ["a"]}
    assert queue.change(job.id, priority=3).effective == {"tags": ["a"], "priority": 3}

    assert queue.change_settings(defaults=None).settings == {}
    assert queue.add("n").effective == {}
    with pytest.raises(rowline.InvalidRequest, match=r"settings\.defaults\.attempts must be between"):
        queue.change_settings(defaults={"attempts": 1001})


def test_a_queue_is_drained_cleaned_and_obliterated(queue: rowline.Queue) -> None:
    queue.add_many([rowline.NewJob(name="n"), rowline.NewJob(name="n", delay_ms=60_000)])
    assert queue.drain().done == 1
    assert queue.drain(delayed=True).done == 1
    queue.add_many([rowline.NewJob(name="n")] * 5)
    assert queue.clean("waiting", grace_ms=3_600_000).done == 0
    assert queue.clean("waiting", grace_ms=0, limit=2).done == 2
    [lease] = queue.claim()
    with pytest.raises(rowline.Conflict) as raised:
        queue.obliterate()
    assert raised.value.code == "queue_has_active_jobs"
    assert queue.info().is_paused
    assert queue.obliterate(force=True).done == 3
    assert not queue.info().is_paused
    assert queue.finish([rowline.Completion(lease=lease)]).statuses == ("lost",)


def test_a_removal_is_not_sent_again_when_its_response_is_lost(queue: rowline.Queue, proxy: HttpProxy) -> None:
    queue.add("n")
    proxy.plan = [Fault.LOSE_ANSWER]
    with pytest.raises(rowline.Unavailable) as raised:
        queue.drain()
    assert raised.value.is_outcome_unknown
    queue.add("n")  # which a second request would have removed
    assert queue.counts("waiting") == {"waiting": 1}


def test_a_removal_that_goes_on_behind_its_response_is_waited_for_and_undone(
    settings: Settings, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "AT_ONCE", 2)
    monkeypatch.setattr("app.operations.removal.go_on", lambda _db, plan, **_: plan)
    server = serving.make_server("127.0.0.1", 0, app.create(settings, db), threaded=True)
    over = threading.Event()

    def goes_on() -> None:
        while not over.wait(0.01):
            run(db)

    threads = [threading.Thread(target=server.serve_forever), threading.Thread(target=goes_on)]
    for thread in threads:
        thread.start()
    try:
        with rowline.Rowline(f"http://127.0.0.1:{server.server_port}", settings.tokens[0]) as client:
            queue = client.queue("q")
            queue.add_many([rowline.NewJob(name="n")] * 7)
            plan = queue.drain()
            assert (plan.status, plan.done, queue.counts("waiting")) == ("applied", 7, {"waiting": 0})
            assert plan.undo().wait(timeout_s=60).info.undone == 7
            assert queue.counts("waiting") == {"waiting": 7}
            assert queue.obliterate().done == 7
    finally:
        over.set()
        server.shutdown()
        for thread in threads:
            thread.join()
        server.server_close()


def test_a_clean_of_active_jobs_is_refused(queue: rowline.Queue) -> None:
    with pytest.raises(rowline.RowlineError, match="status must be one of"):
        queue.clean("active", grace_ms=0)
