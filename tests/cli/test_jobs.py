"""`rowline jobs`, as a person calls it."""

import json
import re
from typing import Any

import pytest

from app.domain.options import STORED
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
    said(own_url, "cancel", "q", "mine")
    assert shown(own_url, "retry", "q", "mine", "--data", '{"c": 1}')["data"] == {"c": 1}
    assert shown(own_url, "remove", "q", "mine")["status"] == "prioritized"
    assert "has no job 'mine'" in said(own_url, "get", "q", "mine", code=3)

    with mine.read() as conn:
        acts = conn.exec_driver_sql("select actor, action from rowline.audit where queue = 'q' order by number").all()
    assert [action for _, action in acts] == [
        *("jobs.change", "jobs.change", "jobs.promote", "jobs.cancel", "jobs.retry", "jobs.cancel", "jobs.retry"),
        *("jobs.cancel", "jobs.retry", "jobs.remove"),
    ]
    assert all(re.match("cli:.", actor) for actor, _ in acts)


GIVEN = {
    "attempts": ("3", 3),
    "backoff": ('{"type": "fixed", "delay": 500}', {"type": "fixed", "delay": 500}),
    "delay": ("3600000", 3_600_000),
    "priority": ("7", 7),
    "jobId": ("mine", "mine"),
    "deduplication": ('{"id": "d", "ttl": 60000}', {"id": "d", "ttl": 60_000}),
    "removeOnComplete": ("10", 10),
    "removeOnFail": ("false", False),
    "keepLogs": ("5", 5),
    "stackTraceLimit": ("2", 2),
    "timeout": ("1000", 1_000),
    "startBy": ("4102444800000", 4_102_444_800_000),
    "telemetry": ('{"omitContext": true}', {"omitContext": True}),
}
"""A value for each option of a job, and how the API shows it."""


def test_a_job_is_added_with_each_option_that_there_is(own_url: str) -> None:
    words = [word for name, (text, _) in GIVEN.items() for word in (flag(name), text)]
    told = shown(own_url, "add", "q", "n", "--data", '{"a": 1.50}', *words, "--lifo", "--tag", "a", "--tag", "b")
    assert told["opts"] == {name: value for name, (_, value) in GIVEN.items()} | {"lifo": True, "tags": ["a", "b"]}
    assert (told["id"], told["data"], told["outcome"]) == ("mine", {"a": 1.5}, "created")
    assert {*told["opts"]} == {option.name for option in STORED}
    assert said(own_url, "add", "q", "n", "--deduplication", '{"id": "d"}') == "mine  delayed  deduplicated"
    assert re.fullmatch(r"\d+  waiting  created", said(own_url, "add", "q", "n"))


@pytest.mark.parametrize(
    ("words", "fault", "code"),
    [
        (("--data", "{"), "--data", 2),
        (("--priority", "0"), "jobs[0].opts.priority", 2),
        (("--priority", "high"), "not a valid integer", 2),
        (("--backoff", "[]"), "jobs[0].opts.backoff", 2),
        (("--tag", ""), "jobs[0].opts.tags", 2),
        (("--job-id", "12"), "jobs[0].opts.jobId", 2),
    ],
)
def test_of_a_job_that_is_wrong_the_option_is_named_and_none_is_added(
    own_url: str, words: tuple[str, ...], fault: str, code: int
) -> None:
    assert fault in said(own_url, "add", "q", "n", *words, code=code)
    assert said(own_url, "list", "q") == "looked at 0 jobs; none matches"


def flag(option: str) -> str:
    return "--" + re.sub("[A-Z]", lambda letter: f"-{letter[0].lower()}", option)


def test_the_data_of_an_active_job_are_changed_with_its_token(own_url: str, mine: Database) -> None:
    [one] = jobs.submit_many(mine, queue="q", new=[new()])
    [lease] = work.take(mine)

    assert "is active" in said(own_url, "change", "q", one.job.id, "--data", "2", code=5)
    assert shown(own_url, "change", "q", one.job.id, "--data", "2", "--token", lease.token)["data"] == 2


@pytest.mark.parametrize(
    ("words", "code", "fault"),
    [
        (("get", "q", "absent"), 3, "queue 'q' has no job 'absent'"),
        (("remove", "q", "absent"), 3, "queue 'q' has no job 'absent'"),
        (("retry", "q", "1"), 5, "job '1' is waiting: only completed and failed jobs can be retried"),
        (("promote", "q", "1"), 5, "job '1' is waiting: only delayed jobs can be promoted"),
        (("change", "q", "1"), 2, "must name what to change"),
        (("change", "q", "1", "--priority", "-1"), 2, "priority must be between 0 and 2097152"),
        (("change", "q", "1", "--data", "{"), 2, "is not JSON"),
        (("change", "q", "1", "--data", "null"), 2, "data must not be null"),
        (("change", "q", "1", "--tag", "a", "--no-tags"), 2, "--tag and --no-tags exclude each other"),
        (("get", "a/b", "1"), 2, "must not contain '/'"),
        (("get", "q"), 2, "Missing argument 'ID...'"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    own_url: str, mine: Database, words: tuple[str, ...], code: int, fault: str
) -> None:
    jobs.submit_many(mine, queue="q", new=[new()])

    output = said(own_url, *words, code=code)
    assert fault in output
    assert "Traceback" not in output
