"""The judgement over a history and what the database holds after it."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.checker.record import Event

Row = dict[str, Any]
VIOLATIONS = {
    "lost": "acknowledged, and not there under its id",
    "unexpected": "there, and never asked for",
    "partial": "an array of which only a part is there",
    "doubled": "there more than once",
    "phantom": "there, though the service said that it was not stored",
    "stuck": "not ended when all had been drained",
    "double_finish": "two words that ended a job, both accepted",
    "overlap": "two leases at one time, or one taken away before it had run out",
    "ghost_write": "a result, or an end, that nobody was told of or that was refused",
    "early": "begun before it was due",
    "non_monotone": "begun again after it had ended",
    "unexplained_run": "run again for no reason that the history shows",
}
SHOWN = 10
STALL_SLACK_S = 15.0
"""How long after a fault a lease may still run out because of it: the lease, the loops, a late heartbeat."""
ROUNDED_MS = 1
OVER = ("completed", "failed")


@dataclass(slots=True)
class Verdict:
    """Numbers of jobs, but `partial`: of arrays, and `runs`, `stale_refused`: of runs and words."""

    attempted: int = 0
    acknowledged: int = 0
    unknown: int = 0
    recovered: int = 0
    runs: int = 0
    repeated_runs: int = 0  # beyond the first of each job; all explained, but for unexplained_run
    stale_refused: int = 0
    found: Counter[str] = field(default_factory=Counter)
    examples: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def is_good(self) -> bool:
        return not self.found.total()

    def blame(self, violation: str, example: str, count: int = 1) -> None:
        """Note a broken promise."""
        assert violation in VIOLATIONS
        self.found[violation] += count
        if len(self.examples[violation]) < SHOWN:
            self.examples[violation].append(example)


def check(history: Sequence[Event], *, jobs: Sequence[Row], attempts: Sequence[Row]) -> Verdict:
    """Judge. `jobs` and `attempts` are rows of the tables once all is quiet; times in them are ms."""
    verdict = Verdict()
    of: defaultdict[str, list[Event]] = defaultdict(list)
    for event in history:
        of[event["kind"]].append(event)
    _judge_adds(verdict, of, jobs)
    ended: defaultdict[str, list[Row]] = defaultdict(list)
    for attempt in sorted(attempts, key=lambda attempt: int(attempt["nth"])):
        ended[attempt["id"]].append(attempt)
    _judge_leases(verdict, of, jobs, ended)
    _judge_ends(verdict, of, jobs)
    _judge_runs(verdict, of, {job["id"]: job for job in jobs}, ended)
    return verdict


def check_adds(history: Sequence[Event], jobs: Sequence[Row]) -> Verdict:
    """Judge the adding alone; of `jobs`, id, batch and index count."""
    verdict = Verdict()
    of: defaultdict[str, list[Event]] = defaultdict(list)
    for event in history:
        of[event["kind"]].append(event)
    _judge_adds(verdict, of, jobs)
    return verdict


def _judge_adds(verdict: Verdict, of: dict[str, list[Event]], jobs: Sequence[Row]) -> None:
    sizes = {event["batch"]: int(event["size"]) for event in of["ask"]}
    acknowledged = defaultdict(list)
    for event in of["acknowledged"]:
        acknowledged[event["batch"]].append(event["ids"])
    doubted = {event["batch"] for event in of["doubt"]}
    there: defaultdict[str, Counter[int]] = defaultdict(Counter)
    ids = set()
    for job in jobs:
        there[job["batch"]][job["index"]] += 1
        ids.add((job["id"], job["batch"], job["index"]))
        if job["batch"] not in sizes or not 0 <= job["index"] < sizes[job["batch"]]:
            verdict.blame("unexpected", f"job {job['id']} of {job['batch']}")
    for batch, size in sizes.items():
        verdict.attempted += size
        _judge_batch(verdict, batch, size, there[batch], is_sure=batch in acknowledged, is_open=batch in doubted)
        for named in acknowledged[batch]:
            promised = {(job_id, batch, index) for index, job_id in enumerate(named)}
            if missing := len(promised - ids) + max(0, size - len(named)):
                verdict.blame("lost", f"{missing} of {batch}", missing)


def _judge_batch(
    verdict: Verdict, batch: str, size: int, stored: Counter[int], *, is_sure: bool, is_open: bool
) -> None:
    if 0 < len(stored) < size:
        verdict.blame("partial", f"{len(stored)} of {size} of {batch}")
    if doubled := sum(count - 1 for count in stored.values()):
        verdict.blame("doubled", batch, doubled)
    if is_sure:
        verdict.acknowledged += size
    elif is_open:
        verdict.unknown += size
        verdict.recovered += len(stored)
    elif stored:
        verdict.blame("phantom", batch, len(stored))


def _judge_leases(
    verdict: Verdict, of: dict[str, list[Event]], jobs: Sequence[Row], ended: dict[str, list[Row]]
) -> None:
    _judge_promised_leases(verdict, of, ended)
    delays = {event["batch"]: int(event.get("delay_ms", 0)) for event in of["ask"]}
    claims: defaultdict[str, list[int]] = defaultdict(list)
    for event in of["claimed"]:
        claims[event["id"]].append(int(event["at"]))
    for job in jobs:
        name = f"job {job['id']}"
        if job["status"] not in OVER:
            verdict.blame("stuck", f"{name} is {job['status']}")
        spans = list(_spans(job, ended.get(job["id"], [])))
        for (began, over), (next_began, _over) in itertools.pairwise(spans):
            if next_began < over or next_began < began:
                verdict.blame("overlap", f"{name}: claimed at {next_began}, the lease before held to {over}")
        begun = [began for began, _over in spans] + claims[job["id"]]
        if begun and min(begun) < job["added_at"] + delays.get(job["batch"], 0):
            verdict.blame("early", f"{name}: claimed {job['added_at'] + delays[job['batch']] - min(begun)} ms early")
        if job["finished_at"] and begun and max(begun) > job["finished_at"]:
            verdict.blame("non_monotone", f"{name}: claimed {max(begun) - job['finished_at']} ms after its end")
        if len(set(claims[job["id"]])) > max(job["attempts_started"], 1):
            verdict.blame("overlap", f"{name}: {len(claims[job['id']])} claims, {job['attempts_started']} attempts")


def _judge_promised_leases(verdict: Verdict, of: dict[str, list[Event]], ended: dict[str, list[Row]]) -> None:
    """See that no lease which a worker was promised, at the claim or at a heartbeat, went to another before its end."""
    until: defaultdict[str, int] = defaultdict(int)
    claims: defaultdict[str, dict[int, Event]] = defaultdict(dict)
    for event in (*of["claimed"], *of["extended"]):
        until[event["token"]] = max(until[event["token"]], int(event["until"]))
    for event in of["claimed"]:
        claims[event["id"]][int(event["nth"])] = event
    for job_id, seen in claims.items():
        over = {int(attempt["nth"]): attempt for attempt in ended.get(job_id, [])}
        for nth, claim in seen.items():
            attempt = over.get(nth)
            if attempt is None:  # it completed, or nobody knows what became of it
                lost_at = min((int(later["at"]) for other, later in seen.items() if other > nth), default=None)
            else:
                lost_at = int(attempt["ended_at"]) if attempt["outcome"] == "stalled" else None
            if lost_at is not None and lost_at < until[claim["token"]] - ROUNDED_MS:
                verdict.blame("overlap", f"job {job_id}: lost at {lost_at}, promised to {until[claim['token']]}")


def _spans(job: Row, ended: Sequence[Row]) -> Iterator[tuple[int, int]]:
    """Give each attempt's lease, in the order of the attempts, as far as the database keeps them apart."""
    yield from ((int(attempt["started_at"]), int(attempt["ended_at"])) for attempt in ended)
    if job["status"] == "completed":
        yield int(job["processed_at"]), int(job["finished_at"])


def _judge_ends(verdict: Verdict, of: dict[str, list[Event]], jobs: Sequence[Row]) -> None:
    told: defaultdict[str, list[Event]] = defaultdict(list)
    for event in of["told"]:
        told[event["id"]].append(event)
        verdict.stale_refused += event["outcome"] == "lost"
    runs: defaultdict[str, set[str]] = defaultdict(set)
    for event in of["began"]:
        runs[event["id"]].add(event["token"])
    for job in jobs:
        words = told[job["id"]]
        accepted = [word for word in words if word["outcome"] == "ok"]
        good = [word for word in accepted if word["verb"] == "complete"]
        if len({word["token"] for word in good}) > 1 or {w["token"] for w in good} & {
            w["token"] for w in accepted if w["verb"] != "complete"
        }:
            verdict.blame("double_finish", f"job {job['id']}: {[(w['verb'], w['token'][:8]) for w in accepted]}")
        if good and (job["status"], job["result"]) != ("completed", good[-1]["result"]):
            verdict.blame(
                "ghost_write", f"job {job['id']}: told completed with {good[-1]['result']}, is {job['status']}"
            )
        elif job["status"] == "completed" and not good:
            refused = {word["token"] for word in words if word["outcome"] == "lost" and word["verb"] == "complete"}
            if job["result"] in refused or (runs[job["id"]] and job["result"] not in runs[job["id"]]):
                verdict.blame("ghost_write", f"job {job['id']} has the result of {job['result']}")


def _judge_runs(
    verdict: Verdict, of: dict[str, list[Event]], jobs: dict[str, Row], ended: dict[str, list[Row]]
) -> None:
    runs: defaultdict[str, list[str]] = defaultdict(list)
    for event in of["began"]:
        runs[event["id"]].append(event["token"])
        verdict.runs += 1
    unanswered = {(event["id"], event["token"]) for event in of["unanswered"]}
    for job_id, tokens in runs.items():
        verdict.repeated_runs += len(tokens) - 1
        attempts = set(tokens)
        causes = len(ended.get(job_id, [])) + (job_id in jobs and jobs[job_id]["status"] == "completed")
        again = sum((job_id, token) in unanswered for token in attempts)
        if len(attempts) > max(causes, 1) or len(tokens) > len(attempts) + again:
            verdict.blame("unexplained_run", f"job {job_id} ran {len(tokens)} times, for {causes} attempts that ended")
    faults = _faults(of)
    for attempt in (attempt for rows in ended.values() for attempt in rows if attempt["outcome"] == "stalled"):
        if not any(
            since <= attempt["ended_at"] and attempt["started_at"] <= until and target in {"", attempt["worker"]}
            for since, until, target in faults
        ):
            verdict.blame("unexplained_run", f"job {attempt['id']} stalled with {attempt['worker']}, which nobody hurt")


def _faults(of: dict[str, list[Event]]) -> list[tuple[float, float, str]]:
    """Say by the database's clock when a fault may have cost a lease, and whose."""
    if not of["clock"]:
        return []
    clock = of["clock"][0]
    return [
        (_ms(event["t"], clock), _ms(event["until"] + STALL_SLACK_S, clock), event["target"]) for event in of["fault"]
    ]


def _ms(t: float, clock: Event) -> float:
    return float(clock["at"]) + (t - float(clock["t"])) * 1000
