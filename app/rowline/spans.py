"""The spans themselves: imported by `rowline.tracing` in programs that have loaded OpenTelemetry.

The names are those of the semantic conventions for messaging 1.37, which are still in development.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from time import time
from typing import Protocol

from opentelemetry import context, propagate, trace
from rowline.job import Job

LATE_S = 60.0
"""A job that begins later after it was added begins a trace of its own, as in app/domain/telemetry.py."""
CARRIED = ("traceparent", "tracestate")
SCHEMA = "https://opentelemetry.io/schemas/1.37.0"


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


class Sending:
    """The span of adding jobs: what is sent with them, and their id, if it is one."""

    def __init__(self, span: trace.Span) -> None:
        """Take the headers that name the span."""
        self._span, carrier = span, dict[str, str]()
        propagate.inject(carrier)
        self.headers = {name: carrier[name] for name in CARRIED if name in carrier}

    def name(self, added: Sequence[_HasId]) -> None:
        """Note the id of the job that was added, if it is one."""
        if len(added) == 1:
            self._span.set_attribute("messaging.message.id", added[0].id)


@contextlib.contextmanager
def sending(queue: str, jobs: int) -> Iterator[Sending]:
    """Make a span of adding so many jobs. What is raised within is noted in it."""
    attributes = _attributes("send", queue) | ({"messaging.batch.message_count": jobs} if jobs > 1 else {})
    with _tracer().start_as_current_span(f"send {queue}", kind=trace.SpanKind.PRODUCER, attributes=attributes) as span:
        yield Sending(span)


def processing(job: Job) -> contextlib.AbstractContextManager[trace.Span]:
    """Return the block of the span of an attempt. What is raised within is not noted by it.

    A retry, and a job that begins late, has a trace of its own, with a link to that in which the job was added.
    """
    came_from = propagate.extract(_carrier(job.opts), context=context.Context())
    added = trace.get_current_span(came_from).get_span_context()
    is_own = job.attempt > 1 or time() - job.timestamp / 1000 > LATE_S
    return _tracer().start_as_current_span(
        f"process {job.queue}",
        context=context.Context() if is_own else came_from,
        links=[trace.Link(added)] if is_own and added.is_valid else [],
        kind=trace.SpanKind.CONSUMER,
        attributes=_attributes("process", job.queue)
        | {"messaging.message.id": job.id, "rowline.job.name": job.name, "rowline.attempt": job.attempt},
        record_exception=False,
        set_status_on_exception=False,
    )


def note(span: trace.Span, error: BaseException) -> None:
    """Note that an attempt failed. May raise what the methods of the exception do."""
    span.set_attribute("error.type", type(error).__qualname__)
    span.set_status(trace.StatusCode.ERROR)
    span.record_exception(error)


def _tracer() -> trace.Tracer:
    return trace.get_tracer("rowline", schema_url=SCHEMA)


def _attributes(operation: str, queue: str) -> dict[str, str | int]:
    return {
        "messaging.system": "rowline",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": queue,
    }


def _carrier(opts: Mapping[str, object]) -> dict[str, str]:
    """Return what `opts.telemetry` says of the trace of a job; nothing if it is wrong."""
    said = opts.get("telemetry")
    if not isinstance(said, Mapping) or said.get("omitContext"):
        return {}
    try:
        carrier = json.loads(said.get("metadata") or "{}")
    except (ValueError, RecursionError):
        return {}
    return {key: value for key, value in carrier.items() if isinstance(value, str)} if isinstance(carrier, dict) else {}
