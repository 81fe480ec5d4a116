"""`name`, `data` and `opts` of a job: what each may be."""

import json
from typing import Any

import pytest

from tests.support import answers
from tests.support.client import Client

PATH = "/queues/q/jobs"
TEN_YEARS_MS = 10 * 366 * 24 * 3600 * 1000
OUTSIDE_DELAY = f"must be between 0 and {TEN_YEARS_MS}"
OUTSIDE_PRIORITY = "must be between 1 and 2097152"
OUTSIDE_ATTEMPTS = "must be between 0 and 1000"
WHOLE = "must be an integer"
FLAG = "must be true or false"
BACKOFF = "must be an object or a number of milliseconds"
TYPE = "must be one of fixed, linear, exponential"
LATER = "is an option that Rowline does not have yet"


def _refused(client: Client, job: str) -> str:
    """Send a good job and then this one; return the error, having seen that neither was added."""
    error = answers.error(client.post(PATH, f'[{{"name":"good","data":1}},{job}]'), 400)
    assert sum(client.page()["counts"].values()) == 0
    return error


@pytest.mark.parametrize(
    ("job", "error"),
    [
        ('{"data":1}', "name is required"),
        ('{"name":null,"data":1}', "name must be a string"),
        ('{"name":5,"data":1}', "name must be a string"),
        ('{"name":["n"],"data":1}', "name must be a string"),
        ('{"name":"","data":1}', "name must not be empty"),
        (json.dumps({"name": "n" * 256, "data": 1}), "name must be at most 255 characters, not 256"),
        ('{"name":"n"}', "data is required"),
        ('{"name":"n","data":1,"Data":1}', "Data is not known here"),
        ('{"name":"n","data":1,"id":"5"}', "id is not known here"),
        ('{"name":"n","data":1,"":1}', " is not known here"),
        ('{"name":"n","data":1,"data":2}', "data is there twice"),
        ('{"name":"n","data":1,"n\\u0061me":"m"}', "name is there twice"),
        ('{"name":"n","data":1,"opts":[]}', "opts must be an object"),
        ('{"name":"n","data":1,"opts":"x"}', "opts must be an object"),
        ('{"name":"n","data":1,"opts":5}', "opts must be an object"),
        ('{"name":"n","data":1,"opts":false}', "opts must be an object"),
    ],
)
def test_a_bad_member_of_a_job_is_named(client: Client, job: str, error: str) -> None:
    assert _refused(client, job) == f"jobs[1].{error}"


@pytest.mark.parametrize(
    ("opts", "error"),
    [
        *((f'"delay":{bad}', f"delay {WHOLE}") for bad in ("0.5", '"5"', "true", "false", "[]", "{}", "1e400")),
        *(
            (f'"delay":{bad}', f"delay {OUTSIDE_DELAY}")
            for bad in ("-1", "1e21", "9007199254740992", "9000000000000000")
        ),
        *((f'"delay":{bad}', f"delay {OUTSIDE_DELAY}") for bad in (str(TEN_YEARS_MS + 1), "9" * 1_000)),
        *((f'"priority":{bad}', f"priority {WHOLE}") for bad in ("1.5", '"1"', "true", "[]")),
        *((f'"priority":{bad}', f"priority {OUTSIDE_PRIORITY}") for bad in ("0", "-0", "-1", "2097153")),
        *((f'"attempts":{bad}', f"attempts {WHOLE}") for bad in ("1.5", '"3"', "true", "{}")),
        *((f'"attempts":{bad}', f"attempts {OUTSIDE_ATTEMPTS}") for bad in ("-1", "1001", "2147483648")),
        *((f'"lifo":{bad}', f"lifo {FLAG}") for bad in ('"true"', "1", "0", "[]", '""')),
        *((f'"backoff":{bad}', f"backoff {BACKOFF}") for bad in ("[]", '"5"', "true", '"fixed"')),
        ('"backoff":-1', f"backoff {OUTSIDE_DELAY}"),
        ('"backoff":1.5', f"backoff {WHOLE}"),
        (f'"backoff":{TEN_YEARS_MS + 1}', f"backoff {OUTSIDE_DELAY}"),
        ('"backoff":{}', "backoff.type is required"),
        ('"backoff":{"delay":5}', "backoff.type is required"),
        ('"backoff":{"type":null,"delay":5}', "backoff.type must not be null"),
        ('"backoff":{"type":5,"delay":5}', "backoff.type must be a string"),
        ('"backoff":{"type":"x","delay":1}', f"backoff.type {TYPE}"),
        ('"backoff":{"type":"Fixed","delay":1}', f"backoff.type {TYPE}"),
        ('"backoff":{"type":"fixed","delay":-1}', f"backoff.delay {OUTSIDE_DELAY}"),
        ('"backoff":{"type":"fixed","delay":"1"}', f"backoff.delay {WHOLE}"),
        ('"backoff":{"type":"fixed","delay":true}', f"backoff.delay {WHOLE}"),
        ('"backoff":{"type":"fixed","delay":1,"jitter":1.01}', "backoff.jitter must be between 0 and 1"),
        ('"backoff":{"type":"fixed","delay":1,"jitter":-0.01}', "backoff.jitter must be between 0 and 1"),
        ('"backoff":{"type":"fixed","delay":1,"jitter":true}', "backoff.jitter must be a number"),
        ('"backoff":{"type":"fixed","delay":1,"jitter":"0"}', "backoff.jitter must be a number"),
        ('"backoff":{"type":"fixed","delay":1,"max":2}', "backoff.max is not known here"),
        ('"backoff":{"type":"fixed","delay":1,"delay":2}', "delay is there twice"),
        ('"delay":1,"delay":2', "delay is there twice"),
        ('"timeout":0', f"timeout must be between 1 and {TEN_YEARS_MS}"),
        ('"timeout":"5"', f"timeout {WHOLE}"),
        ('"startBy":0', "startBy must be between 1 and 253402300799999"),
        ('"startBy":253402300800000', "startBy must be between 1 and 253402300799999"),
        ('"startBy":"2026-01-01"', f"startBy {WHOLE}"),
        ('"startBy":true', f"startBy {WHOLE}"),
        ('"keepLogs":-1', "keepLogs must be between 0 and 1000000"),
        ('"keepLogs":1000001', "keepLogs must be between 0 and 1000000"),
        ('"keepLogs":true', f"keepLogs {WHOLE}"),
        ('"stackTraceLimit":-1', "stackTraceLimit must be between 0 and 100"),
        ('"stackTraceLimit":101', "stackTraceLimit must be between 0 and 100"),
        ('"stackTraceLimit":1.5', f"stackTraceLimit {WHOLE}"),
        *((f'"tags":{bad}', "tags must be an array of strings") for bad in ("{}", '"a"', "1", "true")),
        ('"tags":["1","2","3","4","5","6","7","8","9","10","11"]', "tags must hold at most 10 strings"),
        *((f'"tags":["a",{bad}]', "tags[1] must be a string") for bad in ("1", "null", '["a"]')),
        ('"tags":["",1]', "tags[0] must not be empty"),
        (f'"tags":["{"x" * 101}"]', "tags[0] must be at most 100 characters, not 101"),
        *(
            (f'"removeOnComplete":{bad}', "removeOnComplete must be true, false, a number or an object")
            for bad in ('"1"', "[]", "1.5", "[true]")
        ),
        ('"removeOnFail":-1', "removeOnFail must be between 0 and 2147483647"),
        ('"removeOnFail":{}', "removeOnFail must have age or count"),
        ('"removeOnFail":{"days":1,"age":-1}', "removeOnFail.days is not known here"),
        ('"removeOnComplete":{"age":1,"count":"2"}', "removeOnComplete.count must be an integer"),
        ('"removeOnComplete":{"age":316224001}', "removeOnComplete.age must be between 0 and 316224000"),
        ('"Delay":1', "Delay is not known here"),
        ('"repeat":null', "repeat is not known here"),
        ('"__proto__":{}', "__proto__ is not known here"),
    ],
)
def test_a_bad_option_is_named(client: Client, opts: str, error: str) -> None:
    assert _refused(client, f'{{"name":"n","data":1,"opts":{{{opts}}}}}') == f"jobs[1].opts.{error}"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("parent", {"id": "1", "queue": "q"}),
        ("group", {"id": "g"}),
    ],
)
def test_an_option_that_is_not_built_is_refused_by_name(client: Client, option: str, value: object) -> None:
    job = json.dumps({"name": "n", "data": 1, "opts": {option: value}})

    assert _refused(client, job) == f"jobs[1].opts.{option} {LATER}"


@pytest.mark.parametrize("data", [None, 0, False, "", [], {}, {"__proto__": 1, "constructor": 2}])
def test_any_data_is_good(client: Client, data: object) -> None:
    assert client.add({"name": "n", "data": data})[0]["data"] == data


@pytest.mark.parametrize("name", ["n", "n" * 255, "<script>", "\N{GRINNING FACE}" * 255, "a/b", "..", " ", "a\nb", "0"])
def test_any_text_up_to_255_characters_is_a_name(client: Client, name: str) -> None:
    assert client.add({"name": name, "data": 1})[0]["name"] == name


@pytest.mark.parametrize(
    "opts",
    [
        *({"delay": good} for good in (0, 1, 5.0, TEN_YEARS_MS - 1, TEN_YEARS_MS, None)),
        *({"priority": good} for good in (1, 2, 5.0, 2_097_151, 2_097_152, None)),
        *({"attempts": good} for good in (0, 1, 5.0, 999, 1_000, None)),
        *({"lifo": good} for good in (True, False, None)),
        *({"backoff": good} for good in (0, 5, 5.0, TEN_YEARS_MS, None)),
        *({"backoff": {"type": good, "delay": 5}} for good in ("fixed", "linear", "exponential")),
        *({"backoff": {"type": "fixed", "delay": good}} for good in (0, 5.0, TEN_YEARS_MS)),
        *({"backoff": {"type": "fixed", "delay": 5, "jitter": good}} for good in (0, 5e-324, 1e-45, 0.5, 1, None)),
        {"deduplication": None, "removeOnComplete": None, "parent": None, "group": None, "timeout": None},
        {"delay": 1, "priority": 1, "attempts": 3, "lifo": True, "backoff": 5, "jobId": "mine"},
    ],
)
def test_a_good_option_is_taken_and_comes_back_as_sent(client: Client, opts: dict[str, Any]) -> None:
    assert client.add({"name": "n", "data": 1, "opts": opts})[0]["opts"] == opts


def test_every_fault_of_a_body_is_told_with_its_path(client: Client) -> None:
    jobs = [{"name": "", "data": 1}, {"name": "n", "data": 1}, {"name": "n", "opts": {"priority": 0, "lifo": 1}}]

    said = answers.problem(client.post(PATH, json.dumps(jobs)), 400)

    assert said["error"] == "jobs[0].name must not be empty"
    assert {fault["path"]: fault["message"] for fault in said["details"]} == {
        "jobs[0].name": "must not be empty",
        "jobs[2].data": "is required",
        "jobs[2].opts.priority": OUTSIDE_PRIORITY,
        "jobs[2].opts.lifo": FLAG,
    }


@pytest.mark.parametrize(("bad", "told"), [(99, 99), (100, 100), (101, 100)])
def test_the_first_hundred_faults_are_told(client: Client, bad: int, told: int) -> None:
    said = answers.problem(client.post(PATH, json.dumps([{"name": "", "data": 1}] * bad)), 400)

    assert [fault["path"] for fault in said["details"]] == [f"jobs[{index}].name" for index in range(told)]


@pytest.mark.parametrize("members", ['"name":"n","data":1,"{}":1', '"name":"n","data":1,"opts":{{"{}":1}}'])
def test_a_long_unknown_name_is_not_echoed_whole(client: Client, members: str) -> None:
    answer = client.post(PATH, f"[{{{members.format('k' * 5_000)}}}]")

    assert answers.error(answer, 400).endswith("kkk… is not known here")
    assert len(answer.text) < 1_000
