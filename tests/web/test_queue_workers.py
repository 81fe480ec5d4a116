"""GET /queues/:queue/workers, and `workers` of a queue, as a client sees them."""

import json
import uuid
from typing import Any

import psycopg
import pytest

from app.domain import workers as domain
from app.domain.workers import Sighting, Way
from app.infra.settings import Settings
from app.maintenance.presence import Presence
from app.operations import maintenance, workers
from app.postgres.database import Database
from app.queries import workers as queries
from app.web import app
from app.web.worker import PULLING
from tests.conftest import TOKEN
from tests.support import answers, databases, work
from tests.support.client import Client

JOB = {"name": "n", "data": 1}
AGE = "update rowline.queue_workers set seen_at = seen_at - interval '{}'"


@pytest.fixture
def node(settings: Settings, db: Database) -> tuple[Client, Presence]:
    """A node, as a client and as what writes whom it sees."""
    flask = app.create(settings, db)
    return Client(flask.test_client(), token=TOKEN), Presence(db, flask.extensions[PULLING].sightings)


def listed(client: Client, queue: str = "q") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answers.ok(client.get(f"/queues/{queue}/workers"))["workers"]
    return found


def told(client: Client, queue: str = "q") -> list[tuple[object, ...]]:
    return [(one["worker"], one["way"], one["slots"], one["busy"]) for one in listed(client, queue)]


def counted(client: Client, queue: str = "q") -> object:
    return answers.ok(client.get(f"/queues/{queue}"))["workers"]


def claim(client: Client, **body: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answers.ok(client.post("/queues/q/jobs/claim", json.dumps(body)))["jobs"]
    return found


def see(db: Database, *sightings: Sighting) -> str:
    process = str(uuid.uuid4())
    workers.note(db, process=process, sightings=sightings)
    return process


def test_a_queue_that_nobody_works_has_no_workers(client: Client) -> None:
    assert answers.ok(client.get("/queues/q/workers")) == {"workers": [], "count": 0}
    assert counted(client) == 0


def test_who_works_a_queue_is_listed_by_name_in_every_way_of_working(
    client: Client, db: Database, shared_url: str
) -> None:
    see(db, Sighting("q", "crane:7", Way.PYTHON, 8, 3), Sighting("other", "mast:1", Way.PYTHON, 1, 1))
    see(db, Sighting("q", "push:crane:8", Way.PUSH, 10, 4), Sighting("q", "boat", Way.PULL, 2))
    client.add(JOB)
    client.add(JOB, queue="other")

    assert told(client) == [("boat", "pull", 2, 0), ("crane:7", "python", 8, 3), ("push:crane:8", "push", 10, 4)]
    assert set(listed(client)[0]) == {"worker", "way", "slots", "busy", "seenOn"}
    [(now_ms,)] = databases.ask(shared_url, "select round(extract(epoch from now()) * 1000)::bigint")
    assert all(0 <= now_ms - one["seenOn"] < 60_000 for one in listed(client))
    assert (counted(client), counted(client, "other")) == (3, 1)
    assert [one["workers"] for one in answers.ok(client.get("/queues"))["queues"]] == [1, 3]
    assert answers.ok(client.post("/queues/q/pause", ""))["workers"] == 3


def test_who_was_seen_a_minute_ago_does_not_count(client: Client, db: Database, shared_url: str) -> None:
    see(db, Sighting("q", "old", Way.PYTHON, 1))
    databases.run(shared_url, AGE.format("30 s"))
    see(db, Sighting("q", "new", Way.PYTHON, 1))
    assert [one[0] for one in told(client)] == ["new", "old"]
    databases.run(shared_url, AGE.format("31 s"))
    assert ([one[0] for one in told(client)], counted(client)) == (["new"], 1)


def test_what_is_old_is_deleted_and_what_counts_is_not(db: Database, shared_url: str) -> None:
    see(db, *(Sighting("q", f"old-{n}", Way.PULL, 1) for n in range(maintenance.AT_ONCE + 1)))
    databases.run(shared_url, AGE.format("2 minutes"))
    see(db, Sighting("q", "new", Way.PULL, 1))
    assert maintenance.forget_workers(db) == maintenance.AT_ONCE + 1
    assert databases.ask(shared_url, "select worker from rowline.queue_workers") == [("new",)]


def test_a_worker_over_http_is_seen_from_its_claim_on_and_is_as_busy_as_it_has_jobs(
    node: tuple[Client, Presence],
) -> None:
    client, presence = node
    client.add(*[JOB] * 4)
    jobs = claim(client, worker="boat", count=3)
    presence.write()
    assert (told(client), counted(client)) == ([("boat", "pull", 3, 3)], 1)

    done = [{"id": one["job"]["id"], "token": one["token"], "returnvalue": 1} for one in jobs[:2]]
    answers.ok(client.post("/queues/q/jobs/finish", json.dumps({"jobs": done})))
    assert told(client) == [("boat", "pull", 3, 1)], "without waiting for the next writing"


def test_a_claim_without_a_name_is_of_the_address(node: tuple[Client, Presence]) -> None:
    client, presence = node
    claim(client)
    presence.write()
    assert told(client) == [("127.0.0.1", "pull", 1, 0)]


def test_a_worker_over_http_that_finishes_and_claims_in_one_call_is_seen(node: tuple[Client, Presence]) -> None:
    client, presence = node
    answers.ok(client.post("/queues/q/jobs/finish", '{"jobs": [], "claim": {"count": 5, "worker": "boat"}}'))
    presence.write()
    assert told(client) == [("boat", "pull", 5, 0)]


def test_a_worker_over_http_that_holds_more_than_it_asks_for_has_as_many_slots(node: tuple[Client, Presence]) -> None:
    client, presence = node
    client.add(JOB, JOB)
    claim(client, worker="boat")
    claim(client, worker="boat")
    presence.write()
    assert told(client) == [("boat", "pull", 2, 2)]


def test_the_heartbeat_of_a_long_job_keeps_its_worker_seen_by_whatever_node_it_arrives(
    node: tuple[Client, Presence], client: Client
) -> None:
    other, presence = node
    client.add(JOB)
    [lease] = claim(client, worker="boat")
    presence.write()
    assert told(client) == []
    body = json.dumps({"token": lease["token"]})
    answers.ok(other.post(f"/queues/q/jobs/{lease['job']['id']}/extend", body))
    presence.write()
    assert told(client) == [("boat", "pull", 1, 1)]


def test_a_worker_over_http_that_calls_two_nodes_is_one(client: Client, db: Database) -> None:
    for slots, ago_ms in ((3, 0), (5, 20_000)):
        see(db, Sighting("q", "boat", Way.PULL, slots, ago_ms=ago_ms))
    assert (told(client), counted(client)) == ([("boat", "pull", 5, 0)], 1)


def test_a_worker_that_was_killed_and_came_back_under_its_name_is_as_busy_as_it_says_now(
    client: Client, db: Database
) -> None:
    see(db, Sighting("q", "pod:1", Way.PYTHON, 8, 8, ago_ms=20_000))
    see(db, Sighting("q", "pod:1", Way.PYTHON, 4, 1))
    assert (told(client), counted(client)) == ([("pod:1", "python", 4, 1)], 1)


def test_who_pulls_under_too_many_names_leaves_no_more_rows_than_a_process_remembers(
    node: tuple[Client, Presence], shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, presence = node
    monkeypatch.setattr(domain, "PULLING_MAX", 3)
    for n in range(7):
        claim(client, worker=f"name-{n}")
        presence.write()
    rows = databases.ask(shared_url, "select worker from rowline.queue_workers order by worker")
    assert rows == [("name-4",), ("name-5",), ("name-6",)]


def test_a_process_that_sees_nobody_sends_no_statement_and_one_that_leaves_takes_its_rows_away(
    db: Database, shared_url: str
) -> None:
    found: list[Sighting] = []
    presence = Presence(db, lambda: found)
    written = "select count(*) from rowline.queue_workers"
    with psycopg.connect(databases.as_owner(shared_url)) as holder:
        holder.execute("lock table rowline.queue_workers in access exclusive mode")
        presence.write()
    found = [Sighting("q", "crane", Way.PYTHON, 1, 1)]
    presence.write()
    assert databases.ask(shared_url, written) == [(1,)]
    see(db, Sighting("q", "other", Way.PYTHON, 1))
    presence.leave()
    presence.write()
    assert databases.ask(shared_url, "select worker from rowline.queue_workers") == [("other",)]


def test_of_very_many_workers_a_thousand_are_listed_and_all_are_counted(client: Client, db: Database) -> None:
    see(db, *(Sighting("q", f"w{n:04}", Way.PYTHON, 1) for n in range(domain.LISTED_MAX + 1)))
    found = answers.ok(client.get("/queues/q/workers"))
    assert (len(found["workers"]), found["count"]) == (domain.LISTED_MAX, domain.LISTED_MAX + 1)
    assert counted(client) == domain.LISTED_MAX + 1


def test_the_jobs_of_python_workers_are_not_those_of_a_worker_over_http_of_the_same_name(
    client: Client, db: Database
) -> None:
    client.add(JOB)
    work.take(db)
    see(db, Sighting("q", work.WORKER, Way.PYTHON, 4, 0), Sighting("q", "boat", Way.PULL, 1))
    assert told(client) == [("boat", "pull", 1, 0), (work.WORKER, "python", 4, 0)]


def test_the_report_says_the_same(client: Client, db: Database, shared_url: str) -> None:
    client.add(JOB, JOB)
    claim(client, worker="boat", count=2)
    see(
        db,
        Sighting("q", "boat", Way.PULL, 1),
        Sighting("q", "crane", Way.PYTHON, 4, 3),
        Sighting("q", "gone", Way.PULL, 1, 0, 60_000),
    )
    rows = databases.ask(shared_url, "select worker, way, slots, busy from report.queue_workers order by worker")
    assert rows == told(client) == [("boat", "pull", 2, 2), ("crane", "python", 4, 3)]
    assert queries.seen(db, queue="q")[0] == 2
