"""Secrets and job data that a search would find: they are in no log and, but for the owner's own data, in no answer."""

import json
import re
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.support import databases, raw
from tests.support.raw import Answer, Server, request

TOKEN, WRONG, PASSWORD, DATA = (f"canary-{which}-5e1f0c" for which in ("token", "wrong", "password", "data"))
PATH = "/queues/q/jobs"
BODY = json.dumps([{"name": "n", "data": {DATA: DATA}, "opts": {"jobId": "mine"}}]).encode()
OURS = re.compile(
    rb'Traceback|File "|/app/|site-packages|\.py\b|psycopg|sqlalchemy|werkzeug|select |insert ', re.IGNORECASE
)
BROKEN = {
    "a column is wanted": "alter table rowline.jobs add column more integer not null",
    "a row is refused": "alter table rowline.jobs add constraint odd check (data::text = '') not valid",
    "a value does not fit": (
        "drop schema report cascade; alter table rowline.jobs alter column data type varchar(3) using '1'"
    ),
}


def _with_password(url: str) -> str:
    """Put a password into a URL that has none."""
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user if ':' in user else f'{user}:{PASSWORD}'}@{host}"))


def _ask(
    server: Server, method: str, target: str, *headers: str, body: bytes = b"", token: str | None = TOKEN
) -> Answer:
    """Ask, and check what holds for every answer."""
    [answer] = server.ask(request(method, target, *headers, body=body, token=token), end=True)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["server"] == "gunicorn"
    assert answer.headers["x-request-id"]
    if answer.status >= 400:
        said = answer.json()
        assert said["error"]
        assert said["code"]
        assert said["requestId"] == answer.headers["x-request-id"]
        assert not OURS.search(answer.body), answer.body
        assert b"canary" not in answer.body
    return answer


def _said_nothing(server: Server) -> None:
    server.check()
    found = [line for line in server.log().splitlines() if "canary" in line]
    assert not found, found[0]


@pytest.fixture(scope="module")
def guarded(server_url: str, template: str) -> Iterator[Server]:
    """A server whose token and password a search would find."""
    with (
        databases.fresh(server_url, template=template) as url,
        raw.server(_with_password(url), AUTH_TOKENS=TOKEN, ROWLINE_MAX_BODY_BYTES="2000", **raw.PATIENT) as server,
    ):
        yield server


@pytest.mark.parametrize(
    ("method", "target", "headers", "body", "status"),
    [
        ("POST", PATH, (), BODY, 200),
        ("GET", PATH, (), b"", 200),
        ("GET", f"{PATH}/mine", (), b"", 200),
        ("POST", PATH, (), BODY + b"x", 400),
        ("POST", PATH, (), BODY.replace(b"}", b"", 1), 400),
        ("POST", PATH, (), BODY.replace(b'"opts"', b'"data":1,"opts"'), 400),
        ("POST", PATH, (), BODY.replace(b'"n"', b'""'), 400),
        ("POST", PATH, (), b"\xff" + BODY, 400),
        ("POST", PATH, (), BODY.ljust(2_001), 413),
        ("POST", PATH, ("Content-Encoding: gzip",), BODY, 415),
        ("POST", PATH, ("Content-Type: multipart/form-data; boundary=x",), BODY, 415),
        ("DELETE", PATH, (), BODY, 405),
        ("GET", "/nowhere", (), b"", 404),
        ("GET", f"{PATH}/absent", (), b"", 404),
        ("GET", f"{PATH}/%ff", (), b"", 400),
        ("GET", f"{PATH}?start=x", (), b"", 400),
        ("GET", "/health/ready", (), b"", 200),
    ],
)
def test_no_error_shows_a_secret_and_no_log_shows_data(
    guarded: Server, method: str, target: str, headers: tuple[str, ...], body: bytes, status: int
) -> None:
    answer = _ask(guarded, method, target, *headers, body=body)

    assert answer.status == status, answer.body
    assert ("allow" in answer.headers) == (status == 405)
    _said_nothing(guarded)


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        pytest.param(PATH, (), id="A01 no token"),
        pytest.param(PATH, (f"Authorization: Bearer {WRONG}",), id="A02 a wrong token"),
        pytest.param(PATH, (f"Authorization: Basic {WRONG}",), id="A04 another scheme"),
        pytest.param(PATH, (f"Authorization: Bearer {TOKEN}", f"Authorization: Bearer {TOKEN}"), id="A06 two headers"),
        pytest.param(PATH, (f"Authorization: Bearer {WRONG}", f"Authorization: Bearer {TOKEN}"), id="A06 two tokens"),
        pytest.param(f"{PATH}?token={TOKEN}&access_token={TOKEN}", (), id="A08 in the query"),
        pytest.param(f"http://{TOKEN}:{TOKEN}@x{PATH}", (), id="A08 in the origin"),
        pytest.param(PATH, (f"Cookie: token={TOKEN}", f"X-Api-Key: {TOKEN}"), id="A08 in another header"),
        pytest.param(PATH, (f"Proxy-Authorization: Bearer {TOKEN}",), id="A08 for a proxy"),
    ],
)
def test_whoever_is_not_let_in_is_told_the_same(guarded: Server, target: str, headers: tuple[str, ...]) -> None:
    answer = _ask(guarded, "GET", target, "X-Request-Id: r", *headers, token=None)
    plain = _ask(guarded, "GET", PATH, "X-Request-Id: r", token=None)

    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.body == plain.body
    _said_nothing(guarded)


@pytest.mark.parametrize(
    "line", [f"Authorization Bearer {WRONG}", f"Authorization : Bearer {WRONG}", f"Authorization: Bearer \x00{WRONG}"]
)
def test_a_broken_header_with_a_token_is_not_logged(guarded: Server, line: str) -> None:
    [answer] = guarded.ask(request("GET", PATH, line, token=None))

    assert answer.status == 400
    assert b"canary" not in answer.body
    _said_nothing(guarded)


@pytest.mark.parametrize("request_id", ["x", "x" * 127, "x" * 128, "a.b_c:d/e+f=g-h"])
def test_a_sane_request_id_comes_back(guarded: Server, request_id: str) -> None:
    answer = _ask(guarded, "GET", "/nowhere", f"X-Request-Id: {request_id}")

    assert answer.json()["requestId"] == request_id


@pytest.mark.parametrize("request_id", ["", "x" * 129, "a b", "a\tb", "caf\xe9", "%0d%0aX-A:1", "<b>", "a,b"])
def test_any_other_request_id_is_replaced(guarded: Server, request_id: str) -> None:
    assert re.fullmatch(
        "[0-9a-f]{32}", _ask(guarded, "GET", PATH, f"X-Request-Id: {request_id}").headers["x-request-id"]
    )


@pytest.mark.parametrize("broken", BROKEN)
def test_a_fault_of_ours_shows_neither_data_nor_secrets(own_url: str, broken: str) -> None:
    databases.run(own_url, BROKEN[broken])
    with raw.server(_with_password(own_url), AUTH_TOKENS=TOKEN, **raw.PATIENT) as server:
        answer = _ask(server, "POST", PATH, body=BODY)

        assert (answer.status, answer.json()["error"]) == (500, "Internal error")
        _said_nothing(server)


def test_a_dead_database_shows_no_secret() -> None:
    with raw.server(f"postgresql://x:{PASSWORD}@127.0.0.1:1/x", AUTH_TOKENS=TOKEN) as server:
        answers = [
            _ask(server, "POST", PATH, body=BODY),
            _ask(server, "GET", PATH),
            _ask(server, "GET", "/health/ready"),
        ]

        assert [(answer.status, int(answer.headers["retry-after"]) >= 1) for answer in answers] == [(503, True)] * 3
        _said_nothing(server)
