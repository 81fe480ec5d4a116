"""The client over TLS: who the other side is decides whether it gets the token."""

import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import rowline
import trustme

PAGE = b'{"counts": {"waiting": 1}, "jobs": [], "start": 0, "length": 0}'
WAITS = threading.Event()  # a request has come that nobody answers
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(PAGE) + PAGE


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of this machine with its key; beside it (`.crt`) that of who signed it, whom nobody knows."""
    file, authority = tmp_path / "both.pem", trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(file)
    authority.cert_pem.write_to_path(f"{file}.crt")
    return file


@pytest.fixture
def url(certificate: Path) -> Iterator[str]:
    """Something that speaks TLS and answers each request with a page of jobs, until one that waits."""
    WAITS.clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=serve, args=(context, listener))
    thread.start()
    yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def serve(context: ssl.SSLContext, listener: socket.socket) -> None:
    while True:
        try:
            plain, _address = listener.accept()
        except OSError:
            return
        try:
            with plain, context.wrap_socket(plain, server_side=True) as side:
                while request := side.recv(65_536):
                    if b"GET" in request:
                        side.sendall(ANSWER)
                    else:
                        WAITS.set()
        except OSError:
            continue


def test_a_certificate_that_python_trusts_is_trusted(
    url: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.crt")
    with rowline.Rowline(url, "t") as client:
        assert client.queue("q").counts("waiting") == {"waiting": 1}


def test_a_certificate_that_nobody_has_signed_is_refused_at_once(url: str) -> None:
    queue = rowline.Rowline(url, "t", timeout_s=60).queue("q")
    with pytest.raises(rowline.Unavailable, match="CERTIFICATE_VERIFY_FAILED") as raised:
        queue.add("n")
    assert not raised.value.is_outcome_unknown


def test_closing_ends_a_claim_that_waits_over_tls(url: str, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.crt")
    client = rowline.Rowline(url, "t", timeout_s=60)
    client.queue("q").counts("waiting")
    with ThreadPoolExecutor() as pool:
        claiming = pool.submit(client.queue("q").claim, wait_ms=30_000)
        assert WAITS.wait(60)
        client.close()
        with pytest.raises(rowline.Unavailable):
            claiming.result(60)
