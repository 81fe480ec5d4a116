"""`rates` and `drainMs` of queues, as a client sees them."""

from typing import Any

import pytest

from app.domain.queue import WINDOWS, Tally
from app.postgres.database import Database
from tests.store.test_minutes import note
from tests.support import answers, databases, work
from tests.support.client import Client
from tests.web.test_queues import claimed

JOB = {"name": "n", "data": 1}
NONE = {"added": 0, "completed": 0, "failed": 0}


pytestmark = pytest.mark.usefixtures("early_in_a_minute")


def told(client: Client, name: str = "q") -> tuple[dict[str, Any], int | None]:
    found = answers.ok(client.get(f"/queues/{name}"))
    return found["rates"], found.get("drainMs")


def happened(db: Database, *past: tuple[int, Tally], queue: str = "q") -> None:
    """Note what happened so many minutes ago."""
    with db.begin() as conn:
        for ago, tally in past:
            note(conn, ago, queue=queue, **tally._asdict())


def test_a_queue_in_which_nothing_happened_has_zeros_and_no_drain_time(client: Client) -> None:
    assert told(client) == ({"1m": NONE, "5m": NONE, "15m": NONE}, None)
    client.add(JOB)
    assert told(client) == ({"1m": NONE, "5m": NONE, "15m": NONE}, None)


def test_rates_are_a_second_over_the_last_full_minute_five_and_fifteen(client: Client, db: Database) -> None:
    happened(db, (0, Tally(6000, 6000, 6000)), (1, Tally(60, 6, 3)), (5, Tally(added=240)), (16, Tally(9, 9, 9)))
    happened(db, (15, Tally(1, 1, 1)))

    rates, _ = told(client)
    assert rates["1m"] == {"added": 1, "completed": 0.1, "failed": 0.05}
    assert rates["5m"] == {"added": 1, "completed": 0.02, "failed": 0.01}
    assert rates["15m"] == {"added": 0.3344, "completed": 0.0078, "failed": 0.0044}


@pytest.mark.parametrize(
    ("past", "drain_ms"),
    [
        ((1, Tally(completed=60)), 15_000),  # 3 jobs, 60 in 300 s
        ((5, Tally(completed=30, failed=30)), 15_000),
        ((3, Tally(failed=7)), 128_571),
        ((4, Tally(added=1000)), None),
        ((6, Tally(completed=1000)), None),
        ((0, Tally(completed=1000)), None),
    ],
)
def test_the_drain_time_is_that_of_the_ready_jobs_at_the_pace_of_five_minutes(
    client: Client, db: Database, past: tuple[int, Tally], drain_ms: int | None
) -> None:
    client.add(JOB, JOB | {"opts": {"priority": 1}}, JOB, JOB | {"opts": {"delay": 60_000}})
    happened(db, past)
    assert told(client)[1] == drain_ms


def test_a_queue_without_ready_jobs_is_drained_at_once(client: Client, db: Database) -> None:
    happened(db, (2, Tally(completed=1)))
    assert told(client)[1] == 0


def test_a_list_tells_the_rates_of_each_queue_and_so_does_a_pause(client: Client, db: Database) -> None:
    for name in ("a", "b"):
        client.add(JOB, queue=name)
    happened(db, (1, Tally(completed=60)), queue="b")
    listed = answers.ok(client.get("/queues"))["queues"]
    assert [(one["rates"]["1m"]["completed"], one.get("drainMs")) for one in listed] == [(0, None), (1, 5000)]
    assert answers.ok(client.post("/queues/b/pause", ""))["rates"]["1m"]["completed"] == 1


def test_jobs_count_though_they_are_removed_and_one_that_is_removed_while_it_runs_has_not_ended(
    client: Client, db: Database, shared_url: str
) -> None:
    jobs = client.add(JOB, JOB, JOB, JOB)
    work.complete_next(db, result="1")
    answers.ok(client.post(f"/queues/q/jobs/{jobs[1]['id']}/cancel", ""))
    assert claimed(client)
    answers.ok(client.post("/queues/q/obliterate", '{"force": true}'))
    assert databases.ask(shared_url, "select number from rowline.jobs") == []
    work.fold(db)
    databases.run(shared_url, "update rowline.job_minutes set minute = minute - interval '1 minute'")

    rates, drain_ms = told(client)
    assert rates["1m"] == {"added": 0.0667, "completed": 0.0167, "failed": 0.0167}
    assert drain_ms == 0


def test_the_report_of_queues_counts_what_the_rates_tell(client: Client, db: Database, shared_url: str) -> None:
    client.add(JOB)
    happened(db, *((ago, Tally(1, 10, 100)) for ago in range(17)))
    columns = ", ".join(f"{what}_{window}m" for window in WINDOWS for what in Tally._fields)
    [row] = databases.ask(shared_url, f"select {columns} from report.queues")
    assert row == tuple(window * each for window in WINDOWS for each in (1, 10, 100))


def test_a_list_tells_what_came_in_and_went_out_in_each_of_the_last_minutes(
    client: Client, db: Database, shared_url: str
) -> None:
    client.add(JOB)
    happened(db, (0, Tally(5, 2, 1)), (1, Tally(7, 0, 0)), (59, Tally(0, 4, 0)), (60, Tally(9, 9, 9)))
    happened(db, (3, Tally(1, 1, 1)), queue="other")

    [found] = answers.ok(client.get("/queues?include=minutes&pattern=q"))["queues"]
    assert found["minutes"]["added"] == [*[0] * 58, 7, 5]
    assert found["minutes"]["ended"] == [4, *[0] * 58, 3]
    [(begin,)] = databases.ask(
        shared_url, "select extract(epoch from date_trunc('minute', now()) - interval '59 minutes')::bigint * 1000"
    )
    assert found["minutes"]["from"] == begin
    [plain] = answers.ok(client.get("/queues?pattern=q"))["queues"]
    assert "minutes" not in plain


def test_a_list_includes_nothing_else(client: Client) -> None:
    answer = client.get("/queues?include=hours")
    assert (answer.status_code, answer.get_json()["details"]) == (
        400,
        [{"path": "include", "message": "must be minutes"}],
    )
