"""Schedules, as a client sees them: made, changed, paused, run, looked at, removed."""

import json
from typing import Any

import pytest

from app.postgres.database import Database
from tests.support import answers, databases, work
from tests.support.client import Client
from tests.support.schedules import HOUR_MS, PATH, TEMPLATE, body, fall_due, get, job_ids, jobs, put, tick
from tests.support.tokens import issue

FAR_MS = 4_000_000_000_000
"""In the year 2096."""


def faults(client: Client, **members: Any) -> dict[str, str]:
    """Return the faults of a body that is refused, by path."""
    details = answers.problem(client.put(PATH, body(**members)), 400)["details"]
    return {fault["path"]: fault["message"] for fault in details}


def test_a_new_schedule_is_created_and_the_same_again_changes_nothing(client: Client) -> None:
    first = client.put(PATH, body())
    assert first.status_code == 201
    again = client.put(PATH, body())
    assert again.status_code == 200
    assert first.json == again.json == get(client)


def test_an_interval_ticks_at_once_and_then_in_its_rhythm(client: Client) -> None:
    made = put(client)
    [job] = jobs(client)
    assert (job["name"], job["data"], job["status"]) == ("n", {"a": 1}, "waiting")
    assert job["id"] == made["lastJobId"] == f"repeat:s:{made['lastOn']}"
    assert (made["iterationCount"], made["next"]) == (1, made["lastOn"] + HOUR_MS)


def test_a_schedule_is_shown_as_it_was_sent(client: Client) -> None:
    sent: dict[str, Any] = {
        "pattern": "0 3 * * *",
        "tz": "Europe/Vienna",
        "startDate": FAR_MS,
        "endDate": FAR_MS + 7 * 24 * HOUR_MS,
        "limit": 5,
        "jitter": 1_000,
        "misfire": "all",
        "overlap": "allow",
        "template": {"name": "report", "data": [1, None], "opts": {"attempts": 3, "deduplication": {"id": "d"}}},
    }
    shown = put(client, **sent)
    assert {name: shown[name] for name in sent} == sent
    assert (shown["id"], shown["key"], shown["name"], shown["queue"]) == ("s", "s", "report", "q")
    assert (shown["paused"], shown["iterationCount"], shown["skippedCount"]) == (False, 0, 0)
    assert shown["next"] >= FAR_MS
    assert not shown.keys() & {"lastJobId", "lastOn", "every", "offset", "changedOn", "pausedOn", "hidden"}


def test_a_template_without_name_and_data_has_the_id_and_an_empty_object(client: Client) -> None:
    shown = put(client, template={})
    assert shown["template"] == {"name": "s", "data": {}, "opts": {}}


def test_data_of_a_template_come_back_byte_by_byte(client: Client) -> None:
    data = '{"a": 1.50, "a\\u0062": 10000000000000000000000001}'
    answer = client.put(PATH, f'{{"every": 60000, "template": {{"data": {data}}}}}')
    assert answer.status_code == 201
    assert data in answer.text
    assert data in client.get(PATH).text
    assert data in client.get(f"/queues/q/jobs/{get(client)['lastJobId']}").text


@pytest.mark.parametrize(
    ("members", "path"),
    [
        ({"every": 1, "pattern": "* * * * *"}, "pattern"),
        ({"every": None}, "every"),
        ({"every": 0}, "every"),
        ({"every": 1.5}, "every"),
        ({"pattern": "61 * * * *"}, "pattern"),
        ({"pattern": "* * * * *", "offset": 1}, "offset"),
        ({"every": 1, "tz": "UTC"}, "tz"),
        ({"startDate": FAR_MS, "immediately": True}, "immediately"),
        ({"startDate": FAR_MS, "endDate": FAR_MS - 1}, "endDate"),
        ({"pattern": "* * * * *", "tz": "Mars/Olympus"}, "tz"),
        ({"pattern": "0 0 31 2 *"}, "pattern"),
        ({"endDate": 1_600_000_000_000}, "endDate"),
        ({"startDate": 1_600_000_000}, "startDate"),
        ({"limit": 0}, "limit"),
        ({"jitter": -1}, "jitter"),
        ({"misfire": "never"}, "misfire"),
        ({"misfire": "all"}, "misfire"),
        ({"misfire": "all", "overlap": "skip"}, "misfire"),
        ({"overlap": 1}, "overlap"),
        ({"paused": "no"}, "paused"),
        ({"jobs": 1}, "jobs"),
        ({"template": None}, "template"),
        ({"template": []}, "template"),
        ({"template": {"name": ""}}, "template.name"),
        ({"template": {"x": 1}}, "template.x"),
        ({"template": {"opts": {"jobId": "a"}}}, "template.opts.jobId"),
        ({"template": {"opts": {"startBy": FAR_MS}}}, "template.opts.startBy"),
        ({"template": {"opts": {"parent": {}}}}, "template.opts.parent"),
        ({"template": {"opts": {"attempts": -1}}}, "template.opts.attempts"),
    ],
)
def test_a_body_that_makes_no_sense_is_refused_with_the_path(
    client: Client, members: dict[str, Any], path: str
) -> None:
    assert [*faults(client, **members)] == [path]


def test_all_faults_are_told_at_once(client: Client) -> None:
    found = faults(client, every=0, limit=0, template={"name": 1, "opts": {"jobId": "a"}})
    assert [*found] == ["every", "limit", "template.name", "template.opts.jobId"]


def test_a_body_without_template_is_refused(client: Client) -> None:
    details = answers.problem(client.put(PATH, '{"every": 1}'), 400)["details"]
    assert details == [{"path": "template", "message": "is required"}]


@pytest.mark.parametrize("schedule_id", ["a" * 201, "..", "%2F", "a%00"])
def test_an_id_that_is_no_name_is_refused(client: Client, schedule_id: str) -> None:
    assert client.put(f"/queues/q/schedulers/{schedule_id}", body()).status_code == 400


@pytest.mark.parametrize("schedule_id", ["a" * 200, "42", "preview", "a:1", "%C3%A4 b"])
def test_an_id_that_is_a_name_is_taken(client: Client, schedule_id: str) -> None:
    path = f"/queues/q/schedulers/{schedule_id}"
    assert put(client, path) == get(client, path)
    assert answers.ok(client.get(f"{path}/runs"))["runs"][0]["jobId"] == get(client, path)["lastJobId"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", PATH),
        ("DELETE", PATH),
        ("GET", f"{PATH}/preview"),
        ("GET", f"{PATH}/runs"),
        *(("POST", f"{PATH}/{verb}") for verb in ("pause", "resume", "run")),
    ],
)
def test_a_schedule_that_is_not_there_is_not_found(client: Client, method: str, path: str) -> None:
    answer = client.flask.open(path, method=method, headers=client.authorization)
    assert answers.problem(answer, 404)["code"] == "schedule_not_found"


def test_schedules_are_listed_by_id(client: Client) -> None:
    for one in ("b", "a", "c"):
        put(client, f"/queues/q/schedulers/{one}")
    put(client, "/queues/other/schedulers/d")
    found = answers.ok(client.get("/queues/q/schedulers?start=1&length=2"))
    assert [one["id"] for one in found["schedulers"]] == ["b", "c"]
    assert (found["count"], found["start"], found["length"]) == (3, 1, 2)
    assert found["schedulers"][0] == get(client, "/queues/q/schedulers/b")
    assert answers.ok(client.get("/queues/q/schedulers?length=0"))["schedulers"] == []


def test_long_data_are_left_out_of_lists_and_shown_of_one(client: Client) -> None:
    put(client, template={"data": "x" * 300_000})
    [listed] = answers.ok(client.get("/queues/q/schedulers"))["schedulers"]
    assert listed["hidden"] == ["template.data"]
    assert "data" not in listed["template"]
    assert get(client)["template"]["data"] == "x" * 300_000
    paused = answers.ok(client.post(f"{PATH}/pause"))
    assert paused["hidden"] == ["template.data"]
    assert answers.ok(client.post(f"{PATH}/run"))["data"] == "x" * 300_000


def test_without_payload_the_data_of_a_template_are_hidden(client: Client, db: Database) -> None:
    put(client)
    reader = Client(client.flask, token=issue(db, "jobs:read").secret)
    [listed] = answers.ok(reader.get("/queues/q/schedulers"))["schedulers"]
    for shown in (get(reader), listed):
        assert shown["template"] == {"name": "n", "opts": {}}
        assert shown["hidden"] == ["template.data"]


def test_to_make_a_schedule_takes_the_right_to_add_jobs_too(client: Client, db: Database) -> None:
    for scopes, status in ((["jobs:manage@q"], 403), (["jobs:add@q"], 403), (["jobs:add@q", "jobs:manage@q"], 201)):
        program = Client(client.flask, token=issue(db, *scopes).secret)
        assert program.put(PATH, body()).status_code == status, scopes


def test_a_schedule_that_is_removed_leaves_its_jobs_and_ticks_no_more(client: Client, db: Database) -> None:
    put(client)
    fall_due(db)
    was = get(client)
    assert answers.ok(client.delete(PATH)) == was
    tick(db)
    assert job_ids(client) == [was["lastJobId"]]
    assert client.get(PATH).status_code == 404


def test_a_paused_schedule_makes_no_ticks_and_goes_on_with_the_next_one(client: Client, db: Database) -> None:
    made = put(client)
    paused = answers.ok(client.post(f"{PATH}/pause"))
    assert (paused["paused"], "next" in paused) == (True, False)
    assert paused["pausedBy"] == "env:1"
    assert answers.ok(client.post(f"{PATH}/pause")) == paused
    due = fall_due(db, ago_ms=2 * HOUR_MS + 5_000)
    tick(db)
    resumed = answers.ok(client.post(f"{PATH}/resume"))
    assert not {"pausedBy", "pausedOn"} & resumed.keys()
    assert (resumed["paused"], resumed["next"]) == (False, due + 3 * HOUR_MS)
    tick(db)
    assert job_ids(client) == [made["lastJobId"]]
    assert resumed["skippedCount"] == 0


def test_who_paused_it_is_told_whichever_way_and_the_first_one_stays(
    client: Client, db: Database, shared_url: str
) -> None:
    secret = issue(db, "jobs:read", "jobs:add", "jobs:manage").secret
    other = f"token:{secret[3:11]}"
    program = Client(client.flask, token=secret)
    assert put(client, paused=True)["pausedBy"] == "env:1"
    assert answers.ok(program.post(f"{PATH}/pause"))["pausedBy"] == "env:1"
    assert put(client, paused=False).get("pausedBy") is None
    answers.ok(program.put(PATH, body(paused=True)))
    assert get(client)["pausedBy"] == other
    assert put(client, limit=9)["pausedBy"] == other, "a change of something else is no pause"
    answers.ok(client.post(f"{PATH}/resume"))
    assert answers.ok(program.post(f"{PATH}/pause"))["pausedBy"] == other
    assert databases.ask(shared_url, "select paused_by from report.schedules") == [(other,)]


def test_who_paused_before_revision_0041_is_not_known(client: Client, shared_url: str) -> None:
    put(client, paused=True)
    databases.run(shared_url, "update rowline.schedules set paused_by = null")
    shown = get(client)
    assert (shown["paused"], "pausedOn" in shown, "pausedBy" in shown) == (True, True, False)
    sentence = answers.ok(client.get("/queues/q/explain"))["sentence"]
    assert " by " not in sentence.partition(", and adds no jobs")[0]


def test_schedules_of_all_queues_are_listed_by_queue_and_id_for_who_may_read_them(client: Client, db: Database) -> None:
    for queue in ("mail", "mail_2", "mailx2", "post"):
        for schedule_id in ("b", "a"):
            assert client.put(f"/queues/{queue}/schedulers/{schedule_id}", body()).status_code == 201

    def listed(query: str, by: Client = client) -> tuple[list[str], int]:
        found = answers.ok(by.get(f"/schedulers{query}"))
        return [f"{one['queue']}/{one['id']}" for one in found["schedulers"]], found["count"]

    everything = [f"{queue}/{one}" for queue in ("mail", "mail_2", "mailx2", "post") for one in ("a", "b")]
    assert listed("") == (everything, 8)
    assert listed("?start=3&length=2") == (everything[3:5], 8)
    assert listed("?pattern=mail_*") == (everything[2:4], 2), "no character is a wildcard but the star"
    assert listed("?pattern=*2&length=0") == ([], 4)
    program = Client(client.flask, token=issue(db, "jobs:read@post", "payload@post", "jobs:read@mail_2").secret)
    assert listed("", program) == ([*everything[2:4], *everything[6:]], 4)
    shown = answers.ok(program.get("/schedulers"))["schedulers"]
    assert [one.get("hidden") for one in shown] == [["template.data"]] * 2 + [None] * 2
    assert shown[2] == answers.ok(client.get("/queues/post/schedulers/a"))
    for query in ("patern=x", "length=101", "start=-1"):
        answers.problem(client.get(f"/schedulers?{query}"), 400)


def test_a_put_that_does_not_speak_of_a_pause_leaves_it(client: Client) -> None:
    put(client, paused=True)
    assert jobs(client) == []
    assert put(client, limit=7)["paused"]
    assert not put(client, paused=False)["paused"]
    assert not put(client)["paused"]
    assert put(client, paused=True)["paused"]


def test_a_run_adds_a_job_besides(client: Client, db: Database) -> None:
    made = put(client)
    added = answers.ok(client.post(f"{PATH}/run"))
    assert (added["outcome"], added["name"], added["data"]) == ("created", "n", {"a": 1})
    assert added["id"].startswith("repeat:s:")
    assert get(client) == made
    answers.ok(client.post(f"{PATH}/pause"))
    assert answers.ok(client.post(f"{PATH}/run"))["outcome"] == "created"
    assert len(jobs(client)) == 3
    runs = answers.ok(client.get(f"{PATH}/runs"))["runs"]
    assert [one["isBesides"] for one in runs] == [True, True, False]


def test_runs_say_how_jobs_ended_the_newest_first(client: Client, db: Database) -> None:
    put(client, "/queues/q/schedulers/s:1", paused=True)  # whose jobs have ids that begin alike
    answers.ok(client.post("/queues/q/schedulers/s:1/run"))
    work.complete_next(db)
    put(client)
    work.fail_next(db, reason="broke")
    fall_due(db)
    tick(db)
    found = answers.ok(client.get(f"{PATH}/runs?start=0&length=10"))["runs"]
    assert [(one["status"], one.get("failedReason")) for one in found] == [("waiting", None), ("failed", "broke")]
    assert found[1]["on"] <= found[1]["processedOn"] <= found[1]["finishedOn"]
    reader = Client(client.flask, token=issue(db, "jobs:read").secret)
    assert answers.ok(reader.get(f"{PATH}/runs?start=1"))["runs"][0]["hidden"] == ["failedReason"]


def test_acts_are_in_the_audit_and_data_are_not(client: Client) -> None:
    put(client)
    put(client)
    put(client, limit=3, template=TEMPLATE | {"data": "secret"})
    for verb in ("pause", "resume", "run"):
        answers.ok(client.post(f"{PATH}/{verb}"))
    client.delete(PATH)
    found = answers.ok(client.get("/audit?length=20"))
    acts = [act for act in found["entries"] if act["action"].startswith("schedules.")]
    verbs = ["create", "change", "pause", "resume", "run", "remove"]
    assert [act["action"] for act in reversed(acts)] == [f"schedules.{verb}" for verb in verbs]
    assert {act["target"] for act in acts} == {"s"}
    assert "secret" not in json.dumps(found)


def test_obliterating_a_queue_removes_its_schedules(client: Client) -> None:
    put(client)
    put(client, "/queues/other/schedulers/s")
    assert answers.ok(client.post("/queues/q/obliterate"))["status"] == "applied"
    assert answers.ok(client.get("/queues/q/schedulers"))["count"] == 0
    assert answers.ok(client.get("/queues/other/schedulers"))["count"] == 1
    assert jobs(client) == []


def test_a_new_schedule_is_refused_while_an_older_program_is_connected_that_would_make_no_ticks(
    client: Client, shared_url: str
) -> None:
    put(client)
    with databases.connected(shared_url, "rowline-worker 0033"):
        refused = answers.problem(client.put("/queues/q/schedulers/other", body()), 409)
        assert refused["code"] == "older_nodes_run"
        assert refused["error"].endswith(": rowline-worker 0033: 1")
        assert client.get("/queues/q/schedulers/other").status_code == 404
        assert client.put(PATH, body(every=2 * HOUR_MS)).status_code == 200
    assert client.put("/queues/q/schedulers/other", body()).status_code == 201
