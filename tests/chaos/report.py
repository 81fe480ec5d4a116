"""What a run came to: the table to publish, and the list of promises that were not kept."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.chaos.reply import Reply
from tests.checker.record import Event
from tests.checker.verdict import SHOWN, VIOLATIONS, Verdict

BY_LOAD = (
    *("F08 kill-before-word", "F10 hog-interpreter", "F12 poison", "F22 cut-in-request", "F23 cut-before-answer"),
    *("F24 lost-answer", "dawdle", "walk-away"),
)
"""What the load does besides the faults, by the names in its history."""
WITHIN_S = 5.0
"""What a recovery may take, and an answer, on a machine that has little else to do."""


@dataclass(slots=True)
class Run:
    """One run, as it goes."""

    seed: int
    within_s: float = WITHIN_S
    faults: Counter[str] = field(default_factory=Counter)
    by_load: Counter[str] = field(default_factory=Counter)
    by_hand: dict[str, Counter[str]] = field(default_factory=dict)  # outcomes of each kind of call
    own: dict[str, int] = field(default_factory=dict)  # what became of jobs with deduplication ids, plans, ticks
    recoveries_s: dict[str, list[float]] = field(default_factory=dict)
    hurt_s: list[tuple[float, float]] = field(default_factory=list)  # from when to when something was broken
    violations: list[str] = field(default_factory=list)

    def note_load(self, history: Sequence[Event]) -> None:
        """Count what producers, pullers, handlers and hands did of themselves."""
        for event in history:
            if event["kind"] == "hand":
                self.by_hand.setdefault(event["verb"], Counter())[event["outcome"]] += 1
        names = Counter(event["name"] for event in history if event["kind"] in {"fault", "did"})
        self.by_load = Counter({name: names[name] for name in BY_LOAD})


def judge(run: Run, verdict: Verdict, replies: Sequence[Reply]) -> list[str]:
    """Return every promise that was broken."""
    broken = list(run.violations)
    broken += sorted({reply.fault for reply in replies if reply.fault})
    slow = [reply for reply in replies if reply.status > 0 and reply.took_s > run.within_s]
    if slow:
        shown = ", ".join(f"{one.status} after {one.took_s:.2f} s, asked at {one.asked_at:.2f}" for one in slow[:SHOWN])
        broken.append(f"{len(slow)} answers took longer than {run.within_s:g} s: {shown}")
    for kind, times in run.recoveries_s.items():
        late = [time_s for time_s in times if time_s > run.within_s]
        broken += [f"{kind}: no 200 for {late_s:.1f} s after it was over" for late_s in late]
    for violation, count in verdict.found.items():
        broken += [f"{count} x {violation} ({VIOLATIONS[violation]}):", *verdict.examples[violation]]
    return broken


def table(
    run: Run, verdict: Verdict, replies: Sequence[Reply], claims_s: Sequence[tuple[float, float]], *, seconds: float
) -> str:
    """Say all in figures."""
    statuses = Counter(reply.status for reply in replies)
    names = {0: "connection broke", -1: "silence"}
    recoveries = [time_s for times in run.recoveries_s.values() for time_s in times]
    answers = [reply.took_s for reply in replies if reply.status > 0]
    hurt = [took_s for at, took_s in claims_s if any(since <= at <= until for since, until in run.hurt_s)]
    calm = [took_s for at, took_s in claims_s if not any(since <= at <= until for since, until in run.hurt_s)]
    rows: dict[str, object] = {
        "seed": run.seed,
        "duration": f"{seconds:.0f} s",
        f"faults ({run.faults.total()})": ", ".join(f"{count} x {kind}" for kind, count in sorted(run.faults.items())),
        f"by the load ({run.by_load.total():,})": ", ".join(f"{count} x {kind}" for kind, count in run.by_load.items()),
        "by hand": ", ".join(f"{verb} {_outcomes(by)}" for verb, by in sorted(run.by_hand.items())),
        "ids, plans, ticks, events": ", ".join(f"{count:,} {what}" for what, count in run.own.items()),
        "requests to add": f"{len(replies):,}: "
        + ", ".join(f"{count:,} x {names.get(status, status)}" for status, count in sorted(statuses.items())),
        "jobs attempted": f"{verdict.attempted:,}",
        "acknowledged": f"{verdict.acknowledged:,}",
        "unknown": f"{verdict.unknown:,}, of them there: {verdict.recovered:,}",
        "runs": f"{verdict.runs:,}, of them again: {verdict.repeated_runs:,}",
        "stale words refused": f"{verdict.stale_refused:,}",
        "removed": f"{verdict.gone:,}, by hand or by retention",
        "pauses that held": f"{verdict.pauses - verdict.found['paused']:,}",
    }
    rows |= {violation: verdict.found[violation] for violation in VIOLATIONS}
    rows |= {
        "max recovery": f"{max(recoveries, default=0.0):.2f} s",
        "slowest answer": f"{max(answers, default=0.0):.2f} s",
        "503, seconds": spread([reply.took_s for reply in replies if reply.status == 503]),
        "claims, calm, s": spread(calm),
        "claims, hurt, s": spread(hurt),
    }
    return "\n".join(f"{name:<26}{value}" for name, value in rows.items())


def _outcomes(by: Counter[str]) -> str:
    """Say how many calls were acknowledged, refused, and of unknown outcome."""
    return f"{by['ok']:,}/{by['refused']:,}/{by['unknown']:,}"


def spread(times_s: Sequence[float]) -> str:
    """Say a distribution."""
    if not times_s:
        return "none"
    inorder = sorted(times_s)
    parts = [f"p{share} {inorder[min(len(inorder) - 1, len(inorder) * share // 100)]:.3f}" for share in (50, 90, 99)]
    return ", ".join([*parts, f"p100 {inorder[-1]:.3f}"])
