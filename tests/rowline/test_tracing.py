"""A trace goes from the program that adds a job to its handler, with the SDK of OpenTelemetry on both sides."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rowline
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.support.jobs import QUEUE
from tests.support.workers import WorkerProgram, written

HANDLERS = """
    import json
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    memory = InMemorySpanExporter()
    trace.set_tracer_provider(TracerProvider())
    trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(memory))

    @rowline.handler("works")
    def works(job):
        with trace.get_tracer("mine").start_as_current_span("step"):
            pass
        if job.data == "fails":
            raise KeyError("gone")
        if job.data == "waits" and not memory.get_finished_spans()[:-1]:
            raise rowline.Release
        if job.data == "stringless":
            raise Stringless

    class Stringless(Exception):
        def __str__(self):
            raise ValueError("no words")

    @rowline.handler("tells")
    def tells(job):
        told = [json.loads(span.to_json()) for span in memory.get_finished_spans()]
        memory.clear()
        return told
"""
_exported = InMemorySpanExporter()


@pytest.fixture
def exported() -> InMemorySpanExporter:
    """Where this program's spans go: its provider can be set once only."""
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(_exported))
        trace.set_tracer_provider(provider)
    _exported.clear()
    return _exported


@pytest.fixture
def worker(shared_url: str, tmp_path: Path) -> Iterator[WorkerProgram]:
    with WorkerProgram(shared_url, written(tmp_path, HANDLERS), poll_ms=50) as program:
        yield program


def worked(queue: rowline.Queue, data: Any = None, **opts: Any) -> dict[str, Any]:
    """Add a job, and return the spans of its attempts, as the handler process has them, by name; the last of each."""
    with trace.get_tracer("test").start_as_current_span("request"):
        job = queue.add("works", data, **opts)
    with contextlib.suppress(rowline.JobFailed):
        queue.wait(job, timeout_s=50)
    return {span["name"]: span for span in queue.wait(queue.add("tells"), timeout_s=50).result}


def ids(span: ReadableSpan) -> tuple[str, str]:
    return f"0x{span.context.trace_id:032x}", f"0x{span.context.span_id:016x}"


def sent(exported: InMemorySpanExporter) -> ReadableSpan:
    """Return the span of adding the first job."""
    return next(span for span in exported.get_finished_spans() if span.name == f"send {QUEUE}")


@pytest.mark.usefixtures("db", "worker")
def test_a_trace_goes_from_the_program_that_adds_to_the_steps_of_the_handler(
    queue: rowline.Queue, exported: InMemorySpanExporter
) -> None:
    spans = worked(queue)
    producer = sent(exported)
    request = next(span for span in exported.get_finished_spans() if span.name == "request")
    attempt, step = spans[f"process {QUEUE}"], spans["step"]
    assert producer.parent is not None
    assert producer.parent.span_id == request.context.span_id
    assert (attempt["context"]["trace_id"], attempt["parent_id"]) == ids(producer)
    assert (step["context"]["trace_id"], step["parent_id"]) == (ids(request)[0], attempt["context"]["span_id"])
    assert (producer.kind, attempt["kind"]) == (trace.SpanKind.PRODUCER, "SpanKind.CONSUMER")
    assert producer.attributes is not None
    job_id = producer.attributes["messaging.message.id"]
    assert attempt["attributes"] == {
        "messaging.system": "rowline",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": QUEUE,
        "messaging.message.id": job_id,
        "rowline.job.name": "works",
        "rowline.attempt": 1,
    }


@pytest.mark.usefixtures("db", "worker")
def test_a_retry_has_a_trace_of_its_own_with_a_link(queue: rowline.Queue, exported: InMemorySpanExporter) -> None:
    attempt = worked(queue, "fails", attempts=2)[f"process {QUEUE}"]
    producer = sent(exported)
    assert attempt["parent_id"] is None
    assert attempt["context"]["trace_id"] != ids(producer)[0]
    [link] = attempt["links"]
    assert (link["context"]["trace_id"], link["context"]["span_id"]) == ids(producer)
    assert attempt["attributes"]["rowline.attempt"] == 2
    assert attempt["status"] == {"status_code": "ERROR"}
    assert attempt["attributes"]["error.type"] == "KeyError"
    assert [event["name"] for event in attempt["events"]] == ["exception"]


@pytest.mark.usefixtures("db", "worker", "exported")
@pytest.mark.parametrize(("data", "outcome"), [("waits", None), ("stringless", "ERROR")])
def test_a_release_is_no_error_and_an_exception_without_words_is_one(
    queue: rowline.Queue, data: str, outcome: str | None
) -> None:
    attempt = worked(queue, data)[f"process {QUEUE}"]
    assert attempt["status"].get("status_code", "UNSET") == (outcome or "UNSET")


@pytest.mark.usefixtures("db", "worker")
def test_a_job_may_belong_to_another_trace_or_to_none(queue: rowline.Queue, exported: InMemorySpanExporter) -> None:
    of_another = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    attempt = worked(queue, telemetry={"metadata": json.dumps(of_another)})[f"process {QUEUE}"]
    assert attempt["context"]["trace_id"] == "0x0af7651916cd43dd8448eb211c80319c"
    exported.clear()
    attempt = worked(queue, telemetry={"omitContext": True})[f"process {QUEUE}"]
    assert attempt["parent_id"] is None
    assert attempt["links"] == []
    assert attempt["context"]["trace_id"] != ids(sent(exported))[0]


@pytest.mark.usefixtures("db", "exported")
def test_many_jobs_of_one_call_are_counted_in_its_span(queue: rowline.Queue, exported: InMemorySpanExporter) -> None:
    queue.add_many([rowline.NewJob(name="n") for _ in range(3)])
    attributes = sent(exported).attributes
    assert attributes is not None
    assert attributes["messaging.batch.message_count"] == 3
    assert "messaging.message.id" not in attributes


def test_a_program_that_does_not_trace_loads_nothing_of_opentelemetry() -> None:
    looks = "import rowline, rowline.child, sys; print([name for name in sys.modules if 'opentelemetry' in name])"
    assert subprocess.run([sys.executable, "-c", looks], capture_output=True, check=True, text=True).stdout == "[]\n"
