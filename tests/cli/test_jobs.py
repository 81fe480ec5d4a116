"""`rowline jobs`, as a person calls it."""

import json
import re
from typing import Any

import pytest

from app.infra.settings import Settings
from app.operations import jobs
from app.postgres.database import Database
from tests.support import commands, work
from tests.support.jobs import new


def said(url: str, *words: str, code: int = 0) -> str:
    return commands.said(url, "jobs", *words, code=code)


def shown(url: str, *words: str) -> dict[str, Any]:
    return dict(json.loads(said(url, *words, "--json")))


@pytest.fixture
def mine(own_url: str) -> Database:
    return Database(Settings(database_url=own_url), url=own_url, size=2, name="rowline-test")


def test_a_job_is_changed_promoted_retried_and_removed(own_url: str, mine: Database) -> None:
    jobs.submit_many(mine, queue="q", new=[new(custom_id="mine", delay_ms=3_600_000)])

    words = ("--data", '{"b":1,"a":1.50}', "--name", "other", "--priority", "3", "--tag", "a", "--tag", "b")
    job = shown(own_url, "change", "q", "mine", *words, "--attempts", "2")
    assert job == shown(own_url, "get", "q", "mine")
    assert (job["name"], job["data"], job["priority"], job["tags"]) == ("other", {"b": 1, "a": 1.5}, 3, ["a", "b"])
    assert "tags" not in shown(own_url, "change", "q", "mine", "--no-tags", "--lifo")
    assert said(own_url, "promote", "q", "mine") == "mine  prioritized  other  priority 3  attempts made 0"
    work.fail_next(mine)
    assert said(own_url, "cancel", "q", "mine").endswith("job cancelled")
    assert shown(own_url, "retry", "q", "mine", "--keep-attempts")["attemptsMade"] == 1
    said(own_url, "cancel", "q", "mine")
    assert shown(own_url, "retry", "q", "mine")["attemptsMade"] == 0
    assert shown(own_url, "remove", "q", "mine")["status"] == "prioritized"
    assert "has no job 'mine'" in said(own_url, "get", "q", "mine", code=1)

    with mine.read() as conn:
        acts = conn.exec_driver_sql("select actor, action from rowline.audit where queue = 'q' order by number").all()
    assert [action for _, action in acts] == [
        *("jobs.change", "jobs.change", "jobs.promote", "jobs.cancel", "jobs.retry", "jobs.cancel", "jobs.retry"),
        "jobs.remove",
    ]
    assert all(re.match("cli:.", actor) for actor, _ in acts)


def test_the_data_of_an_active_job_are_changed_with_its_token(own_url: str, mine: Database) -> None:
    [one] = jobs.submit_many(mine, queue="q", new=[new()])
    [lease] = work.take(mine)

    assert "is active" in said(own_url, "change", "q", one.job.id, "--data", "2", code=1)
    assert shown(own_url, "change", "q", one.job.id, "--data", "2", "--token", lease.token)["data"] == 2


@pytest.mark.parametrize(
    ("words", "code", "fault"),
    [
        (("get", "q", "absent"), 1, "queue 'q' has no job 'absent'"),
        (("remove", "q", "absent"), 1, "queue 'q' has no job 'absent'"),
        (("retry", "q", "1"), 1, "job '1' is waiting: only completed and failed jobs can be retried"),
        (("promote", "q", "1"), 1, "job '1' is waiting: only delayed jobs can be promoted"),
        (("change", "q", "1"), 1, "must name what to change"),
        (("change", "q", "1", "--priority", "-1"), 1, "priority must be between 0 and 2097152"),
        (("change", "q", "1", "--data", "{"), 2, "is not JSON"),
        (("change", "q", "1", "--data", "null"), 1, "data must not be null"),
        (("change", "q", "1", "--tag", "a", "--no-tags"), 2, "--tag and --no-tags exclude each other"),
        (("get", "a/b", "1"), 2, "must not contain '/'"),
        (("get", "q"), 2, "Missing argument 'ID'"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    own_url: str, mine: Database, words: tuple[str, ...], code: int, fault: str
) -> None:
    jobs.submit_many(mine, queue="q", new=[new()])

    output = said(own_url, *words, code=code)
    assert fault in output
    assert "Traceback" not in output
