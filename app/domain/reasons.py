"""The reasons of `explain` in words. What they say of jobs is no contents of a job, but for `failed_reason`."""

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import quote

from app.domain.attempts import CANCELLED_REASON, STALLED_REASON, UNSTARTED_REASON, Outcome
from app.domain.endpoint import Limiter
from app.domain.explain import (
    BLOCKING,
    Code,
    EndpointState,
    Explanation,
    Ground,
    JobState,
    PausedSchedule,
    Reason,
    WaitingProgram,
    is_blocked,
)
from app.domain.pace import WINDOW, Ahead, Pace, Start
from app.domain.pace import start as start_of
from app.domain.plan import Plan, PlanAction, PlanStatus
from app.domain.states import ACTIVE, DELAYED, FINAL, READY, Status

OURS = {CANCELLED_REASON, STALLED_REASON, UNSTARTED_REASON}
"""Reasons of failures that say nothing that `failedCode` does not."""
_DOES = {
    PlanAction.REMOVE: "removes it",
    PlanAction.RETRY: "retries it",
    PlanAction.PROMOTE: "makes it ready",
    PlanAction.CANCEL: "cancels it",
    PlanAction.CHANGE: "changes it",
    PlanAction.OBLITERATE: "removes it, with all of its queue",
}
_ENDED = {
    "failed": "its last attempt failed",
    "cancelled": "it was cancelled",
    "stalled": "its worker was lost too often",
    "timed_out": "its last attempt exceeded its timeout",
    "start_by": "it had not begun in time, and never ran",
}


def when(moment: datetime) -> str:
    """Return a moment for people, to the second, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def of_job(
    job: JobState, ground: Ground | None, plans: Sequence[Plan], *, ahead: Ahead | None, pace: Pace | None
) -> Explanation:
    """Explain a job. `ground` is not needed of one that is active or has ended, `ahead` only of one that is ready."""
    if job.status in FINAL:
        reasons = [_ended(job)]
    elif job.status in ACTIVE:
        reasons = [_active(job), *_cancelling(job)]
    else:
        reasons = [] if ground is None else [*_before_claim(job, ground)]
    reasons += [_plan(plan, job.queue) for plan in plans]
    start = None
    if job.status in READY and ahead is not None and not is_blocked(reasons):
        start = None if pace is None else start_of(job.at, ahead.jobs, pace)
        reasons.append(_behind(ahead, start, ground))
    sentence = _sentence(f"Job {job.id} is {job.status}", reasons, job)
    return Explanation(status=job.status, sentence=sentence, reasons=reasons, at=job.at, ahead=ahead, start=start)


def of_queue(
    ground: Ground,
    counts: Mapping[Status, int],
    plans: Sequence[Plan],
    *,
    next_due_at: datetime | None,
    pace: Pace | None,
    schedules: Sequence[PausedSchedule] = (),
) -> Explanation:
    """Explain a queue: what keeps its jobs from being claimed, and what a job that is added now would find.

    `schedules`: those that are paused, which hold no job, but add none.
    """
    ready = sum(counts[status] for status in READY)
    delayed, active = counts[Status.DELAYED], counts[Status.ACTIVE]
    reasons = [*_paused(ground)]
    if delayed and not ready:
        reasons.append(_all_delayed(ground, delayed, next_due_at or ground.at))
    if ready or delayed:
        reasons += _unserved(ground)
    reasons += [_plan(plan, ground.queue, whole=True) for plan in plans]
    ahead = start = None
    if ready and not is_blocked(reasons):
        ahead = Ahead(counts[Status.WAITING], is_exact=True)
        start = None if pace is None else start_of(ground.at, ahead.jobs, pace)
        likely = _likely(start, "a job that is added now")
        text = f"{_jobs(ready)} ready and nothing holds them but the line{_busy(ground)}{likely}"
        reasons.append(Reason(code=Code.BEHIND, text=text, hint=_more_workers(active, ground)))
    if active:
        reasons.append(Reason(code=Code.ACTIVE, text=f"{_jobs(active)} active"))
    reasons += [_schedule_paused(one, ground.queue) for one in schedules]
    status = _status_of_queue(ready, delayed, active, can_begin=not is_blocked(reasons))
    has_jobs = any(counts.values()) or ground.is_known
    subject, sentence = f"Queue {ground.queue} is {status}", _unknown(ground.queue)
    if has_jobs:
        sentence = _sentence(subject, reasons, None) if reasons else _idle(subject, ground.queue, counts[Status.FAILED])
    return Explanation(status=status, sentence=sentence, reasons=reasons, at=ground.at, ahead=ahead, start=start)


def _status_of_queue(ready: int, delayed: int, active: int, *, can_begin: bool) -> str:
    if ready and not can_begin:
        return "blocked"
    if ready or active:
        return "working"
    return "waiting" if delayed else "idle"


def _schedule_paused(one: PausedSchedule, queue: str) -> Reason:
    resume = shlex.join(["rowline", "schedulers", "resume", queue, one.id])
    path = f"POST {_path(queue)}/schedulers/{quote(one.id, safe='')}/resume"
    by = "" if one.paused_by is None else f" by {one.paused_by}"
    return Reason(
        code=Code.SCHEDULE_PAUSED,
        text=f"its schedule {one.id} is paused since {when(one.paused_at)}{by}, and adds no jobs",
        since=one.paused_at,
        by=one.paused_by,
        hint=f"Resume it: `{resume}`, or {path}.",
    )


def _all_delayed(ground: Ground, delayed: int, next_due_at: datetime) -> Reason:
    text = f"no job is ready; {_jobs(delayed)} delayed, the next until {when(next_due_at)}"
    explained = shlex.join(["rowline", "explain", ground.queue])
    hint = f"Why one of them waits: `{explained} ID`."
    if next_due_at <= ground.at:
        text, hint = f"{text}; it is due, and joins the line within a second", f"If it stays so: {_SERVE}."
    return Reason(code=Code.DELAYED, text=text, until=next_due_at, hint=hint)


def _before_claim(job: JobState, ground: Ground) -> Iterator[Reason]:
    yield from _paused(ground)
    if job.status in DELAYED:
        yield _delayed(job)
    yield from _unserved(ground)
    if job.start_by is not None and not job.attempts_started and job.start_by <= job.at.timestamp() * 1000:
        moment = datetime.fromtimestamp(job.start_by / 1000, UTC)
        text = f"it should have begun by {when(moment)}, and fails within a second"
        yield Reason(code=Code.START_BY, text=text, since=moment, hint=f"If it stays so: {_SERVE}.")


_SERVE = "no process of Rowline runs; start `rowline serve`"


def _paused(ground: Ground) -> Iterator[Reason]:
    if (pause := ground.pause) is not None:
        why = "" if pause.reason is None else f" ({pause.reason})"
        text = f"the queue is paused since {when(pause.at)} by {pause.by}{why}"
        yield Reason(
            code=Code.PAUSED,
            text=text,
            since=pause.at,
            by=pause.by,
            hint=f"Resume it: `{shlex.join(['rowline', 'queues', 'resume', ground.queue])}`, "
            f"or POST {_path(ground.queue)}/resume.",
        )


def _delayed(job: JobState) -> Reason:
    is_due = job.run_at <= job.at
    code, failed_reason, why = Code.DELAYED, None, "it was given a delay"
    hint = f"Have it ready now: {_verb(job, 'promote')}."
    if job.is_backing_off:
        code, failed_reason = Code.BACKOFF, job.failed_reason
        how = "exceeded its timeout" if job.last_outcome is Outcome.TIMED_OUT else "failed"
        why = f"attempt {job.attempts_made} of {job.attempts} {how}, and the next one waits {job.delay_ms} ms"
    elif job.last_outcome is Outcome.RELEASED and job.last_ended_at is not None:
        why = f"{job.last_worker} gave it back at {when(job.last_ended_at)} with a delay"
        hint = (
            f"{hint} If this repeats, look at the log of {job.last_worker}: it may have no handler for the job's name."
        )
    text = f"{why}, until {when(job.run_at)}"
    if is_due:
        text += "; it is due, and joins the line within a second"
        hint = f"If it stays so: {_SERVE}."
    since = job.last_ended_at if code is Code.BACKOFF else None
    return Reason(code=code, text=text, since=since, until=job.run_at, hint=hint, failed_reason=failed_reason)


def _unserved(ground: Ground) -> Iterator[Reason]:
    """Why nobody claims: what explains that there is no worker stands for it."""
    endpoint = ground.endpoint
    if ground.workers:
        return
    if endpoint is not None and endpoint.switched_off_at is not None:
        yield _switched_off(ground.queue, endpoint.switched_off_at, endpoint.switched_off_reason)
        return
    if not ground.dispatchers:
        yield from map(_schema_ahead, ground.waiting) if ground.waiting else [_no_worker(ground)]
    if endpoint is not None:
        yield from _not_called(endpoint, ground.at)


def _switched_off(queue: str, since: datetime, reason: str | None) -> Reason:
    return Reason(
        code=Code.ENDPOINT_OFF,
        text=f"the endpoint of the queue is switched off since {when(since)} ({reason or 'no reason was noted'})",
        since=since,
        hint=f"Switch it on: `{shlex.join(['rowline', 'endpoints', 'switch-on', queue])}`, "
        f"or POST {_path(queue)}/endpoint/switch-on; or start a worker.",
    )


def _not_called(endpoint: EndpointState, at: datetime) -> Iterator[Reason]:
    """Say what dispatchers wait for before they call an endpoint again."""
    if endpoint.paused_until is not None and endpoint.paused_until > at:
        yield Reason(
            code=Code.ENDPOINT_PAUSED,
            text=f"the endpoint of the queue asked for no calls until {when(endpoint.paused_until)}",
            by="endpoint",
            until=endpoint.paused_until,
            hint="It said so by Retry-After; wait, or register it again: POST /workers.",
        )
    elif endpoint.limiter is not None and (until := endpoint.full_until(at)) is not None:
        limiter = endpoint.limiter
        yield Reason(
            code=Code.RATE,
            text=f"the endpoint's limiter allows {_calls(limiter)} in {limiter.window_ms} ms, and there were as many; "
            f"the next may begin at {when(until)}",
            by="endpoint",
            until=until,
            hint="Wait, or register the endpoint with another limiter: POST /workers.",
        )


def _no_worker(ground: Ground) -> Reason:
    if ground.endpoint is not None:
        text = "no dispatcher was seen within a minute that calls the endpoint of the queue"
        return Reason(code=Code.NO_WORKER, text=text, hint="Start one: `rowline dispatch`.")
    hint = (
        f"Start one: `rowline work --queue {shlex.quote(ground.queue)} --handlers FILE`, claim over HTTP, "
        "or register an endpoint: POST /workers."
    )
    return Reason(code=Code.NO_WORKER, text="no worker of the queue was seen within a minute", hint=hint)


def _schema_ahead(one: WaitingProgram) -> Reason:
    release = f"release {one.release}" if one.release else "an old release"
    if one.is_too_old:
        text, hint = f"the schema serves programs of release {one.schema} or later", "Start a newer release of it."
    else:
        text, hint = f"the schema is at {one.schema}", "Upgrade the schema: `rowline db upgrade`."
    return Reason(
        code=Code.SCHEMA_AHEAD,
        text=f"no worker of the queue was seen within a minute, and {one.program} of {release} waits: {text}",
        by=f"{one.program} {one.release}".strip(),
        hint=hint,
    )


def _plan(plan: Plan, queue: str, *, whole: bool = False) -> Reason:
    what = f"({plan.action}) has done {plan.done:,} jobs" if whole else _DOES[plan.action]
    text = f"a plan of {plan.created_by} {what}: {plan.id}, {plan.status}"
    hint = None
    if plan.status is PlanStatus.PLANNED:
        text = f"a plan of {plan.created_by} {what} once it is applied, if it still can: {plan.id}"
    else:
        hint = f"Stop it: `rowline plans stop {shlex.quote(queue)} {plan.id}`."
    return Reason(code=Code.PLAN, text=text, since=plan.created_at, by=plan.created_by, hint=hint)


def _idle(subject: str, queue: str, failed: int) -> str:
    if not failed:
        return f"{subject}: it has no jobs that wait."
    have = "1 job has" if failed == 1 else f"{failed:,} jobs have"
    return f"{subject}: it has no jobs that wait; {have} failed. Why: `{shlex.join(['rowline', 'failures', queue])}`."


def _unknown(queue: str) -> str:
    never = "it has never had a job, and nothing else is known of it"
    return f"Queue {queue} is idle: {never}. Look whether the name is right."


def _busy(ground: Ground) -> str:
    """Say how many slots run a job, where all workers say that themselves."""
    return f"; {ground.busy} of {ground.slots} slots of its Python workers are busy" if ground.slots else ""


def _behind(ahead: Ahead, start: Start | None, ground: Ground | None) -> Reason:
    busy, shorter = ("", MORE_WORKERS) if ground is None else (_busy(ground), _shorter(ground))
    about = "" if ahead.is_exact else "about "
    before = f"{about}{_jobs(ahead.jobs)} before it" if ahead.jobs else "it is the next of its queue"
    text = f"nothing holds it but the line: {before}{busy}{_likely(start, 'it')}"
    return Reason(code=Code.BEHIND, text=text, hint=f"{shorter}." if ahead.jobs else None)


def _likely(start: Start | None, who: str) -> str:
    if start is None:
        return f"; when {who} begins is not known, since no job of the queue ended in the last {WINDOW} minutes"
    return f"; {who} is likely to begin about {when(start.p50)}, in nine of ten cases before {when(start.p90)}"


MORE_WORKERS = "More workers shorten the line"


def _shorter(ground: Ground) -> str:
    """Say what shortens the line; more dispatchers do not, since they share the concurrency of the endpoint."""
    if ground.endpoint is None or ground.workers:
        return MORE_WORKERS
    return "A higher concurrency of its endpoint shortens the line: register it again with one, POST /workers"


def _more_workers(active: int, ground: Ground) -> str:
    if not active:
        return "If it stays so, look whether its workers still run, at their logs, and at what `rowline doctor` finds."
    running = shlex.join(["rowline", "jobs", "list", ground.queue, "--status", "active"])
    return f"{_shorter(ground)}; what runs now: `{running}`."


def _active(job: JobState) -> Reason:
    since, until = job.processed_at or job.at, job.leased_until or job.at
    left_s = (until - job.at).total_seconds()
    text = f"{job.processed_by} runs it since {when(since)}, attempt {job.attempts_made + 1} of {job.attempts}"
    if left_s > 0:
        return Reason(
            code=Code.ACTIVE,
            text=f"{text}; its lease lasts {math.ceil(left_s)} s more, and is renewed while the worker lives",
            since=since,
            by=job.processed_by,
            until=until,
        )
    return Reason(
        code=Code.ACTIVE,
        text=f"{text}; its lease ran out at {when(until)}, and it goes back to the head of its line within seconds",
        since=since,
        by=job.processed_by,
        until=until,
        hint="Look whether that worker lives.",
    )


def _cancelling(job: JobState) -> Iterator[Reason]:
    if job.cancel_requested_at is not None:
        text = f"its cancel was requested at {when(job.cancel_requested_at)}; its worker hears of it when it renews"
        hint = "It fails when the worker stops, or when its lease runs out."
        yield Reason(code=Code.CANCELLING, text=f"{text} the lease", since=job.cancel_requested_at, hint=hint)


def _ended(job: JobState) -> Reason:
    ended_at = job.finished_at or job.at
    if job.status is Status.COMPLETED:
        text = f"it completed at {when(ended_at)}, on {job.processed_by}"
        return Reason(code=Code.ENDED, text=text, since=ended_at, by=job.processed_by)
    why = _ENDED.get(job.failed_code or "failed", "its last attempt failed")
    text = f"it failed for good at {when(ended_at)}, after {job.attempts_made} of {job.attempts} attempts: {why}"
    return Reason(
        code=Code.ENDED,
        text=text,
        since=ended_at,
        by=job.processed_by,
        hint=f"Run it again: {_verb(job, 'retry')}.",
        failed_reason=None if job.failed_reason in OURS else job.failed_reason,
    )


def _jobs(number: int) -> str:
    return "1 job is" if number == 1 else f"{number:,} jobs are"


def _verb(job: JobState, verb: str) -> str:
    path = f"POST {_path(job.queue)}/jobs/{quote(job.id, safe='')}/{verb}"
    return f"`{shlex.join(['rowline', 'jobs', verb, job.queue, job.id])}`, or {path}"


def _calls(limiter: Limiter) -> str:
    return "1 call" if limiter.max_calls == 1 else f"{limiter.max_calls:,} calls"


def _path(queue: str) -> str:
    return f"/queues/{quote(queue, safe='')}"


def _sentence(subject: str, reasons: Sequence[Reason], job: JobState | None) -> str:
    """Return what is said to people: the reasons in their order, then what to do about those that block."""
    if not reasons:
        return f"{subject}."
    said = f"{subject}: {'; besides, '.join(reason.text for reason in reasons)}."
    deadline = _deadline(job)
    blocking = [reason.hint for reason in reasons if reason.code in BLOCKING]
    hints = dict.fromkeys(blocking or [reasons[0].hint])
    return " ".join(part for part in (said, deadline, *hints) if part)


def _deadline(job: JobState | None) -> str | None:
    """Say by when a job has to begin that has not begun yet."""
    if job is None or job.start_by is None or job.attempts_started or job.status in FINAL:
        return None
    if job.start_by <= job.at.timestamp() * 1000:
        return None
    return f"It fails if it has not begun by {when(datetime.fromtimestamp(job.start_by / 1000, UTC))}."
