"""The judge of `make faults`: whatever is not as promised ends the run with 1. And a short run of it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos import report
from tests.chaos.listener import fault_of
from tests.chaos.load import Producer
from tests.chaos.reply import Reply
from tests.chaos.report import Run
from tests.checker import record
from tests.checker.record import Recorder
from tests.checker.verdict import Verdict
from tests.support.clusters import ROOT
from tests.support.raw import Answer


def test_answers_in_time_and_a_whole_database_are_good() -> None:
    run = Run(1, recoveries_s={"kill": [0.5, 4.9]})
    replies = (Reply(0.0, 4.9, 200), Reply(0.0, 2.8, 503), Reply(0.0, 9.0, 0))
    assert not report.judge(run, Verdict(), replies)


@pytest.fixture
def history(tmp_path: Path) -> Iterator[Recorder]:
    recorder = Recorder(tmp_path / "history.jsonl")
    yield recorder
    recorder.close()


def lost() -> Verdict:
    verdict = Verdict()
    verdict.blame("lost", "1 of mark")
    return verdict


@pytest.mark.parametrize(
    ("run", "reply", "verdict"),
    [
        (Run(1), Reply(0.0, 5.1, 503), Verdict()),
        (Run(1), Reply(0.0, 0.1, 500, "500: b'x'"), Verdict()),
        (Run(1), Reply(0.0, 10.0, -1, "no answer"), Verdict()),
        (Run(1, recoveries_s={"kill": [0.1, 5.1]}), Reply(0.0, 0.1, 200), Verdict()),
        (Run(1, violations=["processes are gone"]), Reply(0.0, 0.1, 200), Verdict()),
        (Run(1), Reply(0.0, 0.1, 200), lost()),
    ],
)
def test_every_promise_that_is_broken_is_told(run: Run, reply: Reply, verdict: Verdict) -> None:
    assert report.judge(run, verdict, [reply])


A, C = ("active", 1), ("completed", 0)
WHOLE = [("added", 0), ("due", 0), A, ("retrying", 0), ("active", 2), C]


@pytest.mark.parametrize(
    ("told", "status", "attempts", "fault"),
    [
        (WHOLE, "completed", 2, None),
        ([*WHOLE, ("removed", 0), ("added", 0)], "delayed", 0, None),
        ([*WHOLE, ("retried", 0), ("active", 3), ("released", 0)], "waiting", 3, None),
        ([], "waiting", 0, "leave it gone"),
        (WHOLE[1:], "completed", 2, "have it due while it is gone"),
        (WHOLE[:2] + WHOLE[3:], "completed", 2, "have it retrying while it is waiting"),
        ([*WHOLE[:3], C], "completed", 2, "leave it ended after 1"),
        ([*WHOLE[:2], *WHOLE[4:]], "completed", 2, "begin attempt 2 after 0"),
        (WHOLE[:-1], "completed", 2, "leave it active"),
        ([*WHOLE, C], "completed", 2, "have it completed while it is ended"),
        ([WHOLE[0], A, C, ("removed", 0)], "completed", 1, "leave it gone"),
    ],
)
def test_the_events_of_a_job_lead_to_where_it_is(
    told: list[tuple[str, int]], status: str, attempts: int, fault: str | None
) -> None:
    found = fault_of(told, status, attempts)
    assert found is None if fault is None else found is not None and found.startswith(fault)


@pytest.mark.parametrize(
    ("status", "headers", "is_keyed", "is_good"),
    [
        (503, {"retry-after": "1"}, False, True),
        (503, {}, False, False),
        (409, {"retry-after": "1"}, True, True),
        (409, {"retry-after": "1"}, False, False),
        (500, {}, True, False),
        (400, {}, True, False),
    ],
)
def test_a_producer_takes_nothing_but_200_and_503_with_retry_after(
    *, history: Recorder, status: int, headers: dict[str, str], is_keyed: bool, is_good: bool
) -> None:
    producer = Producer(1, history, name="p", seed="1", is_keyed=is_keyed)
    assert (producer.note("mark", Answer(status, headers, b"{}")) == "") == is_good


@pytest.mark.parametrize(("body", "doubts"), [(b"{}", 0), (b'{"outcome": "unknown"}', 1)])
def test_what_a_503_says_was_not_stored_is_not_unknown(history: Recorder, body: bytes, doubts: int) -> None:
    Producer(1, history, name="p", seed="1", is_keyed=False).note("mark", Answer(503, {"retry-after": "1"}, body))
    assert len(record.read(history.path)) == doubts


def test_a_short_run_breaks_no_promise() -> None:
    only = ("F01 kill-api-process", "F07 kill-worker", "F15 kill-backend", "F21 cut-after-commit", "kill-dispatcher")
    options = ["--producers", "4", *(part for fault in only for part in ("--only", fault))]
    ran = subprocess.run(
        [sys.executable, "-m", "tests.chaos", "--seed", "4", "--scale", "0.01", "--within-s", "60", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-8_000:] + ran.stderr[-4_000:]
