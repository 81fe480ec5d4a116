"""A stream of events, as server-sent events: what is kept first, then what comes, until client or service end it."""

import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from app.domain.events import OF_ONE_JOB, Ends, Event, Shown
from app.domain.job import JobKey
from app.operations import eventstreams
from app.operations.eventstreams import EventStreams, Piece, Stream
from app.postgres.database import Database, DatabaseError
from app.queries import events
from app.queries.events import TitledRun
from app.web.events import text
from app.web.events.schemas import Wanted

COMMENT_S = 8.0
CHECK_S = 1.0
"""How often a stream looks whether its client is there, and its token valid."""
QUEUES_KNOWN = 10_000
"""Of so many queues a stream remembers whether it has their events."""


class Sender:
    """Makes the stream of one client."""

    def __init__(
        self,
        db: Database,
        streams: EventStreams,
        wanted: Wanted,
        *,
        may_see: Callable[[str], bool],
        sees_payload: Callable[[str], bool],
        may_go_on: Callable[[], bool],
        rights: Hashable,
        tells_cursor: bool = True,
        is_packed: bool = False,
    ) -> None:
        """`may_see`: whether events of a queue are sent; `may_go_on`: whether client and token are good.

        `rights`: equal where `may_see` and `sees_payload` are.

        `tells_cursor`: whether the client takes ids without an event, by which it goes on past the events of others.

        `is_packed`: whether the stream is in gzip.
        """
        self._db, self._streams, self._wanted = db, streams, wanted
        self._sees_payload, self._may_go_on, self._tells_cursor = sees_payload, may_go_on, tells_cursor
        # Asked for each run, with patterns and scopes to compare.
        self._is_in = lru_cache(maxsize=QUEUES_KNOWN)(lambda queue: wanted.covers(queue) and may_see(queue))
        self._cursor = self._told = self._newest = 0
        self._is_over = False
        self._is_packed = is_packed
        self._view = (replace(wanted, after=None, is_from_start=False), rights, is_packed)
        self._commented_at = self._checked_at = time.monotonic()

    def pieces(self, ends: Ends) -> Iterator[bytes]:
        """Yield the stream, which ends when the database is away for its beginning: the client then resumes it."""
        stream = Stream(self._choose, view=self._view, has_names=self._wanted.has_names)
        try:
            yield (text.GZIP_HEAD if self._is_packed else b"") + self._hello(ends)
            while not self._streams.join(stream, at=self._cursor, newest=self._newest):
                yield from self._kept()
                if not self._goes_on():
                    return
                yield from self._comment()
            yield from self._new(stream)
        except DatabaseError:
            return
        finally:
            self._streams.part(stream)

    def _hello(self, ends: Ends) -> bytes:
        """Say where the stream begins. Where that is later than all, it reads before it joins, and is told a reset."""
        wanted = self._wanted
        self._newest = ends.newest
        if wanted.is_from_start:
            self._cursor = ends.oldest - 1
        elif wanted.after is None:
            self._cursor = ends.newest
        else:
            self._cursor = wanted.after
            self._newest = wanted.after + 1 if wanted.after > ends.newest else ends.newest
        self._told = self._cursor
        return self._packed(text.block("hello", {"cursor": self._cursor}, self._cursor))

    def _kept(self) -> Iterator[bytes]:
        """Yield what is kept after the cursor, as far as one read goes."""
        wanted = self._wanted
        page = events.page(self._db, after=self._cursor, queue=wanted.queue, has_names=wanted.has_names)
        self._newest = page.ends.newest
        for piece in eventstreams.pieces(page.runs, self._choose):
            yield self._sent(piece)
            if not self._goes_on():
                return
        self._cursor = page.cursor

    def _new(self, stream: Stream) -> Iterator[bytes]:
        while self._goes_on():
            read = stream.read  # before `take`, which so has all of it
            if taken := stream.take():
                yield self._sent(taken)
            elif stream.has_lagged:
                yield self._packed(text.block("lagged", {"cursor": self._cursor}))
                return
            else:
                self._cursor = max(self._cursor, read)
                yield from self._comment()
                stream.woken.wait(CHECK_S)

    def _comment(self) -> Iterator[bytes]:
        """Yield a comment, if nothing was sent for COMMENT_S; with an id, if others' events have passed.

        An id without data is no event, but a client that resumes does so after it.
        """
        if time.monotonic() < self._commented_at + COMMENT_S:
            return
        is_behind = self._tells_cursor and self._cursor > self._told
        yield self._noted(self._packed(b":\n%s\n" % (b"id: %d\n" % self._cursor if is_behind else b"")))
        self._told = self._cursor

    def _goes_on(self) -> bool:
        if self._is_over or self._streams.is_closed:
            return False
        now = time.monotonic()
        if now >= self._checked_at + CHECK_S:
            self._checked_at = now
            self._is_over = not self._may_go_on()
        return not self._is_over

    def _choose(self, run: TitledRun) -> TitledRun | None:
        return self._wanted.choose(run, self._is_in)

    def _sent(self, piece: Piece) -> bytes:
        if piece.text is None:
            shown = self._shown(piece) if self._wanted.job_id is not None else {}
            piece.text = self._packed(b"".join(self._text(run, shown) for run in piece.runs))
        last = piece.runs[-1]
        self._cursor = last.run.last_id
        if len(last.types) == 1:  # else another type may be the last, which was not sent
            self._told = self._cursor
        return self._noted(piece.text)

    def _packed(self, plain: bytes) -> bytes:
        return text.packed(plain) if self._is_packed else plain

    def _noted(self, piece: bytes) -> bytes:
        self._commented_at = time.monotonic()
        return piece

    def _shown(self, piece: Piece) -> Mapping[JobKey, Shown]:
        """Read what events of progress and of log lines show, which only the stream of their job has.

        Jobs that followed each other under one custom id are in it one after the other.
        """
        told: dict[JobKey, list[Event]] = defaultdict(list)
        for run in piece.runs:
            if run.run.type in OF_ONE_JOB:
                for one in run.events:
                    told[text.job(one.event)].append(one.event)
        shown = {}
        for job, each in told.items():
            lines = [event.line_number for event in each if event.line_number is not None]
            shown[job] = events.shown(self._db, job=job, lines=lines)
        return shown

    def _text(self, run: TitledRun, shown: Mapping[JobKey, Shown]) -> bytes:
        """Return what is wanted of a run, written once for all streams that show the same of it."""
        wanted, sees_payload = self._wanted, self._sees_payload(run.run.note.queue)
        is_uniform = run.is_uniform and not wanted.has_names
        key = () if is_uniform else (wanted.has_names, sees_payload, wanted.types if len(run.types) > 1 else None)
        if key not in run.texts:
            said: dict[str, Any] = {"has_names": wanted.has_names, "sees_payload": sees_payload}
            found = (one for one in run.events if wanted.wants(one, self._is_in))
            run.texts[key] = text.uniform(run.run) if is_uniform else text.each(found, shown, **said)
        return run.texts[key]
