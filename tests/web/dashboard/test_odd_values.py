"""Odd values in the fields of forms and addresses: they are refused in words, and are never a fault of the service."""

import pytest

from app.web.dashboard import queue, scheduleform, tokens, workers
from tests.support.client import Client
from tests.support.visitor import Visitor, text_of

DEEP = "[" * 100_000
ODD = [
    *("", "x", "-1", "1.5", "1e999", "nan", "\0", "\u0663", "é", "null", "[]", "{}", '"\\ud800"'),
    *("9" * 20, "9" * 5_000, '{"delay": %s}' % ("9" * 5_000), DEEP, DEEP + "]" * 100_000, "[" * 900 + "]" * 900),
]
SCHEDULE = {"id": "s", "pattern": "0 3 * * *", "name": "n", "data": "1"}
FORMS = [
    (
        "queues/q/new-schedule",
        SCHEDULE | {"do": "preview"},
        ("pattern", "tz", "every", "offset", "startDate", "endDate"),
    ),
    ("queues/q/new-schedule", SCHEDULE, ("id", "limit", "jitter", "overlap", "misfire", "name", "data", "opts")),
    ("queues/q/add", {"name": "n", "data": "1"}, ("name", "data", "opts")),
    ("queues/q/jobs/one/data", {"data": "1"}, ("data",)),
    ("queues/q/settings", {}, ("removeOnComplete", "startWithin", "keys", "defaults.attempts", "defaults.backoff")),
    (
        "queues/q/endpoint",
        {"url": "https://example.com/", "method": "POST"},
        ("url", "method", "headers", "secrets", "timeout", "concurrency", "max", "duration"),
    ),
    ("tokens/make", {"name": "t", "scope": "jobs:read"}, ("name", "scope", "days", "requestsPerS", "waitingJobs")),
    ("queues/q/plans", {"action": "retry", "which": "all"}, ("action", "which", "filter", "id")),
    ("queues/q/plans/none/apply", {"matched": "1"}, ("matched", "rate")),
    ("queues/q/failures", {"fingerprint": "0" * 32}, ("fingerprint", "rate")),
    ("queues/q/pause", {}, ("reason",)),
    ("running/cancel", {"queue": "q", "id": "one"}, ("queue", "id", "of")),
    ("preferences", {}, ("theme", "keys", "next")),
]


@pytest.mark.parametrize(("path", "fields", "odd"), FORMS)
def test_no_field_of_a_form_takes_what_the_service_cannot_answer(
    visitor: Visitor, client: Client, path: str, fields: dict[str, str], odd: tuple[str, ...]
) -> None:
    client.add({"name": "n", "data": 1, "opts": {"jobId": "one"}})
    for name in odd:
        for value in ODD:
            answer = visitor.post(path, **fields | {name: value})
            assert answer.status_code < 500, (name, value[:20], text_of(answer.text))
        without = {one: value for one, value in fields.items() if one != name}
        assert visitor.post(path, **without).status_code < 500, name


@pytest.mark.parametrize(
    ("path", "fields", "words"),
    [
        ("queues/q/new-schedule", SCHEDULE | {"limit": "9" * 5_000}, "Limit: must be an integer"),
        ("queues/q/add", {"name": "n", "data": DEEP}, "Data: must not be nested deeper than 128"),
        ("queues/q/add", {"name": "n", "data": '"\\ud800"'}, "Data: must not contain a lone surrogate"),
        ("queues/q/settings", {"defaults.backoff": "[" * 2_000}, "settings must not have more than 100 brackets"),
        ("queues/q/endpoint", {"url": "https://example.com/", "headers": DEEP}, "Headers: must not be nested deeper"),
        (
            "tokens/make",
            {"name": "t", "scope": "jobs:read", "jobsPerS": "9" * 5_000},
            "Jobs that it adds a second: must",
        ),
    ],
)
def test_a_value_beyond_all_limits_is_refused_by_name(
    visitor: Visitor, path: str, fields: dict[str, str], words: str
) -> None:
    answer = visitor.post(path, **fields)
    assert answer.status_code == 400
    assert words in text_of(answer.text)


@pytest.mark.parametrize("path", ["search", "queues/q"])
@pytest.mark.parametrize(
    "moment", ["9999-12-31T23:59:59.9999", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00%2B14:00", "999999999d"]
)
def test_the_first_and_the_last_moment_of_all_can_be_looked_for(visitor: Visitor, path: str, moment: str) -> None:
    for name in ("since", "until", "finishedSince", "finishedUntil"):
        visitor.page(f"{path}?{name}={moment}")


@pytest.mark.parametrize("path", ["login", "logout", "preferences", "link"])
@pytest.mark.parametrize("origin", ["https://[", "http://[::1", "https://\xff[]", "https://a b", "://", "https://x:y"])
def test_an_origin_that_is_none_is_no_fault_of_the_service(stranger: Visitor, path: str, origin: str) -> None:
    sent = {"token": "a-token-of-the-tests", "theme": "dark", "code": "x"}
    answer = stranger.http.post(f"/dashboard/{path}", data=sent, headers={"Origin": origin})
    assert answer.status_code < 500, text_of(answer.text)


@pytest.mark.parametrize(
    ("path", "labels"),
    [
        ("queues/q/add", queue.LABELS),
        ("queues/q/new-schedule", scheduleform.LABELS),
        ("queues/q/endpoint", workers.LABELS),
        ("tokens/make", tokens.LABELS),
    ],
)
def test_the_words_that_name_a_field_when_it_is_wrong_are_on_the_form(
    visitor: Visitor, path: str, labels: dict[str, str]
) -> None:
    page = text_of(visitor.page(path)).lower()
    assert [label for label in labels.values() if label.lower() not in page] == []
