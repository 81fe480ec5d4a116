"""GET /queues/:queue/failures, and fingerprints as a filter of jobs and plans."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from app.domain import fingerprint
from app.domain.job import Failure
from app.operations import maintenance, settle
from app.postgres.database import Database
from app.store import failures
from tests.support import answers, databases, work
from tests.support.client import Client
from tests.support.plans import run
from tests.support.tokens import issue

PATH = "/queues/q/failures"
MANY = """
insert into rowline.jobs (queue, number, name, data, opts, status, priority, lifo, place, run_at, added_at, delay_ms,
    attempts, finished_at, failed_reason, failed_code, fingerprint)
select 'q', nextval('rowline.job_numbers'), 'n', '1', '{}', 'failed', 0, false, n, now(), now(), 0, 1,
    now() - n * interval '1 second', 'broke', 'failed', repeat(case when n > 100 then 'a' else 'b' end, 16)
from generate_series(1, 5000) as n;
insert into rowline.job_counts (queue, failed) values ('q', 5000)
"""


def test_unknown_parameters_are_refused(client: Client) -> None:
    for path in (PATH, "/audit"):
        assert answers.error(client.get(f"{path}?since_=1"), 400) == "since_ is not known here"


def fail(client: Client, db: Database, *reasons: str, **opts: Any) -> list[str]:
    """Add a job for each reason, and have it fail for good; return the ids."""
    ids = []
    for reason in reasons:
        ids.append(str(client.add({"name": "n", "data": 1, "opts": opts})[0]["id"]))
        work.fail_next(db, reason=reason)
    return ids


def groups(client: Client, query: str = "") -> list[dict[str, Any]]:
    return list(answers.ok(client.get(f"{PATH}{query}"))["groups"])


def printed(client: Client) -> list[str]:
    """Return the reasons of the groups, if each failed job is in the group of its reason and in no other."""
    jobs = client.page(statuses="failed", length=100)["jobs"]
    found = groups(client, "?length=100")
    assert sum(group["count"] for group in found) == len(jobs)
    for group in found:
        mine = [job for job in jobs if fingerprint.of(job["failedReason"]) == group["fingerprint"]]
        assert (len(mine), mine[0]["failedReason"]) == (group["count"], group["example"])
    return sorted(group["example"] for group in found)


def test_failures_that_differ_in_values_are_one_group_the_largest_first(client: Client, db: Database) -> None:
    lone = fail(client, db, "KeyError: 'a'")
    ids = fail(client, db, *(f"timeout after {nth} s for '{nth}'" for nth in range(4)))

    answer = answers.ok(client.get(PATH))
    newest, first = client.job(ids[-1]), client.job(ids[0])
    assert answer["groups"][0] == {
        "fingerprint": fingerprint.of("timeout after 7 s for 'x'"),
        "example": "timeout after 3 s for '3'",
        "count": 4,
        "firstOn": first["finishedOn"],
        "lastOn": newest["finishedOn"],
        "jobs": ids[:0:-1],
    }
    assert (answer["groups"][1]["count"], answer["groups"][1]["jobs"]) == (1, lone)
    rest = {name: value for name, value in answer.items() if name != "groups"}
    assert rest == {"count": 2, "start": 0, "length": 10, "isComplete": True, "ungrouped": 0}
    assert groups(client, "?start=1&length=1") == answer["groups"][1:]
    assert answers.ok(client.get("/queues/other/failures"))["groups"] == []


def stall(db: Database) -> None:
    work.stall_next(db, max_stalled_count=1)
    work.stall_next(db, max_stalled_count=1)


def time_out(db: Database) -> None:
    [lease] = work.take(db)
    work.age(db, lease.job.id, ms=60_000)
    maintenance.time_out(db, random=work.RANDOM)


def start_too_late(db: Database) -> None:
    with db.begin() as conn:
        conn.exec_driver_sql("update rowline.jobs set start_by = 1")
    maintenance.fail_unstarted(db)


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        (lambda db: work.fail_next(db, reason="broke 7"), "broke 7"),
        (stall, "job stalled more than allowable limit"),
        (time_out, "job timed out after 1000 ms"),
        (start_too_late, "not started in time"),
    ],
)
def test_each_way_of_failing_has_one(client: Client, db: Database, way: Callable[[Database], Any], reason: str) -> None:
    client.add({"name": "n", "data": 1, "opts": {"timeout": 1000}})
    way(db)
    assert printed(client) == [reason]


@pytest.mark.parametrize("end", ["", "release", "fail", "stall"])
def test_each_way_of_being_cancelled_has_one(client: Client, db: Database, end: str) -> None:
    [job] = client.add({"name": "n", "data": 1})
    [lease] = work.take(db, lease_ms=60_000) if end else [None]
    answers.ok(client.post(f"/queues/q/jobs/{job['id']}/cancel", ""))
    if lease and end == "fail":
        work.fail(db, lease, reason="stopped at 7")
    elif lease and end == "release":
        body = {"token": lease.token}
        answers.ok(client.post(f"/queues/q/jobs/{job['id']}/release", json.dumps(body)))
    elif end:
        work.age(db, job["id"], ms=1)
        maintenance.recover_stalled(db, max_stalled_count=1)
    assert printed(client) == ["stopped at 7" if end == "fail" else "job cancelled"]


def test_what_fails_over_http_has_the_type_that_its_stack_trace_names(client: Client, db: Database) -> None:
    for kind in ("TypeError", "RangeError"):
        client.add({"name": "n", "data": 1})
        [lease] = work.take(db)
        body = {"token": lease.token, "failedReason": "broke 7", "stacktrace": f"{kind}: broke 7\n    at main.js:1:2"}
        answers.ok(client.post(f"/queues/q/jobs/{lease.job.id}/fail", json.dumps(body)))

    assert {group["fingerprint"] for group in groups(client)} == {
        fingerprint.of("TypeError: broke 8"),
        fingerprint.of("RangeError: broke 8"),
    }


def test_many_that_fail_at_once_have_theirs(client: Client, db: Database) -> None:
    client.add(*[{"name": "n", "data": nth} for nth in range(20)])
    taken = work.take(db, limit=20)
    told = [Failure(lease=lease.key, reason="even" if nth % 2 else "odd") for nth, lease in enumerate(taken)]
    settle.fail(db, queue="q", failures=told, random=work.RANDOM)
    assert printed(client) == ["even", "odd"]


def test_a_group_has_the_jobs_that_are_failed_now(client: Client, db: Database) -> None:
    ids = fail(client, db, "broke 1", "broke 2")
    client.add({"name": "n", "data": 1, "opts": {"attempts": 2}})
    work.fail_next(db, reason="broke 3")  # it is tried again

    assert groups(client)[0]["count"] == 2
    answers.ok(client.post(f"/queues/q/jobs/{ids[0]}/retry", ""))
    assert [group["jobs"] for group in groups(client)] == [[ids[1]]]
    work.fail_next(db, reason="other")
    work.fail_next(db, reason="broke 4")
    assert printed(client) == ["broke 2", "other"]


def test_jobs_are_found_by_it_exactly_newest_first(client: Client, db: Database) -> None:
    ids = fail(client, db, "broke 1", "other", "broke 2", "broke 3")
    mine = [ids[3], ids[2], ids[0]]
    wanted = f"fingerprint={fingerprint.of('broke 0')}"
    for path in ("/queues/q/jobs", "/jobs"):
        page = answers.ok(client.get(f"{path}?{wanted}&length=2"))
        assert ([job["id"] for job in page["jobs"]], page["scanned"]) == (mine[:2], 2)
        rest = answers.ok(client.get(f"{path}?{wanted}&length=2&cursor={page['next']}"))
        assert ([job["id"] for job in rest["jobs"]], rest["isComplete"], "next" in rest) == (mine[2:], True, False)
        oldest = answers.ok(client.get(f"{path}?{wanted}&order=asc"))["jobs"]
        assert [job["id"] for job in oldest] == mine[::-1]
        for more in ("&statuses=waiting", "&name=other", "&error=none"):
            assert answers.ok(client.get(f"{path}?{wanted}{more}"))["jobs"] == []
        for bad in ("", "broke", "0" * 15, "0" * 17, "G" * 16, "%00"):
            assert answers.error(client.get(f"{path}?fingerprint={bad}"), 400).startswith("fingerprint must be ")


def test_a_plan_retries_exactly_one_group_at_a_pace(client: Client, db: Database) -> None:
    ids = fail(client, db, "broke 1", "other", "broke 2")
    body = {"action": "retry", "filter": {"fingerprint": fingerprint.of("broke 0")}}
    plan = answers.ok(client.post("/queues/q/plans", json.dumps(body)))
    assert (plan["matched"], plan["filter"]) == (2, body["filter"])
    answers.ok(client.post(f"/queues/q/plans/{plan['id']}/apply", '{"matched": 2, "ratePerS": 1000}'))
    run(db)

    assert answers.ok(client.get(f"/queues/q/plans/{plan['id']}"))["done"] == 2
    assert [job["id"] for job in client.page(statuses="failed")["jobs"]] == [ids[1]]
    assert [group["example"] for group in groups(client)] == ["other"]
    bad = {"action": "retry", "filter": {"fingerprint": "x"}}
    said = answers.error(client.post("/queues/q/plans", json.dumps(bad)), 400)
    assert said.startswith("filter.fingerprint must be 16 hexadecimal digits")


def test_a_job_that_failed_otherwise_meanwhile_is_skipped(client: Client, db: Database) -> None:
    [job] = fail(client, db, "broke 1")
    body = {"action": "retry", "filter": {"fingerprint": fingerprint.of("broke 0")}}
    plan = answers.ok(client.post("/queues/q/plans", json.dumps(body)))
    answers.ok(client.post(f"/queues/q/jobs/{job}/retry", ""))
    work.fail_next(db, reason="other")
    answers.ok(client.post(f"/queues/q/plans/{plan['id']}/apply", '{"matched": 1}'))
    run(db)
    assert answers.ok(client.get(f"/queues/q/plans/{plan['id']}"))["skipped"] == {"job_differs": 1}


def test_what_a_plan_removed_comes_back_with_it(client: Client, db: Database) -> None:
    fail(client, db, "broke 1", "broke 2")
    before = groups(client)
    body = {"action": "remove", "filter": {"fingerprint": fingerprint.of("broke 0")}}
    plan = answers.ok(client.post("/queues/q/plans", json.dumps(body)))
    answers.ok(client.post(f"/queues/q/plans/{plan['id']}/apply", '{"matched": 2}'))
    run(db)
    assert groups(client) == []
    answers.ok(client.post(f"/queues/q/plans/{plan['id']}/undo", ""))
    run(db)
    assert groups(client) == before


def test_who_may_not_see_contents_may_not_guess_reasons_by_it(client: Client, db: Database) -> None:
    [job] = fail(client, db, "canary 1")
    wanted = fingerprint.of("canary 0")
    blind = Client(client.flask, token=issue(db, "jobs:read", "jobs:manage", "payload@other").secret)

    answer = blind.get(PATH)
    assert "canary" not in answer.text
    assert wanted not in answer.text
    [group] = answers.ok(answer)["groups"]
    assert (group["count"], group["jobs"], group["hidden"]) == (1, [job], ["fingerprint", "example"])
    said = answers.error(blind.get(f"/queues/q/jobs?fingerprint={wanted}"), 403)
    assert said == "the token lacks the scope payload@q"
    assert blind.get(f"/jobs?fingerprint={wanted}").status_code == 200  # of queues of which it may see contents
    body = json.dumps({"action": "retry", "filter": {"fingerprint": wanted}})
    assert blind.post("/queues/q/plans", body).status_code == 403
    plan = answers.ok(client.post("/queues/q/plans", body))
    shown = answers.ok(blind.get(f"/queues/q/plans/{plan['id']}"))
    assert (shown["filter"], "filter" in shown["hidden"]) == ({}, True)


def test_jobs_that_an_older_release_failed_are_grouped_in_the_background(
    client: Client, db: Database, shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "READ_AT_ONCE", 2)
    fail(client, db, "broke 1", "broke 2", "other")
    client.add({"name": "n", "data": 1}, queue="r")
    work.fail_next(db, queue="r", reason="broke 9", stack="OSError: broke 9")
    before = groups(client)
    databases.run(shared_url, "update rowline.jobs set fingerprint = null, failed_code = null")

    answer = answers.ok(client.get(PATH))
    assert (answer["groups"], answer["ungrouped"]) == ([], 3)
    assert answers.ok(client.get(f"/queues/q/jobs?fingerprint={before[0]['fingerprint']}"))["jobs"] == []
    assert maintenance.fill_fingerprints(db) == 4
    assert maintenance.fill_fingerprints(db) == 0
    assert groups(client) == before
    [other] = answers.ok(client.get("/queues/r/failures"))["groups"]
    assert other["fingerprint"] == fingerprint.of("OSError: broke 1")


def test_a_fingerprint_that_an_older_release_left_behind_counts_for_nothing(
    client: Client, db: Database, shared_url: str
) -> None:
    [job] = fail(client, db, "broke 1")
    answers.ok(client.post(f"/queues/q/jobs/{job}/retry", ""))
    left = fingerprint.of("broke 1")
    databases.run(shared_url, f"update rowline.jobs set fingerprint = '{left}'")
    assert groups(client) == []
    for path in ("/queues/q/jobs", "/jobs"):
        assert answers.ok(client.get(f"{path}?fingerprint={left}"))["jobs"] == []
    work.fail_next(db, reason="other")
    assert printed(client) == ["other"]


def test_counting_goes_on_step_by_step_and_says_where_it_stopped(client: Client, db: Database, shared_url: str) -> None:
    databases.run(shared_url, MANY)
    [large, small] = groups(client)
    assert ((large["count"], small["count"]), len(large["jobs"])) == ((4900, 100), 3)
    assert large["lastOn"] - large["firstOn"] == pytest.approx(4_899_000, abs=1)
    with db.read() as conn:
        part = failures.count(conn, queue="q", time_ms=0)
    assert {group.fingerprint for group in part.groups} == {large["fingerprint"], small["fingerprint"]}
    assert (max(group.jobs for group in part.groups) <= failures.FIRST_STEP, part.is_complete) == (True, False)


def test_reports_have_the_groups_too(client: Client, db: Database, shared_url: str) -> None:
    ids = fail(client, db, "broke 1", "broke 2", "other")
    found = databases.ask(
        shared_url, "select queue, fingerprint, jobs, last_number, reason from report.failure_groups order by jobs desc"
    )
    assert found == [
        ("q", fingerprint.of("broke 0"), 2, int(ids[1]), "broke 2"),
        ("q", fingerprint.of("other"), 1, int(ids[2]), "other"),
    ]


def test_a_large_reason_is_grouped_as_well(client: Client, db: Database) -> None:
    fail(client, db, "broke " + "x" * 1_000_000, "broke " + "x" * 999_999)
    [group] = groups(client)
    assert (group["count"], len(group["example"])) == (2, 1_000)
    assert group["example"].startswith("broke x")
