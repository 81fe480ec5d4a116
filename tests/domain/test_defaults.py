"""Defaults of a queue, as stored, and what of a job's options differs from what was sent."""

import json
from typing import Any

import pytest

from app.domain import defaults
from app.domain.attempts import LOGS_KEPT, STACKS_KEPT
from app.domain.backoff import Backoff, BackoffType
from app.domain.job import JsonText
from app.domain.options import DEFAULTABLE


def test_the_options_that_may_have_a_default_are_those_that_are_promised() -> None:
    promised = {"attempts", "backoff", "delay", "priority", "lifo", "timeout", "keepLogs", "stackTraceLimit", "tags"}
    assert set(DEFAULTABLE) == promised


def test_what_the_service_does_anyhow_makes_no_difference() -> None:
    own = {"attempts": 1, "delay": 0, "lifo": False, "keepLogs": LOGS_KEPT, "stackTraceLimit": STACKS_KEPT, "tags": []}
    assert defaults.applied(own) == {}
    others = {
        "attempts": 2,
        "delay": 1,
        "lifo": True,
        "keepLogs": 0,
        "stackTraceLimit": 99,
        "tags": ["a"],
        "timeout": 1,
    }
    assert defaults.applied(own | others | {"timeout": 1}) == others | {"timeout": 1}


def test_values_are_stored_as_json() -> None:
    backoff = Backoff(type=BackoffType.LINEAR, delay_ms=5, jitter=0.123_456_789_012_345)
    values = {
        "attempts": 0,
        "delay": 5.0,
        "backoff": backoff,
        "tags": ["\N{GRINNING FACE}"],
        "priority": None,
        "odd": 1,
    }
    found = defaults.of_values(values)
    assert found == {
        "attempts": 1,
        "backoff": {"type": "linear", "delay": 5, "jitter": 0.123_456_789_012},
        "delay": 5,
        "tags": ["\N{GRINNING FACE}"],
    }
    assert json.loads(defaults.text(found)) == found


@pytest.mark.parametrize(
    ("opts", "effective", "changes", "after"),
    [
        ("{}", None, {}, None),
        ("{}", None, {"attempts": 2}, {"attempts": 2}),
        ('{"attempts": 2.0}', None, {"attempts": 2}, None),
        ('{"attempts": null}', {"attempts": 5, "delay": 1}, {"attempts": 1}, {"delay": 1}),
        ("{}", {"attempts": 5}, {"tags": ("a",)}, {"attempts": 5, "tags": ["a"]}),
        ('{"tags": []}', {"tags": ["a"]}, {"tags": []}, None),
        ('{"priority": 3}', None, {"priority": 0}, {"priority": 0}),
        ('{"lifo": true}', None, {"lifo": False, "delay": 0}, {"lifo": False}),
    ],
)
def test_a_change_is_effective_where_it_differs_from_what_was_sent(
    opts: str, effective: Any, changes: dict[str, Any], after: Any
) -> None:
    before = None if effective is None else JsonText(json.dumps(effective))
    found = defaults.effective_after(opts=JsonText(opts), effective=before, changes=changes)
    assert (found and json.loads(found)) == after
