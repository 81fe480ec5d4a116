"""Names of queues in paths: what they may be, and that no two spellings meet or part."""

import unicodedata
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from app.domain import ids
from tests.support import answers
from tests.support.client import Client
from tests.support.json_texts import IN_DATABASE

CONTROL = "must not contain control characters or surrogates"
UTF_8 = "must be percent-encoded UTF-8"


def _ask(client: Client, target: str) -> TestResponse:
    """Ask for a request target as it stands, past everything that would tidy it up."""
    return client.flask.get("/", headers=client.authorization, environ_overrides={"RAW_URI": target})


def _count(client: Client, segment: str) -> int:
    answer = _ask(client, f"/queues/{segment}/jobs")
    assert answer.status_code == 200, answer.text
    return sum((answer.json or {})["counts"].values())


@pytest.mark.parametrize(
    ("segment", "fault"),
    [
        ("", "must not be empty"),
        ("x" * 101, "must be at most 100 characters, not 101"),
        ("%C3%A9" * 101, "must be at most 100 characters, not 101"),
        *((dots, "must not be '.'") for dots in (".", "%2e", "%2E")),
        *((dots, "must not be '..'") for dots in ("..", "%2e%2e", ".%2E")),
        *((slash, "must not contain '/'") for slash in ("a%2Fb", "%2f", "%2e%2e%2fx", "..%2F..%2Fetc%2Fpasswd")),
        *((control, CONTROL) for control in ("%00", "a%0Ab", "%1f", "%7f", "%C2%85", "a%0d%0aX:1")),
        *((octets, UTF_8) for octets in ("%ff%fe", "%c0%ae", "%ed%a0%80", "%C3", "%F4%90%80%80", "a%80")),
        *((octets, UTF_8) for octets in ("\xff", "caf\xc3\xa9", "\xc3\x83\xc2\xa9")),
    ],
)
def test_a_bad_queue_name_is_refused_on_every_route(client: Client, segment: str, fault: str) -> None:
    headers, target = client.authorization, f"/queues/{segment}/jobs"

    listed = _ask(client, target)
    added = client.flask.post("/", data="[]", headers=headers, environ_overrides={"RAW_URI": target})
    got = _ask(client, f"{target}/1")

    assert answers.error(listed, 400) == answers.error(added, 400) == f"queue name {fault}"
    assert answers.problem(got, 400)["details"] == [{"path": "queue name", "message": fault}]


@pytest.mark.parametrize("name", ["x", "x" * 99, "x" * 100, "\N{GRINNING FACE}" * 100, "a:b", "...", ".a", "%", "é"])
def test_a_good_queue_name_is_taken(client: Client, name: str) -> None:
    segment = quote(name, safe="")

    assert client.post(f"/queues/{segment}/jobs", '[{"name":"n","data":1}]').status_code == 200
    assert _count(client, segment) == 1


def test_names_that_look_alike_are_different(client: Client) -> None:
    segments = ["a", "A", "a%20", "a%20b", "a+b", "a;b", "a%3Fb", "a%23b", "a%25b", "a%2520b", "a&b", "a=b", "a%5Cb"]
    segments += ["caf%C3%A9", "cafe%CC%81", "%EF%BD%81", "%D0%B0"]
    for number, segment in enumerate(segments, start=1):
        client.add(*[{"name": "n", "data": 1}] * number, queue=segment)

    assert [_count(client, segment) for segment in segments] == list(range(1, len(segments) + 1))


@pytest.mark.parametrize("spelling", ["caf%C3%A9:x", "caf%c3%a9%3Ax", "%63%61%66%C3%A9%3ax"])
def test_every_encoding_of_a_name_is_that_name(client: Client, spelling: str) -> None:
    client.add({"name": "n", "data": 1, "opts": {"jobId": "é:1"}}, queue="caf%C3%A9:x")

    assert _count(client, spelling) == 1
    assert _ask(client, f"/queues/{spelling}/jobs/%c3%a9%3A1").json["queueQualifiedName"] == "bull:café:x"  # type: ignore[index]


@IN_DATABASE
@given(name=st.text(st.characters(exclude_categories=["Cs"]), max_size=105))
def test_any_text_names_a_queue_exactly_when_nothing_speaks_against_it(client: Client, name: str) -> None:
    is_good = 1 <= len(name) <= 100 and "/" not in name and name not in {".", ".."}
    is_good = is_good and all(unicodedata.category(character) != "Cc" for character in name)

    answer = _ask(client, f"/queues/{quote(name, safe='')}/jobs/absent")

    assert answer.status_code == (404 if is_good else 400)
    assert is_good == (ids.name_fault(name, max_length=100) is None)


@pytest.mark.parametrize(
    "target", ["http://any.host/queues/q/jobs", "HTTP://h:80/queues/q/jobs?length=0", "https://[::1]:8/queues/q/jobs"]
)
def test_a_target_with_an_origin_is_its_path(client: Client, target: str) -> None:
    client.add({"name": "n", "data": 1})

    answer = _ask(client, target)

    assert answer.status_code == 200
    assert (answer.json or {})["counts"]["waiting"] == 1


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/",
            "/queues/x/",
            "/Queues/x/jobs",
            "/queues/x/Jobs",
            "/queues/x/jobs/1/",
        ),
        *("/queues/x/jobs/1/2", "/queues%2Fx%2Fjobs", "/queues/x/jobs;a", "/queues/a/b/jobs", "*"),
        *("/..%2fqueues/x/jobs", "/queues/x/../x/jobs", "/queues//x/jobs", "/static/x", "/health", "/health/live/"),
        *("//workers", "///workers", "//queues/x/jobs", "////queues/x/jobs", "//health/live", "//x/workers", "//"),
        *("/workers//", "/./workers", "/x/../workers", "/.//workers", "/%2Fworkers", "/%2f"),
        *("\\workers", "/\\workers", "\\\\workers", "/workers\\", "workers", "health/live", "./workers", "/%77orkers"),
        *("http:///workers", "http://", "http:workers", "http:/workers", "http:\\\\x/workers", "ftp://x/workers"),
        *("http://x", "http://x//workers", "http://x///queues/x/jobs", "http://x\\y/workers", "http://x#/workers"),
        *("/http://x/workers", "http://http://x/workers", "/workers#x", "x://workers", "//http://x/workers"),
    ],
)
def test_no_other_path_is_there(client: Client, path: str) -> None:
    said = answers.problem(_ask(client, path), 404)

    assert (said["code"], said["error"]) == ("not_found", f"Not found: GET {path}")
