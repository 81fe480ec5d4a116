"""GET …/series: what happened in a queue in each minute, hour and day."""

import json
from typing import Any

import pytest

from app.domain import durations
from app.domain.series import COUNTS
from app.postgres.database import Database
from tests.support import answers, databases, work
from tests.support.client import Client
from tests.support.tokens import issue

JOB = {"name": "n", "data": 1}
pytestmark = pytest.mark.usefixtures("early_in_a_minute")


def series(client: Client, query: str = "", queue: str = "q") -> dict[str, Any]:
    found: dict[str, Any] = answers.ok(client.get(f"/queues/{queue}/series?{query}"))
    return found


def test_all_that_happened_is_told_by_the_minute(client: Client, db: Database) -> None:
    client.add(*[JOB] * 3, JOB | {"opts": {"attempts": 2}})
    for _ in range(2):
        work.complete_next(db)
    work.fail_next(db)
    work.fail_next(db, delay_ms=60_000)
    work.fold(db)
    found = series(client)
    assert (found["queue"], found["step"], len(found["at"])) == ("q", "minute", 60)
    assert found["from"] == found["at"][0]
    assert found["to"] == found["at"][-1] + 60_000 > found["asOf"] >= found["at"][-1]
    expected = {"added": 4, "claimed": 4, "completed": 2, "failed": 1, "retried": 1, "stalled": 0}
    assert {name: found[name] for name in COUNTS} == {name: [0] * 59 + [expected[name]] for name in COUNTS}
    assert {name: found["total"][name] for name in COUNTS} == expected
    for what in ("wait", "run"):
        assert found[what]["p50"][:59] == [None] * 59
        last, total = (
            {name: of[what][name] for name in ("mean", "p50", "p95", "p99")} for of in (found, found["total"])
        )
        assert {name: values[-1] for name, values in last.items()} == total
        assert 0 <= total["p50"] <= total["p95"] <= total["p99"]
    assert "buckets" not in found["wait"]
    assert "bounds" not in found


def test_a_queue_in_which_nothing_happened_has_zeros(client: Client) -> None:
    found = series(client, "step=day")
    assert found["added"] == [0] * 30
    assert found["wait"] == {name: [None] * 30 for name in ("mean", "p50", "p95", "p99")}
    assert found["total"]["run"] == dict.fromkeys(("mean", "p50", "p95", "p99"))


def test_percentiles_are_of_all_jobs_and_buckets_can_be_had(client: Client, db: Database, shared_url: str) -> None:
    histogram = [0] * durations.BUCKETS
    histogram[9], histogram[12] = 90, 10
    databases.run(
        shared_url,
        "insert into rowline.job_minutes (minute, queue, added, completed, failed, claimed, waits, wait_s) "
        "select date_trunc('minute', now()) - interval '2 minutes', 'q', 0, 0, 0, 100, "
        f"array{histogram}, 140",
    )
    found = series(client, "include=buckets")
    assert found["bounds"] == [round(bound * 1_000) for bound in durations.BOUNDS_S]
    assert found["wait"]["buckets"][-3:] == [histogram, [], []]
    assert found["run"]["buckets"] == [[]] * 60
    assert {name: values[-3] for name, values in found["wait"].items() if name != "buckets"} == found["total"]["wait"]
    assert found["total"]["wait"] == {"mean": 1_400, "p50": 778, "p95": 7_500, "p99": 9_500}


def test_a_part_of_it_can_be_had(client: Client, shared_url: str) -> None:
    databases.run(
        shared_url,
        "insert into rowline.job_minutes (minute, queue, added, completed, failed) "
        "select date_trunc('minute', now()) - ago * interval '1 minute', 'q', 1, 0, 0 "
        "from generate_series(0, 200) as ago",
    )
    now_ms = series(client)["asOf"]
    minute = now_ms // 60_000 * 60_000
    part = series(client, f"from={minute - 180_000}&to={minute}")
    assert (part["step"], part["added"], part["to"]) == ("minute", [1, 1, 1], minute)
    hours = series(client, f"from={minute - 7_200_000}&step=hour")
    assert (hours["step"], sum(hours["added"])) == ("hour", hours["total"]["added"])
    assert hours["from"] % 3_600_000 == 0
    assert len(hours["at"]) == 3


@pytest.mark.parametrize(
    ("query", "path", "said"),
    [
        ("step=second", "step", "must be minute, hour, day"),
        ("from=x", "from", "must be an integer"),
        ("to=1795860101", "to", "looks like seconds"),
        ("include=all", "include", "must be buckets"),
        ("from=200000000000&to=100000000000", "from", "must be before"),
        ("from=0", "from", "ask for less"),
        ("from=200000000000&to=200000000001&step=minute", "from", "minutes are kept for 48 hours"),
        ("step=day&step=hour", "step", "must not be given twice"),
        ("from=1&from=2", "from", "must not be given twice"),
    ],
)
def test_what_makes_no_sense_is_refused(client: Client, query: str, path: str, said: str) -> None:
    [fault] = answers.problem(client.get(f"/queues/q/series?{query}"), 400)["details"]
    assert fault["path"] == path
    assert said in fault["message"]


def test_a_token_needs_to_read_jobs_of_the_queue_and_no_payload(client: Client, db: Database) -> None:
    headers = {"Authorization": f"Bearer {issue(db, 'jobs:read@mail').secret}"}
    answers.ok(client.flask.get("/queues/mail/series", headers=headers))
    answers.problem(client.flask.get("/queues/q/series", headers=headers), 403)


def test_the_series_of_a_queue_goes_when_it_is_obliterated(client: Client, db: Database, shared_url: str) -> None:
    for queue in ("q", "other"):
        client.add(JOB, queue=queue)
    work.fold(db)
    for table, unit in (("job_hours", "hour"), ("job_days", "day")):
        databases.run(
            shared_url,
            f"insert into rowline.{table} ({unit}, queue, added, completed, failed) "
            f"select date_bin('1 {unit}', now() - interval '5 {unit}s', timestamptz 'epoch'), queue, 1, 0, 0 "
            "from (values ('q'), ('other')) as one (queue)",
        )
    assert series(client, "step=day")["total"]["added"] == 3
    answers.ok(client.post("/queues/q/obliterate", json.dumps({"force": True})))
    work.fold(db)
    assert series(client, "step=day")["total"]["added"] == 0
    assert series(client, "step=day", queue="other")["total"]["added"] == 3


def test_a_drain_leaves_the_series(client: Client, db: Database) -> None:
    client.add(JOB)
    work.fold(db)
    answers.ok(client.post("/queues/q/drain", "{}"))
    work.fold(db)
    assert series(client)["total"]["added"] == 1
