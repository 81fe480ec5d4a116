"""`rowline schedulers`, as a person calls it."""

import json
from typing import Any

import pytest

from app.domain.options import STORED
from tests.support.commands import said

NIGHTLY = ["set", "mail", "nightly", "--cron", "0 3 * * *", "--tz", "Europe/Vienna"]


def told(url: str, *words: str) -> Any:
    """Return what is printed as JSON: a list of what a list has."""
    found = [json.loads(line) for line in said(url, "schedulers", *words, "--json").splitlines() if line[:1] == "{"]
    return found if words[0] in {"list", "runs", "preview"} else found[0]


def test_a_schedule_is_set_and_shown(own_url: str) -> None:
    template = ["--name", "report", "--data", '{"to": 1.0}', "--attempts", "3", "--tag", "night", "--no-lifo"]
    made = told(own_url, *NIGHTLY, *template, "--jitter", "5m", "--overlap", "skip", "--misfire", "skip")
    assert (made["pattern"], made["tz"], made["jitter"]) == ("0 3 * * *", "Europe/Vienna", 300_000)
    assert (made["overlap"], made["misfire"], made["createdBy"][:4]) == ("skip", "skip", "cli:")
    opts = {"attempts": 3, "tags": ["night"], "lifo": False}
    assert made["template"] == {"name": "report", "data": {"to": 1.0}, "opts": opts}
    assert told(own_url, "show", "mail", "nightly") == made
    assert told(own_url, "list", "mail") == [made]
    shown = said(own_url, "schedulers", "list", "mail")
    assert all(text in shown for text in ("nightly", "0 3 * * *", "Europe/Vienna", "jitter 5m", "report"))
    assert said(own_url, "schedulers", "list", "other") == "schedules: no rows"
    assert "schedules.create" in said(own_url, "audit", "--queue", "mail")
    assert "nightly" in said(own_url, "report", "schedules")


def test_what_is_not_given_again_is_as_by_default_but_for_a_pause(own_url: str) -> None:
    told(own_url, *NIGHTLY, "--limit", "7", "--paused")
    again = told(own_url, *NIGHTLY)
    assert ("limit" in again, again["paused"]) == (False, True)
    assert "paused" in said(own_url, "schedulers", "show", "mail", "nightly")
    assert not told(own_url, *NIGHTLY, "--not-paused")["paused"]


def test_a_schedule_ticks_in_a_rhythm_and_its_runs_are_listed(own_url: str) -> None:
    hourly = told(own_url, "set", "mail", "hourly", "--every", "1h")
    assert (hourly["every"], hourly["iterationCount"], hourly["template"]["data"]) == (3_600_000, 1, {})
    assert "every 1h" in said(own_url, "schedulers", "show", "mail", "hourly")
    added = said(own_url, "schedulers", "run", "mail", "hourly").split("  ")
    assert (added[0].endswith(":now"), added[1:]) == (True, ["waiting", "created"])
    runs = told(own_url, "runs", "mail", "hourly")
    assert [(one["isBesides"], one["status"]) for one in runs] == [(True, "waiting"), (False, "waiting")]
    shown = said(own_url, "schedulers", "runs", "mail", "hourly")
    assert (added[0] in shown, shown.count("waiting"), shown.count("besides")) == (True, 2, 2)
    assert told(own_url, "runs", "mail", "hourly", "--limit", "1") == runs[:1]
    assert told(own_url, "run", "mail", "hourly")["outcome"] == "created"


def test_schedules_of_all_queues_are_listed(own_url: str) -> None:
    told(own_url, *NIGHTLY)
    told(own_url, "set", "post", *NIGHTLY[2:])
    assert [one["queue"] for one in told(own_url, "list")] == ["mail", "post"]
    assert [one["queue"] for one in told(own_url, "list", "--pattern", "p*")] == ["post"]
    words = said(own_url, "schedulers", "list").split()
    assert [one for one in words if one in {"queue", "mail", "post"}] == ["queue", "mail", "post"]
    assert "not both" in said(own_url, "schedulers", "list", "mail", "--pattern", "p*", code=2)


def test_a_schedule_is_paused_resumed_and_removed(own_url: str) -> None:
    told(own_url, *NIGHTLY)
    assert told(own_url, "pause", "mail", "nightly")["paused"]
    assert "paused by cli:" in said(own_url, "schedulers", "list", "mail")
    assert not told(own_url, "resume", "mail", "nightly")["paused"]
    assert told(own_url, "remove", "mail", "nightly")["id"] == "nightly"
    gone = said(own_url, "schedulers", "show", "mail", "nightly", code=3)
    assert gone == "Error: queue 'mail' has no schedule 'nightly'"


def test_ticks_to_come_are_shown_with_what_the_clocks_do_to_them(own_url: str) -> None:
    timing = ["--cron", "30 2 * * *", "--tz", "Europe/Berlin", "--start", "2031-03-29T00:00:00Z"]
    ticks = told(own_url, "preview", *timing, "--count", "2")
    assert [one["local"] for one in ticks] == ["2031-03-29T02:30:00+01:00", "2031-03-30T03:00:00+02:00"]
    shown = said(own_url, "schedulers", "preview", *timing, "--count", "2")
    assert "2031-03-30T03:00:00+02:00   2031-03-30 01:00:00+00:00   02:30 does not exist on this day" in shown
    told(own_url, "set", "mail", "nightly", *timing, "--end", "2031-03-30T12:00:00+02:00", "--paused")
    assert told(own_url, "preview", "mail", "nightly") == ticks
    assert told(own_url, "preview", "mail", "nightly", "--start", "2031-03-29T12:00:00Z") == ticks[1:]
    assert "start 2031-03-29T00:00:00Z, end 2031-03-30T10:00:00Z" in said(own_url, "schedulers", "list", "mail")


def test_a_schedule_that_has_made_all_its_ticks_is_over(own_url: str) -> None:
    told(own_url, "set", "mail", "once", "--every", "500ms", "--offset", "90s", "--limit", "1", "--immediately")
    shown = said(own_url, "schedulers", "show", "mail", "once")
    assert ("every 500ms offset 90s" in shown, "limit 1" in shown, "over" in shown) == (True, True, True)
    assert said(own_url, "schedulers", "preview", "mail", "once") == "ticks: no rows"


@pytest.mark.parametrize(
    ("words", "code", "fault"),
    [
        (["set", "mail", "x"], 2, "every or pattern is required"),
        (["set", "mail", "x", "--cron", "@daily", "--every", "5m"], 2, "pattern must not be there with every"),
        (["set", "mail", "x", "--cron", "0 0 31 2 *"], 2, "pattern "),
        (["set", "mail", "x", "--cron", "@daily", "--tz", "Mars"], 2, "tz must be a time zone"),
        (["set", "mail", "x", "--cron", "@daily", "--misfire", "all"], 2, "misfire must not be all, unless"),
        (["set", "mail", "x", "--cron", "@daily", "--attempts", "-1"], 2, "template.opts.attempts must be"),
        (["set", "mail", "x", "--every", "soon"], 2, "is not a length of time such as"),
        (["set", "mail", "x", "--every", "0s"], 2, "every must be"),
        (["set", "mail", "x", "--every", "1h", "--start", "2031-01-01T00:00:00"], 2, "is not a time with its offset"),
        (["set", "mail", "x", "--every", "1h", "--end", "tomorrow"], 2, "is not a time with its offset"),
        (["preview"], 2, "give QUEUE and ID of a schedule, with --start alone of its timing, or --cron or --every"),
        (
            ["preview", "mail"],
            2,
            "give QUEUE and ID of a schedule, with --start alone of its timing, or --cron or --every",
        ),
        (
            ["preview", "mail", "x", "--cron", "@daily"],
            2,
            "give QUEUE and ID of a schedule, with --start alone of its timing, or --cron or --every",
        ),
        (["preview", "mail", "x"], 3, "queue 'mail' has no schedule 'x'"),
        (["run", "mail", "x"], 3, "queue 'mail' has no schedule 'x'"),
        (["runs", "mail", "x"], 3, "queue 'mail' has no schedule 'x'"),
    ],
)
def test_a_fault_is_a_line(own_url: str, words: list[str], code: int, fault: str) -> None:
    assert fault in said(own_url, "schedulers", *words, code=code)


def test_every_option_that_jobs_of_schedules_may_have_can_be_given(own_url: str) -> None:
    shown = said(own_url, "schedulers", "set", "--help")
    allowed = {option.name for option in STORED} - {"jobId", "startBy"}
    flags = {name: "".join(f"-{one.lower()}" if one.isupper() else one for one in name) for name in allowed}
    assert [name for name, flag in flags.items() if f"--{flag.removesuffix('s')}" not in shown] == []
    assert ("--job-id" in shown, "--start-by" in shown) == (False, False)
