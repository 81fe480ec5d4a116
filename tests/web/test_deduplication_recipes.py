"""The recipes of the page on deduplication: each does what the page says."""

import json
import re
from pathlib import Path
from typing import Any

from app.operations import deduplication
from app.postgres.database import Database
from tests.support import answers, databases, work
from tests.support.client import Client

PAGE = Path(__file__).parents[2] / "app" / "docs" / "deduplication.md"
PATH = "/queues/q/jobs"


def recipe(title: str) -> dict[str, Any]:
    """Return the options that the page gives, with an hour for each second of theirs: none is over by itself."""
    found = re.search(rf"^\*\*{title}\*\*.*?^    (\{{.*?\}})$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert found
    options: dict[str, Any] = json.loads(found[1], parse_int=lambda ms: int(ms) * 3_600)
    return options


def add(client: Client, data: int, opts: dict[str, Any]) -> str:
    [added] = answers.ok(client.post(PATH, json.dumps([{"name": "n", "data": data, "opts": opts}])))
    return str(added["outcome"])


def become_due(url: str) -> None:
    """Have the delay of the delayed job be over, and the window of its id, which are as long."""
    databases.run(url, "update rowline.jobs set run_at = now() where status = 'delayed'")
    databases.run(url, "update rowline.deduplications set expires_at = now() - interval '1 ms'")


def begun(client: Client, db: Database) -> tuple[Any, Any]:
    """Promote the delayed job and begin it; return its data, and its lease."""
    [delayed] = answers.ok(client.get(f"{PATH}?statuses=delayed"))["jobs"]
    answers.ok(client.post(f"{PATH}/{delayed['id']}/promote"))
    [lease] = work.take(db)
    return delayed["data"], lease


def test_debounce_works_the_last_word_once_it_has_been_quiet(client: Client, db: Database, shared_url: str) -> None:
    opts = recipe("Debounce")
    assert [add(client, nth, opts) for nth in range(3)] == ["created", "replaced", "replaced"]
    held = answers.ok(client.get("/queues/q/deduplication/r"))
    [job] = answers.ok(client.get(PATH))["jobs"]
    assert (job["data"], job["status"]) == (2, "delayed")
    assert held["expiresOn"] == job["timestamp"] + job["delay"], "both end at the same time"
    become_due(shared_url)
    assert add(client, 3, opts) == "created"
    assert answers.ok(client.get(PATH))["counts"]["completed"] == 0


def test_debounce_with_a_shorter_delay_drops_what_comes_between_the_run_and_the_end_of_the_window(
    client: Client, db: Database
) -> None:
    opts = recipe("Debounce")
    assert add(client, 1, opts) == "created"
    begun(client, db)
    assert add(client, 2, opts) == "deduplicated"


def test_throttle_adds_one_in_each_window(client: Client, db: Database, shared_url: str) -> None:
    opts = recipe("Throttle")
    assert [add(client, nth, opts) for nth in range(2)] == ["created", "deduplicated"]
    work.complete_next(db)
    assert add(client, 2, opts) == "deduplicated"
    databases.run(shared_url, "update rowline.deduplications set expires_at = now() - interval '1 ms'")
    assert add(client, 3, opts) == "created"


def test_one_at_a_time_works_the_last_word_after_the_active_one(client: Client, db: Database) -> None:
    opts = recipe("One at a time, and the last word is worked")
    assert add(client, 0, opts) == "created"
    [lease] = work.take(db)
    assert "hasStored" not in answers.ok(client.get("/queues/q/deduplication/c"))
    assert [add(client, nth, opts) for nth in (1, 2)] == ["stored", "stored"]
    assert answers.ok(client.get("/queues/q/deduplication/c"))["hasStored"] is True
    assert work.take(db) == []
    work.complete(db, lease)
    assert deduplication.follow(db) == {"q"}
    [follower] = answers.ok(client.get(f"{PATH}?statuses=waiting"))["jobs"]
    assert follower["data"] == 2


def test_debounced_and_one_at_a_time_loses_no_last_word(client: Client, db: Database) -> None:
    opts = recipe("Debounced, one at a time")
    assert [add(client, nth, opts) for nth in range(2)] == ["created", "replaced"]
    data, lease = begun(client, db)
    assert data == 1
    assert [add(client, nth, opts) for nth in (2, 3)] == ["stored", "stored"]
    work.complete(db, lease)
    assert deduplication.follow(db) == {"q"}
    [follower] = answers.ok(client.get(f"{PATH}?statuses=delayed"))["jobs"]
    assert (follower["data"], add(client, 4, opts)) == (3, "replaced")
