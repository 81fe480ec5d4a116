"""A worker's calls to its source, made while its loop goes on: at most one claim and one settling call at a time.

One claim, since jobs begin in the order of the line; one telling, since what was said of a job comes before its ending.
"""

import functools
import logging
import math
import time
from collections.abc import Callable, Container, Iterator

from app.domain.job import Taken
from app.infra.coroutine import DatabaseCoroutine
from app.infra.settings import Settings
from app.runners.completer import Completer
from app.runners.sources import RETRY_S, Claimed, Source, SourceUnavailable

_log = logging.getLogger(__name__)
GATHER_S = 0.002  # for which outcomes may wait for others, while quick jobs run that will be told of with them
LARGE = 20  # jobs from which on a claim is worth a transaction of its own
Call = DatabaseCoroutine[Claimed | None]


class SourceIO:
    """The calls of one worker to its source. Its loop polls what they wait for, and resumes them.

    All is told with the next claim, what went well even at the price of the claim's commit. But while the line is long,
    what went well is told beside the claims: PostgreSQL has more than one core.
    """

    def __init__(
        self,
        settings: Settings,
        source: Source,
        completer: Completer,
        *,
        queue: str,
        take: Callable[[list[Taken]], None],
    ) -> None:
        """Begin none yet. `take` is called with what a claim has brought."""
        self._settings, self._source, self._completer, self._queue, self._take = (
            settings,
            source,
            completer,
            queue,
            take,
        )
        self._claim: Call | None = None
        self._telling: Call | None = None  # the same as the claim where one transaction does both
        self._tells_final = True  # whether no job joins the line again by what is told
        self._asked = 0  # how many jobs are claimed
        self._is_long = False  # whether the last claim brought all that it asked for, and that was much
        self._claim_at = 0.0  # when to look for jobs again
        self._call_at = 0.0  # when to call to the source again, after trouble
        self._gathers_until: float | None = None  # when outcomes that wait for others are told at the latest

    @property
    def is_claiming(self) -> bool:
        """Whether a claim is under way."""
        return self._claim is not None

    @property
    def is_silent(self) -> bool:
        """Whether nothing is under way."""
        return not self._claim and not self._telling

    def ring(self) -> None:
        """Claim soon: there may be something, which a claim under way need not have seen."""
        self._claim_at = 0.0

    def waits(self) -> Iterator[tuple[int, int]]:
        """Give the descriptors, and the events on them as poll has them, for which these calls wait."""
        for call in self._under_way():
            yield call.descriptor, call.events

    def next_at(self, room: int) -> float:
        """Return when to go on or to begin though nothing happens, with room for so many jobs."""
        moments = [call.ends_at for call in self._under_way()]
        if room and self._may_claim:
            moments.append(max(self._call_at, self._claim_at))
        if self._completer and not self._telling:
            moments.append(max(self._call_at, self._gathers_until or 0.0))
        return min(moments, default=math.inf)

    def go_on(self, ready: Container[int]) -> None:
        """Go on with what waits for one of these descriptors, or has waited for too long."""
        now = time.monotonic()
        for call in self._under_way():
            if call.descriptor in ready or now >= call.ends_at:
                self._go_on(call)

    def begin(self, room: int, *, more_soon: bool) -> None:
        """Claim up to `room` jobs and tell what there is to tell, each unless it is under way or has to wait.

        What would be told for its own sake waits a moment while there will be `more_soon`.
        """
        now = time.monotonic()
        if now < self._call_at:
            return
        limit = room if self._may_claim and now >= self._claim_at else 0
        tells = not self._telling and bool(self._completer)
        if tells and limit and not (self._is_long and self._completer.are_final):
            self._begin(functools.partial(self._completer.exchange, limit=limit), limit=limit, tells=True)
            return
        if not self._claim and (limit or not self._source.is_at_rest):
            self._begin(functools.partial(self._only_claim, limit), limit=limit)
        if tells and not self._gathers(now, more_soon=more_soon):
            self._begin(functools.partial(self._completer.exchange, limit=0), tells=True)

    @property
    def _may_claim(self) -> bool:
        """Whether a claim can begin: what goes back to its place in line is there before."""
        return not self._claim and (not self._telling or (self._tells_final and self._completer.are_final))

    def _begin(self, do: Callable[[], Claimed | None], *, limit: int | None = None, tells: bool = False) -> None:
        call = DatabaseCoroutine(do)
        if limit is not None:
            self._claim, self._asked = call, limit
        if limit:
            self._claim_at = math.inf  # but at once, if the bell rings meanwhile
        if tells:
            self._telling, self._gathers_until, self._tells_final = call, None, self._completer.are_final
        self._go_on(call)

    def _only_claim(self, limit: int) -> Claimed | None:
        return self._source.exchange((), limit=limit).claimed

    def _go_on(self, call: Call) -> None:
        claimed: Claimed | None = None
        try:
            claimed = call.go_on()
        except SourceUnavailable as error:
            self._call_at = time.monotonic() + RETRY_S
            event = "settle_failed" if call is self._telling and self._completer else "claim_failed"
            _log.warning(event, extra={"queue": self._queue, "cause": str(error)})
        if not call.is_over:
            return
        if call is self._telling:
            self._telling = None
        if call is self._claim:
            self._claim = None
            self._note(claimed)
        if claimed:
            self._take(claimed.taken)

    def _note(self, claimed: Claimed | None) -> None:
        """Note when to claim again: at once, unless the claim brought less than it asked for."""
        if not self._asked:
            return
        got = len(claimed.taken) if claimed else 0
        self._is_long = got >= max(self._asked, LARGE)
        if not claimed or got >= self._asked:
            self._claim_at = 0.0
            return
        self._claim_at = min(self._claim_at, time.monotonic() + claimed.pause_s)

    def _gathers(self, now: float, *, more_soon: bool) -> bool:
        """Say whether outcomes should wait for those of jobs that will have run, or will have come, in a moment."""
        if self._gathers_until is None:
            self._gathers_until = now + GATHER_S
        comes = more_soon or (self._is_long and self._claim)
        return bool(comes) and now < self._gathers_until and 2 * len(self._completer) < self._asked

    def _under_way(self) -> list[Call]:
        telling = None if self._telling is self._claim else self._telling
        return [call for call in (self._claim, telling) if call]
