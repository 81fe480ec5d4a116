"""The framing of requests, in bytes, through the real gunicorn: section c.1 of the catalogue of bad inputs."""

import contextlib
import json
import re
import select
import socket
from pathlib import Path

import pytest

from app.postgres.database import Database
from tests.support import framings, raw
from tests.support.clusters import IMPORTABLE, until
from tests.support.framings import CHUNKED, CHUNKS, JOB, PATH, chunked, post
from tests.support.raw import DEADLINE_S, TOKEN, Answer, Server, request
from tests.web.conftest import BODY_MAX

GET = request("GET", PATH)
LAST = request("GET", "/health/live", "Connection: close")


def stored(db: Database) -> int:
    with db.read() as conn:
        return int(conn.exec_driver_sql("select count(*) from rowline.jobs").scalar_one())


def statuses(answers: list[Answer]) -> list[int]:
    return [answer.status for answer in answers]


def test_a_parser_of_gunicorns_that_is_installed_besides_reads_no_request(own_url: str, tmp_path: Path) -> None:
    """gunicorn takes its parser in C wherever that can be imported, and ours knows who has a token from its own."""
    (tmp_path / "gunicorn_h1c.py").write_text("class LimitRequestLine(Exception):\n    pass\n")
    with raw.server(own_url, PYTHONPATH=":".join([str(tmp_path), *IMPORTABLE])) as server:
        [answer] = server.ask(LAST)

    assert answer.status == 200, answer.body


@pytest.mark.parametrize("sent", framings.NO_HTTP)
def test_what_cannot_be_parsed_is_refused_and_the_connection_closed(server: Server, db: Database, sent: bytes) -> None:
    [answer] = server.ask(sent)

    assert answer.status in {400, 414, 415, 431}, answer
    assert (answer.status == 415) == (answer.json()["code"] == "unsupported_body")
    assert answer.headers["connection"] == "close"
    assert stored(db) == 0


@pytest.mark.parametrize("sent", [b"nonsense\r\n\r\n", post("Content-Length: 12000000", body=b"")])
def test_who_sends_on_what_is_refused_can_send_it_all_and_gets_the_answer(server: Server, sent: bytes) -> None:
    """A connection that is closed with bytes unread is reset: most clients then fail before they read the answer."""

    def gets_the_answer() -> bool:
        with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE_S) as connection:
            try:
                connection.sendall(sent + b"x" * 12_000_000)  # more than the sockets hold
            except ConnectionError:  # he has a second for it, which a busy machine may take from him
                return False
            return connection.recv(12) in {b"HTTP/1.1 400", b"HTTP/1.1 413"}

    until(gets_the_answer)


@pytest.mark.parametrize("sent", framings.NO_CHUNKS)
def test_broken_chunks_are_refused_and_what_follows_is_no_request(server: Server, db: Database, sent: bytes) -> None:
    [answer] = server.ask(sent + post())

    assert (answer.status, answer.json()["code"]) == (400, "unparsable_body")
    assert stored(db) == 0


@pytest.mark.parametrize("sent", framings.CUT)
def test_a_body_that_is_cut_is_refused(server: Server, db: Database, sent: bytes) -> None:
    [answer] = server.ask(sent, end=True)

    assert (answer.status, answer.json()["code"]) == (400, "unparsable_body")
    assert stored(db) == 0


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(post(CHUNKED, body=CHUNKS), id="one chunk"),
        pytest.param(chunked(b"5\r\n" + JOB[:5] + b"\r\n12\r\n" + JOB[5:] + b"\r\n0\r\n\r\n"), id="two chunks"),
        pytest.param(chunked(b"000017\r\n" + JOB + b"\r\n000\r\n\r\n"), id="zeros before a size"),
        pytest.param(chunked(b'17 ;a=b;c="d"\r\n' + JOB + b"\r\n0\r\n\r\n"), id="H14 extensions"),
        pytest.param(chunked(b"17\r\n" + JOB + b"\r\n0\r\nX-A: v\r\n\r\n"), id="H16 a trailer"),
        pytest.param(post("Transfer-Encoding: Chunked", body=CHUNKS), id="H12 a capital letter"),
        pytest.param(post("Transfer-Encoding: \t chunked \t", body=CHUNKS), id="H12 blanks around the coding"),
        pytest.param(post("Content-Length:23"), id="no space after the colon"),
        pytest.param(post("content-length: 0023"), id="zeros before a length"),
        pytest.param(b"\r\n" + post(), id="an empty line first"),
        pytest.param(post("Transfer_Encoding: chunked"), id="H12 an underscore is another header"),
        pytest.param(post("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAAA"), id="upgrade"),
        pytest.param(post(version="1.0"), id="HTTP/1.0"),
    ],
)
def test_every_good_framing_is_read(server: Server, db: Database, sent: bytes) -> None:
    assert statuses(server.ask(sent, end=True)) == [200]
    assert stored(db) == 1


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param(post(), [200, 200], id="H06 a whole body"),
        pytest.param(post("Content-Length: 2", body=b"[]"), [200, 200], id="H06 an empty array"),
        pytest.param(post(CHUNKED, body=CHUNKS), [200, 200], id="H06 chunks"),
        pytest.param(post(body=b""), [400, 200], id="H06 no body and no length"),
        pytest.param(request("GET", PATH, body=GET), [200, 200], id="H06 a request in the body of a GET"),
        pytest.param(request("GET", PATH, CHUNKED, body=CHUNKS), [200, 200], id="H06 chunks in a GET"),
        pytest.param(request("POST", PATH, body=GET, token=None), [401, 200], id="H06 a body nobody was let in with"),
        pytest.param(request("POST", "/nowhere", body=GET), [404, 200], id="H06 a body for no route"),
        pytest.param(request("DELETE", PATH, body=GET), [405, 200], id="H06 a body for no method"),
        pytest.param(post(body=b"[" + GET), [400, 200], id="H06 a request in a bad body"),
    ],
)
def test_what_follows_a_body_is_the_next_request(server: Server, sent: bytes, expected: list[int]) -> None:
    assert statuses(server.ask(sent + LAST)) == expected


def test_a_body_longer_than_its_length_is_no_body(server: Server, db: Database) -> None:
    answers = server.ask(post("Content-Length: 22", body=JOB + b"\r\n\r\n"), end=True)

    assert statuses(answers) == [400, 400]
    assert stored(db) == 0


def test_a_body_without_a_length_is_no_body(server: Server, db: Database) -> None:
    first, *_rest = server.ask(request("POST", PATH) + JOB, end=True)

    assert (first.status, first.json()["error"]) == (400, "body is empty; it must be a JSON array")
    assert stored(db) == 0


def test_requests_in_a_row_are_answered_in_order(server: Server) -> None:
    sent = [request("GET", f"{PATH}?start={number}&length=0", f"X-Request-Id: r{number}") for number in range(20)]

    answers = server.ask(b"".join(sent) + LAST)[:-1]

    assert [answer.json()["start"] for answer in answers] == list(range(20))
    assert [answer.headers["x-request-id"] for answer in answers] == [f"r{number}" for number in range(20)]


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param(b"%x\r\n%s\r\n0\r\n\r\n" % (BODY_MAX + 1, b"[" + b" " * BODY_MAX), id="H10 whole"),
        pytest.param(b"%x\r\n%s" % (BODY_MAX + 500, b"[" + b" " * BODY_MAX), id="H09 cut"),
        pytest.param((b"64\r\n" + b" " * 100 + b"\r\n") * 21 + b"zz", id="H09 not valid behind the limit"),
        pytest.param((b"1\r\n \r\n") * (BODY_MAX + 1), id="H11 one byte a chunk"),
    ],
)
def test_chunks_over_the_limit_are_too_large(server: Server, db: Database, chunks: bytes) -> None:
    [answer] = server.ask(chunked(chunks), end=True)

    assert (answer.status, answer.json()["error"]) == (413, f"body must be at most {BODY_MAX} bytes")
    assert stored(db) == 0


@pytest.mark.parametrize(
    "length", [pytest.param("2001", id="limit + 1"), "9" * 18, pytest.param("9" * 4_000, id="H05 4,000 digits")]
)
def test_a_length_over_the_limit_is_too_large_before_the_body_comes(server: Server, length: str) -> None:
    [answer] = server.ask(post(f"Content-Length: {length}", body=b""), wanted=1)

    assert answer.status == 413


@pytest.mark.parametrize("sent", [post("Content-Length: 2000", body=JOB.ljust(2_000)), post(CHUNKED, body=CHUNKS)])
def test_who_asks_before_sending_a_good_body_is_told_to_go_on(server: Server, db: Database, sent: bytes) -> None:
    expecting = sent.replace(b"Host: x\r\n", b"Host: x\r\nExpect: 100-Continue\r\n")

    assert statuses(server.ask(expecting, end=True)) == [100, 200]
    assert stored(db) == 1


def test_who_asks_before_sending_too_long_a_body_is_told_not_to(server: Server) -> None:
    [answer] = server.ask(post("Content-Length: 2001", "Expect: 100-continue", body=b""), wanted=1)

    assert answer.status == 413


def test_any_other_expectation_is_not_met(server: Server, db: Database) -> None:
    assert statuses(server.ask(post("Expect: 200-ok"))) == [417]
    assert stored(db) == 0


def test_a_body_in_a_second_coding_is_refused(server: Server, db: Database) -> None:
    [answer] = server.ask(post("Transfer-Encoding: gzip, chunked", body=CHUNKS), end=True)

    assert answer.status == 415
    assert stored(db) == 0


def test_a_request_of_http_1_1_names_its_host(server: Server) -> None:
    [answer] = server.ask(GET.replace(b"Host: x\r\n", b""), end=True)

    assert (answer.status, answer.json()["error"]) == (400, "Host is required by HTTP/1.1")
    assert statuses(server.ask(b"GET /health/live HTTP/1.0\r\n\r\n")) == [200]


def test_a_job_asked_for_without_a_host_is_an_invalid_request_like_every_other_400_there(server: Server) -> None:
    [answer] = server.ask(request("GET", f"{PATH}/1").replace(b"Host: x\r\n", b""), end=True)

    said = answer.json()
    assert (answer.status, said["error"]) == (400, "Invalid request")
    assert said["details"] == [{"path": "Host", "message": "is required by HTTP/1.1"}]


@pytest.mark.parametrize("version", ["1.1", "1.2", "1.9"])
def test_a_later_http_1_is_answered_as_http_1_1(server: Server, version: str) -> None:
    """Which is what we speak: an answer of 1.9 would promise more."""
    first, last = (request("GET", PATH, *more, version=version) for more in ([], ["Connection: close"]))
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE_S) as connection:
        connection.sendall(first + last)
        received = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert re.findall(rb"HTTP/\d\S* \d+ ", received) == [b"HTTP/1.1 200 "] * 2


def test_http_1_9_names_its_host_too(server: Server) -> None:
    [answer] = server.ask(b"GET /health/live HTTP/1.9\r\nConnection: close\r\n\r\n")
    assert answer.status == 400


@pytest.mark.parametrize("target", [f"http://x{PATH}", f"HTTP://y:99999999{PATH}?length=0", f"http://u:p@x{PATH}"])
def test_a_target_may_name_an_origin(server: Server, target: str) -> None:
    assert statuses(server.ask(request("GET", target), end=True)) == [200]


@pytest.mark.parametrize(
    ("line", "status"), [(4_093, 404), (4_094, 404), pytest.param(4_095, 414, id="H25 a byte more")]
)
def test_a_request_line_may_have_4094_bytes(server: Server, line: int, status: int) -> None:
    target = "/" + "x" * (line - len("GET / HTTP/1.1"))

    assert statuses(server.ask(request("GET", target), end=True)) == [status]


def test_a_head_may_have_100_headers_of_8190_bytes(server: Server) -> None:
    headers = [f"X-{number}: v" for number in range(97)]

    assert statuses(server.ask(request("GET", PATH, *headers, "X-A: " + "v" * 8_183), end=True)) == [200]
    assert statuses(server.ask(request("GET", PATH, *headers, "X-A: v", "X-B: v"), end=True)) == [431]


@pytest.mark.parametrize(
    ("shown", "status"),
    [
        pytest.param(f"bearer {TOKEN}", 200, id="A03 lower case"),
        pytest.param(f" \tBearer {TOKEN} \t", 200, id="A05 blanks around it are HTTP's"),
        pytest.param(f"Bearer  {TOKEN}", 401, id="A05 two spaces"),
        pytest.param(f"Bearer\t{TOKEN}", 401, id="A05 a tab"),
        pytest.param(f"Bearer {TOKEN}\x00", 400, id="A07 NUL"),
        pytest.param("Bearer \xff", 401, id="A07 a byte that is no UTF-8"),
        pytest.param("Bearer \xf0\x9f\x98\x80", 401, id="A07 an emoji"),
        pytest.param("Bearer " + "x" * 8_160, 401, id="A07 as long as a header may be"),
        pytest.param("Bearer " + "x" * 8_192, 431, id="A07 8 KiB"),
    ],
)
def test_a_token_is_read_as_the_bytes_it_came_as(server: Server, db: Database, shown: str, status: int) -> None:
    sent = request("POST", PATH, f"Authorization: {shown}", body=JOB, token=None)

    assert statuses(server.ask(sent, wanted=1)) == [status]
    assert stored(db) == (status == 200)


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "DELETE", "SEARCH", "X-NEW"])
def test_a_method_that_no_route_has_is_405(server: Server, method: str) -> None:
    [answer] = server.ask(request(method, PATH), end=True)

    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")


def test_nobody_is_connected_to_another_host(server: Server) -> None:
    assert statuses(server.ask(request("CONNECT", "example.org:443") + GET)) == [404]


def test_the_server_as_a_whole_has_no_options(server: Server) -> None:
    assert statuses(server.ask(request("OPTIONS", "*"), end=True)) == [404]


@pytest.mark.parametrize("target", [PATH, f"{PATH}/absent", "/health/live", "/health/ready", "/nowhere"])
def test_head_says_what_get_says_without_the_body(server: Server, target: str) -> None:
    [got] = server.ask(request("GET", target, "X-Request-Id: r"), end=True)
    [head] = server.ask(request("HEAD", target, "X-Request-Id: r"), end=True, method="HEAD")

    assert (head.status, head.body) == (got.status, b"")
    for answer in (got, head):
        answer.headers.pop("date")
    if "Not found" not in got.body.decode():  # which names the method
        assert head.headers == got.headers


@pytest.mark.parametrize(
    "headers",
    [
        ("X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil", "Forwarded: for=6.6.6.6"),
        ("X-Forwarded-Proto: https", "X-Forwarded-Ssl: off"),
        ("SCRIPT_NAME: /nope",),
        ("SCRIPT_NAME: /queues", "PATH_INFO: /health/live"),
        ("X-Original-URL: /health/live", "X-Rewrite-URL: /health/live", "X-Forwarded-Prefix: /x"),
        ("X-HTTP-Method-Override: DELETE", "X-HTTP-Method: DELETE", "X-Method-Override: DELETE"),
        ("Proxy: http://6.6.6.6", "REMOTE_ADDR: 6.6.6.6", "X-Real-IP: 6.6.6.6"),
    ],
    ids=[
        *("H37 forwarded", "H37 two schemes", "H37 a script name", "H37 a script name that fits", "H37 another target"),
        *("H29 another method", "H37 another address"),
    ],
)
def test_what_a_client_says_of_proxies_changes_nothing(server: Server, headers: tuple[str, ...]) -> None:
    [plain] = server.ask(GET, end=True)
    [forwarded] = server.ask(request("GET", PATH, *headers, "X-Request-Id: forwarded"), end=True)

    assert (forwarded.status, forwarded.body) == (plain.status, plain.body)
    assert set(forwarded.headers) == set(plain.headers)
    log = server.log()
    assert not any(word in log for word in ("6.6.6.6", "evil"))


@pytest.mark.parametrize("token", [TOKEN, "wrong"])
@pytest.mark.parametrize("line", ["1;" + "a" * 62, "0" * 63 + "1", "1 ;a=b"])
def test_the_line_of_a_chunk_may_have_64_bytes(server: Server, line: str, token: str) -> None:
    sent = request("POST", "/queues/q/jobs", "Transfer-Encoding: chunked", token=token)

    [answer] = server.ask(sent + f"{line}\r\n[\r\n1\r\n]\r\n0\r\n\r\n".encode(), wanted=1)

    assert answer.status == (200 if token == TOKEN else 401)


@pytest.mark.parametrize("line", ["1;" + "a" * 63, "1" + ";a" * 4_000, "0" * 64 + "1", "0" * 8_000 + "1", "1" * 20_000])
@pytest.mark.parametrize("first", ["", "1\r\n[\r\n"])
def test_a_longer_line_of_a_chunk_is_refused_unread(server: Server, first: str, line: str) -> None:
    sent = request("POST", "/queues/q/jobs", "Transfer-Encoding: chunked")

    [answer] = server.ask(sent + f"{first}{line}\r\n]\r\n0\r\n\r\n".encode())

    assert (answer.status, answer.headers["connection"]) == (400, "close")
    assert answer.json()["error"] == "body ended early, or its chunks cannot be read"


def test_a_head_that_comes_in_hundreds_of_pieces_is_refused(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE_S) as slow:
        slow.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        slow.sendall(b"GET /health/live HTTP/1.1\r\nX: ")
        answer = b""
        while not answer:
            with contextlib.suppress(ConnectionError):
                slow.sendall(b"y")
            if select.select([slow], [], [], 0.01)[0]:
                answer = slow.recv(2**16)

    assert answer.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    ("size", "count", "status"), [(1, 4_000, 200), (1, 5_000, 400), (64, 9_000, 400), (128, 8_000, 200)]
)
def test_thousands_of_chunks_have_a_size(own_url: str, size: int, count: int, status: int) -> None:
    body = json.dumps([{"name": "n", "data": "x" * (size * count - 30)}]).encode()
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in _cut(body, size))
    with raw.server(own_url, **raw.PATIENT) as server:
        [answer] = server.ask(request("POST", PATH, CHUNKED) + chunks + b"0\r\n\r\n", wanted=1)

    assert answer.status == status, answer.body


def _cut(body: bytes, size: int) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]
