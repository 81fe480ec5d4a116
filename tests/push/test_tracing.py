"""The trace of a job goes on at its endpoint, unless the attempt begins one of its own."""

import json
from collections.abc import Iterator

import pytest

from app.domain.job import JsonText
from app.postgres.database import Database
from tests.support import receivers
from tests.support.clusters import Program, until
from tests.support.jobs import new
from tests.support.receivers import Call, Receiver, says
from tests.support.workers import add, in_status

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CARRIER = {"traceparent": PARENT, "tracestate": "a=1"}
OPTS = JsonText(json.dumps({"telemetry": {"metadata": json.dumps(CARRIER)}}))


@pytest.fixture(scope="module")
def program(shared_url: str) -> Iterator[Program]:
    with receivers.dispatcher(shared_url) as running:
        yield running


def traced(call: Call) -> dict[str, str]:
    return {name: call.headers[name] for name in CARRIER if name in call.headers}


@pytest.mark.usefixtures("program")
def test_the_endpoint_gets_the_trace_of_the_job_and_jobs_without_one_send_none(db: Database) -> None:
    with Receiver(says()) as receiver:
        receivers.register(db, receiver.url)
        for opts in (OPTS, JsonText("{}")):
            in_status(db, add(db, new(opts=opts))[0])
    assert [traced(call) for call in receiver.calls] == [CARRIER, {}]


@pytest.mark.usefixtures("program")
def test_a_retry_is_no_part_of_the_trace_and_has_its_name_in_the_job(db: Database) -> None:
    with Receiver(says("500 No")) as receiver:
        receivers.register(db, receiver.url)
        in_status(db, add(db, new(opts=OPTS, attempts=2))[0])
        until(lambda: len(receiver.calls) == 2)
    first, second = receiver.calls
    assert (traced(first), traced(second)) == (CARRIER, {})
    assert json.loads(second.body)["job"]["opts"] == json.loads(OPTS)


@pytest.mark.usefixtures("program")
def test_an_endpoint_that_was_registered_with_a_header_of_that_name_gets_its_own(db: Database) -> None:
    with Receiver(says()) as receiver:
        receivers.register(db, receiver.url, headers={"Traceparent": "mine"})
        in_status(db, add(db, new(opts=OPTS))[0])
    [call] = receiver.calls
    assert traced(call) == {"traceparent": "mine"}
