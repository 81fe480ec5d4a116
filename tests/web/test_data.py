"""Data comes back as the JSON text that was sent, or is refused."""

import json

import pytest
from hypothesis import example, given

from tests.support import answers, json_texts, raw
from tests.support.client import Client
from tests.support.json_texts import IN_DATABASE, LITERALS


def _shown(data: str, opts: str = "{}") -> str:
    """How a job with this data stands in every answer."""
    return f'"data":{data},"opts":{opts},'


def _body(data: str) -> str:
    return f'[{{"name":"n","data":{data}}}]'


@pytest.mark.parametrize("data", LITERALS)
def test_a_literal_comes_back_as_it_was_spelt(client: Client, data: str) -> None:
    assert _shown(data) in client.post("/queues/q/jobs", _body(data)).text


@IN_DATABASE
@given(data=json_texts.texts)
@example(data='{ "b" : 1, "a" : 2, "b" : 3 }')
@example(data="9" * 1_000)
@example(data="[" * 128 + "]" * 128)
@example(data='{"a":' * 128 + "0" + "}" * 128)
@example(data='"\\ud83d\\ude00 \N{GRINNING FACE} \N{LINE SEPARATOR} \x7f \\u0001"')
def test_any_json_comes_back_to_the_letter_from_every_route(client: Client, data: str) -> None:
    added = client.post("/queues/q/jobs", _body(data))
    assert added.status_code == 200, added.text
    job_id = json.loads(added.text)[0]["id"]

    for answer in (added, client.get(f"/queues/q/jobs/{job_id}"), client.get("/queues/q/jobs?length=1")):
        assert _shown(data) in answer.text


@IN_DATABASE
@given(data=json_texts.texts)
def test_white_space_around_data_is_no_part_of_it(client: Client, data: str) -> None:
    added = client.post("/queues/q/jobs", f' [ {{ "data" :\t{data}\r\n , "name" : "n" }}\n] ')

    assert _shown(data) in added.text


@pytest.mark.parametrize(
    "opts", ['{"delay": 5.0,  "lifo":null}', '{"priority":1e0}', "{}", '{ "jobId" : "\\u00e9" }', '{"attempts":0}']
)
def test_opts_come_back_as_they_were_sent(client: Client, opts: str) -> None:
    added = client.post("/queues/q/jobs", f'[{{"name":"n","data":0,"opts":{opts}}}]')

    assert f'"opts":{opts},' in added.text
    assert f'"opts":{opts},' in client.get("/queues/q/jobs").text


@pytest.mark.parametrize("opts", [None, {}])
def test_null_opts_are_no_opts(client: Client, opts: object) -> None:
    assert client.add({"name": "n", "data": 0, "opts": opts})[0]["opts"] == {}


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ("NaN", "must not contain NaN"),
        ('{"a":[Infinity]}', "must not contain Infinity"),
        ("-Infinity", "must not contain -Infinity"),
        ('"\\u0000"', "must not contain \\u0000"),
        ('{"\\u0000":1}', "must not contain \\u0000"),
        ('"\\ud800"', "must not contain a lone surrogate"),
        ('["\\udc00"]', "must not contain a lone surrogate"),
        ('"\\ude00\\ud83d"', "must not contain a lone surrogate"),
        ('{"\\ud800":1}', "must not contain a lone surrogate"),
        ('{"a":"\\ud800","a":1}', "must not contain a lone surrogate"),
        ("1" * 1_001, "must not contain an integer of more than 1000 digits"),
        ("-" + "1" * 1_001, "must not contain an integer of more than 1000 digits"),
        ("1" * 5_000, "must not contain an integer of more than 1000 digits"),
        (f'{{"a":{"1" * 1_001},"a":1}}', "must not contain an integer of more than 1000 digits"),
        ("[" * 129 + "]" * 129, "must not be nested deeper than 128"),
        ('{"a":' * 129 + "0" + "}" * 129, "must not be nested deeper than 128"),
        ('[{"a":' * 65 + "0" + "}]" * 65, "must not be nested deeper than 128"),
        (f'{{"a":{"[" * 128}{"]" * 128},"a":1}}', "must not be nested deeper than 128"),
        ("[" * 100_000 + "]" * 100_000, "must not be nested deeper than 128"),
        ("[" * 100_000, "must not be nested deeper than 128"),
    ],
)
def test_what_could_not_be_given_back_is_refused_and_named(client: Client, data: str, fault: str) -> None:
    answer = client.post("/queues/q/jobs", f'[{{"name":"n","data":1}},{{"name":"n","data":{data}}}]')

    assert answers.error(answer, 400) == f"jobs[1].data {fault}"
    assert sum(client.page()["counts"].values()) == 0


@pytest.mark.parametrize("depth", [129, 1_000, 10_000, 100_000])
@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":', '{"a":1,"b":[0,'])
@pytest.mark.parametrize(
    ("before", "path"),
    [
        ('{"name":"n","data":', "jobs[0].data"),
        ('{"data":1,"name":', "jobs[0].name"),
        ('{"name":"n","data":1,"opts":', "jobs[0].opts"),
    ],
)
def test_no_depth_is_too_much_for_the_reader(client: Client, before: str, path: str, opening: str, depth: int) -> None:
    closing = "".join({"[": "]", "{": "}"}[sign] for sign in reversed(opening) if sign in "[{")
    body = f"[{before}{opening * depth}0{closing * depth}}}]"

    assert answers.error(client.post("/queues/q/jobs", body), 400) == f"{path} must not be nested deeper than 128"


@pytest.mark.parametrize("digits", ["0", "640", "4300"])
def test_the_limit_on_digits_is_ours_and_not_that_of_the_interpreter(own_url: str, digits: str) -> None:
    with raw.server(own_url, PYTHONINTMAXSTRDIGITS=digits, **raw.PATIENT) as server:
        for number in ("9" * 641, "9" * 1_000, "-" + "9" * 1_000, "9" * 1_001, "9" * 100_000):
            is_good = len(number.lstrip("-")) <= 1_000
            sent = raw.request("POST", "/queues/q/jobs", body=_body(f"[{number},0]").encode())
            [answer] = server.ask(sent, wanted=1)
            assert answer.status == (200 if is_good else 400), (len(number), answer.body[:300])
            assert (f'"data":[{number},0]'.encode() in answer.body) is is_good
        opts = raw.request(
            "POST", "/queues/q/jobs", body=f'[{{"name":"n","data":1,"opts":{{"delay":{"9" * 700}}}}}]'.encode()
        )
        assert server.ask(opts, wanted=1)[0].json()["error"].startswith("jobs[0].opts.delay must be between ")


@pytest.mark.parametrize("member", ['"na\\u0000me":1', '"name":"\\u0000"', '"name":"\\ud800"', '"opts":{"x":NaN}'])
def test_what_cannot_be_stored_is_refused_anywhere_in_a_job(client: Client, member: str) -> None:
    answers.problem(client.post("/queues/q/jobs", f'[{{"data":1,{member}}}]'), 400)
