"""The judgement over a history and what the database holds after it."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.checker import by_hand
from tests.checker.acts import SURE, Acts, Row, may_follow, may_have_settled
from tests.checker.record import Event

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
    "paused": "claimed while its queue was paused",
    "not_removed": "there, claimed or accepted after it was removed, or left of it",
    "old_data": "claimed, or left, without a change that was acknowledged, or with one that nobody made",
    "undone": "a cancel or a retry that was acknowledged and did not hold",
    "refused": "a call refused that had to be taken",
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
    gone: int = 0  # removed, by a hand or by their retention
    pauses: int = 0  # that were acknowledged, and from when to when is known
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
    acts = Acts(of)
    gone = acts.gone(of["acknowledged"], jobs)
    verdict.gone = len(gone)
    verdict.pauses = sum(len(by_hand.pauses(calls)) for _, calls in acts.queues)
    _judge_adds(verdict, of, [*jobs, *gone])
    ended: defaultdict[str, list[Row]] = defaultdict(list)
    for attempt in sorted(attempts, key=lambda attempt: int(attempt["nth"])):
        ended[attempt["id"]].append(attempt)
    stored = {job["id"]: job for job in jobs}
    _judge_promised_leases(verdict, of, acts, stored, ended)
    _judge_leases(verdict, of, acts, jobs, ended)
    _judge_ends(verdict, acts, jobs)
    _judge_runs(verdict, of, acts, stored, ended)
    by_hand.judge(verdict.blame, of, acts, jobs, ended)
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
    verdict: Verdict, of: dict[str, list[Event]], acts: Acts, jobs: Sequence[Row], ended: dict[str, list[Row]]
) -> None:
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
        due_at = job["added_at"] + delays.get(job["batch"], 0)
        if begun and min(begun) < due_at and not acts.may_be_ready_early(job["id"], min(begun)):
            verdict.blame("early", f"{name}: claimed {due_at - min(begun)} ms early")
        if job["finished_at"] and begun and max(begun) > job["finished_at"]:
            verdict.blame("non_monotone", f"{name}: claimed {max(begun) - job['finished_at']} ms after its end")
        if len(set(claims[job["id"]])) > max(job["attempts_started"], 1):
            verdict.blame("overlap", f"{name}: {len(claims[job['id']])} claims, {job['attempts_started']} attempts")


def _judge_promised_leases(
    verdict: Verdict, of: dict[str, list[Event]], acts: Acts, stored: dict[str, Row], ended: dict[str, list[Row]]
) -> None:
    """See that no lease which a worker was promised, at the claim or at a heartbeat, went to another before its end."""
    until: defaultdict[str, int] = defaultdict(int)
    claims: defaultdict[str, dict[int, Event]] = defaultdict(dict)
    for event in (*of["claimed"], *of["extended"]):
        until[event["token"]] = max(until[event["token"]], int(event["until"]))
    for event in of["claimed"]:
        claims[event["id"]][int(event["nth"])] = event
    for job_id, seen in claims.items():
        settled = {word["token"] for word in acts.words.get(job_id, ()) if may_have_settled(word)}
        over = {int(attempt["nth"]): attempt for attempt in ended.get(job_id, [])}
        for nth, claim in seen.items():
            attempt = over.get(nth)
            if attempt is None:  # it completed, or nobody knows what became of it
                lost_at = min((int(later["at"]) for other, later in seen.items() if other > nth), default=None)
                if lost_at and (
                    (job_id not in stored and claim["token"] in settled)
                    or acts.may_be_retried(job_id, int(claim["at"]), lost_at)
                ):
                    lost_at = None
            else:
                lost_at = int(attempt["ended_at"]) if attempt["outcome"] == "stalled" else None
            if lost_at is not None and lost_at < until[claim["token"]] - ROUNDED_MS:
                verdict.blame("overlap", f"job {job_id}: lost at {lost_at}, promised to {until[claim['token']]}")


def _spans(job: Row, ended: Sequence[Row]) -> Iterator[tuple[int, int]]:
    """Give each attempt's lease, in the order of the attempts, as far as the database keeps them apart."""
    yield from ((int(attempt["started_at"]), int(attempt["ended_at"])) for attempt in ended)
    if job["status"] == "completed":
        yield int(job["processed_at"]), int(job["finished_at"])


def _judge_ends(verdict: Verdict, acts: Acts, jobs: Sequence[Row]) -> None:
    for name in acts.words.keys() | {name for name, _ in acts}:
        words = acts.words.get(name, ())
        verdict.stale_refused += sum(word["outcome"] == "lost" for word in words)
        accepted = [word for word in words if word["outcome"] == "ok"]
        good = {word["token"] for word in accepted if word["verb"] == "complete"}
        if good & {w["token"] for w in accepted if w["verb"] != "complete"} or acts.has_ended_too_often(name):
            verdict.blame("double_finish", f"job {name}: {[(w['verb'], w['token'][:8]) for w in accepted]}")
    for job in jobs:
        _judge_end(verdict, acts, job)


def _judge_end(verdict: Verdict, acts: Acts, job: Row) -> None:
    name, last = job["id"], acts.last_end(job["id"])
    if job["status"] == "completed" and any(
        retry["since"] > job["processed_at"] for retry in acts.of(name, "retry", SURE)
    ):
        verdict.blame("undone", f"job {name} was retried, and is completed by an attempt of before")
    if last and (job["status"], job["result"]) != (last.status, last.result):
        violation = "ghost_write" if last.status == "completed" else "undone"
        verdict.blame(violation, f"job {name}: told {last.status} with {last.result}, is {job['status']}")
    elif job["status"] == "completed" and not last:
        words = acts.words.get(name, ())
        refused = {word["token"] for word in words if word["outcome"] == "lost" and word["verb"] == "complete"}
        runs = acts.runs.get(name)
        if job["result"] in refused or (runs and job["result"] not in runs):
            verdict.blame("ghost_write", f"job {name} has the result of {job['result']}")
    elif job.get("failed_code") == "cancelled":
        retried_at = max((retry["asked"] for retry in acts.of(name, "retry", SURE)), default=0.0)
        if not any(may_follow(cancel, retried_at) for cancel in acts.of(name, "cancel")):
            verdict.blame("ghost_write", f"job {name} is cancelled, and nobody has asked for it")


def _judge_runs(
    verdict: Verdict,
    of: dict[str, list[Event]],
    acts: Acts,
    jobs: dict[str, Row],
    ended: dict[str, list[Row]],
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
        causes += len(acts.of(job_id, "retry"))  # each takes a completed attempt away
        again = sum((job_id, token) in unanswered for token in attempts)
        if (job_id in jobs and len(attempts) > max(causes, 1)) or len(tokens) > len(attempts) + again:
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
