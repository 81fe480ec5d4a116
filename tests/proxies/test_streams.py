"""Streams behind nginx and haproxy, as the handbook has them: events come at once, until the node stops."""

import contextlib
import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.proxies.__main__ import VARIABLE
from tests.rehearsal import rolling
from tests.support import clusters, raw
from tests.support.clusters import PYTHON, Program, free_port, until
from tests.support.raw import KEY, TOKEN
from tests.support.streams import EventStream

NGINX_CONF = """
daemon off; master_process off; pid {folder}/pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {page}
}}
"""
SHORT = "10s"
"""The time limits of a proxy here, where the page has a minute: comments, which come each 8 s, keep a stream alive."""
COMMENTS = 2
"""With so many nothing else was sent for longer than that."""
Start = Callable[[Path, list[int]], contextlib.AbstractContextManager[int]]


@contextlib.contextmanager
def nginx(folder: Path, ports: list[int]) -> Iterator[int]:
    """Run nginx with the configuration of the page during the block; return its port."""
    found = re.search(r"^    upstream rowline \{\n(?:    .*\n|\n)+", rolling.PAGE.read_text(), re.MULTILINE)
    assert found
    port, text = free_port(), found[0]
    changed = {"10.0.0.1:8080": f"127.0.0.1:{ports[0]}", "10.0.0.2:8080": f"127.0.0.1:{ports[1]}"}
    for old, new in (changed | {"listen 8000": f"listen 127.0.0.1:{port}", "timeout 60s": f"timeout {SHORT}"}).items():
        assert old in text
        text = text.replace(old, new)
    file = folder / "nginx.conf"
    file.write_text(NGINX_CONF.format(folder=folder, page=text))
    with Program([os.environ[VARIABLE], "-e", "stderr", "-p", folder, "-c", file], env={}):
        yield port


@contextlib.contextmanager
def haproxy(folder: Path, ports: list[int]) -> Iterator[int]:
    """Run haproxy with the configuration of the page during the block; return its port."""
    changed = {"client 60s": f"client {SHORT}", "server 60s": f"server {SHORT}"}
    with rolling.proxy(folder, ports, changed=changed) as proxy:
        yield proxy.port


def node(url: str, port: int) -> Program:
    env = {"DATABASE_URL": url, "AUTH_TOKENS": TOKEN, "PORT": str(port), "ROWLINE_SECRET_KEYS": KEY}
    return Program([*PYTHON, "-m", "app", "serve"], env=env | {"ROWLINE_API_PROCESSES": "1"})


@contextlib.contextmanager
def begun(port: int, last_id: str | None = None) -> Iterator[EventStream]:
    """Open a stream for the block, as soon as the proxy has a node for it."""
    found: list[EventStream] = []

    def opens() -> bool:
        with contextlib.suppress(OSError):
            stream = EventStream(port, "/events", token=TOKEN, last_id=last_id)
            if stream.response.status == HTTPStatus.OK:
                found.append(stream)
            else:
                stream.close()
        return bool(found)

    until(opens)
    with contextlib.closing(found[0]) as stream:
        [hello] = stream.take(1)
        assert (hello.event, stream.comments) == ("hello", 0), "it is not held until more has come"
        yield stream


def add(port: int, job_id: str) -> None:
    """Add a job, past the proxy."""
    body = json.dumps([{"name": "n", "data": 1, "opts": {"jobId": job_id}}])
    with contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=raw.DEADLINE_S)) as connection:
        connection.request("POST", "/queues/q/jobs", body, {"Authorization": f"Bearer {TOKEN}"})
        answer = connection.getresponse()
        assert answer.status == HTTPStatus.OK, answer.read()


@pytest.mark.parametrize("start", [nginx, haproxy])
def test_a_stream_is_passed_on_at_once_and_lasts_until_its_node_stops(own_url: str, start: Start) -> None:
    ports = [free_port(), free_port()]
    with contextlib.ExitStack() as stack:
        one = stack.enter_context(node(own_url, ports[0]))
        one.expect("api_started")
        folder = stack.enter_context(clusters.folder())  # the name of a socket in it must not be long
        port = stack.enter_context(start(folder, ports))
        with begun(port) as stream:
            add(ports[0], "at once")
            assert (stream.take(1)[0].data["id"], stream.comments) == ("at once", 0)
            while stream.comments < COMMENTS:
                stream.comments += stream.response.readline().startswith(b":")
            add(ports[0], "late")
            assert stream.take(1)[0].data["id"] == "late"
            two = stack.enter_context(node(own_url, ports[1]))
            two.expect("api_started")
            one.process.send_signal(signal.SIGTERM)
            assert list(stream) == [], "it ends with its node"
            one.process.wait(raw.DEADLINE_S)  # until then the proxy may give it a stream, which ends at once
        add(ports[1], "meanwhile")
        with begun(port, stream.last_id) as stream:
            assert stream.take(1)[0].data["id"] == "meanwhile"
