"""The maintainer: promotes due jobs, fails late ones, recovers stalled, times out, ticks, runs plans, folds, deletes.

Every process with a database has its loops; those of one process do the work for all (`rounds`).
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from random import Random

from app.infra.settings import Settings
from app.maintenance.loop import Loop
from app.maintenance.plans import PlanRunner
from app.maintenance.rounds import ROUND_S, Rounds
from app.maintenance.schedules import Ticker
from app.maintenance.terms import TermFiller
from app.operations import audit, deduplication, maintenance, plans, retention, sessions, tokens
from app.operations.maintenance import PendingWork
from app.postgres.database import Database, DatabaseError

_log = logging.getLogger(__name__)

FORGET_S = 60.0
PARTITION_S = 3600.0
FILL_S = 10.0
SWEEP_S, SWEEP_WHOLE_S = 10.0, 3600.0
EARLY = 0.5  # the share of the interval after which a round may promote again, since rounds have jitter
EXPIRED_SHARE = 10  # the pause between reads of all active jobs is at least so many times as long as the last one took
TURN_S = 0.5
"""How long what is seldom waits for something else that is: then it does its work beside it."""
UNUSED_S = 10.0  # a connection is closed after being idle for this long, at most twice that


def start(settings: Settings, db: Database, *, is_low_priority: bool = False) -> list[Loop]:
    """Start the loops in threads of this process. They do the work only while this process makes the rounds.

    `is_low_priority` is as for `Rounds`.
    """
    maintainer = Maintainer(settings, db, is_low_priority=is_low_priority)
    for loop in maintainer.loops:
        loop.start()
    return maintainer.loops


class Maintainer:
    """The loops of one process, each in a thread of its own, so that none delays the others."""

    def __init__(self, settings: Settings, db: Database, *, is_low_priority: bool = False) -> None:
        """Prepare; the `loops` are to be started. `is_low_priority` is as for `Rounds`."""
        self._settings, self._db = settings, db
        self._random = Random()  # noqa: S311 - spreads retries, guards nothing
        self._turn = threading.Lock()
        self._promote_s, self._often_s = settings.promote_ms / 1000, settings.recover_ms / 1000
        self._expired_took_s = 0.0
        self._promote_at = 0.0  # on the monotonic clock, at the earliest
        self._rounds = Rounds(
            db, round_s=min(ROUND_S, self._promote_s), on_look=self._begin, is_low_priority=is_low_priority
        )
        self._swept_whole_at = -math.inf
        self._promoting = self._loop("promote", None, lambda: maintenance.promote_due(db))
        self._failing = self._loop("fail_unstarted", None, self._fail_unstarted)
        self._folding = self._loop("fold", None, self._fold)
        self._is_any_at_once = False
        self._sweeping_at_once = self._loop("sweep_at_once", SWEEP_S, self._in_turn(self._sweep_at_once))
        self._plans = PlanRunner(db)
        self._running_plans = self._loop("plans", self._plans_pause_s, self._plans.tick)
        self._terms = TermFiller(db)
        self._following = self._loop("follow", None, lambda: deduplication.follow(db))
        ticker = Ticker(db, attended_since_ms=lambda: self._rounds.attendance.since_ms)
        self._ticking = self._loop("tick", None, ticker.tick)
        self._overdue: list[str] = []
        self._timing_out = self._loop("time_out", None, self._time_out)
        self._seldom = [
            self._loop("recover", self._recover_pause_s, self._in_turn(self._recover)),
            self._loop("forget", FORGET_S, self._in_turn(self._forget)),
            self._loop("sweep", SWEEP_S, self._in_turn(self._sweep)),
            self._loop("fill_terms", self._terms_pause_s, self._in_turn(self._terms.tick)),
            self._sweeping_at_once,
            self._loop("partition", PARTITION_S, self._in_turn(self._partition)),
            self._loop("fill", FILL_S, self._in_turn(lambda: maintenance.fill_fingerprints(db))),
        ]
        closing = Loop("close_unused", interval_s=UNUSED_S, tick=db.close_unused)
        self.loops = [
            self._rounds.loop,
            self._promoting,
            self._failing,
            self._folding,
            self._timing_out,
            self._running_plans,
            self._following,
            self._ticking,
            *self._seldom,
            closing,
        ]

    def _loop(
        self, name: str, interval_s: float | Callable[[], float | None] | None, tick: Callable[[], object]
    ) -> Loop:
        def tried() -> None:
            try:
                tick()
            except DatabaseError:
                self._rounds.resign()
                raise

        return Loop(name, interval_s=interval_s, tick=tried, is_wanted=lambda: self._rounds.is_leader)

    def _in_turn(self, tick: Callable[[], object]) -> Callable[[], object]:
        """Let what has little to do, all of which begins at a take-over, share one connection."""

        def taken() -> None:
            is_mine = self._turn.acquire(timeout=TURN_S)
            try:
                tick()
            finally:
                if is_mine:
                    self._turn.release()

        return taken

    def _begin(self, found: PendingWork, is_new: bool) -> None:  # noqa: FBT001 - called by the rounds alone
        """Start the loops for what a round found; if this process has just taken over, the other loops too."""
        now = time.monotonic()
        if found.is_due and now >= self._promote_at:
            self._promote_at = now + self._promote_s * EARLY
            self._promoting.hurry()
        if found.is_late:
            self._failing.hurry()
        if found.is_unfolded:
            self._folding.hurry()
        if found.has_plans:  # perhaps new ones
            self._running_plans.hurry()
        if found.has_stored:
            self._following.hurry()
        if found.has_ticks:
            self._ticking.hurry()
        for loop in self._seldom if is_new else ():
            loop.hurry()

    def _plans_pause_s(self) -> float | None:
        if not self._rounds.is_leader:
            self._plans.rest()
        return self._plans.pause_s()

    def _terms_pause_s(self) -> float:
        if not self._rounds.is_leader:
            self._terms.rest()
        return self._terms.pause_s()

    def _recover_pause_s(self) -> float:
        often_s = self._often_s * self._random.uniform(0.9, 1.1)
        return max(often_s, EXPIRED_SHARE * self._expired_took_s)

    def _recover(self) -> None:
        """Look for leases that have run out, once for both loops; recover the stalled jobs here."""
        started = time.monotonic()
        found = maintenance.expired(self._db)
        self._expired_took_s = time.monotonic() - started
        self._overdue = found.overdue
        if found.overdue:
            self._timing_out.hurry()
        for queue, jobs in maintenance.recover_stalled(
            self._db, max_stalled_count=self._settings.max_stalled_count, queues=found.stalled
        ).items():
            _log.warning("stalled_recovered", extra={"queue": queue, "jobs": jobs})

    def _fail_unstarted(self) -> None:
        for queue, jobs in maintenance.fail_unstarted(self._db).items():
            _log.warning("not_started", extra={"queue": queue, "jobs": jobs})

    def _time_out(self) -> None:
        for queue, jobs in maintenance.time_out(self._db, random=self._random, queues=self._overdue).items():
            _log.warning("timed_out", extra={"queue": queue, "jobs": jobs})

    def _forget(self) -> None:
        maintenance.forget_keys(self._db, keep_ms=self._settings.keep_keys_ms)
        maintenance.forget_minutes(self._db)
        maintenance.forget_workers(self._db)
        maintenance.make_room_for_events(
            self._db, keep_ms=self._settings.keep_events_ms, max_bytes=self._settings.max_events_bytes
        )
        maintenance.name_queues(self._db)
        maintenance.forget_unused(self._db)
        plans.forget(self._db)
        sessions.forget(self._db)

    def _partition(self) -> None:
        audit.partition(self._db)
        tokens.forget(self._db)
        deduplication.forget_idle(self._db)

    def _fold(self) -> None:
        """Fold what changed. Where a queue keeps none of its finished jobs, some may have ended."""
        if maintenance.fold_counts(self._db) and self._is_any_at_once:
            self._sweeping_at_once.hurry()

    def _sweep_at_once(self) -> None:
        self._is_any_at_once = retention.is_any_at_once(self._db)
        if self._is_any_at_once:
            retention.sweep_at_once(self._db)

    def _sweep(self) -> None:
        now = time.monotonic()
        is_whole = now - self._swept_whole_at >= SWEEP_WHOLE_S
        removed = retention.sweep(self._db, is_whole=is_whole)
        if is_whole:
            self._swept_whole_at = now
        for queue, jobs in removed.items():
            _log.info("jobs_removed", extra={"queue": queue, "jobs": jobs})
