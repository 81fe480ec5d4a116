"""What previews of schedules show."""

import json
from functools import partial

import gevent
import pytest

from app.postgres.database import Database
from tests.support import answers
from tests.support.client import Client
from tests.support.schedules import HOUR_MS, PATH, fall_due, put, tick

FAR_MS = 4_000_000_000_000


def test_a_preview_shows_the_ticks_to_come(client: Client) -> None:
    made = put(client, limit=4)
    shown = answers.ok(client.get(f"{PATH}/preview"))["runs"]
    assert [one["on"] for one in shown] == [made["next"] + nth * HOUR_MS for nth in range(3)]
    assert len(answers.ok(client.get(f"{PATH}/preview?count=2"))["runs"]) == 2
    assert answers.problem(client.get(f"{PATH}/preview?count=101"), 400)["details"][0]["path"] == "count"
    unknown = answers.problem(client.get(f"{PATH}/preview?tz=Europe/Vienna"), 400)["details"]
    assert unknown == [{"path": "tz", "message": "is not known here"}]


def test_a_preview_begins_with_the_next_tick_after_the_interval_was_changed(client: Client, db: Database) -> None:
    begun = 1_500_000_000_000
    put(client, startDate=begun)
    last = fall_due(db)
    tick(db)
    made = put(client, every=3 * HOUR_MS, startDate=begun)
    shown = answers.ok(client.get(f"{PATH}/preview?count=2"))["runs"]
    assert [one["on"] for one in shown] == [made["next"], made["next"] + 3 * HOUR_MS]
    assert made["next"] == last + 3 * HOUR_MS


def test_a_preview_of_a_schedule_can_begin_later(client: Client) -> None:
    nightly = {"pattern": "30 2 * * *", "tz": "Europe/Vienna", "limit": 2, "template": {}}
    assert client.put("/queues/q/schedulers/nightly", json.dumps(nightly)).status_code == 201
    change = 1_901_059_200_000  # the day before the clocks change, in 2030
    shown = answers.ok(client.get(f"/queues/q/schedulers/nightly/preview?count=3&since={change}"))["runs"]
    assert [one["local"][:16] for one in shown] == ["2030-03-30T02:30", "2030-03-31T03:00", "2030-04-01T02:30"]
    made = put(client)
    later = made["next"] + 10 * HOUR_MS
    for since in (later - HOUR_MS + 1, later):
        shown = answers.ok(client.get(f"{PATH}/preview?count=1&since={since}"))["runs"]
        assert [one["on"] for one in shown] == [later]
    assert answers.ok(client.get(f"{PATH}/preview?count=1&since=0"))["runs"][0]["on"] == made["next"]
    assert answers.problem(client.get(f"{PATH}/preview?since=tomorrow"), 400)["details"][0]["path"] == "since"


@pytest.mark.parametrize("is_stored", [True, False])
def test_a_preview_of_rare_ticks_lets_other_requests_pass(client: Client, *, is_stored: bool) -> None:
    rare = {"pattern": "0 0 * 2 6#5", "tz": "Europe/Vienna"}
    put(client, **rare)
    turns: list[int] = []

    def take_turns() -> None:
        for nth in range(1_000):
            turns.append(nth)
            gevent.sleep(0)

    other = gevent.spawn(take_turns)
    asked = json.dumps(rare | {"count": 100})
    path = f"{PATH}/preview?count=100"
    ask = partial(client.get, path) if is_stored else partial(client.post, "/queues/q/schedulers/preview", asked)
    answer = gevent.spawn(ask).get()
    other.kill()
    assert len(answers.ok(answer)["runs"]) == 100
    assert len(turns) > 20


def test_a_preview_stores_nothing(client: Client) -> None:
    asked = {"pattern": "30 2 * * *", "tz": "Europe/Vienna", "startDate": FAR_MS, "count": 3}
    shown = answers.ok(client.post("/queues/q/schedulers/preview", json.dumps(asked)))["runs"]
    assert len(shown) == 3
    assert shown[0]["on"] >= FAR_MS
    assert "local" in shown[0]
    assert answers.ok(client.get("/queues/q/schedulers"))["count"] == 0
    refused = client.post("/queues/q/schedulers/preview", '{"pattern": "61 * * * *"}')
    assert answers.problem(refused, 400)["details"][0]["path"] == "pattern"
