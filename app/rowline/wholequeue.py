"""The calls of the client for a queue as a whole."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Unpack

from rowline.events import Asked, Events
from rowline.explain import Explanation, Scaling
from rowline.failures import Failures
from rowline.find import Filter, filter_json
from rowline.given import HasId, job_id
from rowline.plans import Plan, PlanInfo
from rowline.queueinfo import UNCHANGED, Kept, QueueInfo, Unchanged, WorkerInfo, settings_json
from rowline.schedules import Schedule, ScheduleInfo, Tick, Timing, Wanted, json_of, timing_json
from rowline.series import Series
from rowline.transport import Answer, Call, Transport, quoted
from rowline.values import HeldId

SCHEDULES_AT_ONCE = 100
LONGEST_REMOVAL_S = 10.0  # how long the service removes jobs before it answers, with the step that has begun


class WholeQueue:
    """What concerns a queue, and none of its jobs."""

    def __init__(self, transport: Transport, name: str) -> None:
        """Use the queue `name`; it need not exist."""
        self.name = name
        self._transport = transport
        self._path = f"/queues/{quoted(name)}"

    def info(self) -> QueueInfo:
        """Return the queue as it stands; one that has nothing has zeros."""
        return self._about("GET", "")

    def workers(self) -> tuple[WorkerInfo, ...]:
        """Return the workers that were seen within a minute, all ways of working, by name; 1,000 at most."""
        return self._transport.send(Call(method="GET", path=f"{self._path}/workers")).read(WorkerInfo.all_of)

    def explain(self, job: str | HasId | None = None) -> Explanation:
        """Return why a job does not run, or that it does, or did; without a job: why those of the queue do not.

        Raises NotFound if there is no such job.
        """
        path = self._path if job is None else f"{self._path}/jobs/{quoted(job_id(job))}"
        return self._transport.send(Call(method="GET", path=f"{path}/explain")).read(Explanation.of)

    def scaling(self, *, target_s: int = 60, per_worker: int = 10) -> Scaling:
        """Return how many workers, with `per_worker` slots each, begin what is ready or due by then in `target_s`."""
        query = {"target": target_s, "perWorker": per_worker}
        return self._transport.send(Call(method="GET", path=f"{self._path}/scaling", query=query)).read(Scaling.of)

    def series(
        self,
        *,
        since: int | None = None,
        until: int | None = None,
        step: str | None = None,
        has_buckets: bool = False,
    ) -> Series:
        """Return what happened in the queue in each minute, hour or day, and how long jobs waited and ran.

        `since`, `until`: ms since the epoch, by default the last 60 minutes, 48 hours or 30 days, by the `step`, with
        the running one; 1,500 periods at most. `has_buckets`: with how many jobs waited and ran how long. Raises
        InvalidRequest.
        """
        asked = {"from": since, "to": until, "step": step, "include": "buckets" if has_buckets else None}
        query = {name: value for name, value in asked.items() if value is not None}
        return self._transport.send(Call(method="GET", path=f"{self._path}/series", query=query)).read(Series.of)

    def pause(self, reason: str | None = None) -> QueueInfo:
        """Pause the queue: from now on no claim hands out a job of it. Jobs that were claimed before go on.

        A pause that there is stays as it is. Raises Conflict while programs of an older release are connected.
        """
        return self._about("POST", "/pause", body={} if reason is None else {"reason": reason})

    def resume(self) -> QueueInfo:
        """Resume the queue. One that is not paused stays as it is."""
        return self._about("POST", "/resume")

    def change_settings(
        self,
        *,
        remove_on_complete: Kept | Unchanged = UNCHANGED,
        remove_on_fail: Kept | Unchanged = UNCHANGED,
        start_within_ms: int | Unchanged | None = UNCHANGED,
        defaults: Mapping[str, Any] | Unchanged | None = UNCHANGED,
        keys: Sequence[str] | Unchanged | None = UNCHANGED,
    ) -> QueueInfo:
        """Change the settings that are given; None takes one away, so that the service's own holds, if any.

        `start_within_ms`: a job fails that has not begun so long after it became ready first. `defaults`: the options
        of jobs that are added without them, all of them, such as {"attempts": 5}. `keys`: paths into the data by which
        jobs are found at once, all of them, up to 5, such as ["customer.id"]. Raises Conflict for these three while
        programs of an older release are connected.
        """
        settings = settings_json(remove_on_complete, remove_on_fail, defaults, keys)
        settings |= {} if isinstance(start_within_ms, Unchanged) else {"startWithin": start_within_ms}
        return self._about("PATCH", "", body={"settings": settings})

    def forget(self) -> QueueInfo:
        """Forget a queue without jobs: its settings, and a pause. Raises Conflict if it has jobs."""
        return self._about("DELETE", "")

    def drain(self, *, delayed: bool = False, timeout_s: float = 60.0) -> Plan:
        """Remove the waiting and prioritized jobs, with `delayed` the delayed ones too; return the plan that did it.

        Jobs that are added meanwhile stay. `undo()` of the plan brings them back, within a day. Raises TimeoutError if
        it goes on still. Not retried if a response may be lost (Unavailable, `is_outcome_unknown`).
        """
        return self._remove("drain", {"delayed": delayed}, timeout_s)

    def clean(self, status: str, *, grace_ms: int, limit: int = 0, timeout_s: float = 60.0) -> Plan:
        """Remove the jobs in one status that ended, or were added, at least `grace_ms` ago; return as `drain` does.

        `status`: completed, failed, waiting, prioritized or delayed; `limit`: so many at most, the first added; 0: all.
        Not retried if a response may be lost.
        """
        return self._remove("clean", {"status": status, "grace": grace_ms, "limit": limit}, timeout_s)

    def obliterate(self, *, force: bool = False, timeout_s: float = 60.0) -> Plan:
        """Pause the queue, remove all its jobs, then its settings and the pause. There is no undo.

        Raises Conflict while jobs are active: then the queue stays paused. With `force` these are removed too, and
        their workers hear that the lease is lost. Not retried if a response may be lost. Raises TimeoutError.
        """
        return self._remove("obliterate", {"force": force}, timeout_s)

    def plan(
        self,
        action: str,
        *,
        ids: Iterable[str] | None = None,
        change: Mapping[str, Any] | None = None,
        timeout_s: float = 60.0,
        **wanted: Unpack[Filter],
    ) -> Plan:
        """Plan what to do with all jobs that match; return it when it is known which ones these are. Changes no job.

        `action`: remove, retry, promote, cancel or change; `change`: the options that are changed, such as
        {"priority": 3}. Something has to be said of the jobs: `ids`, or what `jobs` takes. Raises TypeError for
        an unknown word, TimeoutError, and Conflict if the queue has too many plans. Not retried if the response may be
        lost.
        """
        body = {"action": action, "filter": filter_json(ids, **wanted)} | (
            {} if change is None else {"change": dict(change)}
        )
        call = Call(method="POST", path=f"{self._path}/plans", body=body, is_repeatable=False)
        return self._plan(self._transport.send(call).read(PlanInfo.of)).wait(timeout_s=timeout_s)

    def plans(self, *, start: int = 0, length: int = 10) -> tuple[PlanInfo, ...]:
        """Return plans, the newest first: those that are not finished, and those of the last day."""
        query = {"start": start, "length": length}
        return self._transport.send(Call(method="GET", path=f"{self._path}/plans", query=query)).read(PlanInfo.all_of)

    def find_plan(self, plan_id: str) -> Plan:
        """Return a plan by its id. Raises NotFound."""
        call = Call(method="GET", path=f"{self._path}/plans/{quoted(plan_id)}")
        return self._plan(self._transport.send(call).read(PlanInfo.of))

    def events(self, job: str | HasId | None = None, **asked: Unpack[Asked]) -> Events:
        """Open a stream of the events of the queue, or of one job, with its progress and the lines of its log.

        It resumes by itself: no event is missed, but for those that a `gap` tells of.
        """
        path = self._path if job is None else f"{self._path}/jobs/{quoted(job_id(job))}"
        return Events(self._transport, f"{path}/events", **asked)

    def failures(self, *, start: int = 0, length: int = 10) -> Failures:
        """Return the failed jobs in groups of those that failed alike, the largest group first; 100 groups at most."""
        query = {"start": start, "length": length}
        return self._transport.send(Call(method="GET", path=f"{self._path}/failures", query=query)).read(Failures.of)

    def deduplication(self, dedup_id: str) -> HeldId:
        """Return which job holds a deduplication id. Raises NotFound."""
        return self._held("GET", dedup_id)

    def let_go(self, dedup_id: str) -> HeldId:
        """Let go of a deduplication id; return it as it was held. A job that is stored to follow is added now.

        Raises NotFound, also if the response to an earlier try was lost.
        """
        return self._held("DELETE", dedup_id)

    def schedule(
        self, schedule_id: str, *, name: str | None = None, data: Any = None, **wanted: Unpack[Wanted]
    ) -> Schedule:
        """Have a job added again and again, by `cron` in a time zone `tz`, or `every` so long; return the schedule.

        `name` is that of the jobs, by default the id of the schedule; the other words are those of
        `rowline.schedules.Wanted`. The same call again changes nothing, and one with other words changes the schedule,
        whole, without losing or doubling a tick. Raises InvalidRequest, TypeError for an unknown word.
        """
        body = json_of(wanted, name=name or schedule_id, data=data)
        return self._schedule(self._scheduling("PUT", f"/{quoted(schedule_id)}", body=body).read(ScheduleInfo.of))

    def schedules(self) -> tuple[Schedule, ...]:
        """Return the schedules of the queue, by id."""
        infos: list[ScheduleInfo] = []
        is_more = True
        while is_more:
            found = self._schedules_from(len(infos))
            infos += found
            is_more = len(found) == SCHEDULES_AT_ONCE
        return tuple(map(self._schedule, infos))

    def find_schedule(self, schedule_id: str) -> Schedule:
        """Return a schedule by its id. Raises NotFound."""
        return self._schedule(self._scheduling("GET", f"/{quoted(schedule_id)}").read(ScheduleInfo.of))

    def preview(self, *, count: int = 10, **timing: Unpack[Timing]) -> tuple[Tick, ...]:
        """Return the ticks that a schedule would have, 100 at most. Nothing is stored. Raises InvalidRequest."""
        return self._scheduling("POST", "/preview", body=timing_json(timing) | {"count": count}).read(Tick.all_of)

    def _schedules_from(self, start: int) -> tuple[ScheduleInfo, ...]:
        query = {"start": start, "length": SCHEDULES_AT_ONCE}
        return self._scheduling("GET", "", query=query).read(ScheduleInfo.all_of)

    def _scheduling(self, method: str, path: str, **more: Any) -> Answer:
        return self._transport.send(Call(method=method, path=f"{self._path}/schedulers{path}", **more))

    def _schedule(self, info: ScheduleInfo) -> Schedule:
        return Schedule(self._transport, f"{self._path}/schedulers", info)

    def _held(self, method: str, dedup_id: str) -> HeldId:
        path = f"{self._path}/deduplication/{quoted(dedup_id)}"
        return self._transport.send(Call(method=method, path=path)).read(HeldId.of)

    def _remove(self, verb: str, body: Mapping[str, Any], timeout_s: float) -> Plan:
        path = f"{self._path}/{verb}"
        call = Call(method="POST", path=path, body=body, is_repeatable=False, wait_s=LONGEST_REMOVAL_S)
        return self._plan(self._transport.send(call).read(PlanInfo.of)).wait(timeout_s=timeout_s)

    def _plan(self, info: PlanInfo) -> Plan:
        return Plan(self._transport, f"{self._path}/plans", info)

    def _about(self, method: str, path: str, **more: Any) -> QueueInfo:
        return self._transport.send(Call(method=method, path=self._path + path, **more)).read(QueueInfo.of)
