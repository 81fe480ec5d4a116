"""The trace of a job, from headers to the job and back."""

import json
from datetime import timedelta

import pytest

from app.domain import telemetry

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
STATE = "vendor=1,other=a b"


def opts(metadata: object, **more: object) -> str:
    return json.dumps({"attempts": 1, "telemetry": {"metadata": metadata} | more})


def test_what_a_request_says_of_its_trace_comes_back_from_the_job() -> None:
    said = telemetry.metadata(traceparent=PARENT, tracestate=STATE)
    assert telemetry.headers(opts(said)) == {"traceparent": PARENT, "tracestate": STATE}
    assert telemetry.headers("{}") == {}


@pytest.mark.parametrize(
    "wrong",
    [
        *("", "00", PARENT.upper(), PARENT + "-", PARENT[:-1], PARENT + "\n", "ff" + PARENT[2:]),
        *("00-" + "0" * 32 + PARENT[35:], PARENT[:36] + "0" * 16 + "-01", "00-" + "g" * 32 + PARENT[35:]),
    ],
)
def test_a_header_that_names_no_trace_is_left_out(wrong: str) -> None:
    assert telemetry.metadata(traceparent=wrong, tracestate=STATE) is None


@pytest.mark.parametrize("state", ["", "x" * 513, "a=ü", "a=\n"])
def test_a_state_that_is_empty_too_long_or_unprintable_is_left_out(state: str) -> None:
    said = telemetry.metadata(traceparent=PARENT, tracestate=state)
    assert telemetry.headers(opts(said)) == {"traceparent": PARENT}


@pytest.mark.parametrize(
    "text",
    [
        *(
            opts(None),
            opts(""),
            opts("not JSON"),
            opts("[" * 900),
            opts("[]"),
            opts('{"traceparent": 1}'),
            opts("null"),
        ),
        opts(json.dumps({"traceparent": PARENT}), omitContext=True),
        '{"telemetry": null}',
        '{"tags": ["telemetry"]}',
    ],
)
def test_a_job_without_a_usable_trace_has_none(text: str) -> None:
    assert telemetry.headers(text) == {}


@pytest.mark.parametrize(("made", "waited_s", "begins"), [(0, 0, False), (0, 60, False), (0, 61, True), (1, 0, True)])
def test_a_retry_and_a_late_job_begin_a_trace_of_their_own(*, made: int, waited_s: int, begins: bool) -> None:
    assert telemetry.begins_trace(attempts_made=made, waited=timedelta(seconds=waited_s)) is begins
