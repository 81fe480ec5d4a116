"""Defaults of a queue: jobs that are added without an option have it, whatever the way of adding."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from app.domain.options import DEFAULTABLE
from app.postgres import libpq, schema
from app.postgres.database import Database
from tests.support import answers, databases, work
from tests.support.client import Client
from tests.support.jobs import claim
from tests.support.outbox import Sql
from tests.support.tokens import issue
from tests.web.test_queues import queue

HOUR_MS = 3_600_000
VALUES: dict[str, Any] = {
    "attempts": 5,
    "backoff": {"type": "exponential", "delay": 1_000, "jitter": 0.25},
    "delay": HOUR_MS,
    "priority": 7,
    "lifo": True,
    "timeout": 30_000,
    "keepLogs": 0,
    "stackTraceLimit": 3,
    "tags": ["a", 'b "{,}\\ ö'],
}
OTHERS: dict[str, Any] = {
    "attempts": 1,
    "backoff": 50,
    "delay": 0,
    "priority": 1,
    "lifo": False,
    "timeout": 1,
    "keepLogs": 10_000,
    "stackTraceLimit": 100,
    "tags": [],
}
"""What a job may say instead: where there is one, the service's own value."""
ROW = """
select to_jsonb(job) - 'queue' - 'number' - 'custom_id' - 'opts' - 'effective' - 'place' - 'run_at' - 'added_at',
    sign(place), run_at - added_at
from rowline.jobs as job where queue = '{}' and coalesce(custom_id, number::text) = '{}'
"""
Add = Callable[[str, dict[str, Any]], str]


def set_defaults(client: Client, defaults: Any, name: str = "q") -> Any:
    body = json.dumps({"settings": {"defaults": defaults}})
    return answers.ok(client.flask.patch(f"/queues/{name}", data=body, headers=client.authorization))["settings"]


def refused(client: Client, defaults: Any) -> str:
    body = json.dumps({"settings": {"defaults": defaults}})
    return answers.error(client.flask.patch("/queues/q", data=body, headers=client.authorization), 400)


@pytest.fixture
def sql(db: Database, shared_url: str) -> Iterator[Sql]:
    assert db
    with psycopg.connect(libpq.normal(shared_url), autocommit=True) as connection:
        yield Sql(connection)


WAYS = ("one", "many", "named", "named many", "keyed", "enqueue", "enqueue_many")


@pytest.fixture(params=WAYS)
def add(request: pytest.FixtureRequest, client: Client, sql: Sql) -> Add:
    """Add a job to a queue in one of all ways; return its id."""

    def added(name: str, opts: dict[str, Any]) -> str:
        job = {"name": "n", "data": 1, "opts": opts}
        named = job | {"opts": opts | {"jobId": "mine"}}
        match request.param:
            case "one":
                jobs = client.add(job, queue=name)
            case "many":
                jobs = client.add(job, {"name": "other", "data": 2}, queue=name)
            case "named":
                jobs = client.add(named, queue=name)
            case "named many":
                jobs = client.add(named, {"name": "other", "data": 2}, queue=name)
            case "keyed":
                answer = client.post(f"/queues/{name}/jobs", json.dumps([job]), Idempotency_Key=f"key of {name}")
                jobs = answers.ok(answer)
            case "enqueue":
                asked = "select id from rowline.enqueue(%s, 'n', '1', %s::json)"
                return str(sql.connection.execute(asked, (name, json.dumps(opts))).fetchall()[0][0])
            case _:
                return str(sql.add(name, json.dumps([job]))[0][0])
        assert jobs[0] == client.job(jobs[0]["id"], queue=name) | {"outcome": "created"}  # also what is told at once
        return str(jobs[0]["id"])

    return added


def alone_and_together(values: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return each option and all of them, with a name."""
    return [*((name, {name: value}) for name, value in values.items()), ("all", values)]


def stored(url: str, name: str, job_id: str) -> Any:
    return databases.ask(url, ROW.format(name, job_id))


def test_a_job_without_an_option_is_stored_as_if_it_had_the_default(client: Client, add: Add, shared_url: str) -> None:
    for name, defaults in alone_and_together(VALUES):
        assert set_defaults(client, defaults, name=name) == {"defaults": defaults}

        defaulted, sent = add(name, {}), add(f"plain {name}", defaults)

        assert stored(shared_url, name, defaulted) == stored(shared_url, f"plain {name}", sent)
        job = client.job(defaulted, queue=name)
        assert (job["opts"].keys() - {"jobId"}, job["effective"]) == (set(), defaults)
        assert "effective" not in client.job(sent, queue=f"plain {name}")


def test_what_a_job_says_wins_also_where_it_says_what_the_service_would(
    client: Client, add: Add, shared_url: str
) -> None:
    for name, said in alone_and_together(OTHERS):
        set_defaults(client, VALUES, name=name)

        mixed, sent = add(name, said), add(f"plain {name}", VALUES | said)

        assert stored(shared_url, name, mixed) == stored(shared_url, f"plain {name}", sent)
        job = client.job(mixed, queue=name)
        assert {option: value for option, value in job["opts"].items() if option != "jobId"} == said
        assert job.get("effective", {}) == {option: VALUES[option] for option in VALUES.keys() - said.keys()}


def test_counts_are_those_of_the_statuses_that_jobs_have_by_default(client: Client, add: Add) -> None:
    set_defaults(client, {"delay": HOUR_MS})
    add("q", {})
    number = len(client.page()["jobs"])
    assert {status: count for status, count in client.page()["counts"].items() if count} == {"delayed": number}


def test_null_is_no_word_of_a_job(client: Client, add: Add) -> None:
    set_defaults(client, {"attempts": 5, "tags": ["a"]})

    job = client.job(add("q", {"attempts": None, "tags": None, "priority": 3}))

    assert (job["effective"], job["tags"], job["priority"]) == ({"attempts": 5, "tags": ["a"]}, ["a"], 3)


def test_attempts_of_zero_are_the_word_of_a_job(client: Client, add: Add) -> None:
    set_defaults(client, {"attempts": 5})

    assert "effective" not in client.job(add("q", {"attempts": 0}))


def test_each_option_that_may_have_a_default_is_tried_here() -> None:
    assert set(VALUES) == set(OTHERS) == set(DEFAULTABLE)


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ({"attempts": 5.0}, {"attempts": 5}),
        ({"attempts": 0}, {"attempts": 1}),
        ({"backoff": 50}, {"backoff": {"type": "fixed", "delay": 50}}),
        ({"backoff": {"type": "linear", "jitter": 1e-300}}, {"backoff": {"type": "linear", "delay": 0}}),
        ({"attempts": None, "delay": 5}, {"delay": 5}),
        ({"tags": []}, {"tags": []}),
    ],
)
def test_defaults_are_shown_as_they_are_understood(client: Client, sent: Any, shown: Any) -> None:
    assert set_defaults(client, sent) == queue(client)["settings"] == {"defaults": shown}


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (5, "settings.defaults must be an object"),
        ([], "settings.defaults must be an object"),
        ({"attempts": 1001}, "settings.defaults.attempts must be between 0 and 1000"),
        ({"attempts": True}, "settings.defaults.attempts must be an integer"),
        ({"priority": 0}, "settings.defaults.priority must be between 1 and 2097152"),
        ({"lifo": 1}, "settings.defaults.lifo must be true or false"),
        (
            {"backoff": {"type": "odd"}},
            "settings.defaults.backoff.type must be one of fixed, linear, exponential",
        ),
        ({"tags": ["a", ""]}, "settings.defaults.tags[1] must not be empty"),
        ({"timeout": 0}, "settings.defaults.timeout must be between 1 and 316224000000"),
        ({"jobId": "a"}, "settings.defaults.jobId is not known here"),
        ({"removeOnComplete": True}, "settings.defaults.removeOnComplete is not known here"),
        ({"colour": 1}, "settings.defaults.colour is not known here"),
    ],
)
def test_a_faulty_default_is_refused_and_changes_nothing(client: Client, sent: Any, error: str) -> None:
    set_defaults(client, {"attempts": 2})
    assert refused(client, sent) == error
    assert queue(client)["settings"] == {"defaults": {"attempts": 2}}


def test_a_name_that_stands_twice_is_refused(client: Client) -> None:
    body = '{"settings": {"defaults": {"attempts": 1, "attempts": 2}}}'
    answer = client.flask.patch("/queues/q", data=body, headers=client.authorization)
    assert answers.error(answer, 400).endswith("attempts is there twice")


@pytest.mark.parametrize("nothing", [None, {}, {"attempts": None}])
def test_they_are_replaced_as_a_whole_and_taken_away(client: Client, nothing: Any) -> None:
    set_defaults(client, {"attempts": 5, "priority": 2})
    assert set_defaults(client, {"priority": 3}) == {"defaults": {"priority": 3}}
    assert client.add({"name": "n", "data": 1})[0]["effective"] == {"priority": 3}

    assert set_defaults(client, nothing) == {}
    assert queue(client)["settings"] == {}
    job = client.add({"name": "n", "data": 1}, {"name": "n", "data": 1})[1]
    assert ("effective" not in job, job["priority"]) == (True, 0)


def test_other_settings_stay_when_defaults_change(client: Client) -> None:
    body = json.dumps({"settings": {"removeOnFail": 5, "defaults": {"attempts": 2}}})
    both = {"removeOnFail": {"count": 5}, "defaults": {"attempts": 2}}
    answer = client.flask.patch("/queues/q", data=body, headers=client.authorization)
    assert answers.ok(answer)["settings"] == both
    answers.ok(client.post("/queues/q/pause", ""))
    assert answers.ok(client.post("/queues/q/resume", ""))["settings"] == both
    assert set_defaults(client, None) == {"removeOnFail": {"count": 5}}


def test_a_default_that_is_the_service_s_own_makes_no_difference(client: Client, add: Add) -> None:
    set_defaults(client, OTHERS | {"backoff": None, "priority": None, "timeout": None})

    assert "effective" not in client.job(add("q", {}))


def test_they_are_of_one_queue_alone(client: Client) -> None:
    set_defaults(client, VALUES)

    assert "effective" not in client.add({"name": "n", "data": 1}, queue="other")[0]


def test_a_job_that_is_there_keeps_what_it_has(client: Client, add: Add) -> None:
    first = add("q", {"jobId": "same"})
    set_defaults(client, {"attempts": 5, "priority": 9})

    before = client.job(first)
    again = client.add({"name": "n", "data": 2, "opts": {"jobId": before["opts"].get("jobId", "new")}})[0]
    if again["outcome"] == "duplicate":
        assert again == before | {"outcome": "duplicate"}
    assert client.job(first) == before


def test_of_one_array_with_known_and_new_ids_the_new_jobs_have_them(client: Client) -> None:
    client.add({"name": "n", "data": 1, "opts": {"jobId": "old"}})
    set_defaults(client, {"tags": ["a"], "attempts": 2})
    named = [{"name": "n", "data": 1, "opts": {"jobId": job_id}} for job_id in ("old", "new", "new")]

    old, new, twin, plain = client.add(*named, {"name": "n", "data": 1})

    assert [job["outcome"] for job in (old, new, twin, plain)] == ["duplicate", "created", "duplicate", "created"]
    assert ["effective" in job for job in (old, new, twin, plain)] == [False, True, True, True]
    assert client.page()["counts"]["waiting"] == 3


def test_jobs_are_worked_by_their_defaults(client: Client, db: Database) -> None:
    set_defaults(client, {"attempts": 2, "backoff": 0, "priority": 4, "stackTraceLimit": 0, "keepLogs": 1})
    job_id = client.add({"name": "n", "data": 1})[0]["id"]
    assert client.job(job_id)["status"] == "prioritized"

    work.fail_next(db)
    assert client.job(job_id)["status"] == "prioritized"
    work.fail_next(db)

    job = client.job(job_id)
    assert (job["status"], job["attemptsMade"], job["stacktrace"]) == ("failed", 2, [])


def test_they_are_read_when_a_job_is_added_and_not_later(client: Client, db: Database) -> None:
    job_id = client.add({"name": "n", "data": 1})[0]["id"]
    set_defaults(client, {"attempts": 3, "tags": ["late"]})
    with db.begin() as conn:
        claim(conn)

    job = client.job(job_id)
    assert ("effective" not in job, "tags" not in job) == (True, True)


def test_whoever_may_not_see_payload_sees_what_holds(client: Client, db: Database) -> None:
    set_defaults(client, {"tags": ["a"]})
    job_id = client.add({"name": "n", "data": 1})[0]["id"]
    blind = Client(client.flask, token=issue(db, "jobs:read").secret)
    assert blind.job(job_id)["effective"] == {"tags": ["a"]}


# Who may, who did, and who must not run


def test_a_change_of_defaults_is_in_the_audit_with_what_they_were(client: Client) -> None:
    set_defaults(client, {"attempts": 5})
    set_defaults(client, {"priority": 2})
    set_defaults(client, None)
    entries = answers.ok(client.get("/audit"))["entries"]
    assert [(one["action"], one["queue"], one.get("before"), one.get("after")) for one in entries] == [
        ("queues.change", "q", {"defaults": {"priority": 2}}, {}),
        ("queues.change", "q", {"defaults": {"attempts": 5}}, {"defaults": {"priority": 2}}),
        ("queues.change", "q", {}, {"defaults": {"attempts": 5}}),
    ]


def test_they_are_refused_while_an_older_program_is_connected(client: Client, shared_url: str) -> None:
    body = json.dumps({"settings": {"defaults": {"attempts": 5}}})
    with databases.connected(shared_url, "rowline-api 0024"):
        answer = client.flask.patch("/queues/q", data=body, headers=client.authorization)
        problem = answers.problem(answer, 409)
        assert problem["code"] == "older_nodes_run"
        assert problem["error"].endswith(": rowline-api 0024: 1")
        assert set_defaults(client, None) == {}  # to take them away is always possible
    assert queue(client)["settings"] == {}
    assert answers.ok(client.get("/audit"))["entries"][0]["after"] == {}


def test_the_first_defaults_keep_older_programs_out(own_url: str) -> None:
    owner = databases.as_owner(own_url)
    oldest = "select oldest from rowline.alembic_version"
    assert databases.ask(own_url, oldest) < [("0027",)]
    databases.run(own_url, "select rowline.require_release('0027')")
    assert databases.ask(own_url, oldest) == [("0027",)]
    schema.downgrade(owner, revision="0024")
    assert databases.ask(own_url, oldest) <= [("0024",)]


def test_a_queue_that_is_forgotten_has_none(client: Client) -> None:
    set_defaults(client, {"attempts": 5})
    answers.ok(client.flask.delete("/queues/q", headers=client.authorization))
    assert "effective" not in client.add({"name": "n", "data": 1})[0]


def test_reports_show_them(client: Client, shared_url: str) -> None:
    set_defaults(client, {"attempts": 5})
    client.add({"name": "n", "data": 1})
    assert databases.ask(shared_url, "select defaults from report.queues") == [({"attempts": 5},)]
    assert databases.ask(shared_url, "select effective, attempts_allowed from report.jobs") == [({"attempts": 5}, 5)]


def test_long_defaults_of_many_jobs_are_refused_whole(client: Client) -> None:
    """Their answer would be far longer than the request: the tags stand there twice for each job."""
    set_defaults(client, {"tags": [f"{nth}{'x' * 99}" for nth in range(10)]})
    jobs = json.dumps([{"name": "n", "data": 1}] * 10_000)

    answer = client.post("/queues/q/jobs", jobs)

    assert answers.problem(answer, 413)["code"] == "too_large"
    assert client.page()["counts"]["waiting"] == 0
    assert len(client.add(*[{"name": "n", "data": 1}] * 100)) == 100
