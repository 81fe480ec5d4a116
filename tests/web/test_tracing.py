"""The trace of a request travels with the jobs that it adds."""

import json
from typing import Any

import pytest

from tests.support import answers
from tests.support.client import Client

PATH = "/queues/q/jobs"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CARRIER = {"traceparent": PARENT}


def post(client: Client, *opts: Any, **headers: str) -> list[Any]:
    body = json.dumps([{"name": "n", "data": None} | ({} if one is None else {"opts": one}) for one in opts])
    return [job["opts"] for job in answers.ok(client.post(PATH, body, **headers))]


def metadata(opts: Any) -> Any:
    return json.loads(opts["telemetry"]["metadata"])


@pytest.mark.parametrize("opts", [None, {}, {"attempts": 2, "tags": ["telemetry"]}, {"telemetry": None}])
def test_the_trace_of_a_request_is_kept_with_each_of_its_jobs(client: Client, opts: Any) -> None:
    for stored in post(client, opts, opts, traceparent=PARENT, tracestate="a=1"):
        assert metadata(stored) == CARRIER | {"tracestate": "a=1"}
        assert {name: value for name, value in stored.items() if name != "telemetry"} == {
            name: value for name, value in (opts or {}).items() if name != "telemetry"
        }


def test_a_job_that_names_its_trace_or_wants_none_keeps_what_it_says(client: Client) -> None:
    own = {"telemetry": {"metadata": '{"traceparent":"of another"}'}}
    none = {"telemetry": {"omitContext": True}}
    assert post(client, own, none, traceparent=PARENT) == [own, none]


def test_a_request_without_a_trace_or_with_a_wrong_one_adds_nothing_to_its_jobs(client: Client) -> None:
    assert post(client, {"attempts": 2}) == [{"attempts": 2}]
    assert post(client, {"attempts": 2}, traceparent="00-1-2-3") == [{"attempts": 2}]


def test_a_repeated_request_with_another_trace_gets_the_first_response(client: Client) -> None:
    [first] = post(client, {}, traceparent=PARENT, Idempotency_Key="k")
    [again] = post(client, {}, traceparent=PARENT.replace("b7ad", "c7ad"), Idempotency_Key="k")
    assert again == first


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (1, "must be an object"),
        ({"metadata": 1}, "metadata must be a string"),
        ({"metadata": "x" * 2_049}, "metadata must be at most 2048 characters"),
        ({"omitContext": "yes"}, "omitContext must be true or false"),
        ({"context": ""}, "context is not known here"),
    ],
)
def test_a_wrong_option_is_named(client: Client, said: Any, fault: str) -> None:
    answer = client.post(PATH, json.dumps([{"name": "n", "data": None, "opts": {"telemetry": said}}]))
    assert "opts.telemetry" in answers.error(answer, 400)
    assert fault in answers.error(answer, 400)
