"""What the checker allows because of what hands did, and no more than that."""

from typing import Any

import pytest

from tests.checker import by_hand, verdict
from tests.checker.simulated import Story
from tests.checker.test_by_hand import claims, hand, verdict_on


def call(verb: str, since: int, ms: int, outcome: str = "ok", **about: Any) -> dict[str, Any]:
    return {"verb": verb, "outcome": outcome, "since": since, "ms": ms} | about


def test_a_pause_holds_from_its_answer_until_somebody_may_have_resumed_the_queue() -> None:
    pause, resume = call("pause", 100_000, 100_005), call("resume", 100_900, 100_950)

    assert by_hand.pauses([pause, resume]) == [(100_005, 100_900, 0)]
    assert by_hand.pauses([pause, call("resume", 100_500, 100_600, "unknown"), resume]) == [(100_005, 100_500, 0)]
    assert by_hand.pauses([pause, call("resume", 100_500, 100_600, "refused"), resume]) == [(100_005, 100_900, 0)]
    assert by_hand.pauses([call("pause", 1, 2, "unknown"), call("pause", 3, 4, "refused"), resume]) == []


def test_a_resume_without_an_answer_may_end_a_pause_that_came_soon_after() -> None:
    lost, resume = call("resume", 50_000, 50_010, "unknown"), call("resume", 90_900, 90_950)

    assert by_hand.pauses([lost, call("pause", 60_000, 60_005), resume]) == []
    assert by_hand.pauses([lost, call("pause", 70_000, 70_005), resume]) == [(70_005, 90_900, 0)]


@pytest.mark.parametrize(
    ("outcome", "tries", "overlaps"), [("ok", 1, 0), ("unknown", 5, 0), ("lost", 2, 0), ("lost", 1, 1)]
)
def test_of_a_job_that_is_gone_a_word_ends_a_lease_if_it_may_have_been_taken(
    outcome: str, tries: int, overlaps: int
) -> None:
    history = [
        {"kind": "ask", "t": 0.0, "batch": "b", "queue": "q", "size": 1, "keeps": {"removeOnComplete": True}},
        {"kind": "acknowledged", "t": 0.1, "batch": "b", "ids": ["1"]},
        *({"kind": "began", "t": 0.2 + nth, "id": "1", "token": f"token-{nth}"} for nth in (1, 2)),
        {"kind": "claimed", "t": 0.2, "id": "1", "nth": 1, "token": "token-1", "at": 1_000, "until": 3_000},
        {"kind": "claimed", "t": 1.2, "id": "1", "nth": 2, "token": "token-2", "at": 2_000, "until": 4_000},
        {"kind": "told", "t": 1.3, "id": "1", "token": "token-1", "verb": "fail", "result": None, "asked": 0.5}
        | {"outcome": outcome, "tries": tries},
    ]

    assert verdict.check(history, jobs=[], attempts=[]).found["overlap"] == overlaps


@pytest.mark.parametrize(
    ("verb", "outcome", "is_early"),
    [
        ("promote", "ok", 0),
        ("promote", "unknown", 0),
        ("retry", "ok", 0),
        ("promote", "refused", 1),
        ("cancel", "ok", 1),
    ],
)
def test_a_promote_or_a_retry_ends_the_delay_of_a_job(verb: str, outcome: str, is_early: int) -> None:
    story = Story(1)
    job = next(job for job in story.jobs if job["delay_ms"])
    at = claims(story, job["id"])[0]["at"] = job["added_at"] + 10
    hand(story, verb, job["id"], since=at - 5, ms=at - 1, outcome=outcome, code="x", status="failed")

    assert verdict_on(story).found["early"] == is_early


def test_the_newest_that_completed_stay_where_a_count_is_kept() -> None:
    history = [
        {"kind": "ask", "t": 0.0, "batch": "b", "queue": "q", "size": 4, "keeps": {"removeOnComplete": 2}},
        {"kind": "acknowledged", "t": 0.1, "batch": "b", "ids": ["1", "2", "3", "4"]},
        *({"kind": "began", "t": 0.2, "id": job_id, "token": job_id} for job_id in "1234"),
    ]

    def lost(*there: int) -> int:
        row = {"status": "completed", "queue": "q", "batch": "b", "added_at": 1, "processed_at": 2, "finished_at": 3}
        row |= {"attempts_started": 1}
        jobs = [row | {"id": str(number), "index": number - 1, "result": str(number)} for number in there]
        return verdict.check(history, jobs=jobs, attempts=[]).found["lost"]

    assert lost(3, 4) == lost(1, 3, 4) == 0
    assert lost(2, 4) == 1
    assert lost(4) == 3
