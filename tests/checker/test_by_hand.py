"""The checker finds nothing in what hands may do to a good queue, and each fault planted in it under its own name."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.checker import test_checker, verdict
from tests.checker.handled import HandledStory
from tests.checker.simulated import LEASE_MS, Row, Story
from tests.checker.test_checker import of
from tests.checker.verdict import VIOLATIONS, Verdict


def verdict_on(story: Story) -> Verdict:
    return verdict.check(story.history, jobs=story.jobs, attempts=story.attempts)


def test_a_good_queue_is_good_whatever_hands_do() -> None:
    for seed in range(100):
        found = verdict_on(HandledStory(seed))
        assert found.is_good, f"seed {seed}: {dict(found.examples)}"
        assert found.gone > 0


def acts(story: Story, verb: str, outcome: str = "ok") -> list[dict[str, Any]]:
    return [e for e in story.history if e["kind"] == "hand" and (e["verb"], e["outcome"]) == (verb, outcome)]


def touched(story: Story, job_id: str, *verbs: str) -> list[dict[str, Any]]:
    """Return what hands did to a job, or the calls of these verbs."""
    return [e for e in story.history if e["kind"] == "hand" and e["id"] == job_id and (not verbs or e["verb"] in verbs)]


def claims(story: Story, job_id: str) -> list[dict[str, Any]]:
    return [e for e in story.history if e["kind"] == "claimed" and e["id"] == job_id]


def stored(story: Story, job_id: str) -> Row | None:
    return next((job for job in story.jobs if job["id"] == job_id), None)


def kept(story: Story, keeps: Row) -> list[str]:
    """Return the acknowledged jobs with this retention."""
    batches = {e["batch"] for e in story.history if e["kind"] == "ask" and e["keeps"] == keeps}
    added = [e for e in story.history if e["kind"] == "acknowledged" and e["batch"] in batches]
    return [job_id for event in added for job_id in event["ids"]]


def hand(story: Story, verb: str, job_id: str, *, since: int, ms: int, outcome: str = "ok", **about: Any) -> None:
    """Add a call by hand to a history, from `since` to `ms`."""
    asked, t = (story.seconds(at) for at in (since, ms))
    event = {"kind": "hand", "verb": verb, "queue": "q", "id": job_id, "outcome": outcome, "asked": asked}
    story.history.append(event | {"since": since, "ms": ms, "t": t} | about)


def pause_around(story: Story, at: int, **about: Any) -> None:
    hand(story, "pause", "", since=at - 20, ms=at - 10, **about)
    hand(story, "resume", "", since=at + 10, ms=at + 20)


def hand_out_in_a_pause(story: Story) -> None:
    story.history[:] = [e for e in story.history if e.get("verb") != "resume" or e["outcome"] != "unknown"]
    pause_around(story, of(story, "claimed")["at"])


def hand_out_in_a_pause_to_a_worker_on_the_database(story: Story) -> None:
    job = next(job for job in story.jobs if job["status"] == "completed")
    hand_out_in_a_pause(story)
    story.history[:] = [e for e in story.history if e["kind"] != "claimed"]
    pause_around(story, job["processed_at"])


def hand_out_more_than_was_in_flight(story: Story) -> None:
    claim = of(story, "claimed")
    hand_out_in_a_pause(story)
    acts(story, "pause")[-1]["in_flight"] = 1
    story.history.append(claim | {"at": claim["at"] + 1, "id": "no other"})


def removed(story: Story) -> dict[str, Any]:
    return next(act for act in acts(story, "remove") if claims(story, act["id"]))


def keep_what_was_removed(story: Story) -> None:
    act = acts(story, "remove")[0]
    added = next(e for e in story.history if e["kind"] == "acknowledged" and act["id"] in e["ids"])
    place = {"id": act["id"], "batch": added["batch"], "index": added["ids"].index(act["id"])}
    story.jobs.append(story.jobs[0] | place)


def hand_out_what_was_removed(story: Story) -> None:
    act = removed(story)
    claim = claims(story, act["id"])[-1]
    story.history.append(claim | {"at": act["ms"] + 5, "nth": claim["nth"] + 1})


def accept_a_word_about_what_was_removed(story: Story) -> None:
    act = acts(story, "remove")[0]
    word = of(story, "told", outcome="ok")
    story.history.append(word | {"id": act["id"], "asked": act["t"] + 0.5, "t": act["t"] + 1})


def keep_what_had_to_go_at_its_end(story: Story) -> None:
    job_id = next(i for i in kept(story, {"removeOnComplete": True}) if not stored(story, i) and not touched(story, i))
    added = next(e for e in story.history if e["kind"] == "acknowledged" and job_id in e["ids"])
    done = next(job for job in story.jobs if job["status"] == "completed")
    story.jobs.append(done | {"id": job_id, "batch": added["batch"], "index": added["ids"].index(job_id)})


def keep_what_had_to_go_as_it_failed(story: Story) -> None:
    job = next(job for job in story.jobs if job["status"] == "failed")
    of(story, "ask", batch=job["batch"])["keeps"] = {"removeOnFail": True}


def leave_the_attempts_of_what_was_removed(story: Story) -> None:
    story.attempts.append(story.attempts[0] | {"id": removed(story)["id"]})


def changed(story: Story) -> tuple[dict[str, Any], dict[str, Any]]:
    """Find a claim and the acknowledged change that it had to see."""
    for act in acts(story, "change"):
        if touched(story, act["id"], "change")[-1] is act and (found := claims(story, act["id"])):
            return found[0], act
    raise AssertionError


def hand_out_old_data(story: Story) -> None:
    claim, act = changed(story)
    claim["rev"] = act["rev"] - 1


def hand_out_with_the_old_priority(story: Story) -> None:
    claim, act = changed(story)
    claim["priority"] = act["priority"] + 1


def run_with_old_data(story: Story) -> None:
    job = next(j for j in story.jobs if j["status"] == "completed" and j["rev"] and acts(story, "change"))
    story.history[:] = [e for e in story.history if e["kind"] != "claimed" or e["id"] != job["id"]]
    of(story, "began", id=job["id"], token=job["result"])["rev"] = 7


def obey_a_refused_change(story: Story) -> None:
    act = next(act for act in acts(story, "change", "refused") if claims(story, act["id"]))
    claims(story, act["id"])[0]["rev"] = 100 + act["rev"]


def forget_a_change(story: Story) -> None:
    job = next(job for job in story.jobs if job["rev"])
    job["rev"] = 9 if touched(story, job["id"], "change")[-1]["outcome"] == "unknown" else 0


def cancelled(story: Story) -> dict[str, Any]:
    return next(act for act in acts(story, "cancel") if not touched(story, act["id"], "retry"))


def hand_out_what_was_cancelled(story: Story) -> None:
    act = cancelled(story)
    claim = of(story, "claimed")
    story.history.append(claim | {"id": act["id"], "at": act["ms"] + 5})


def complete_what_was_cancelled(story: Story) -> None:
    job = next(job for act in acts(story, "cancel") if (job := stored(story, act["id"])) and job["failed_code"])
    story.history[:] = [e for e in story.history if e.get("id") != job["id"] or e.get("verb") != "retry"]
    job |= {"status": "completed", "failed_code": None, "result": "x", "processed_at": job["finished_at"]}


def cancel_what_nobody_cancelled(story: Story) -> None:
    job = next(job for job in story.jobs if not touched(story, job["id"]))
    story.history[:] = [e for e in story.history if e.get("id") != job["id"] or e["kind"] != "told"]
    job |= {"status": "failed", "failed_code": "cancelled", "result": None}


def completed_again(story: Story) -> tuple[Row, list[dict[str, Any]]]:
    """Find a job that completed, was retried and completed again, as its workers were told both times."""
    for act in acts(story, "retry"):
        done = [
            e
            for e in story.history
            if e["kind"] == "told" and e["id"] == act["id"] and (e["verb"], e["outcome"]) == ("complete", "ok")
        ]
        job = stored(story, act["id"])
        if job and len(done) == 2 and len(touched(story, act["id"])) == 1:
            return job, done
    raise AssertionError


def undo_a_retry(story: Story) -> None:
    job, (first, second) = completed_again(story)
    story.history.remove(second)
    claim = next(claim for claim in claims(story, job["id"]) if claim["token"] == first["token"])
    job |= {"result": first["result"], "processed_at": claim["at"], "finished_at": first["ms"]}


def undo_a_retry_of_what_a_worker_on_the_database_did(story: Story) -> None:
    undo_a_retry(story)
    story.history[:] = [e for e in story.history if e["kind"] not in {"claimed", "told"}]


def complete_twice_with_no_retry(story: Story) -> None:
    job, _done = completed_again(story)
    story.history.remove(touched(story, job["id"])[0])


def complete_twice_with_a_refused_retry(story: Story) -> None:
    job, _done = completed_again(story)
    touched(story, job["id"])[0] |= {"outcome": "refused", "code": "database_unavailable"}


def begin_again_before_the_retry(story: Story) -> None:
    job, _done = completed_again(story)
    retry = touched(story, job["id"])[0]
    retry |= {"since": retry["ms"] + 5_000, "ms": retry["ms"] + 5_010}


def run_more_often_than_was_retried(story: Story) -> None:
    job, _done = completed_again(story)
    began = of(story, "began", id=job["id"])
    story.history += [began | {"token": f"extra-{nth}"} for nth in range(10)]


def give_a_lease_away_before_the_retry(story: Story) -> None:
    job, (first, _second) = completed_again(story)
    story.history[:] = [e for e in story.history if e["kind"] != "hand" or e["id"] != job["id"]]
    assert next(c for c in claims(story, job["id"]) if c["token"] == first["token"])["until"] > first["ms"]


def give_away_a_lease_of_a_job_that_is_gone(story: Story) -> None:
    job_id = next(
        i for i in kept(story, {"removeOnComplete": True}) if not stored(story, i) and claims(story, i)
    )  # fmt: skip
    claim = claims(story, job_id)[0]
    story.history[:] = [e for e in story.history if e["kind"] != "hand" or e["id"] != job_id or e["verb"] != "retry"]
    story.history += [
        claim | {"nth": 100, "at": claim["at"] + 10**6, "until": claim["at"] + 10**6 + LEASE_MS, "token": "a"},
        claim | {"nth": 101, "at": claim["at"] + 10**6 + 50, "token": "b"},
    ]


def lose_what_a_hand_did_not_get_removed(story: Story) -> None:
    act = next(
        act
        for act in acts(story, "remove", "refused")
        if stored(story, act["id"]) and len(touched(story, act["id"])) == 1
    )
    story.jobs[:] = [job for job in story.jobs if job["id"] != act["id"]]


def lose_what_is_kept_for_an_hour(story: Story) -> None:
    found = next(i for i in kept(story, {"removeOnComplete": {"age": 3600}}) if not touched(story, i, "remove"))
    story.jobs[:] = [job for job in story.jobs if job["id"] != found]


def lose_before_it_ran(story: Story) -> None:
    found = next(i for i in kept(story, {"removeOnComplete": True}) if not touched(story, i, "remove"))
    story.jobs[:] = [job for job in story.jobs if job["id"] != found]
    story.history[:] = [e for e in story.history if e.get("id") != found or e["kind"] != "began"]


def refuse_to_retry_what_has_ended(story: Story) -> None:
    word = of(story, "told", verb="complete", outcome="ok")
    refused = {"outcome": "refused", "code": "job_not_finished"}
    hand(story, "retry", word["id"], since=word["ms"] + 10**6, ms=word["ms"] + 10**6 + 5, **refused)
    story.history[:] = [e for e in story.history if e.get("id") != word["id"] or e.get("outcome") != "unknown"]


def find_no_job_that_is_there(story: Story) -> None:
    hand(story, "change", story.jobs[0]["id"], since=1, ms=2, outcome="refused", code="job_not_found")


def forget_that_a_word_was_taken(story: Story) -> None:
    story.history.append({"kind": "told again", "t": 1.0, "token": "x", "outcome": "lost"} | {"id": _remembered(story)})


def _remembered(story: Story) -> str:
    return next(i for i in kept(story, {"removeOnComplete": True}) if not touched(story, i) and claims(story, i))


def promote_though_that_was_refused(story: Story) -> None:
    job = next(job for job in story.jobs if job["delay_ms"] and not touched(story, job["id"]))
    at = job["added_at"] + 1
    hand(story, "promote", job["id"], since=at - 1, ms=at, outcome="refused", code="database_unavailable")
    claims(story, job["id"])[0]["at"] = at


PLANTED: dict[Callable[[Story], None], str] = {
    hand_out_in_a_pause: "paused",
    hand_out_in_a_pause_to_a_worker_on_the_database: "paused",
    hand_out_more_than_was_in_flight: "paused",
    keep_what_was_removed: "not_removed",
    hand_out_what_was_removed: "not_removed",
    accept_a_word_about_what_was_removed: "not_removed",
    keep_what_had_to_go_at_its_end: "not_removed",
    keep_what_had_to_go_as_it_failed: "not_removed",
    leave_the_attempts_of_what_was_removed: "not_removed",
    hand_out_old_data: "old_data",
    hand_out_with_the_old_priority: "old_data",
    run_with_old_data: "old_data",
    obey_a_refused_change: "old_data",
    forget_a_change: "old_data",
    hand_out_what_was_cancelled: "undone",
    complete_what_was_cancelled: "undone",
    cancel_what_nobody_cancelled: "ghost_write",
    undo_a_retry: "undone",
    undo_a_retry_of_what_a_worker_on_the_database_did: "undone",
    complete_twice_with_no_retry: "double_finish",
    complete_twice_with_a_refused_retry: "double_finish",
    begin_again_before_the_retry: "non_monotone",
    run_more_often_than_was_retried: "unexplained_run",
    give_a_lease_away_before_the_retry: "overlap",
    give_away_a_lease_of_a_job_that_is_gone: "overlap",
    lose_what_a_hand_did_not_get_removed: "lost",
    lose_what_is_kept_for_an_hour: "lost",
    lose_before_it_ran: "lost",
    refuse_to_retry_what_has_ended: "refused",
    find_no_job_that_is_there: "refused",
    forget_that_a_word_was_taken: "refused",
    promote_though_that_was_refused: "early",
}


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_fault_that_is_planted_among_hands_is_found_under_its_name(plant: Callable[[Story], None]) -> None:
    for seed in range(8):
        story = HandledStory(seed, batches=100)
        plant(story)
        assert PLANTED[plant] in verdict_on(story).found, f"seed {seed}"


def test_every_violation_has_a_fault_that_shows_it() -> None:
    assert {*PLANTED.values(), *test_checker.PLANTED.values()} == set(VIOLATIONS)
