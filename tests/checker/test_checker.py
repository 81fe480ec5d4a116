"""The checker finds nothing in what a good queue does, and each fault that is planted under its own name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.checker import record, verdict
from tests.checker.record import Recorder
from tests.checker.simulated import LEASE_MS, Row, Story
from tests.checker.verdict import Verdict


def verdict_on(story: Story) -> Verdict:
    return verdict.check(story.history, jobs=story.jobs, attempts=story.attempts)


def test_a_good_queue_is_good_whatever_happens() -> None:
    for seed in range(200):
        found = verdict_on(Story(seed))
        assert found.is_good, f"seed {seed}: {dict(found.examples)}"
        assert found.attempted > found.acknowledged > 0
        assert found.repeated_runs > 0


def of(story: Story, kind: str, **members: object) -> dict[str, Any]:
    """Find the first event of a kind with these members."""
    return next(
        event
        for event in story.history
        if event["kind"] == kind and all(event.get(name) == value for name, value in members.items())
    )


def acknowledged_job(story: Story) -> Row:
    job_id = of(story, "acknowledged")["ids"][0]
    return next(job for job in story.jobs if job["id"] == job_id)


def completed_twice(story: Story) -> Row:
    """Find a job that completed after an attempt that ended otherwise."""
    ended = {attempt["id"] for attempt in story.attempts if attempt["outcome"] == "stalled"}
    return next(job for job in story.jobs if job["id"] in ended and _told(story, job))


def lose_a_batch(story: Story) -> None:
    batch = of(story, "acknowledged")["batch"]
    story.jobs[:] = [job for job in story.jobs if job["batch"] != batch]


def store_a_part(story: Story) -> None:
    batch = of(story, "doubt")["batch"]
    of(story, "ask", batch=batch)["size"] = 9
    story.jobs[:] = [job for job in story.jobs if job["batch"] != batch]
    story.jobs.append(dict(story.jobs[0]) | {"id": "900", "batch": batch, "index": 0})


def store_twice(story: Story) -> None:
    story.jobs.append(dict(story.jobs[0]) | {"id": "901"})


def store_what_nobody_asked_for(story: Story) -> None:
    story.jobs.append(dict(story.jobs[0]) | {"id": "902", "batch": "nobody's"})


def store_what_was_refused(story: Story) -> None:
    asked = of(story, "ask", batch=of(story, "refused")["batch"])
    story.jobs += [
        dict(story.jobs[0]) | {"id": f"91{index}", "batch": asked["batch"], "index": index}
        for index in range(asked["size"])
    ]


def answer_with_too_few_ids(story: Story) -> None:
    of(story, "acknowledged")["ids"].pop()


def answer_with_another_id(story: Story) -> None:
    of(story, "acknowledged")["ids"][0] = "777777"


def leave_one_waiting(story: Story) -> None:
    job = acknowledged_job(story)
    story.history[:] = [e for e in story.history if e["kind"] != "told" or e["id"] != job["id"]]
    job |= {"status": "waiting", "result": None, "finished_at": None}


def _told(story: Story, job: Row) -> bool:
    return any(
        e["kind"] == "told" and e["id"] == job["id"] and (e["verb"], e["outcome"]) == ("complete", "ok")
        for e in story.history
    )


def leave_one_active(story: Story) -> None:
    leave_one_waiting(story)
    next(job for job in story.jobs if job["status"] == "waiting")["status"] = "active"


def accept_a_stale_word(story: Story) -> None:
    job = completed_twice(story)
    of(story, "told", id=job["id"], outcome="lost")["outcome"] = "ok"


def accept_two_ways_to_end(story: Story) -> None:
    word = of(story, "told", verb="complete", outcome="ok")
    story.history.append(word | {"verb": "fail"})


def keep_the_result_of_the_stale_run(story: Story) -> None:
    job = completed_twice(story)
    job["result"] = of(story, "told", id=job["id"], outcome="lost")["token"]


def forget_an_accepted_end(story: Story) -> None:
    job = next(job for job in story.jobs if _told(story, job))
    job |= {"status": "failed", "result": None}


def make_a_result_up(story: Story) -> None:
    job = next(job for job in story.jobs if job["status"] == "completed" and _unknown(story, job))
    job["result"] = "made-up"


def _unknown(story: Story, job: Row) -> bool:
    return any(e["kind"] == "told" and e["id"] == job["id"] and e["outcome"] == "unknown" for e in story.history)


def lease_to_two(story: Story) -> None:
    job = completed_twice(story)
    first = next(attempt for attempt in story.attempts if attempt["id"] == job["id"])
    first["ended_at"] = job["finished_at"] + LEASE_MS


def stalled_claim(story: Story) -> tuple[dict[str, Any], Row]:
    """Find a lease that ran out, as its worker saw it and as it was kept."""
    attempt = next(attempt for attempt in story.attempts if attempt["outcome"] == "stalled")
    return of(story, "claimed", id=attempt["id"], nth=attempt["nth"]), attempt


def take_a_lease_away_early(story: Story) -> None:
    claim, attempt = stalled_claim(story)
    attempt["ended_at"] = claim["until"] - 500


def forget_a_heartbeat(story: Story) -> None:
    claim, attempt = stalled_claim(story)
    story.history.append(claim | {"kind": "extended", "until": attempt["ended_at"] + 500})


def claim_what_is_held(story: Story) -> None:
    claim = of(story, "claimed", nth=1)
    story.attempts[:] = [attempt for attempt in story.attempts if attempt["id"] != claim["id"]]
    story.history.append(claim | {"nth": 2, "at": claim["at"] + 100, "token": "another"})


def claim_once_too_often(story: Story) -> None:
    claim = of(story, "claimed", id=acknowledged_job(story)["id"])
    story.history += [claim | {"at": claim["at"] + nth, "token": f"extra-{nth}"} for nth in range(-40, 0)]


def claim_early(story: Story) -> None:
    job = next(job for job in story.jobs if job["delay_ms"])
    of(story, "claimed", id=job["id"])["at"] = job["added_at"] + 1


def claim_after_the_end(story: Story) -> None:
    job = completed_twice(story)
    claims = [e for e in story.history if e["kind"] == "claimed" and e["id"] == job["id"]]
    claims[-1]["at"] = job["finished_at"] + 5


def run_the_same_attempt_again(story: Story) -> None:
    story.history.append(dict(of(story, "began")))


def run_without_a_cause(story: Story) -> None:
    began = of(story, "began", id=next(job["id"] for job in story.jobs if job["attempts_started"] == 1))
    story.history.append(began | {"token": "another"})


def stall_whom_nobody_hurt(story: Story) -> None:
    story.history[:] = [event for event in story.history if event["kind"] != "fault"]


PLANTED: dict[Callable[[Story], None], str] = {
    lose_a_batch: "lost",
    store_a_part: "partial",
    store_twice: "doubled",
    store_what_nobody_asked_for: "unexpected",
    store_what_was_refused: "phantom",
    answer_with_too_few_ids: "lost",
    answer_with_another_id: "lost",
    leave_one_waiting: "stuck",
    leave_one_active: "stuck",
    accept_a_stale_word: "double_finish",
    accept_two_ways_to_end: "double_finish",
    keep_the_result_of_the_stale_run: "ghost_write",
    forget_an_accepted_end: "ghost_write",
    make_a_result_up: "ghost_write",
    lease_to_two: "overlap",
    take_a_lease_away_early: "overlap",
    forget_a_heartbeat: "overlap",
    claim_what_is_held: "overlap",
    claim_once_too_often: "overlap",
    claim_early: "early",
    claim_after_the_end: "non_monotone",
    run_the_same_attempt_again: "unexplained_run",
    run_without_a_cause: "unexplained_run",
    stall_whom_nobody_hurt: "unexplained_run",
}


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_fault_is_found_under_its_name(plant: Callable[[Story], None]) -> None:
    for seed in range(20):
        story = Story(seed)
        plant(story)
        assert PLANTED[plant] in verdict_on(story).found, f"seed {seed}"


def test_a_call_that_had_no_answer_may_come_once_more_and_no_more() -> None:
    story = Story(3)
    again = dict(of(story, "began"))
    story.history += [again, again | {"kind": "unanswered"}]
    assert verdict_on(story).is_good

    story.history.append(again)
    assert verdict_on(story).found["unexplained_run"] == 1


def test_one_lost_in_ten_thousand_is_found() -> None:
    story = Story(7, batches=2_500)
    assert len(story.jobs) > 5_000
    lost = acknowledged_job(story)
    story.jobs.remove(lost)

    assert verdict_on(story).found["lost"] == 1


def test_a_history_is_read_as_it_was_written_but_for_a_last_line_that_was_cut(tmp_path: Path) -> None:
    writer = Recorder(tmp_path / "history.jsonl")
    writer.note("ask", batch="b", size=2)
    writer.note("doubt", batch="b")
    writer.close()
    with writer.path.open("a") as file:
        file.write('{"t": 1, "ki')

    events = record.read(writer.path, tmp_path / "absent.jsonl")

    assert [(event["kind"], event["batch"]) for event in events] == [("ask", "b"), ("doubt", "b")]
