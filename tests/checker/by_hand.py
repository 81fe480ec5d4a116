"""The rules for what hands do: pauses, removals, changes, cancels, retries, and the calls that were refused."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from tests.checker.acts import MAYBE, SURE, Acts, Row, may_follow
from tests.checker.record import Event

LATE_MS = 15_000
"""How long after its connection broke a resume may still have its effect."""
Blame = Callable[[str, str], None]
Seen = tuple[int, int]  # the revision of a job's data, and its priority


def judge(
    blame: Blame, of: Mapping[str, list[Event]], acts: Acts, jobs: Sequence[Row], ended: Mapping[str, list[Row]]
) -> None:
    """Judge all that the history says of hands."""
    claims: defaultdict[str, list[int]] = defaultdict(list)
    for event in of["claimed"]:
        claims[event["id"]].append(int(event["at"]))
    for job in jobs:
        claims[job["id"]] += [int(attempt["started_at"]) for attempt in ended.get(job["id"], ())]
        claims[job["id"]] += [int(job["processed_at"])] if job["processed_at"] else []
    stored = {job["id"]: job for job in jobs}
    _judge_pauses(blame, of, acts, jobs, ended)
    _judge_removals(blame, acts, stored, claims, ended)
    _judge_changes(blame, of, acts, stored)
    for name, _ in acts:
        _judge_claims_after_ends(blame, acts, name, claims[name])
        _judge_refusals(blame, acts, name, is_stored=name in stored)
    _judge_repeated_words(blame, of, acts, stored)


def _judge_pauses(
    blame: Blame, of: Mapping[str, list[Event]], acts: Acts, jobs: Sequence[Row], ended: Mapping[str, list[Row]]
) -> None:
    starts: defaultdict[str, set[int]] = defaultdict(set)  # one claim has one moment, however many jobs it hands out
    for event in of["claimed"]:
        starts[event.get("queue", "")].add(int(event["at"]))
    for job in jobs:
        moments = [job["processed_at"], *(attempt["started_at"] for attempt in ended.get(job["id"], ()))]
        starts[job.get("queue", "")].update(int(at) for at in moments if at)
    for queue, calls in acts.queues:
        for since, until, in_flight in pauses(calls):
            within = sorted(at for at in starts[queue] if since < at < until - 1)
            if len(within) > in_flight:
                blame(
                    "paused", f"{queue}: claims at {within[:3]}, paused from {since} to {until}, {in_flight} in flight"
                )


def pauses(calls: Sequence[Event]) -> list[tuple[int, float, int]]:
    """Return from when to when a queue was paused for sure, and how many claims were still in flight then."""
    resumes = [call for call in calls if call["verb"] == "resume" and call["outcome"] in MAYBE]
    found = []
    for pause in calls:
        if (pause["verb"], pause["outcome"]) != ("pause", "ok"):
            continue
        until = min((call["since"] for call in resumes if call["ms"] >= pause["since"]), default=math.inf)
        lost = [call for call in resumes if call["outcome"] == "unknown" and call["since"] < pause["ms"]]
        if not any(call["ms"] + LATE_MS > pause["ms"] for call in lost):
            found.append((int(pause["ms"]), until, int(pause.get("in_flight", 0))))
    return found


def _judge_removals(
    blame: Blame,
    acts: Acts,
    stored: Mapping[str, Row],
    claims: Mapping[str, list[int]],
    ended: Mapping[str, list[Row]],
) -> None:
    for name, _ in acts:
        for removal in acts.of(name, "remove", SURE):
            if name in stored:
                blame("not_removed", f"job {name} is {stored[name]['status']}")
            if late := [at for at in claims[name] if at > removal["ms"]]:
                blame("not_removed", f"job {name}: claimed {late[0] - removal['ms']} ms after its removal")
            if any(word["outcome"] == "ok" and word["asked"] > removal["t"] for word in acts.words.get(name, ())):
                blame("not_removed", f"job {name}: a word about it was accepted after its removal")
    for job in stored.values():
        keep = {"completed": "removeOnComplete", "failed": "removeOnFail"}.get(job["status"], "")
        if acts.keeps.get(job["batch"], {}).get(keep) is True:
            blame("not_removed", f"job {job['id']} has {job['status']}, and was not to be kept")
    for name in ended.keys() - stored.keys():
        blame("not_removed", f"job {name} is gone, its attempts are not")


def _judge_changes(blame: Blame, of: Mapping[str, list[Event]], acts: Acts, stored: Mapping[str, Row]) -> None:
    for event in of["claimed"]:
        _judge_sight(blame, acts, event["id"], _seen(event), int(event["at"]))
    for event in of["began"]:  # which says not when it was claimed, but the database does if that attempt completed
        job = stored.get(event["id"])
        if job and job["status"] == "completed" and job["result"] == event["token"]:
            _judge_sight(blame, acts, event["id"], _seen(event), int(job["processed_at"]))
    for job in stored.values():
        _judge_sight(blame, acts, job["id"], _seen(job), math.inf)


def _seen(event: Mapping[str, int]) -> Seen:
    return event.get("rev", 0), event.get("priority", 0)


def _judge_sight(blame: Blame, acts: Acts, name: str, seen: Seen, at: float) -> None:
    """See that a job had, at `at` ms, what the last change before that gave it, or one that may have come before."""
    changes = acts.of(name, "change")
    over = [nth for nth, change in enumerate(changes) if change["outcome"] == "ok" and change["ms"] < at]
    begun = [_seen(change) for change in changes[over[-1] + 1 if over else 0 :] if change["since"] <= at]
    possible = [_seen(changes[over[-1]]) if over else (0, 0), *begun]
    if seen not in possible:
        blame("old_data", f"job {name} had revision {seen[0]} and priority {seen[1]}, not of {possible}")


def _judge_claims_after_ends(blame: Blame, acts: Acts, name: str, claims: Sequence[int]) -> None:
    cancels = [(act["asked"], int(act["ms"]), "undone", "cancel") for act in acts.of(name, "cancel", SURE)]
    ends = [(end.asked, end.ms, "non_monotone", "end") for end in acts.ends(name) if end.status == "completed"]
    retries = acts.of(name, "retry")
    for asked, ms, violation, what in (*cancels, *ends):
        after = [at for at in claims if at > ms]
        if late := [
            at for at in after if not any(retry["since"] <= at and may_follow(retry, asked) for retry in retries)
        ]:
            blame(violation, f"job {name}: claimed {late[0] - ms} ms after its {what}, and nobody had retried it")


def _judge_refusals(blame: Blame, acts: Acts, name: str, *, is_stored: bool) -> None:
    """See that no call was refused which had to be taken: on a job that had ended, or that is there."""
    retries = acts.of(name, "retry")
    for verb in ("retry", "remove", "change", "cancel", "promote"):
        for act in acts.of(name, verb, ("refused",)):
            if act["code"] == "job_not_found" and is_stored:
                blame("refused", f"job {name} is there, and was not found to {verb}")
            if act["code"] in {"job_not_finished", "job_active"} and any(
                end.t < act["asked"]
                and not any(retry["asked"] < act["t"] and may_follow(retry, end.asked) for retry in retries)
                for end in acts.ends(name)
            ):
                blame("refused", f"job {name} had ended: {verb} was refused as {act['code']}")


def _judge_repeated_words(blame: Blame, of: Mapping[str, list[Event]], acts: Acts, stored: Mapping[str, Row]) -> None:
    batches = {name: event["batch"] for event in of["acknowledged"] for name in event["ids"]}
    for word in of["told again"]:
        name = word["id"]
        is_remembered = acts.keeps.get(batches.get(name, ""), {}).get("removeOnComplete") is True
        is_touched = acts.of(name, "retry") or acts.of(name, "remove")
        if word["outcome"] == "lost" and (name in stored or is_remembered) and not is_touched:
            blame("refused", f"job {name}: that it had completed was taken once, and refused when it was repeated")
