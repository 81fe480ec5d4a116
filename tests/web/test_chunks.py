"""Bodies that come in chunks, through the real gunicorn."""

import socket
from collections.abc import Iterator

import pytest

from app.infra.database import Database
from tests.support.clusters import PYTHON, Program, free_port

HEAD = b"POST /queues/q/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\nTransfer-Encoding: chunked\r\n\r\n"
BODY = b'[{"name":"n","data":1}]'


@pytest.fixture(scope="module")
def port(shared_url: str) -> Iterator[int]:
    port = free_port()
    env = {"DATABASE_URL": shared_url, "AUTH_TOKENS": "t", "PORT": str(port), "ROWLINE_API_PROCESSES": "1"}
    with Program([*PYTHON, "-m", "app", "serve"], env=env) as api:
        api.expect("api_started")
        yield port


def answer(port: int, sent: bytes) -> bytes:
    """Send bytes, say that no more come, and return all that comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(HEAD + sent)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_body_in_chunks_is_read_whole(port: int, db: Database) -> None:
    chunks = b"5\r\n" + BODY[:5] + b"\r\n" + f"{len(BODY) - 5:x}\r\n".encode() + BODY[5:] + b"\r\n0\r\n\r\n"
    assert answer(port, chunks).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "sent",
    [
        b"zz\r\n" + BODY + b"\r\n0\r\n\r\n",
        b"17\r\n" + BODY[:5],
        b"17\r\n" + BODY + b"XX0\r\n\r\n",
        b"17\r\n" + BODY + b"\r\n",
        b"-1\r\n\r\n",
    ],
)
def test_a_body_whose_chunks_are_broken_is_refused_and_stores_nothing(port: int, db: Database, sent: bytes) -> None:
    answered = answer(port, sent)

    assert answered.startswith(b"HTTP/1.1 400 ")
    with db.read() as conn:
        assert conn.exec_driver_sql("select count(*) from rowline.jobs").scalar_one() == 0
