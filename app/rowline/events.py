"""Events of jobs and queues, as they happen: a stream that resumes by itself."""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypedDict

from rowline.bodies import UNREADABLE, Stream
from rowline.errors import RowlineError, Unavailable
from rowline.transport import CLOSED, Call, Transport

FIELDS = {"event", "data", "id"}
STREAM = "text/event-stream"
SILENCE_S = 20.0
"""Without a byte for so long a stream is taken for cut: the service sends a comment each 8 s."""


class Asked(TypedDict, total=False):
    """Which events are asked for. Nothing: all from now on."""

    types: Sequence[str]
    after: int | str | None  # the `event_id` after which to begin, or "start"; None: from now on
    with_names: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EventInfo:
    """An event. `id` is that of the job, None for an event of a queue; a gap may have a queue, and no job.

    What does not apply, or may not be seen, is None. After a `gap` or a `reset` look at the jobs themselves.
    """

    event_id: int
    type: str
    queue: str | None = None
    id: str | None = None
    at: int | None = None  # ms since the epoch
    attempt: int | None = None
    delay: int | None = None  # ms
    reason: str | None = None
    worker: str | None = None
    name: str | None = None
    progress: Any = None
    line: str | None = None

    @classmethod
    def of(cls, members: Mapping[str, Any], *, event_id: int) -> Self:
        """Read the JSON of an event; what a later release added is passed over."""
        known = {name: members[name] for name in cls.__slots__ if name in members and name not in {"event_id", "type"}}
        return cls(event_id=event_id, type=str(members["type"]), **known)


class Events:
    """A stream of events: iterate over it, in one thread. It has begun when it is there, so that nothing is missed.

    After a cut it goes on after the last event that came, while the service can be reached again; it ends by `close`,
    or when the client is closed. Iterating raises RowlineError for what no retry mends, such as a revoked token.
    """

    def __init__(self, transport: Transport, path: str, **asked: Any) -> None:
        """Open the stream. Raises RowlineError."""
        self._transport, self._path = transport, path
        self._cursor: int | str | None = asked.pop("after", None)
        self._query = {
            name: value
            for name, value in {
                "queue": [*asked.pop("queues", ())],
                "type": [*asked.pop("types", ())],
                "include": ["name"] if asked.pop("with_names", False) else [],
            }.items()
            if value
        }
        if asked:
            raise TypeError(f"unknown: {', '.join(asked)}")
        self._is_closed = False
        self._stream: Stream | None = None
        self._coming: Iterator[tuple[str, dict[str, Any], int | None]] = iter(())
        self._open()

    def __enter__(self) -> Self:
        """Return the stream, which is closed at the end of the block."""
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """End the stream."""
        self._is_closed = True
        if self._stream:
            self._stream.close()

    def __iter__(self) -> Iterator[EventInfo]:
        """Yield events, and wait for the next ones. Resumes after cuts."""
        tries = itertools.count()
        while not self._is_closed:
            try:
                if self._stream is None:
                    self._open()
                for event in self._events():
                    tries = itertools.count()
                    yield event
            except Unavailable as error:
                if error.code == CLOSED:
                    return
            if self._stream:
                self._stream.close()
            self._stream = None
            if not self._is_closed:
                self._transport.pause(next(tries))

    def _open(self) -> None:
        """Open the stream after the cursor, and read its first event, which says the cursor. Raises RowlineError.

        A response that ends before its first line is that of a node that stops: Unavailable.
        """
        headers = {"Accept": STREAM} | ({} if self._cursor is None else {"Last-Event-ID": str(self._cursor)})
        call = Call(method="GET", path=self._path, query=self._query, headers=headers)
        self._stream = self._transport.stream(call, silence_s=SILENCE_S)
        self._coming = _told(self._stream)
        name, data, _ = next(self._coming, ("", {}, None))
        if not self._stream.has_begun:
            raise Unavailable("the stream ended before it began", code="no_answer")
        if name != "hello":
            raise _not_rowline()
        try:
            self._cursor = int(data["cursor"])
        except UNREADABLE as error:
            raise _not_rowline() from error

    def _events(self) -> Iterator[EventInfo]:
        for name, data, event_id in self._coming:
            if name == "lagged":
                return
            if event_id is None:
                continue
            if name:
                yield EventInfo.of({"type": name} | data, event_id=event_id)
            self._cursor = event_id


def _told(stream: Stream) -> Iterator[tuple[str, dict[str, Any], int | None]]:
    """Yield name, data and id of each server-sent event; an id alone has no name: events before it were not ours.

    Raises RowlineError for what is none of Rowline's.
    """
    said: dict[str, str] = {}
    for line in stream.lines():
        name, _, value = line.partition(": ")
        if line.startswith(":"):
            continue
        if name in FIELDS:
            said[name] = value
        elif not line and said:
            yield _read(said)
            said = {}


def _read(said: Mapping[str, str]) -> tuple[str, dict[str, Any], int | None]:
    try:
        name, data, event_id = said.get("event", ""), json.loads(said.get("data", "{}")), said.get("id")
        return name, dict(data), None if event_id is None else int(event_id)
    except UNREADABLE as error:
        raise _not_rowline() from error


def _not_rowline() -> RowlineError:
    return RowlineError("this is not a stream of Rowline", code="not_rowline")
