"""Rows of the catalogue of bad inputs that belong to no other page of tests, under their names."""

import json
from urllib.parse import quote

import pytest

from tests.support import answers
from tests.support.client import Client

PATH = "/queues/q/jobs"
MARK = "k" * 201  # what no answer of 400 may hold of one input
SQL = ("'; drop table rowline.jobs; --", "q' or '1'='1", "%s", "%(queue)s", ":queue", "$1", "\\", '"', "{0}", "${x}")


def _job(data: str) -> str:
    return f'[{{"name":"n","data":{data}}}]'


def _stored(client: Client) -> int:
    return sum(client.page()["counts"].values())


@pytest.mark.parametrize("name", SQL)
def test_u12_a_name_that_looks_like_sql_is_a_name(client: Client, name: str) -> None:
    queue = quote(name, safe="")
    [added] = client.add({"name": name, "data": name, "opts": {"jobId": name}}, queue=queue)

    assert (added["id"], added["name"], added["data"]) == (name, name, name)
    assert client.job(queue, queue=queue)["queueQualifiedName"] == f"bull:{name}"
    assert client.page(queue)["counts"]["waiting"] == 1
    assert _stored(client) == 0


@pytest.mark.parametrize("escape", ["\\u0000", "a\\u0000", "\\ud800", "\\udc00\\ud800", "\\u001f", "\\u2028\\u0085"])
def test_u19_an_id_that_cannot_be_stored_or_printed_is_refused(client: Client, escape: str) -> None:
    answer = client.post(PATH, f'[{{"name":"n","data":1,"opts":{{"jobId":"{escape}"}}}}]')

    assert answers.error(answer, 400).startswith("jobs[0].opts")
    assert _stored(client) == 0


@pytest.mark.parametrize("segment", ["%ff", "%c0%ae", "%ed%a0%80", "%C3", "%zz%ff", "a%80", "%F4%90%80%80"])
def test_u05_an_id_that_is_no_utf_8_is_refused(client: Client, segment: str) -> None:
    assert answers.problem(client.get(f"{PATH}/{segment}"), 400)["error"] == "Invalid request"


@pytest.mark.parametrize("segment", ["%", "%zz", "%2", "100%"])
def test_u05_a_percent_sign_that_encodes_nothing_is_one(client: Client, segment: str) -> None:
    assert answers.error(client.get(f"{PATH}/{segment}"), 404) == f"queue 'q' has no job '{segment}'"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("[" + ",".join(["1e308"] * 10_000) + "]", id="J07 10,000 large numbers"),
        pytest.param("[" + ",".join(["0"] * 500_000) + "]", id="J23 500,000 elements"),
        pytest.param("{" + ",".join(f'"{key}":0' for key in range(90_000)) + "}", id="J23 90,000 keys"),
        pytest.param('"' + "x" * (2**20 - 2) + '"', id="J23 a string of 1 MiB"),
        pytest.param("[" + ",".join(["[]"] * 100_000) + "]", id="J23 100,000 arrays"),
    ],
)
def test_large_data_comes_back_as_large_as_it_was(client: Client, data: str) -> None:
    added = client.post(PATH, _job(data))

    assert added.status_code == 200
    assert f'"data":{data},' in client.get(f"{PATH}/{json.loads(added.text)[0]['id']}").text
    assert len(added.data) <= 1.1 * len(data) + 2_048


def test_j18_a_body_is_utf_8_whatever_its_charset_says(client: Client) -> None:
    content_type = "application/json; charset=latin-1"

    assert '"data":"é"' in client.post(PATH, _job('"é"').encode(), Content_Type=content_type).text
    answers.problem(client.post(PATH, _job('"é"').encode("latin-1"), Content_Type=content_type), 400)


@pytest.mark.parametrize("encoding", ["x-gzip", "GZIP", "gzip, identity", "compress", "zstd", "aes128gcm", "chunked"])
def test_j30_a_body_in_any_other_encoding_is_refused(client: Client, encoding: str) -> None:
    answers.problem(client.post(PATH, _job("1"), Content_Encoding=encoding), 415)
    assert _stored(client) == 0


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "MULTIPART/mixed", "multipart/related"])
def test_j29_a_multipart_body_is_refused(client: Client, kind: str) -> None:
    answers.problem(client.post(PATH, _job("1"), Content_Type=kind), 415)
    assert _stored(client) == 0


@pytest.mark.parametrize("name", ["n" * 256, "n" * 2**20, "\N{GRINNING FACE}" * 256, "a\x00", "\x00"])
def test_d06_a_name_too_long_or_with_nul_is_refused(client: Client, name: str) -> None:
    answer = client.post(PATH, json.dumps([{"name": name, "data": 1}]))

    assert answers.error(answer, 400).startswith("jobs[0].name")
    assert _stored(client) == 0


@pytest.mark.parametrize(
    "value", ["1e3", "0x10", "5.0", "%2B5", "%205", "5%20", "5%0A", "5,0", "1_0", "%EF%BC%95", "NaN", "-", "null", *SQL]
)
@pytest.mark.parametrize("parameter", ["start", "length"])
def test_q05_q09_a_number_is_digits(client: Client, parameter: str, value: str) -> None:
    shown = value if value.startswith("%") and value not in SQL else quote(value, safe="%")

    assert answers.error(client.get(f"{PATH}?{parameter}={shown}"), 400) == f"{parameter} must be an integer"


@pytest.mark.parametrize("word", SQL)
def test_q09_a_status_that_looks_like_sql_is_unknown(client: Client, word: str) -> None:
    assert answers.error(client.get(f"{PATH}?statuses={quote(word, safe='')}"), 400).startswith("statuses must be all")


@pytest.mark.parametrize(
    ("target", "body"),
    [
        (f"{PATH}?statuses={MARK}", None),
        (f"{PATH}?start={MARK}&length={MARK}&order={MARK}&{MARK}={MARK}", None),
        (f"/queues/{MARK}/jobs", None),
        (f"/queues/{MARK}/jobs/{MARK}", None),
        (f"{PATH}/{MARK}{MARK}", None),
        (f"/{MARK}", None),
        (PATH, MARK),
        (PATH, f"[{{{MARK}:1}}]"),
        (PATH, f'[{{"{MARK}":1}}]'),
        (PATH, f'[{{"{MARK}":1,"{MARK}":1}}]'),
        (PATH, f'[{{"{MARK}":NaN}}]'),
        (PATH, f'[{{"name":"{MARK}{MARK}","data":{MARK}}}]'),
        (PATH, f'[{{"name":"n","data":1,"opts":{{"{MARK}":1}}}}]'),
        (PATH, f'[{{"name":"n","data":1,"opts":{{"backoff":{{"type":"{MARK}","{MARK}":1}}}}}}]'),
        (PATH, f'[{{"name":"n","data":1,"opts":{{"jobId":"/{MARK}"}}}}]'),
        (PATH, f'[{{"name":"n","data":1,"opts":{{"a":{{"{MARK}":1,"{MARK}":2}}}}}}]'),
        (PATH, f'[{{"name":"n","data":1,"opts":"{MARK}"}}]'),
    ],
)
def test_no_error_repeats_more_than_200_characters_of_one_input(client: Client, target: str, body: str | None) -> None:
    answer = client.get(target) if body is None else client.post(target, body)

    assert answer.status_code in {400, 404}
    assert MARK not in answer.text
    assert _stored(client) == 0
