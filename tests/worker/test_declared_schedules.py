"""Schedules that a handlers file declares: real workers, on the database and over HTTP."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import rowline
from rowline import handlers

from app.postgres.database import Database
from tests.rowline.test_examples import blocks
from tests.support import databases, httpproxy, raw, tokens
from tests.support.clusters import ROOT, free_port, until
from tests.support.raw import Server
from tests.support.workers import WorkerProgram, written

FILE = """
    from datetime import timedelta

    @rowline.scheduled("nightly", cron="{pattern}", tz="Europe/Vienna", data={{"to": "ada"}}, attempts=3)
    def report(job):
        return None

    @rowline.scheduled("poll", every=timedelta(hours=1), name="look", overlap="skip")
    @rowline.handler("look")
    def look(job):
        return None
"""
OTHER = """
    @rowline.scheduled("nightly", cron="0 4 * * *")
    def report(job):
        return None
"""
SCHEDULES = "select id, pattern, tz, every_ms, name, overlap, data::text, opts::text from rowline.schedules order by id"
NIGHTLY = ("nightly", "0 3 * * *", "Europe/Vienna", None, "nightly", "pending", '{"to":"ada"}', '{"attempts":3}')
POLL = ("poll", None, None, 3_600_000, "look", "skip", "null", "{}")
ACTS = "select action, target from rowline.audit where action like 'schedules.%%' order by number"


@pytest.fixture(scope="module")
def service(shared_url: str) -> Iterator[Server]:
    with raw.server(shared_url) as server:
        yield server


@pytest.fixture(params=["database", "HTTP"])
def place(request: pytest.FixtureRequest, shared_url: str, service: Server, db: Database) -> str:
    """Where the worker takes its jobs from; the database is empty."""
    return shared_url if request.param == "database" else f"http://127.0.0.1:{service.port}"


def patterns(url: str) -> list[Any]:
    return [(row[0], row[1]) for row in databases.ask(url, SCHEDULES)]


def test_a_worker_makes_the_schedules_of_its_file_and_works_their_jobs(
    place: str, shared_url: str, tmp_path: Path
) -> None:
    with WorkerProgram(place, written(tmp_path, FILE.format(pattern="0 3 * * *"))) as worker:
        until(
            lambda: databases.ask(shared_url, "select from rowline.jobs where status = 'completed' and name = 'look'")
        )
        assert worker.end(signal.SIGTERM) == 0
    assert databases.ask(shared_url, SCHEDULES) == [NIGHTLY, POLL]


def test_the_example_of_the_handbook_makes_its_schedules(db: Database, shared_url: str, tmp_path: Path) -> None:
    [example] = [block for block in blocks(ROOT / "app" / "docs" / "schedules.md") if "rowline.scheduled" in block]
    with WorkerProgram(shared_url, written(tmp_path, example)):
        until(lambda: patterns(shared_url) == [("nightly", "0 3 * * *"), ("poll", None)])


def test_another_file_changes_schedules_and_removes_none(place: str, shared_url: str, tmp_path: Path) -> None:
    with WorkerProgram(place, written(tmp_path, FILE.format(pattern="0 3 * * *"))):
        until(lambda: len(patterns(shared_url)) == 2)
    databases.run(shared_url, "update rowline.schedules set paused_at = now() where id = 'nightly'")
    with WorkerProgram(place, written(tmp_path, OTHER)):
        until(lambda: patterns(shared_url) == [("nightly", "0 4 * * *"), ("poll", None)])
    paused = "select id from rowline.schedules where paused_at is not null"
    assert databases.ask(shared_url, paused) == [("nightly",)]


def test_workers_that_start_at_once_make_each_schedule_once(place: str, shared_url: str, tmp_path: Path) -> None:
    file = written(tmp_path, FILE.format(pattern="0 3 * * *"))
    with ExitStack() as stack:
        workers = [stack.enter_context(WorkerProgram(place, file)) for _ in range(3)]
        until(lambda: len(patterns(shared_url)) == 2)
        for worker in workers:
            worker.expect("worker_started")
            assert worker.end(signal.SIGTERM) == 0
            assert "schedules_not_made" not in worker.output
    assert databases.ask(shared_url, ACTS) == [("schedules.create", "nightly"), ("schedules.create", "poll")]


def test_a_worker_whose_schedule_is_refused_says_why_and_ends(place: str, shared_url: str, tmp_path: Path) -> None:
    with WorkerProgram(place, written(tmp_path, FILE.format(pattern="61 * * * *"))) as worker:
        worker.expect("the schedule 'nightly' of the handlers file cannot be made")
        assert worker.end() == 2
    assert "pattern has a minute that is none: 61" in worker.output
    assert patterns(shared_url) == []


def test_a_worker_whose_token_may_not_make_schedules_says_which_scope_is_missing(
    db: Database, service: Server, tmp_path: Path
) -> None:
    token = tokens.issue(db, "work").secret
    url, file = f"http://127.0.0.1:{service.port}", written(tmp_path, FILE.format(pattern="0 3 * * *"))
    with WorkerProgram(url, file, extra={"ROWLINE_TOKEN": token}) as worker:
        worker.expect("the schedule 'nightly' of the handlers file cannot be made")
        assert worker.end() == 4
    assert "jobs:manage" in worker.output


def test_a_worker_makes_its_schedules_when_the_service_is_back(
    db: Database, service: Server, shared_url: str, tmp_path: Path
) -> None:
    with httpproxy.before(free_port()) as proxy, WorkerProgram(proxy.url, written(tmp_path, OTHER)) as worker:
        worker.expect("schedules_not_made")
        proxy.to_port = service.port
        until(lambda: patterns(shared_url) == [("nightly", "0 4 * * *")])


def test_a_declaration_that_is_wrong_is_refused_when_the_file_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    for registry in ("_registry", "schedules"):
        monkeypatch.setattr(handlers, registry, {})

    def handle(job: rowline.Job) -> None:
        """Do nothing."""

    rowline.scheduled("a", cron="@daily", name="n")(handle)
    rowline.scheduled("b", cron="@hourly", name="n")(handle)
    assert (sorted(handlers.schedules), handlers.names()) == (["a", "b"], ["n"])
    with pytest.raises(ValueError, match="two schedules with the id 'a'"):
        rowline.scheduled("a", cron="@daily")(handle)
    with pytest.raises(ValueError, match="two handlers for jobs called 'n'"):
        rowline.scheduled("c", cron="@daily", name="n")(lambda _job: None)
    with pytest.raises(TypeError, match="there is no when"):
        rowline.scheduled("d", when="now")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="the id of the schedule is missing"):
        rowline.scheduled(handle)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        rowline.scheduled("d", cron="@daily", data=object())
    assert (sorted(handlers.schedules), handlers.names()) == (["a", "b"], ["n"])
