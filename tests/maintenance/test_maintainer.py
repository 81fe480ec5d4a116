"""What time brings is noticed by an API process alone, without any worker."""

import time
from collections.abc import Iterator

import pytest

from app.domain.states import Status
from app.infra.settings import Settings
from app.maintenance import maintainer
from app.operations import claim
from app.postgres.database import Database
from app.web import app
from tests.conftest import TOKEN
from tests.support import databases, work
from tests.support.client import Client
from tests.support.clusters import PYTHON, Program, free_port, until
from tests.support.jobs import QUEUE, new
from tests.support.workers import add, in_status


@pytest.fixture
def api(db: Database, shared_url: str) -> Iterator[Program]:
    env = {"DATABASE_URL": shared_url, "AUTH_TOKENS": "t", "PORT": str(free_port()), "ROWLINE_RECOVER_MS": "200"}
    with Program([*PYTHON, "-m", "app", "serve"], env=env) as program:
        program.expect("api_started")
        yield program


def test_a_due_job_shows_as_ready_though_no_worker_lives(db: Database, api: Program) -> None:
    plain, prioritized = add(db, new(delay_ms=300), new(delay_ms=300, priority=4))

    in_status(db, plain, Status.WAITING)
    in_status(db, prioritized, Status.PRIORITIZED)


def test_a_job_that_has_not_begun_in_time_fails_though_no_worker_lives(db: Database, api: Program) -> None:
    start_by = int(time.time() * 1000) + 300
    late, delayed = add(db, new(start_by=start_by), new(start_by=start_by, delay_ms=3_600_000))

    for job_id in (late, delayed):
        job = in_status(db, job_id, Status.FAILED)
        assert (job.failed_code, job.failed_reason) == ("start_by", "not started in time")
        assert job.finished_at is not None
        assert job.finished_at.timestamp() * 1000 >= start_by
    api.expect("not_started")


def test_a_stalled_job_goes_back_though_no_worker_lives(db: Database, api: Program) -> None:
    job_id = add(db, new())[0]
    claim.claim(db, queue=QUEUE, limit=1, lease_ms=100, worker="gone")

    assert in_status(db, job_id, Status.WAITING).stalled_count == 1
    api.expect("stalled_recovered")


def test_keys_older_than_their_day_go_and_young_ones_stay(settings: Settings, own_url: str) -> None:
    db = Database(settings, url=own_url, size=2, name="rowline-test-own")
    client = Client(app.create(settings, db).test_client(), token=TOKEN)
    for key, hours in (("old", 24), ("young", 23)):
        client.post("/queues/q/jobs", "[]", Idempotency_Key=key)
        databases.run(
            own_url,
            "update rowline.idempotency_keys set answered_at = answered_at - "
            f"interval '{hours} hours' where key = '{key}'",
        )

    loops = maintainer.start(settings, db)
    next(loop for loop in loops if loop.name == "forget")._tick()  # noqa: SLF001 - it comes once a minute
    for loop in loops:
        loop.stop()
        loop.join()

    assert databases.ask(own_url, "select key from rowline.idempotency_keys") == [("young",)]
    assert client.post("/queues/q/jobs", "[]", Idempotency_Key="young").headers["Idempotency-Replayed"] == "true"
    db.close()


def test_counts_are_folded_though_no_worker_lives(db: Database, shared_url: str, api: Program) -> None:
    add(db, new())

    until(lambda: databases.ask(shared_url, "select queue, waiting from rowline.job_counts") == [(QUEUE, 1)])
    assert databases.ask(shared_url, "select 1 from rowline.job_deltas") == []


def test_finished_jobs_go_by_the_settings_and_the_first_pass_finds_those_behind_one_that_stays(
    db: Database, shared_url: str, request: pytest.FixtureRequest
) -> None:
    young, old = add(db, new(), new())
    for _ in (young, old):
        work.complete_next(db, result="1")
    databases.run(
        shared_url,
        "insert into rowline.queue_settings (queue, remove_on_complete) values "
        f"('{QUEUE}', '{{\"age\":3600}}'); "
        f"update rowline.jobs set finished_at = finished_at - interval '2 hours' where number = {old}",
    )
    work.fold(db)
    request.getfixturevalue("api")

    def left() -> list[tuple[int]]:
        return databases.ask(shared_url, "select number from rowline.jobs")

    # A process of the API leaves the rounds to others for up to 40 s if it heard of one, and such a one may do this.
    until(lambda: left() == [(int(young),)], within_s=100)


def test_where_a_queue_keeps_none_what_has_ended_goes_by_itself(
    db: Database, shared_url: str, request: pytest.FixtureRequest
) -> None:
    databases.run(
        shared_url,
        "insert into rowline.queue_settings (queue, remove_on_complete, remove_on_fail) values "
        f"('{QUEUE}', '{{\"count\":0}}', '{{\"age\":0}}')",
    )
    request.getfixturevalue("api")
    for _ in range(2):  # also after the pass of a process that has just begun
        add(db, new(), new())
        work.complete_next(db, result="1")
        work.fail_next(db)
        until(lambda: databases.ask(shared_url, "select number from rowline.jobs") == [], within_s=100)
