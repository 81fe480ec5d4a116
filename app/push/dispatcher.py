"""The dispatcher: sends jobs to the endpoints of their queues (webhooks). Any number of processes may run it.

It needs gevent: a call is a greenlet, and each endpoint has an `EndpointDispatcher` of its own, so that a slow, dead or
busy endpoint does not delay the others.
"""

import functools
import logging
import os
import signal
import socket
import time
from collections.abc import Callable

import gevent
from gevent.event import Event

from app.domain.workers import PUSH, Sighting
from app.infra.settings import Settings
from app.infra.vault import Vault, VaultError
from app.net.outbound import CallError, Outbound
from app.operations.endpoints import TOPIC
from app.operations.watch import Watch
from app.postgres.database import Database, DatabaseError
from app.push.call_outcomes import CallResult
from app.push.endpoint_dispatcher import EndpointDispatcher, Tools, Wake
from app.queries import endpoints
from app.wire.job import JobSchema

_log = logging.getLogger(__name__)
NoteCall = Callable[[str, CallResult], None]
LOOK_S = 0.02  # between checks for running calls, while stopping


class Dispatcher:
    """One dispatcher. `run()` it in the main greenlet: it takes SIGTERM and SIGINT."""

    def __init__(self, settings: Settings, db: Database, *, note_call: NoteCall = lambda _queue, _result: None) -> None:
        """Prepare; `run()` starts it. `note_call` is called with the queue and the result of each call that ended."""
        self._settings, self._db, self._vault = settings, db, Vault(settings)
        self._tools = Tools(
            settings=settings,
            db=db,
            outbound=Outbound(allowed=settings.webhook_allow),
            job_json=JobSchema(queue_prefix=settings.queue_prefix),
            name=f"{PUSH}{socket.gethostname()}:{os.getpid()}",
            note_call=note_call,
        )
        self._watch = Watch(db, poll_ms=settings.poll_ms)
        self._dispatchers: dict[str, EndpointDispatcher] = {}  # by queue
        self._retired: list[EndpointDispatcher] = []
        self._unsubscribes: dict[str, Wake] = {}  # by queue: the function that ends listening
        self._unusable: dict[str, str] = {}  # queue -> the revision that was logged as unusable
        self._look = Event()
        self._stop_by: float | None = None  # set by the first signal: when the drain ends

    def run(self) -> None:
        """Dispatch until a signal stops it, then drain."""
        _log.info("dispatcher_started", extra={"worker": self._tools.name})
        for number in (signal.SIGTERM, signal.SIGINT):
            gevent.signal_handler(number, self._stop)
        self._db.listen(TOPIC, self._look.set)
        self._db.wakeups.on_loss(self._look.set)
        while self._stop_by is None:
            try:
                self._refresh()
            except DatabaseError as error:
                _log.warning("tick_failed", extra={"loop": "endpoints", "cause": str(error)})
            poll_ms = self._settings.poll_ms
            self._look.wait((poll_ms if self._retired else self._db.wakeups.poll_ms(poll_ms)) / 1000)
            self._look.clear()
        self._drain()
        _log.info("dispatcher_stopped", extra={"worker": self._tools.name})

    def sightings(self) -> list[Sighting]:
        """Return the endpoints that this dispatcher sends to, and how many calls run. Called by another greenlet."""
        found: dict[str, Sighting] = {}
        for dispatcher in [*self._retired, *self._dispatchers.values()]:
            if not dispatcher.is_idle:
                one = dispatcher.sighting
                before = found.get(one.queue)
                found[one.queue] = one._replace(busy=one.busy + before.busy) if before else one
        return list(found.values())

    def _stop(self) -> None:
        """Drain at the first signal; at the second, release the jobs of running calls at once."""
        again = self._stop_by is not None
        self._stop_by = time.monotonic() + (0 if again else self._settings.drain_ms / 1000)
        self._look.set()

    def _drain(self) -> None:
        """Let calls finish until the drain ends; then abort them, and settle all of them while the leases hold."""
        for queue in list(self._dispatchers):
            self._retire(queue)
        while not all(dispatcher.is_idle for dispatcher in self._retired):
            now = time.monotonic()
            assert self._stop_by is not None
            if now >= self._stop_by:
                for dispatcher in self._retired:
                    dispatcher.release()
            if now >= self._stop_by + self._settings.lease_ms / 1000:
                return
            gevent.sleep(LOOK_S)

    def _refresh(self) -> None:
        """Start and retire endpoint dispatchers by the registered endpoints. Raises DatabaseError."""
        known = endpoints.revisions(self._db)
        for queue, dispatcher in list(self._dispatchers.items()):
            if known.get(queue) != dispatcher.revision:
                self._retire(queue)
        for queue, revision in known.items():
            if queue not in self._dispatchers and self._unusable.get(queue) != revision:
                self._open(queue)
        for queue in set(self._unsubscribes) - set(self._dispatchers):
            self._unsubscribes.pop(queue)()
        for dispatcher in [dispatcher for dispatcher in self._retired if dispatcher.is_idle]:
            dispatcher.close()
            self._retired.remove(dispatcher)

    def _retire(self, queue: str) -> None:
        dispatcher = self._dispatchers.pop(queue)
        dispatcher.retire()
        self._retired.append(dispatcher)

    def _open(self, queue: str) -> None:
        """Start to dispatch to an endpoint. An unusable one is logged and skipped until it is registered again."""
        endpoint = endpoints.find(self._db, queue=queue)
        if endpoint is None:
            return
        try:
            headers = self._vault.open(endpoint.sealed_headers)
            secrets = self._vault.open(endpoint.sealed_secrets) or list(self._settings.webhook_secrets)
        except VaultError as error:
            self._mark_unusable(queue, endpoint.revision, str(error))
            return
        if not secrets:
            self._mark_unusable(
                queue, endpoint.revision, "no secret to sign with: set ROWLINE_WEBHOOK_SECRETS here as in the API"
            )
            return
        try:
            dispatcher = EndpointDispatcher(self._tools, endpoint, headers=headers, secrets=secrets)
        except CallError as error:
            self._mark_unusable(queue, endpoint.revision, str(error))
            return
        self._dispatchers[queue] = dispatcher
        dispatcher.start()
        if queue not in self._unsubscribes:
            self._unsubscribes[queue] = self._watch.add(
                queue, functools.partial(self._wake, queue), cursor=dispatcher.cursor
            )

    def _mark_unusable(self, queue: str, revision: str, cause: str) -> None:
        self._unusable[queue] = revision
        _log.error("endpoint_unusable", extra={"queue": queue, "cause": cause})

    def _wake(self, queue: str) -> None:
        if dispatcher := self._dispatchers.get(queue):
            dispatcher.wake()
