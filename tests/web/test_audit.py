"""What is neither adding nor working jobs leaves a row that says who did it, and nobody can change it."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from app.operations import audit
from app.postgres.database import Database
from tests.support import answers, databases
from tests.support.client import Client
from tests.support.tokens import issue

JOBS = "/queues/q/jobs"
ENDPOINT = {"queue": "q", "endpoint": {"url": "https://example.com/hook?key=canary", "method": "POST"}}


def entries(client: Client, query: str = "") -> list[dict[str, Any]]:
    return list(answers.ok(client.get(f"/audit?length=100&{query}"))["entries"])


def test_an_act_says_who_did_what_and_from_where(client: Client, db: Database) -> None:
    token = issue(db, "jobs:manage", name="ops")
    [job] = client.add({"name": "n", "data": "canary"})
    program = Client(client.flask, token=token.secret)
    answer = program.post(f"{JOBS}/{job['id']}/cancel", "")

    [entry, _] = entries(client)
    assert entry.pop("number")
    assert entry.pop("at") > job["timestamp"]
    assert entry == {
        "actor": f"token:{token.token.id}",
        "actorName": "ops",
        "address": client.address,
        "requestId": answer.headers["X-Request-Id"],
        "action": "jobs.cancel",
        "queue": "q",
        "target": job["id"],
        "affected": 1,
        "after": {"status": "failed"},
        "outcome": "done",
    }


def test_acts_are_found_by_what_they_were_about(client: Client) -> None:
    client.add(*({"name": "n", "data": 1, "opts": {"jobId": one}} for one in ("one", "two")))
    client.add({"name": "n", "data": 1, "opts": {"jobId": "one"}}, queue="other")
    for path in (f"{JOBS}/one", f"{JOBS}/two", "/queues/other/jobs/one"):
        answers.ok(client.post(f"{path}/cancel", ""))
    schedule = client.put("/queues/q/schedulers/nightly", json.dumps({"every": 60_000, "template": {}}))
    assert schedule.status_code == 201
    made = answers.ok(client.post("/tokens", json.dumps({"name": "n", "scopes": ["work"]})))
    assert [entry["queue"] for entry in entries(client, "target=one")] == ["other", "q"]
    assert [entry["action"] for entry in entries(client, "target=one&queue=q")] == ["jobs.cancel"]
    assert [entry["action"] for entry in entries(client, "target=nightly")] == ["schedules.create"]
    assert [entry["action"] for entry in entries(client, f"target={made['id']}")] == ["tokens.create"]
    assert entries(client, "target=on") == []
    answers.problem(client.get("/audit?target=%00"), 400)


def test_every_act_has_its_row_and_no_secret(client: Client) -> None:
    assert (
        client.post(
            "/workers",
            json.dumps(ENDPOINT),
        ).status_code
        == 200
    )
    assert client.flask.delete("/workers/q", headers=client.authorization).status_code == 200
    made = answers.ok(client.post("/tokens", json.dumps({"name": "n", "scopes": ["work"]})))
    second = answers.ok(client.post(f"/tokens/{made['id']}/rotate", ""))
    answers.ok(client.post(f"/tokens/{made['id']}/finish-rotation", ""))
    answers.ok(client.flask.delete(f"/tokens/{made['id']}", headers=client.authorization))

    found = entries(client)
    assert [entry["action"] for entry in found[::-1]] == [
        *("workers.register", "workers.remove", "tokens.create", "tokens.rotate", "tokens.finish_rotation"),
        "tokens.revoke",
    ]
    assert {entry["actor"] for entry in found} == {"env:1"}
    assert found[5]["after"]["host"] == found[4]["before"]["host"] == "example.com"
    assert (found[5]["after"]["signedBy"], "signedBy" in found[4]["before"]) == ("endpoint", False)
    text = json.dumps(found)
    assert not any(secret in text for secret in ("canary", "hook", made["token"][12:], second["token"][12:]))


def test_what_was_not_done_leaves_no_row(client: Client) -> None:
    assert client.post(f"{JOBS}/absent/cancel", "").status_code == 404
    assert client.flask.delete("/workers/q", headers=client.authorization).status_code == 404
    assert client.flask.delete("/tokens/absent00", headers=client.authorization).status_code == 404

    assert entries(client) == []


def test_a_refusal_leaves_a_row_ten_a_minute_at_most(client: Client, db: Database) -> None:
    token = issue(db, "work@mine")
    program = Client(client.flask, token=token.secret)
    for _ in range(12):
        assert program.get(JOBS).status_code == 403

    found = entries(client, f"actor=token:{token.token.id}")
    assert len(found) == 10
    assert (found[0]["action"], found[0]["queue"], found[0]["outcome"], found[0]["affected"]) == (
        *("jobs.list_page", "q", "refused"),
        0,
    )
    assert found[0]["after"] == {"lacked": "jobs:read@q"}


def test_who_would_grant_more_than_they_hold_leaves_a_row(client: Client, db: Database) -> None:
    token = issue(db, "tokens:manage")
    program = Client(client.flask, token=token.secret)
    assert program.post("/tokens", json.dumps({"name": "n", "scopes": ["*"]})).status_code == 403
    endpoint = ENDPOINT | {"queue": "theirs"}
    mine = Client(client.flask, token=issue(db, "endpoints:manage@mine", name="mine").secret)
    assert mine.post("/workers", json.dumps(endpoint)).status_code == 403

    [register, create] = [entry for entry in entries(client) if entry["outcome"] == "refused"]
    assert (create["action"], create["actor"]) == ("tokens.create", f"token:{token.token.id}")
    assert (register["action"], register["queue"], register["actorName"]) == ("workers.register", "theirs", "mine")


def test_the_audit_is_read_page_by_page_and_by_who_what_and_where(client: Client, db: Database) -> None:
    ops = Client(client.flask, token=issue(db, "*", name="ops").secret)
    for number in range(3):
        [job] = client.add({"name": "n", "data": 1}, queue=f"q{number}")
        (ops if number else client).post(f"/queues/q{number}/jobs/{job['id']}/cancel", "")

    first = answers.ok(client.get("/audit?length=2&action=jobs.cancel"))
    second = answers.ok(client.get(f"/audit?length=2&action=jobs.cancel&before={first['next']}"))
    assert [entry["queue"] for page in (first, second) for entry in page["entries"]] == ["q2", "q1", "q0"]
    assert "next" not in second
    assert [entry["queue"] for entry in entries(client, "actor=ops")] == ["q2", "q1"]
    assert [entry["queue"] for entry in entries(client, "queue=q0")] == ["q0"]
    assert entries(client, "since=4000000000000") == []
    assert len(entries(client, f"since={first['entries'][1]['at']}&action=jobs.cancel")) >= 2


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("since=x", "since"),
        ("length=0", "length"),
        ("length=101", "length"),
        ("before=-1", "before"),
        ("queue=" + "x" * 256, "queue"),
        *((f"{name}=%00", name) for name in ("actor", "action", "queue")),
    ],
)
def test_a_bad_query_is_refused_by_name(client: Client, query: str, path: str) -> None:
    [said] = answers.problem(client.get(f"/audit?{query}"), 400)["details"]
    assert said["path"] == path


@pytest.mark.parametrize(
    "statement", ["update rowline.audit set actor = 'x'", "delete from rowline.audit", "truncate rowline.audit"]
)
def test_the_role_of_run_time_cannot_change_the_audit(db: Database, shared_url: str, statement: str) -> None:
    issue(db, "work")
    months = databases.ask(
        shared_url,
        "select 'rowline.' || relname from pg_inherits join pg_class on oid = inhrelid "
        "where inhparent = 'rowline.audit'::regclass",
    )
    assert len(months) == 4
    for (name,) in [("rowline.audit",), *months]:
        with psycopg.connect(shared_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.replace("rowline.audit", name))
    assert len(databases.ask(shared_url, "select from rowline.audit")) == 1


def test_partitions_are_made_ahead_and_dropped_when_they_are_old(own_url: str, settings: Any) -> None:
    databases.run(
        own_url,
        "create table rowline.audit_2020_01 partition of rowline.audit "
        "for values from ('2020-01-01') to ('2020-02-01')",
    )
    databases.run(
        own_url,
        "insert into rowline.audit (at, actor, action) "
        "values ('2020-01-05', 'a', 'b'), ('2019-01-05', 'a', 'b'), (now(), 'a', 'c')",
    )
    ahead = databases.ask(
        own_url, "select 'rowline.audit_' || to_char(now() at time zone 'UTC' + interval '32 days' * 2, 'YYYY_MM')"
    )
    databases.run(own_url, f"drop table if exists {ahead[0][0]}")

    opened = Database(settings, url=own_url, size=1, name="rowline-test")
    audit.partition(opened)
    opened.close()
    assert databases.ask(own_url, "select action from rowline.audit where action in ('b', 'c')") == [("c",)]
    assert databases.ask(own_url, "select to_regclass('rowline.audit_2020_01')") == [(None,)]
    months = databases.ask(own_url, "select count(*) from pg_inherits where inhparent = 'rowline.audit'::regclass")
    assert months == [(4,)]


def test_an_act_without_a_partition_for_its_month_is_noted_nevertheless(own_url: str, settings: Any) -> None:
    this = databases.ask(own_url, "select 'rowline.audit_' || to_char(now() at time zone 'UTC', 'YYYY_MM')")[0][0]
    databases.run(own_url, f"drop table {this}")
    opened = Database(settings, url=own_url, size=1, name="rowline-test")

    issue(opened, "work")
    audit.partition(opened)
    opened.close()
    assert databases.ask(own_url, "select action from rowline.audit_rest") == [("tokens.create",)]


def test_tables_of_others_that_are_named_like_partitions_are_in_nobodys_way(own_url: str, settings: Any) -> None:
    """Their names hold no date, and what stands in them is not looked at."""
    databases.run(own_url, "create schema app; create table app.audit_2024_31 (); create table app.audit_2020_01 ()")
    opened = Database(settings, url=own_url, size=1, name="rowline-test")
    with psycopg.connect(own_url, autocommit=True) as connection:
        connection.execute("create temporary table audit_0000_00 ()")
        audit.partition(opened)
    opened.close()
    assert databases.ask(own_url, "select to_regclass('app.audit_2020_01') is null") == [(False,)]


def test_partitions_are_made_by_many_at_once(own_url: str, settings: Any) -> None:
    databases.run(own_url, "drop table rowline.audit_rest")
    opened = Database(settings, url=own_url, size=6, name="rowline-test")
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: audit.partition(opened), range(30)))
    opened.close()
    assert databases.ask(own_url, "select to_regclass('rowline.audit_rest') is null") == [(False,)]


def test_an_actor_is_not_taken_for_a_token_that_is_called_like_it(client: Client, db: Database) -> None:
    fake = Client(client.flask, token=issue(db, "*", name="env:1").secret)
    [job] = client.add({"name": "n", "data": 1})
    fake.post(f"{JOBS}/{job['id']}/cancel", "")

    assert entries(client, "actor=env:1") == []


def test_who_sends_an_endpoint_less_or_more_of_its_jobs_leaves_that_in_the_row(client: Client, db: Database) -> None:
    narrow = Client(client.flask, token=issue(db, "endpoints:manage@q").secret)
    for program in (client, narrow, client):
        assert program.post("/workers", json.dumps(ENDPOINT)).status_code == 200

    third, second, first, _ = entries(client)
    assert first["after"]["seesPayload"] is True
    assert [second[when]["seesPayload"] for when in ("before", "after")] == [True, False]
    assert [third[when]["seesPayload"] for when in ("before", "after")] == [False, True]
