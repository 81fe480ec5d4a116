"""Dispatches the jobs of one endpoint: claims them, calls the endpoint, and settles the attempts."""

import functools
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import gevent
import orjson
from gevent.event import Event
from gevent.lock import BoundedSemaphore

from app.domain import attempts, telemetry
from app.domain.endpoint import Endpoint
from app.domain.job import ClaimedJob, Job, LeaseKey
from app.domain.scan import ScanCursor
from app.domain.workers import Sighting, Way
from app.infra.settings import Settings
from app.net import signing
from app.net.descriptors import OutOfDescriptors
from app.net.outbound import CallError, NotAllowed, Outbound
from app.operations import endpoints
from app.operations.endpoints import CLAIM_MAX
from app.postgres.database import Database, DatabaseError
from app.push import call_outcomes
from app.push.call_outcomes import CallOutcome, CallResult
from app.push.endpointsource import FALLBACK_POLL_MS, EndpointSource, Leased
from app.wire.job import JobSchema
from app.worker import heartbeats
from app.worker.completer import Completer
from app.worker.heartbeats import HeldLeases
from app.worker.sources import RETRY_S, SourceUnavailable

_log = logging.getLogger(__name__)
REST_S = 2.0
"""How long an endpoint's jobs are not claimed by this process after descriptors have run out."""
GONE = "the endpoint answered 410 Gone"
Wake = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What the endpoint dispatchers of a process share. `name` is the process's, stored as `processed_by`.

    `note_call` is called with the queue and the result of each call that ended.
    """

    settings: Settings
    db: Database
    outbound: Outbound
    job_json: JobSchema
    name: str
    note_call: Callable[[str, CallResult], None]


class EndpointDispatcher:
    """The greenlets of one endpoint, for one revision of its registration."""

    def __init__(self, tools: Tools, endpoint: Endpoint, *, headers: dict[str, str], secrets: list[str]) -> None:
        """Prepare; `start()` it. `headers` and `secrets` are decrypted. Raises CallError for an unusable URL."""
        self._tools, self._endpoint, self._secrets = tools, endpoint, secrets
        self._has_own_trace = telemetry.TRACEPARENT in {name.lower() for name in headers}
        self._target = tools.outbound.to(
            endpoint.url, method=endpoint.method, headers=headers, concurrency=endpoint.concurrency
        )
        self._source = EndpointSource(
            tools.settings, tools.db, queue=endpoint.queue, revision=endpoint.revision, worker=tools.name
        )
        self._held = HeldLeases(self._source, queue=endpoint.queue)
        self._completer = Completer(tools.settings, self._source, self._held)
        self._members = tools.job_json.members_to_work(sees_payload=endpoint.sees_payload)
        self._calls: dict[LeaseKey, gevent.Greenlet] = {}
        self._loop = gevent.Greenlet(self._run)
        self._settling: gevent.Greenlet | None = None
        self._parsing = BoundedSemaphore(1)
        """Responses of an endpoint are parsed one at a time, so that long ones take no more than their share of CPU."""
        self._bell = Event()
        self._is_retired = self._has_warned = self._is_resting = self._is_gone = False
        self._paused_until = self._noted_until = 0.0  # on the monotonic clock: as calls said, and as it is stored
        self._heartbeat = heartbeats.heartbeat(tools.settings, self._beat)

    @property
    def revision(self) -> str:
        """The revision of the endpoint's registration that this works for."""
        return self._endpoint.revision

    @property
    def cursor(self) -> ScanCursor:
        """The scan cursor of its queue."""
        return self._source.cursor

    @property
    def sighting(self) -> Sighting:
        """What is told of it: its calls, of as many as all dispatchers together may run."""
        return Sighting(
            self._endpoint.queue, self._tools.name, Way.PUSH, slots=self._endpoint.concurrency, busy=len(self._calls)
        )

    @property
    def is_idle(self) -> bool:
        """Whether it is retired, no call runs and everything is settled."""
        return bool(self._loop.ready())

    @property
    def _has_more(self) -> bool:
        return bool(not self._is_retired or self._calls or self._completer)

    def start(self) -> None:
        """Start to claim and to call."""
        self._heartbeat.start()
        self._loop.start()

    def wake(self) -> None:
        """Claim now."""
        self._bell.set()

    def retire(self) -> None:
        """Claim nothing more; running calls go on."""
        self._is_retired = True
        self._bell.set()

    def release(self) -> None:
        """Abort the running calls and release their jobs."""
        gevent.killall(list(self._calls.values()), block=False)

    def close(self) -> None:
        """Stop the heartbeat and close the connections, once it is retired and idle."""
        self._heartbeat.stop()
        self._target.close()

    def _run(self) -> None:
        while self._has_more:
            self._bell.clear()
            wait_s = self._exchange()
            if wait_s and self._has_more:
                self._bell.wait(wait_s)

    def _exchange(self) -> float:
        """Note what calls said, settle them, claim jobs and start their calls; return the seconds until the next turn.

        If settling fails, a separate greenlet retries it until all is settled; claims go on meanwhile.
        """
        self._note()
        limit = 0 if self._is_retired or self._is_resting else CLAIM_MAX
        try:
            if self._settling:
                claimed = self._source.exchange((), limit=limit).claimed
            else:
                claimed = self._completer.exchange(limit=limit)
        except SourceUnavailable as error:
            self._log_trouble(error)
            if self._completer and not self._settling:
                self._settling = gevent.spawn(self._settle_all)
            return RETRY_S
        return self._begin(claimed) if isinstance(claimed, Leased) else FALLBACK_POLL_MS / 1000

    def _begin(self, claimed: Leased) -> float:
        self._held.add(claimed.taken)
        if self._is_retired:  # during the claim
            self._completer.release(claimed.taken)
            return 0.0
        numbers = {taken.key.number for taken in claimed.taken}
        lost = [
            key for key in self._calls if key.number in numbers
        ]  # jobs claimed again: their old calls have lost their leases
        self._held.lose(lost)
        for key in lost:
            self._calls[key].kill(_Lost, block=False)
        for lease, taken in zip(claimed.leases, claimed.taken, strict=True):
            call = self._calls[taken.key] = gevent.spawn(self._work, lease.job, taken)
            call.link(functools.partial(self._ended, taken))
        return 0.0 if len(claimed.leases) == CLAIM_MAX else claimed.pause_s

    def _log_trouble(self, error: SourceUnavailable) -> None:
        event = "settle_failed" if self._completer else "claim_failed"
        _log.warning(event, extra={"queue": self._endpoint.queue, "cause": str(error)})

    def _settle_all(self) -> None:
        try:
            while self._completer:
                self._settle()
        finally:
            self._settling = None
            self._bell.set()

    def _settle(self) -> None:
        try:
            self._completer.settle()
        except SourceUnavailable as error:
            self._log_trouble(error)
            gevent.sleep(RETRY_S)

    def _beat(self) -> None:
        """Extend the leases; abort the calls of lost leases and of cancelled jobs. Raises SourceUnavailable."""
        stopped = self._held.beat()
        for key, call in list(self._calls.items()):
            if key.token not in self._held:
                call.kill(_Lost, block=False)
            elif key.token in stopped:
                call.kill(_Cancelled, block=False)

    def _work(self, job: Job, taken: ClaimedJob) -> None:
        """Call the endpoint for one job and add the outcome to the completer."""
        result = CallResult.DROPPED
        try:
            outcome = self._call(job, taken.key.token)
            result = outcome.result
            if outcome.ending is None:
                self._is_gone = True
                self._completer.release([taken])
            else:
                self._paused_until = max(self._paused_until, time.monotonic() + outcome.pause_ms / 1000)
                self._completer.add(taken, outcome.ending)
        except OutOfDescriptors as error:
            self._rest(error)
            self._completer.release([taken])  # without a delay: it keeps its place, and another dispatcher may take it
        except _Lost:
            pass  # logged already
        except _Cancelled:
            self._completer.add(taken, call_outcomes.failed(attempts.CANCELLED_REASON).ending or {})
        except gevent.GreenletExit:
            self._completer.release([taken])
        finally:
            self._calls.pop(taken.key)
            self._tools.note_call(self._endpoint.queue, result)
            self._bell.set()

    def _ended(self, taken: ClaimedJob, _call: gevent.Greenlet) -> None:
        """Release the job of a call that was killed before it began to run."""
        if self._calls.pop(taken.key, None):
            self._completer.release([taken])
            self._bell.set()

    def _call(self, job: Job, token: str) -> CallOutcome:
        body = orjson.dumps({"job": self._members(job) | {"token": token}, "token": token})
        signed = signing.headers(
            self._secrets,
            webhook_id=f"job_{job.number}_{int(job.added_at.timestamp() * 1000)}",
            sent_at_s=int(time.time()),
            body=body,
        )
        try:
            answer = self._target.call(
                headers=signed | {"Idempotency-Key": token} | self._trace(job),
                body=body,
                timeout_ms=self._endpoint.timeout_ms,
            )
            with self._parsing:
                return call_outcomes.judge(answer, max_bytes=self._tools.settings.max_data_bytes, now=datetime.now(UTC))
        except OutOfDescriptors:
            raise
        except CallError as error:
            if isinstance(error, NotAllowed):
                self._warn_of_place(error)
            return call_outcomes.failed(str(error))
        except Exception:  # noqa: BLE001 - the boundary: a bug in one call must neither lose its job nor end the loop
            _log.exception("call_broke", extra={"queue": job.queue, "job": job.number})
            return call_outcomes.failed("the call broke inside Rowline: see its log")

    def _trace(self, job: Job) -> dict[str, str]:
        """Return the headers by which the endpoint continues the trace of a job; none if it begins one of its own."""
        waited = datetime.now(UTC) - job.added_at
        if self._has_own_trace or telemetry.begins_trace(attempts_made=job.attempts_made, waited=waited):
            return {}
        return telemetry.headers(job.opts)

    def _rest(self, error: OutOfDescriptors) -> None:
        """Claim nothing for REST_S: the calls would end as this one, which is not the fault of the endpoint."""
        if self._is_resting:
            return
        self._is_resting = True
        gevent.spawn_later(REST_S, self._resume)
        _log.warning("out_of_descriptors", extra={"queue": self._endpoint.queue, "cause": str(error)})

    def _resume(self) -> None:
        self._is_resting = False
        self._bell.set()

    def _warn_of_place(self, error: NotAllowed) -> None:
        """Log once per endpoint that only the operator can allow its address; until then all its jobs fail."""
        if not self._has_warned:
            self._has_warned = True
            cause = f"{error}: if it is to be, set ROWLINE_WEBHOOK_ALLOW for `rowline dispatch` as for `rowline serve`"
            _log.warning("endpoint_not_allowed", extra={"queue": self._endpoint.queue, "cause": cause})

    def _note(self) -> None:
        """Store what calls have said of the endpoint: that it is gone, and its longest pause that is not over.

        Only the loop does so, one statement for however many calls: they are not to take all connections.
        """
        queue = self._endpoint.queue
        try:
            if self._is_gone:
                if endpoints.switch_off(self._tools.db, queue=queue, revision=self.revision, reason=GONE):
                    _log.warning("endpoint_switched_off", extra={"queue": queue, "cause": GONE})
                self._is_gone = False
            until, now = self._paused_until, time.monotonic()
            if until > max(now, self._noted_until):
                pause_ms = math.ceil((until - now) * 1000)
                endpoints.pause(self._tools.db, queue=queue, revision=self.revision, pause_ms=pause_ms)
                self._noted_until = until
        except DatabaseError as error:  # the next turn tries again
            _log.warning("endpoint_not_noted", extra={"queue": queue, "cause": str(error)})


class _Cancelled(BaseException):
    """The job was cancelled."""


class _Lost(BaseException):
    """The lease was lost: the response of the call would be discarded."""
