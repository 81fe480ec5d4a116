"""The body of a POST: whole, UTF-8, JSON, within the limits."""

import gzip
import io
import json

import pytest

from tests.support import answers
from tests.support.client import Client

PATH = "/queues/q/jobs"
JOB = '{"name":"n","data":1}'


def _add_of_length(length: int) -> str:
    """Make a body of exactly this many bytes, most of them white space."""
    return f"[{JOB}]".ljust(length)


def _add_with_data_of(size: int) -> str:
    return f'[{JOB},{{"name":"n","data":"{"x" * (size - 2)}"}}]'


@pytest.mark.parametrize("body", ["[]", " [ ] ", "[\r\n\t]"])
def test_an_empty_array_adds_nothing_and_answers_with_one(client: Client, body: str) -> None:
    answer = client.post(PATH, body)

    assert (answer.status_code, answer.text) == (200, "[]")


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16"],
)
def test_the_content_type_is_not_insisted_on(client: Client, content_type: str) -> None:
    assert client.post(PATH, f"[{JOB}]", Content_Type=content_type).status_code == 200


def test_multipart_is_refused(client: Client) -> None:
    answer = client.post(PATH, f"[{JOB}]", Content_Type="multipart/form-data; boundary=x")

    assert answers.problem(answer, 415)["code"] == "unsupported_body"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity, gzip"])
def test_an_encoded_body_is_refused(client: Client, encoding: str) -> None:
    answer = client.post(PATH, gzip.compress(f"[{JOB}]".encode()), Content_Encoding=encoding)

    assert answers.error(answer, 415) == "body must not be encoded"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("", "body is empty; it must be a JSON array"),
        ("  ", "body is empty; it must be a JSON array"),
        (JOB, "body must be a JSON array"),
        ("null", "body must be a JSON array"),
        ('"x"', "body must be a JSON array"),
        ("\ufeff[]", "body must be a JSON array"),
        ("\u00a0[]", "body must be a JSON array"),
        ("[", "jobs[0] must be an object"),
        ("[1]", "jobs[0] must be an object"),
        (f"[{JOB},null]", "jobs[1] must be an object"),
        (f"[{JOB},[]]", "jobs[1] must be an object"),
        (f"[{JOB},]", "jobs[1] must be an object"),
        ("[,]", "jobs[0] must be an object"),
        ("[] []", "body is not JSON: extra data at character 3"),
        (f"[{JOB}]x", "body is not JSON: extra data at character 23"),
        (f"[{JOB} {JOB}]", "body is not JSON: expected ',' at character 23"),
        (f"[{JOB}", "body is not JSON: expected ',' at character 22"),
        ('[{"name":"n" "data":1}]', "jobs[0] is not JSON: expected ',' at character 13"),
        ('[{"name" "n"}]', "jobs[0] is not JSON: expected ':' at character 9"),
        ("[{name:1}]", "jobs[0] is not JSON: expected '\"' at character 2"),
        ("[{'name':1}]", "jobs[0] is not JSON: expected '\"' at character 2"),
        ('[{"name":"n",}]', "jobs[0] is not JSON: expected '\"' at character 13"),
        ('[{"name":"n","data":1}}]', "body is not JSON: expected ',' at character 22"),
        ('[{"name":"n","data":}]', "jobs[0].data is not JSON: invalid character at character 20"),
    ],
)
def test_a_body_that_is_no_array_of_objects_is_refused_with_the_place(client: Client, body: str, error: str) -> None:
    answer = client.post(PATH, body)

    assert answers.error(answer, 400) == error
    assert answers.problem(answer, 400)["code"] == "unparsable_body"


@pytest.mark.parametrize(
    "data",
    [
        *("01", "+1", "1.", ".5", "-", "1e", "0x10", "1_000", "--1", "\uff11", "1e+", "2.e3", "-.1", "1 000", "Nan"),
        *("'x'", '"x', '"\\x41"', '"\\u12"', '"\\u{41}"', '"a\tb"', '"a\nb"', '"\x00"', '"\\"', '"\\u00g0"', '"\x1f"'),
        *("[1,]", "[,1]", "[1 2]", "[1", "]", "{", '{"a"}', '{"a":1,}', '{"a":1,,}', "{1:1}", '{"a" 1}', '{"a"::1}'),
        *("True", "nul", "undefined", "None", "1//c", "/**/1", "\u00a01", "[1}", '{"a":1]', "TRUE", "<null>", "#1"),
    ],
)
def test_what_is_no_json_is_refused(client: Client, data: str) -> None:
    assert answers.problem(client.post(PATH, f'[{{"name":"n","data":{data}}}]'), 400)["code"] == "unparsable_body"


@pytest.mark.parametrize(
    "body",
    [f"[{JOB}]".encode("utf-16"), f"[{JOB}]".encode("utf-16-le"), f"[{JOB}]".encode("utf-32"), b'[{"name":"\xe9"}]']
    + [b'[{"name":"' + octets + b'"}]' for octets in (b"\xff", b"\xc0\xae", b"\xed\xa0\x80", b"\xf4\x90\x80\x80")],
)
def test_a_body_that_is_not_utf_8_is_refused(client: Client, body: bytes) -> None:
    assert answers.problem(client.post(PATH, body), 400)["code"] == "unparsable_body"


def test_a_body_cut_short_of_its_length_is_refused(client: Client) -> None:
    whole = f"[{JOB}]"
    sent = client.flask.post(
        PATH, data=whole, headers=client.authorization, environ_overrides={"CONTENT_LENGTH": str(len(whole) + 1)}
    )

    assert answers.problem(sent, 400)["code"] == "unparsable_body"
    assert sum(client.page()["counts"].values()) == 0


@pytest.mark.parametrize(("length", "status"), [(1_999, 200), (2_000, 200), (2_001, 413)])
def test_a_body_may_be_as_long_as_the_limit(small_client: Client, length: int, status: int) -> None:
    answer = small_client.post(PATH, _add_of_length(length))

    assert answer.status_code == status
    assert sum(small_client.page()["counts"].values()) == (1 if status == 200 else 0)


@pytest.mark.parametrize(("length", "status"), [(2_000, 200), (2_001, 413), (500_000, 413)])
def test_a_body_in_chunks_has_the_same_limit(small_client: Client, length: int, status: int) -> None:
    answer = small_client.flask.post(
        PATH,
        input_stream=io.BytesIO(_add_of_length(length).encode()),
        headers=small_client.authorization,
        environ_overrides={"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"},
    )

    assert answer.status_code == status, answer.text


def test_a_body_that_will_be_too_long_is_refused_before_it_is_read(small_client: Client) -> None:
    answer = small_client.flask.post(
        PATH, data="[]", headers=small_client.authorization, environ_overrides={"CONTENT_LENGTH": "2001"}
    )

    assert answers.problem(answer, 413)["code"] == "too_large"


def test_the_answer_to_a_long_body_names_the_limit(small_client: Client) -> None:
    said = answers.problem(small_client.post(PATH, _add_of_length(2_001)), 413)

    assert (said["error"], said["code"]) == ("body must be at most 2000 bytes", "too_large")


@pytest.mark.parametrize(("jobs", "status"), [(2, 200), (3, 200), (4, 413)])
def test_a_request_may_hold_as_many_jobs_as_the_limit(small_client: Client, jobs: int, status: int) -> None:
    answer = small_client.post(PATH, f"[{','.join([JOB] * jobs)}]")

    assert answer.status_code == status
    assert sum(small_client.page()["counts"].values()) == (jobs if status == 200 else 0)


def test_the_answer_to_many_jobs_names_the_limit(small_client: Client) -> None:
    assert answers.error(small_client.post(PATH, f"[{','.join([JOB] * 4)}]"), 413) == "body must hold at most 3 jobs"


@pytest.mark.parametrize(("size", "status"), [(99, 200), (100, 200), (101, 413)])
def test_data_may_be_as_long_as_the_limit(small_client: Client, size: int, status: int) -> None:
    answer = small_client.post(PATH, _add_with_data_of(size))

    assert answer.status_code == status
    assert sum(small_client.page()["counts"].values()) == (2 if status == 200 else 0)


def test_data_is_counted_in_bytes_not_in_characters(small_client: Client) -> None:
    answer = small_client.post(PATH, json.dumps([{"name": "n", "data": "é" * 50}], ensure_ascii=False).encode())

    assert answers.error(answer, 413) == "jobs[0].data must be at most 100 bytes"


def test_the_answer_to_long_data_names_the_job_and_the_limit(small_client: Client) -> None:
    said = answers.problem(small_client.post(PATH, _add_with_data_of(101)), 413)

    assert said["error"] == "jobs[1].data must be at most 100 bytes"
    assert said["details"] == [{"path": "jobs[1].data", "message": "must be at most 100 bytes"}]


def test_the_limits_are_those_of_the_contract_by_default(client: Client) -> None:
    assert client.post(PATH, f'[{{"name":"n","data":"{"x" * (2**20 - 2)}"}}]').status_code == 200
    assert "1048576 bytes" in answers.error(client.post(PATH, f'[{{"name":"n","data":"{"x" * (2**20 - 1)}"}}]'), 413)
    assert "10000 jobs" in answers.error(client.post(PATH, f"[{','.join([JOB] * 10_001)}]"), 413)
    assert client.post(PATH, _add_of_length(10 * 2**20)).status_code == 200
    assert "10485760 bytes" in answers.error(client.post(PATH, _add_of_length(10 * 2**20 + 1)), 413)
