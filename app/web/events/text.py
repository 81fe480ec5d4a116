"""Events as text, as a stream of server-sent events has them."""

import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from app.domain.events import Event, Run, Shown, Title
from app.domain.events import each as each_of
from app.domain.job import JobKey
from app.queries.events import TitledEvent
from app.web import answers
from app.web.events import schemas

GZIP_HEAD = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
"""What a stream in gzip begins with (RFC 1952): no name, no time, any system. It has no end, so no sum at the end."""
LEVEL = 1
"""Events repeat each other so much that more effort makes them hardly smaller."""
_NUMBER = "\0"
"""Stands for the number of a job: no text of PostgreSQL has it."""


def block(event: str, data: dict[str, Any], event_id: int | None = None) -> bytes:
    """Write one event; without an id it moves no client on."""
    head = b"" if event_id is None else b"id: %d\n" % event_id
    return b"%sevent: %s\ndata: %s\n\n" % (head, event.encode(), answers.dump(data))


def each(found: Iterable[TitledEvent], shown: Mapping[JobKey, Shown], *, has_names: bool, sees_payload: bool) -> bytes:
    """Write events one by one. `shown`: what those of progress and of log lines show, by job."""
    said: dict[str, Any] = {"has_names": has_names, "sees_payload": sees_payload}
    return b"".join(
        block(one.event.type, schemas.members(one, **said, shown=shown.get(job(one.event))), one.event.id)
        for one in found
    )


def uniform(run: Run) -> bytes:
    """Write events that are alike but for their ids and the numbers of their jobs: all but these is written once.

    To write each by itself took a third of the CPU of a process whose clients add and work batches.
    """
    sample = TitledEvent(next(each_of(run)), Title(_NUMBER, None))
    said = schemas.members(sample, has_names=False, sees_payload=False)
    before, _, after = block(sample.event.type, said).partition(answers.dump(_NUMBER))
    return b"".join(
        [
            b'id: %d\n%b"%d"%b' % (event_id, before, number, after)
            for event_id, number in enumerate(run.numbers, run.first_id)
        ]
    )


def packed(text: bytes) -> bytes:
    """Return text as blocks that go on a stream in gzip. They refer to none before: packed once, it is sent to many."""
    packer = zlib.compressobj(LEVEL, wbits=-zlib.MAX_WBITS)
    return packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH)


def job(event: Event) -> JobKey:
    """Return the job of an event, which is not of a queue alone."""
    return JobKey(event.queue, event.number or 0)
