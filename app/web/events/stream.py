"""A stream of events, as server-sent events: what is kept first, then what comes, until client or service end it."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from app.domain.events import Ends, EventType, Shown
from app.domain.job import JobKey
from app.operations.eventstreams import EventStreams, Stream
from app.postgres.database import Database, DatabaseError
from app.queries import events
from app.queries.events import TitledEvent
from app.web import answers
from app.web.events import schemas
from app.web.events.schemas import Wanted

COMMENT_S = 8.0
CHECK_S = 1.0
"""How often a stream looks whether its client is there, and its token valid."""
QUEUES_KNOWN = 10_000
"""Of so many queues a stream remembers whether it has their events."""
AT_ONCE = 500
"""So many events are sent as one piece."""


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
    ) -> None:
        """`may_see`: whether events of a queue are sent; `may_go_on`: whether client and token are good."""
        self._db, self._streams, self._wanted = db, streams, wanted
        self._sees_payload, self._may_go_on = sees_payload, may_go_on
        # Asked for each event of each stream, with patterns and scopes to compare.
        self._is_in = lru_cache(maxsize=QUEUES_KNOWN)(lambda queue: wanted.covers(queue) and may_see(queue))
        self._cursor = self._newest = 0
        self._is_over = False
        self._commented_at = self._checked_at = time.monotonic()

    def pieces(self, ends: Ends) -> Iterator[bytes]:
        """Yield the stream, which ends when the database is away for its beginning: the client then resumes it."""
        stream = Stream(lambda one: self._wanted.wants(one, self._is_in))
        try:
            yield self._hello(ends)
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
        wanted, said = self._wanted, b""
        self._newest = ends.newest
        if wanted.is_from_start:
            self._cursor = ends.oldest - 1
        elif wanted.after is None:
            self._cursor = ends.newest
        elif wanted.after > ends.newest:
            self._cursor = ends.newest
            said = _block("reset", {"cursor": self._cursor}, self._cursor)
        else:
            self._cursor = wanted.after
        return _block("hello", {"cursor": self._cursor}, self._cursor) + said

    def _kept(self) -> Iterator[bytes]:
        """Yield what is kept after the cursor, as far as one read goes."""
        page = events.page(self._db, after=self._cursor, queue=self._wanted.queue)
        self._newest = page.ends.newest
        if self._cursor > self._newest:
            self._cursor = self._newest
            yield _block("reset", {"cursor": self._cursor}, self._cursor)
            return
        if self._cursor + 1 < page.ends.oldest:
            lost = {"from": self._cursor + 1, "to": page.ends.oldest - 1}
            yield _block("gap", {"type": "gap"} | lost, page.ends.oldest - 1)
        found = [one for one in page.events if self._wanted.wants(one, self._is_in)]
        for start in range(0, len(found), AT_ONCE):
            yield self._sent(found[start : start + AT_ONCE])
            if not self._goes_on():
                return
        self._cursor = page.cursor

    def _new(self, stream: Stream) -> Iterator[bytes]:
        while self._goes_on():
            if taken := stream.take(AT_ONCE):
                yield self._sent(taken)
            elif stream.has_lagged:
                yield _block("lagged", {"cursor": self._cursor})
                return
            else:
                yield from self._comment()
                stream.woken.wait(CHECK_S)

    def _comment(self) -> Iterator[bytes]:
        """Yield a comment, if nothing was sent for COMMENT_S."""
        if time.monotonic() >= self._commented_at + COMMENT_S:
            yield self._noted(b":\n\n")

    def _goes_on(self) -> bool:
        if self._is_over or self._streams.is_closed:
            return False
        now = time.monotonic()
        if now >= self._checked_at + CHECK_S:
            self._checked_at = now
            self._is_over = not self._may_go_on()
        return not self._is_over

    def _sent(self, found: Sequence[TitledEvent]) -> bytes:
        shown = self._shown(found)
        self._cursor = found[-1].event.id
        return self._noted(b"".join(self._text(one, shown) for one in found))

    def _noted(self, piece: bytes) -> bytes:
        self._commented_at = time.monotonic()
        return piece

    def _shown(self, found: Sequence[TitledEvent]) -> Shown | None:
        """Read what events of progress and of log lines show, which only the stream of their job has."""
        told = [one.event for one in found if one.event.type in {EventType.PROGRESS, EventType.LOG}]
        if not told:
            return None
        lines = [event.line_number for event in told if event.line_number is not None]
        job = JobKey(told[-1].queue, told[-1].number or 0)
        return events.shown(self._db, job=job, lines=lines)

    def _text(self, one: TitledEvent, shown: Shown | None) -> bytes:
        sees_payload = self._sees_payload(one.event.queue)
        said: dict[str, Any] = {"has_names": self._wanted.has_names, "sees_payload": sees_payload}
        if shown:
            return _block(one.event.type, schemas.members(one, **said, shown=shown), one.event.id)
        key = (sees_payload, self._wanted.has_names)
        text = one.texts.get(key)
        if text is None:
            text = one.texts[key] = _block(one.event.type, schemas.members(one, **said), one.event.id)
        return text


def _block(event: str, data: dict[str, Any], event_id: int | None = None) -> bytes:
    head = b"" if event_id is None else b"id: %d\n" % event_id
    return b"%sevent: %s\ndata: %s\n\n" % (head, event.encode(), answers.dump(data))
