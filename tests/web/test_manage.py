"""Removing, retrying and promoting a job by hand: what becomes of it, and what is refused."""

import json
from typing import Any

import pytest
from werkzeug.test import TestResponse

from app.operations import maintenance
from app.postgres.database import Database
from tests.support import answers, databases, work
from tests.support.client import Client

PATH = "/queues/q/jobs"
CANARY = "canary-5e1f0c"
STATUSES = ("waiting", "prioritized", "delayed", "active", "completed", "failed")


def do(client: Client, verb: str, job_id: str, body: str = "") -> TestResponse:
    method, path = ("DELETE", "") if verb == "remove" else ("POST", f"/{verb}")
    return client.flask.open(f"{PATH}/{job_id}{path}", method=method, data=body, headers=client.authorization)


def done(client: Client, verb: str, job_id: str, body: str = "") -> dict[str, Any]:
    return dict(answers.ok(do(client, verb, job_id, body)))


def add(client: Client, data: object = 1, **opts: Any) -> str:
    return str(client.add({"name": "n", "data": data, "opts": opts})[0]["id"])


def claimed(client: Client, count: int = 9) -> list[str]:
    leases = answers.ok(client.post(f"{PATH}/claim", json.dumps({"count": count})))["jobs"]
    return [lease["job"]["id"] for lease in leases]


def acts(client: Client) -> list[dict[str, Any]]:
    found = answers.ok(client.get("/audit?length=100"))["entries"]
    return [{name: act.get(name) for name in ("action", "target", "before", "after")} for act in found]


@pytest.mark.parametrize(
    ("verb", "allowed", "code"),
    [
        ("remove", {"waiting", "prioritized", "delayed", "completed", "failed"}, "job_active"),
        ("retry", {"completed", "failed"}, "job_not_finished"),
        ("promote", {"delayed"}, "job_not_delayed"),
    ],
)
def test_a_verb_is_done_in_its_statuses_and_refused_in_the_others(
    client: Client, db: Database, verb: str, allowed: set[str], code: str
) -> None:
    ids = work.one_in_each_status(client, db)
    for status in STATUSES:
        before = client.job(ids[status])
        answer = do(client, verb, ids[status])
        if status in allowed:
            assert answer.status_code == 200, answer.text
            continue
        assert answers.problem(answer, 409)["code"] == code
        assert client.job(ids[status]) == before
    assert len(acts(client)) == len(allowed)


@pytest.mark.parametrize("verb", ["remove", "retry", "promote"])
@pytest.mark.parametrize("job_id", ["999999", "nobody", "9" * 40])
def test_what_is_not_there_is_404(client: Client, verb: str, job_id: str) -> None:
    assert answers.problem(do(client, verb, job_id), 404)["code"] == "job_not_found"
    assert acts(client) == []


def test_a_removed_job_is_answered_as_it_was_and_leaves_nothing(client: Client, db: Database, shared_url: str) -> None:
    job_id = add(client, {"to": CANARY}, jobId="mine", attempts=2)
    [lease] = work.take(db)
    token = {"Authorization": f"Bearer {lease.token}"}
    assert client.flask.post(f"{PATH}/mine/logs", data='"a line"', headers=token).status_code == 200
    client.post(f"{PATH}/mine/fail", json.dumps({"token": lease.token, "failedReason": "r"}))
    before = client.job(job_id)

    assert done(client, "remove", "mine") == before
    assert before["data"] == {"to": CANARY}
    for part in ("", "/logs", "/attempts"):
        assert client.get(f"{PATH}/mine{part}").status_code == 404
    for table in ("jobs", "attempts", "logs"):
        assert databases.ask(shared_url, f"select count(*) from rowline.{table}") == [(0,)]
    assert sum(client.page()["counts"].values()) == 0
    [act] = acts(client)
    assert act == {
        "action": "jobs.remove",
        "target": "mine",
        "before": {"status": "waiting", "name": "n"},
        "after": None,
    }
    assert CANARY not in client.get("/audit").text


def test_a_removed_id_is_free_and_a_stored_response_outlives_the_job(client: Client) -> None:
    body = json.dumps([{"name": "n", "data": 1, "opts": {"jobId": "mine"}}])
    first = client.post(PATH, body, Idempotency_Key="k").text
    done(client, "remove", "mine")

    assert client.post(PATH, body, Idempotency_Key="k").text == first
    assert client.get(f"{PATH}/mine").status_code == 404
    [again] = client.add({"name": "other", "data": 2, "opts": {"jobId": "mine"}})
    assert (again["outcome"], again["name"]) == ("created", "other")


def test_a_worker_that_repeats_its_word_of_a_removed_job_is_told_that_it_is_gone(client: Client, db: Database) -> None:
    add(client)
    lease = work.complete_next(db)
    done(client, "remove", lease.job.id)

    told = client.post(f"{PATH}/{lease.job.id}/complete", json.dumps({"token": lease.token, "returnvalue": None}))
    assert answers.problem(told, 404)["code"] == "job_not_found"


@pytest.mark.parametrize("opts", [{}, {"priority": 3}, {"lifo": True}])
def test_a_retried_job_is_as_one_that_never_ended_but_for_its_past(
    client: Client, db: Database, opts: dict[str, Any]
) -> None:
    job_id = add(client, attempts=2, backoff=0, **opts)
    work.stall_next(db)
    for reason in ("first", "second"):
        work.fail_next(db, reason=reason, stack=f"stack of {reason}")
    failed = client.job(job_id)
    assert (failed["status"], failed["attemptsMade"], failed["stalledCounter"]) == ("failed", 2, 1)

    job = done(client, "retry", job_id)

    assert job == client.job(job_id)
    assert job["status"] == ("prioritized" if "priority" in opts else "waiting")
    assert (job["attemptsMade"], job["stalledCounter"], job["attemptsStarted"]) == (0, 0, 3)
    assert not {"failedReason", "finishedOn", "processedOn", "processedBy", "returnvalue", "result"} & set(job)
    kept = ("stacktrace", "opts", "data", "timestamp", "progress", "delay")
    assert {name: job[name] for name in kept} == {name: failed[name] for name in kept}
    past = answers.ok(client.get(f"{PATH}/{job_id}/attempts"))["attempts"]
    assert [attempt["outcome"] for attempt in past] == ["stalled", "failed", "failed"]
    assert acts(client)[0] == {
        "action": "jobs.retry",
        "target": job_id,
        "before": {"status": "failed", "attemptsMade": 2},
        "after": {"status": job["status"], "attemptsMade": 0},
    }

    work.fail_next(db)
    work.complete_next(db)
    ended = client.job(job_id)
    assert (ended["status"], ended["attemptsMade"], ended["attemptsStarted"]) == ("completed", 2, 5)
    assert ended["processedBy"] == work.WORKER
    assert ended["processedOn"] >= failed["finishedOn"]


def test_a_completed_job_runs_again_and_has_its_new_result(client: Client, db: Database) -> None:
    job_id = add(client)
    first = work.complete_next(db, result='"first"')
    assert "result" not in done(client, "retry", job_id)

    repeated = client.post(f"{PATH}/{job_id}/complete", json.dumps({"token": first.token, "returnvalue": "first"}))
    assert answers.problem(repeated, 409)["code"] == "lease_lost"
    second = work.complete_next(db, result='"second"')
    assert second.token != first.token
    assert client.job(job_id)["result"] == "second"
    for token, value in ((first.token, "first"), (first.token, "second"), (second.token, "first")):
        late = client.post(f"{PATH}/{job_id}/complete", json.dumps({"token": token, "returnvalue": value}))
        assert answers.problem(late, 409)["code"] == "lease_lost"


@pytest.mark.parametrize("word", [{"failedReason": "broke"}, {"returnvalue": 1}])
def test_a_word_of_an_earlier_attempt_is_not_taken_for_one_of_a_retried_job(
    client: Client, db: Database, word: dict[str, Any]
) -> None:
    job_id = add(client)
    first = work.fail_next(db) if "failedReason" in word else work.complete_next(db, result="1")
    done(client, "retry", job_id)
    work.take(db)
    before = client.job(job_id)

    said = json.dumps({"jobs": [{"id": job_id, "token": first.token} | word]})
    assert answers.ok(client.post(f"{PATH}/finish", said))["finished"][0]["status"] == "lost"
    assert client.job(job_id) == before


def test_without_a_reset_the_attempts_count_and_one_more_is_allowed(client: Client, db: Database) -> None:
    job_id = add(client, attempts=2, backoff=0)
    work.fail_next(db)
    work.fail_next(db)

    assert done(client, "retry", job_id, '{"resetAttempts": false}')["attemptsMade"] == 2
    work.fail_next(db)
    assert client.job(job_id)["status"] == "failed"
    assert client.job(job_id)["attemptsMade"] == 3
    assert done(client, "retry", job_id, '{"resetAttempts": false}')["status"] == "waiting"


def test_a_retry_can_bring_new_data_and_no_attempt_begins_with_the_old(client: Client, db: Database) -> None:
    job_id = add(client, attempts=2, backoff=0)
    work.fail_next(db)
    work.fail_next(db)

    done(client, "retry", job_id, '{"resetAttempts": false, "data": {"to": 1.10}}')
    job = client.job(job_id)
    assert (job["status"], job["data"], job["attemptsMade"]) == ("waiting", {"to": 1.1}, 2)
    assert '{"to": 1.10}' in client.get(f"{PATH}/{job_id}").text, "as it was written"
    assert job["effective"] == {"attempts": 3}, "of the retry, kept by the change"
    [act] = [one for one in answers.ok(client.get("/audit"))["entries"] if one["action"] == "jobs.retry"]
    assert act["after"]["data"] == "changed"
    assert "1.1" not in json.dumps([act["before"], act["after"]])


def test_new_data_of_a_job_that_runs_are_refused_whole(client: Client) -> None:
    job_id = add(client)
    refused = client.post(f"{PATH}/{job_id}/retry", '{"data": 2}')
    assert answers.problem(refused, 409)["code"] == "job_not_finished"
    assert client.job(job_id)["data"] != 2


@pytest.mark.parametrize("body", ["", " ", "{}", '{"resetAttempts": true}', '{"resetAttempts": null}'])
def test_attempts_are_reset_unless_somebody_says_otherwise(client: Client, db: Database, body: str) -> None:
    job_id = add(client)
    work.fail_next(db)

    assert done(client, "retry", job_id, body)["attemptsMade"] == 0


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ('{"resetAttempts": 1}', "resetAttempts"),
        ('{"resetAttempts": "true"}', "resetAttempts"),
        ('{"reset": true}', "reset"),
        ('{"data": null}', "data"),
        ('{"data": }', "data"),
        ("[]", "body"),
        ("{", "body"),
    ],
)
def test_a_bad_body_of_a_retry_is_named_and_nothing_is_retried(
    client: Client, db: Database, body: str, path: str
) -> None:
    job_id = add(client)
    work.fail_next(db)

    assert answers.problem(do(client, "retry", job_id, body), 400)["details"][0]["path"] == path
    assert client.job(job_id)["status"] == "failed"


def test_a_retried_job_that_was_asked_to_stop_is_asked_no_more(client: Client, db: Database) -> None:
    job_id = add(client, attempts=3)
    work.take(db, lease_ms=0)
    assert client.post(f"{PATH}/{job_id}/cancel", "").status_code == 200
    maintenance.recover_stalled(db, max_stalled_count=9)
    assert client.job(job_id)["failedReason"] == "job cancelled"
    done(client, "retry", job_id)

    [lease] = work.take(db)
    beat = answers.ok(client.post(f"{PATH}/{job_id}/extend", json.dumps({"token": lease.token})))
    assert beat["cancelled"] is False


@pytest.mark.parametrize("verb", ["retry", "promote"])
def test_it_joins_as_the_latest_comer_of_its_kind(client: Client, db: Database, verb: str) -> None:
    """First lifo jobs, the newest first, then those without a priority, then those with one."""
    delay = {"delay": 3_600_000} if verb == "promote" else {}
    kinds: list[dict[str, Any]] = [{}, {"lifo": True}, {"priority": 5}, {"priority": 5, "lifo": True}]
    mine = [add(client, **opts, **delay) for opts in kinds]
    if verb == "retry":
        for _ in mine:
            work.fail_next(db)
    others = [add(client, **opts) for opts in kinds]
    for job_id in mine:
        done(client, verb, job_id)
    later = add(client)

    assert claimed(client) == [mine[1], others[1], others[0], mine[0], later, mine[3], others[3], others[2], mine[2]]


def test_a_promoted_job_is_ready_and_waits_no_more(client: Client) -> None:
    job_id = add(client, delay=60_000)

    job = done(client, "promote", job_id)
    assert (job["status"], job["delay"], job["opts"]) == ("waiting", 0, {"delay": 60_000})
    assert acts(client) == [
        {
            "action": "jobs.promote",
            "target": job_id,
            "before": {"status": "delayed", "delay": 60_000},
            "after": {"status": "waiting", "delay": 0},
        }
    ]
    assert claimed(client) == [job_id]


def test_a_promoted_job_that_is_due_already_keeps_the_place_of_its_due_time(client: Client, db: Database) -> None:
    for lifo in (False, True):
        due = add(client, delay=3_600_000, lifo=lifo)
        with db.begin() as conn:
            conn.exec_driver_sql(
                "update rowline.jobs set run_at = run_at - interval '2 hours', "
                "place = place - (case when lifo then -1 else 1 end) * 7200000000::bigint where status = 'delayed'"
            )
        later = add(client, lifo=lifo)
        done(client, "promote", due)
        assert claimed(client) == ([later, due] if lifo else [due, later])


@pytest.mark.parametrize("opts", [{}, {"priority": 2}])
def test_who_waits_for_a_job_gets_one_that_is_promoted_or_retried(
    client: Client, db: Database, opts: dict[str, Any]
) -> None:
    failed = add(client, **opts)
    work.fail_next(db)
    delayed = add(client, delay=60_000, **opts)
    for verb, job_id in (("retry", failed), ("promote", delayed)):
        assert claimed(client) == []
        done(client, verb, job_id)
        assert claimed(client) == [job_id]
