"""The streams of events of one process: one thread folds and reads for all of them, while there are any.

Who folds publishes. So a process with streams folds 16 times a second, unless it hears that another has published. A
round takes 1 ms a stream at least: with 100 streams there are ten a second.
"""

import contextvars
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field

from app.domain.errors import OverQuota
from app.domain.events import RUN_MAX
from app.operations import maintenance
from app.postgres.database import Database, DatabaseError
from app.queries import events
from app.queries.events import TitledRun

_log = logging.getLogger(__name__)
STREAMS_MAX = 200
LAG_MAX = 1_000
"""With so many events that wait to be sent, a stream takes no more."""
AT_ONCE = RUN_MAX
"""So many events are sent as one piece."""
READ_S, FOLD_S = 0.025, 0.06
EACH_S = 0.001
"""A round takes at least so long for each stream: a piece costs some 60 us a stream, whatever it holds."""
GIVES_WAY_AFTER = 20
"""After so many streams others of the process have a turn."""
RETRY_S = 1.0  # after an error of the database
FULL_S = 5.0
"""After how many seconds to try again to open a stream."""


@dataclass(eq=False, slots=True)
class Piece:
    """Events that are sent together, in their order."""

    runs: list[TitledRun] = field(default_factory=list)
    count: int = 0
    """How many events they have, about."""
    text: bytes | None = None
    """How they are sent: written once for all streams of a view."""


Choose = Callable[[TitledRun], TitledRun | None]
"""Returns of a run what a stream wants, itself or a part that keeps nothing else; None if it wants nothing of it."""


def pieces(found: Iterable[TitledRun], choose: Choose) -> list[Piece]:
    """Part what is wanted of runs into pieces."""
    parts = list[Piece]()
    for run in filter(None, map(choose, found)):
        if not parts or parts[-1].count + run.count > AT_ONCE:
            parts.append(Piece())
        parts[-1].runs.append(run)
        parts[-1].count += run.count
    return parts


class Stream:
    """What one client has yet to be sent."""

    def __init__(self, choose: Choose, *, view: Hashable = None, has_names: bool = False) -> None:
        """Take what `choose` chooses of each run. `has_names`: whether it tells the names of jobs.

        `view`: streams of an equal one want the same, and show the same of it: it is chosen and written once for all.
        """
        self._choose = choose
        self._view = self if view is None else view
        self.has_names = has_names
        self._waiting: deque[Piece] = deque()
        self._count = 0
        self.woken = threading.Event()
        self.after = 0
        """Only events after this one are taken."""
        self.read = 0
        """The last event that was read for it, wanted or not: of those up to it `take` has what is wanted."""
        self.has_lagged = False
        """Whether so many events waited that others were not taken, or some are gone: it gets no more."""

    def lag(self) -> None:
        """Give it no more: its client resumes, and hears then what is gone."""
        self.has_lagged = True
        self._waiting.clear()
        self.woken.set()

    def put(self, found: Sequence[TitledRun], *, read: int, chosen: dict[Hashable, list[Piece]]) -> bool:
        """Take events, all up to the one with the id `read`; return whether it lags from now on. Does not block.

        `chosen`: what of them streams have taken already, by their view; what this one takes is added.
        """
        if self.has_lagged:
            return False
        wanted = self._chosen(found, chosen)
        if wanted and self._count >= LAG_MAX:
            self.lag()
            return True
        if wanted:
            self._waiting.extend(wanted)
            self._count += sum(piece.count for piece in wanted)
            self.woken.set()
        self.read = read
        return False

    def take(self) -> Piece | None:
        """Return the events that are to be sent now; None if there are none."""
        taken = self._waiting.popleft() if self._waiting else None
        if taken:
            self._count -= taken.count
        if not self._waiting:
            self.woken.clear()
        return taken

    def _chosen(self, found: Sequence[TitledRun], chosen: dict[Hashable, list[Piece]]) -> list[Piece]:
        """Return those of `found` that it wants. One that has joined amid them has a choice of its own.

        It joined after the last event that was published then: no run goes on from before to after that.
        """
        view = self._view if found and found[0].run.first_id > self.after else self
        if view not in chosen:
            chosen[view] = pieces((one for one in found if one.run.first_id > self.after), self._choose)
        return chosen[view]


def _nobody(*_: object) -> None:
    """Tell nobody."""


class EventStreams:
    """The streams of this process; shared between its threads."""

    def __init__(
        self, db: Database, *, on_count: Callable[[int], None] = _nobody, on_lag: Callable[[], None] = _nobody
    ) -> None:
        """Read from `db`, in a thread that the first stream starts.

        `on_count` is told how many streams there are, `on_lag` that one ends because its client was behind.
        """
        self._db, self._on_count, self._on_lag = db, on_count, on_lag
        self._lock = threading.Lock()
        self._streams: set[Stream] = set()
        self._open: Counter[str] = Counter()
        self._cursor = 0
        self._fold_at = 0.0  # on the monotonic clock
        self._thread: threading.Thread | None = None
        self._joined, self._bell, self._closed = threading.Event(), threading.Event(), threading.Event()

    @property
    def is_closed(self) -> bool:
        """Whether the process stops: then all streams end."""
        return self._closed.is_set()

    def enter(self, caller: str, *, most: int | None) -> None:
        """Count a stream of a caller, which may have `most`; `leave` ends it. Raises OverQuota."""
        with self._lock:
            if self._open.total() >= STREAMS_MAX:
                message = f"this process has {STREAMS_MAX} streams of events, and no more"
                raise OverQuota(message, retry_after_s=FULL_S)
            if most is not None and self._open[caller] >= most:
                raise OverQuota(f"the token may have {most} streams of events", retry_after_s=FULL_S)
            self._open[caller] += 1
            self._on_count(self._open.total())

    def leave(self, caller: str) -> None:
        """Count one stream less."""
        with self._lock:
            self._open[caller] -= 1
            self._open += Counter()  # without those that have none
            self._on_count(self._open.total())

    def join(self, stream: Stream, *, at: int, newest: int) -> bool:
        """Give a stream all events after `at` from now on; False if there are later ones that it has to read first.

        `newest`: the newest event when the stream last looked. The thread reads for all streams, so it begins there.
        """
        with self._lock:
            if at < newest or (self._streams and self._cursor > at):
                return False
            if not self._streams:
                self._cursor = at
            stream.after = at
            self._streams.add(stream)
            if self._thread is None:
                self._db.listen(maintenance.PUBLISHED, self._on_publication)
                self._thread = threading.Thread(target=self._run, name="events", daemon=True)
                contextvars.Context().run(self._thread.start)  # without the request's id: the thread outlives it
        self._joined.set()
        return True

    def part(self, stream: Stream) -> None:
        """Give a stream no more events."""
        with self._lock:
            self._streams.discard(stream)

    def close(self) -> None:
        """End all streams, and let none begin."""
        self._closed.set()
        with self._lock:
            streams = [*self._streams]
        for stream in streams:
            stream.woken.set()
        for event in (self._joined, self._bell):
            event.set()

    def _on_publication(self) -> None:
        self._fold_at = time.monotonic() + self._at_least(FOLD_S)
        self._bell.set()

    def _at_least(self, seconds: float) -> float:
        return max(seconds, EACH_S * len(self._streams))

    def _run(self) -> None:
        while not self.is_closed:
            self._joined.clear()
            with self._lock:
                has_streams = bool(self._streams)
            if not has_streams:
                self._joined.wait()
                continue
            is_behind = False
            try:
                is_behind = self._read()
                # It rings for what was folded here and has been read. If another process published meanwhile, that
                # waits for the next round: two readings of each fold cost more.
                self._bell.clear()
            except DatabaseError as error:  # the streams go on: it may be back in time
                _log.warning("tick_failed", extra={"loop": "events", "cause": str(error)})
                self._closed.wait(RETRY_S)
            except Exception:  # noqa: BLE001 - the thread of all streams must not end
                _log.exception("tick_failed", extra={"loop": "events"})
                self._closed.wait(RETRY_S)
            if not is_behind:
                self._closed.wait(self._at_least(READ_S))
                self._bell.wait(max(0.0, self._fold_at - time.monotonic()))

    def _read(self) -> bool:
        """Fold if it is time, and give the streams what is new; return whether there is more.

        If events are gone before they were read, or their ids were set back as by a restored backup, all streams end:
        their clients resume, and hear of it.
        """
        if (now := time.monotonic()) >= self._fold_at:
            maintenance.fold_counts(self._db)
            self._fold_at = now + self._at_least(FOLD_S)
        with self._lock:
            cursor, has_names = self._cursor, any(stream.has_names for stream in self._streams)
        page = events.page(self._db, after=cursor, has_names=has_names)
        with self._lock:
            is_lacking = not has_names and any(stream.has_names for stream in self._streams)
            if self._cursor != cursor or is_lacking:  # another has come meanwhile, after all have left, or for names
                return True
            self._cursor = page.cursor  # one that joins now gets what comes after its own reading
            streams = [*self._streams]
            if page.is_cut:
                self._streams.clear()
        chosen: dict[Hashable, list[Piece]] = {}
        for nth, stream in enumerate(streams, 1):
            if page.is_cut:
                stream.lag()
            elif stream.put(page.runs, read=page.cursor, chosen=chosen):
                self._on_lag()
            if nth % GIVES_WAY_AFTER == 0:
                time.sleep(0)
        return page.cursor < page.ends.newest
