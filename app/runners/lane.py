"""The calls to one endpoint: claimed, made, and told of, apart from those to any other."""

import functools
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import gevent
from gevent.event import Event

from app.domain import attempts
from app.domain.endpoint import Endpoint
from app.domain.job import Job, Lease
from app.domain.mark import Mark
from app.infra import signing
from app.infra.database import Database, DatabaseError
from app.infra.outbound import CallError, Outbound
from app.infra.settings import Settings
from app.operations import endpoints
from app.runners import leases, verdicts
from app.runners.endings import Endings
from app.runners.leases import Held
from app.runners.sources import DatabaseSource, SourceAway
from app.runners.verdicts import Verdict

_log = logging.getLogger(__name__)
LEAST_PAUSE_MS = 10
RETRY_S = 0.5  # the pause after trouble with the database
GONE = "the endpoint answered 410 Gone"
JobJson = Callable[[Job, str], str]
"""Makes the JSON text of a job that is sent with a token."""
Wake = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What all lanes of a dispatcher share. `name` is the dispatcher's, as it stands in `processed_by`."""

    settings: Settings
    db: Database
    outbound: Outbound
    job_json: JobJson
    name: str


class Lane:
    """One endpoint as it was registered once, and the greenlets that work for it."""

    def __init__(self, tools: Tools, endpoint: Endpoint, *, headers: dict[str, str], secrets: list[str]) -> None:
        """Prepare; `start()` it."""
        self._tools, self._endpoint, self._headers, self._secrets = tools, endpoint, headers, secrets
        self._target = tools.outbound.to(endpoint.url, concurrency=endpoint.concurrency)
        source = DatabaseSource(tools.settings, tools.db, queue=endpoint.queue, worker=tools.name)
        self._held = Held(source, queue=endpoint.queue)
        self._endings = Endings(tools.settings, source, self._held)
        self._mark = Mark()
        self._calls: dict[str, gevent.Greenlet] = {}  # by token
        self._claimer = gevent.Greenlet(self._claim_on)
        self._bell, self._told = Event(), Event()
        self._is_retired = False
        self._heartbeat = leases.heartbeat(tools.settings, self._beat)

    @property
    def revision(self) -> str:
        """The registration that this lane works for."""
        return self._endpoint.revision

    @property
    def is_idle(self) -> bool:
        """Whether nothing is claimed any more, no call runs and nothing is left to tell."""
        return self._claimer.ready() and not self._calls and not self._endings

    def start(self) -> None:
        """Begin to claim and to call."""
        self._heartbeat.start()
        self._claimer.start()
        gevent.spawn(self._settle_on)

    def wake(self) -> None:
        """Look for jobs now."""
        self._bell.set()

    def retire(self) -> None:
        """Claim nothing more; calls that run go on."""
        self._is_retired = True
        self._bell.set()

    def release(self) -> None:
        """Break off the calls that run; their jobs go back unharmed."""
        gevent.killall(list(self._calls.values()), block=False)

    def close(self) -> None:
        """End what works for this lane; it is retired and idle."""
        self._heartbeat.stop()
        self._told.set()
        self._target.close()

    def _claim_on(self) -> None:
        while not self._is_retired:
            wait_s = self._claim()
            if self._bell.wait(wait_s):
                self._bell.clear()

    def _claim(self) -> float:
        """Claim what the limits leave and call for each; return how long to wait for the next look, in seconds."""
        tools, poll_ms = self._tools, self._tools.settings.poll_ms
        try:
            claimed = endpoints.take(
                tools.db,
                queue=self._endpoint.queue,
                revision=self.revision,
                lease_ms=tools.settings.lease_ms,
                worker=tools.name,
                mark=self._mark,
            )
        except DatabaseError as error:
            _log.warning("claim_failed", extra={"queue": self._endpoint.queue, "cause": str(error)})
            return RETRY_S
        self._held.add(lease.taken for lease in claimed.leases)
        if self._is_retired:  # while we asked
            self._endings.release([lease.taken for lease in claimed.leases])
            self._told.set()
            return 0.0
        for lease in claimed.leases:
            call = self._calls[lease.token] = gevent.spawn(self._work, lease)
            call.link(functools.partial(self._ended, lease))
        if claimed.leases:
            return 0.0
        due_ms = poll_ms if claimed.next_due_ms is None else claimed.next_due_ms
        return max(LEAST_PAUSE_MS, min(poll_ms, due_ms)) / 1000

    def _settle_on(self) -> None:
        while not (self._is_retired and self.is_idle):
            self._told.wait()
            self._told.clear()
            while self._endings:
                self._settle()

    def _settle(self) -> None:
        try:
            self._endings.settle()
        except SourceAway as error:
            _log.warning("settle_failed", extra={"queue": self._endpoint.queue, "cause": str(error)})
            gevent.sleep(RETRY_S)
        self._bell.set()

    def _beat(self) -> None:
        """Renew the leases; break off calls whose leases are lost or whose jobs are cancelled. Raises SourceAway."""
        stopped = self._held.beat()
        for token, call in list(self._calls.items()):
            if token not in self._held:
                call.kill(_Lost, block=False)
            elif token in stopped:
                call.kill(_Cancelled, block=False)

    def _work(self, lease: Lease) -> None:
        """Call for one job and note what came of it."""
        try:
            verdict = self._call(lease)
            if verdict.outcome is None:
                self._switch_off()
                self._endings.release([lease.taken])
            else:
                self._pause(verdict.pause_ms)
                self._endings.add(lease.taken, verdict.outcome)
        except _Lost:
            pass  # logged where it was noticed
        except _Cancelled:
            self._endings.add(lease.taken, verdicts.failed(attempts.CANCELLED_REASON).outcome or {})
        except gevent.GreenletExit:
            self._endings.release([lease.taken])
        finally:
            self._calls.pop(lease.token)
            self._told.set()

    def _ended(self, lease: Lease, _call: gevent.Greenlet) -> None:
        """See to a call that was broken off before it had begun to run."""
        if self._calls.pop(lease.token, None):
            self._endings.release([lease.taken])
            self._told.set()

    def _call(self, lease: Lease) -> Verdict:
        body = f'{{"job":{self._tools.job_json(lease.job, lease.token)},"token":"{lease.token}"}}'.encode()
        job = lease.job
        own = {"Content-Type": "application/json"} if "content-type" not in map(str.lower, self._headers) else {}
        signed = signing.headers(
            self._secrets,
            webhook_id=f"job_{job.number}_{int(job.added_at.timestamp() * 1000)}",
            sent_at_s=int(time.time()),
            body=body,
        )
        try:
            answer = self._target.call(
                method=self._endpoint.method,
                headers=own | self._headers | signed | {"Idempotency-Key": lease.token},
                body=body,
                timeout_ms=self._endpoint.timeout_ms,
            )
            return verdicts.judge(answer, max_bytes=self._tools.settings.max_data_bytes, now=datetime.now(UTC))
        except CallError as error:
            return verdicts.failed(str(error))
        except Exception:  # noqa: BLE001 - the boundary: what broke one call must neither lose its job nor end the lane
            _log.exception("call_broke", extra={"queue": job.queue, "job": job.number})
            return verdicts.failed("the call broke inside Rowline: see its log")

    def _switch_off(self) -> None:
        queue = self._endpoint.queue
        try:
            if endpoints.switch_off(self._tools.db, queue=queue, revision=self.revision, reason=GONE):
                _log.warning("endpoint_switched_off", extra={"queue": queue, "cause": GONE})
        except DatabaseError as error:  # the next call will say so again
            _log.warning("endpoint_not_noted", extra={"queue": queue, "cause": str(error)})

    def _pause(self, pause_ms: int) -> None:
        if not pause_ms:
            return
        queue = self._endpoint.queue
        try:
            endpoints.pause(self._tools.db, queue=queue, revision=self.revision, pause_ms=pause_ms)
        except DatabaseError as error:
            _log.warning("endpoint_not_noted", extra={"queue": queue, "cause": str(error)})


class _Cancelled(BaseException):
    """Somebody wants the job to stop."""


class _Lost(BaseException):
    """The lease is another's: whatever the call brings, nobody will take it."""
