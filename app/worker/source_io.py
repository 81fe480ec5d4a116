"""A worker's calls to its source, which run while its loop goes on: at most one claim and one settling call at a time.

One claim, since jobs begin in queue order; one settling call, since progress must be stored before its attempt ends.
"""

import functools
import logging
import math
import time
from collections.abc import Callable, Container, Iterator

from app.domain.job import ClaimedJob
from app.infra.settings import Settings
from app.postgres.coroutine import DatabaseCoroutine
from app.worker.completer import Completer
from app.worker.sources import ClaimedJobs, Source, SourceUnavailable

_log = logging.getLogger(__name__)
GATHER_S = 0.002  # how long outcomes wait to be settled together with those of quick jobs that still run
LARGE = 20  # from so many jobs on, a claim is worth a transaction of its own
Call = DatabaseCoroutine[ClaimedJobs | None]


class SourceIO:
    """The calls of one worker to its source. Its loop polls the descriptors that they wait for, and resumes them.

    Outcomes are settled with the next claim; completions share its commit. But while the queue is long, completions are
    settled beside the claims, since PostgreSQL has more than one core.
    """

    def __init__(
        self,
        settings: Settings,
        source: Source,
        completer: Completer,
        *,
        queue: str,
        take: Callable[[list[ClaimedJob]], None],
    ) -> None:
        """Start without calls. `take` is called with the jobs of each claim."""
        self._settings, self._source, self._completer, self._queue, self._take = (
            settings,
            source,
            completer,
            queue,
            take,
        )
        self._kept: list[Call] = []
        self._claim: Call | None = None
        self._settling: Call | None = None  # the settling call; the same as the claim if one transaction does both
        self._settles_final = True  # whether the settling call makes no job ready again
        self._asked = 0  # the limit of the running claim
        self._is_long = False  # whether the last claim returned as many jobs as it asked for, and at least LARGE
        self._claim_at = 0.0  # when to claim again
        self._call_at = 0.0  # when to call the source again, after an error
        self._gathers_until: float | None = None  # when outcomes that wait for others are settled at the latest

    @property
    def is_claiming(self) -> bool:
        """Whether a claim is running."""
        return self._claim is not None

    @property
    def is_idle(self) -> bool:
        """Whether no call is running."""
        return not self._claim and not self._settling

    def wake(self) -> None:
        """Claim soon: there may be jobs that a running claim has not seen."""
        self._claim_at = 0.0

    def waits(self) -> Iterator[tuple[int, int]]:
        """Yield the descriptors that the calls wait for, with the events as `poll` takes them."""
        for call in self._running():
            yield call.descriptor, call.events

    def next_at(self, room: int) -> float:
        """Return when to resume or to begin a call at the latest, with room for `room` jobs, by time.monotonic()."""
        moments = [call.ends_at for call in self._running()]
        if room and self._may_claim:
            moments.append(max(self._call_at, self._claim_at))
        if self._completer and not self._settling:
            moments.append(max(self._call_at, self._gathers_until or 0.0))
        return min(moments, default=math.inf)

    def go_on(self, ready: Container[int]) -> None:
        """Resume the calls whose descriptors are ready, or whose time limits have passed."""
        now = time.monotonic()
        for call in self._running():
            if call.descriptor in ready or now >= call.ends_at:
                self._go_on(call)

    def begin(self, room: int, *, more_soon: bool) -> None:
        """Claim up to `room` jobs and settle the outcomes, each unless such a call is running or has to wait.

        If there will be `more_soon`, settling without a claim waits for at most GATHER_S.
        """
        now = time.monotonic()
        if now < self._call_at:
            return
        limit = room if self._may_claim and now >= self._claim_at else 0
        settles = not self._settling and bool(self._completer)
        if settles and limit and not (self._is_long and self._completer.are_final):
            self._begin(functools.partial(self._completer.exchange, limit=limit), limit=limit, settles=True)
            return
        if not self._claim and (limit or not self._source.is_stopped):
            self._begin(functools.partial(self._only_claim, limit), limit=limit)
        if settles and not self._defers_settling(now, more_soon=more_soon):
            self._begin(functools.partial(self._completer.exchange, limit=0), settles=True)

    @property
    def _may_claim(self) -> bool:
        """Whether a claim can begin: jobs that become ready again must be settled before it, and too many results."""
        is_in_order = not self._settling or (self._settles_final and self._completer.are_final)
        return not self._claim and is_in_order and self._completer.may_grow

    def _begin(self, do: Callable[[], ClaimedJobs | None], *, limit: int | None = None, settles: bool = False) -> None:
        call: Call = self._kept.pop() if self._kept else DatabaseCoroutine()
        call.begin(do)
        if limit is not None:
            self._claim, self._asked = call, limit
        if limit:
            self._claim_at = math.inf  # `wake` sets it to 0
        if settles:
            self._settling, self._gathers_until, self._settles_final = call, None, self._completer.are_final
        self._go_on(call)

    def _only_claim(self, limit: int) -> ClaimedJobs | None:
        return self._source.exchange((), limit=limit).claimed

    def _go_on(self, call: Call) -> None:
        claimed: ClaimedJobs | None = None
        try:
            claimed = call.go_on()
        except SourceUnavailable as error:
            self._call_at = time.monotonic() + error.retry_s
            event = "settle_failed" if call is self._settling and self._completer else "claim_failed"
            _log.warning(event, extra={"queue": self._queue, "cause": str(error)})
        if not call.is_over:
            return
        self._kept.append(call)
        if call is self._settling:
            self._settling = None
        if call is self._claim:
            self._claim = None
            self._note(claimed)
        if claimed:
            self._take(claimed.taken)

    def _note(self, claimed: ClaimedJobs | None) -> None:
        """Set when to claim again: at once, unless the claim returned fewer jobs than it asked for."""
        if not self._asked:
            return
        got = len(claimed.taken) if claimed else 0
        self._is_long = got >= max(self._asked, LARGE)
        if not claimed or got >= self._asked:
            self._claim_at = 0.0
            return
        self._claim_at = min(self._claim_at, time.monotonic() + claimed.pause_s)

    def _defers_settling(self, now: float, *, more_soon: bool) -> bool:
        """Return whether outcomes should wait for those of jobs that will end, or be claimed, in a moment."""
        if self._gathers_until is None:
            self._gathers_until = now + GATHER_S
        comes = more_soon or (self._is_long and self._claim)
        return bool(comes) and now < self._gathers_until and 2 * len(self._completer) < self._asked

    def _running(self) -> list[Call]:
        settling = None if self._settling is self._claim else self._settling
        return [call for call in (self._claim, settling) if call]
