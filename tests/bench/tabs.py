"""Open tabs of the dashboard, without browsers: each asks what a tab asks, when a tab asks it (`static/live.js`)."""

import contextlib
import http.client
import re
import select
import socket
import threading
import time
import urllib.parse
from multiprocessing.connection import Connection

from tests.bench import elsewhere

ROOT = "/dashboard/"
AGAIN_S = 2.0
"""How often a page is fetched again whose regions change without an event."""
BROKEN_S = 1.0
"""How long a browser waits before it opens a stream again that has ended."""
LONGEST_S = 60.0
_REGION = re.compile(r'data-live="([a-z]+)"')
_PAUSE = re.compile(rb'event: changed\ndata: .*"pauseMs": (\d+)')
_STREAM = re.compile(r'data-stream="(?:\.\./|\./)*([^"]+)"')


class Visit:
    """A browser that is signed in, on one connection."""

    def __init__(self, port: int, cookie: str = "") -> None:
        """Have the cookie of a session, if there is one."""
        self._port, self.cookie = port, cookie
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=LONGEST_S)

    def sign_in(self, token: str) -> None:
        """Type a token."""
        headers = {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}
        self._http.request("POST", f"{ROOT}login", urllib.parse.urlencode({"token": token}), headers)
        response = self._http.getresponse()
        response.read()
        assert response.status == http.HTTPStatus.SEE_OTHER, response.status
        self.cookie = str(response.headers["Set-Cookie"]).partition(";")[0]

    def get(self, path: str, etag: str | None = None) -> tuple[int, str, str | None]:
        """Return the status of a page, its text and its ETag."""
        headers = {"Cookie": self.cookie} | ({"If-None-Match": etag} if etag else {})
        self._http.request("GET", ROOT + path, headers=headers)
        response = self._http.getresponse()
        return response.status, response.read().decode(), response.headers["ETag"]

    def stream(self, path: str) -> socket.socket:
        """Open a stream; return its socket. Raises EOFError if it is refused, OSError."""
        opened = socket.create_connection(("127.0.0.1", self._port), timeout=LONGEST_S)
        opened.sendall(f"GET {ROOT}{path} HTTP/1.1\r\nHost: localhost\r\nCookie: {self.cookie}\r\n\r\n".encode())
        if not opened.recv(1 << 16).startswith(b"HTTP/1.1 200"):
            opened.close()
            raise EOFError
        return opened


def fragment(path: str, *wanted: str) -> str:
    """Return the path of regions of a page."""
    return f"{path}{'&' if '?' in path else '?'}{'&'.join(f'fragment={region}' for region in wanted)}"


def regions(page: str) -> list[str]:
    """Return the regions of a page that are live."""
    return _REGION.findall(page)


class Tab(threading.Thread):
    """One tab: it hears of changes by a stream, and fetches its regions then."""

    def __init__(self, port: int, cookie: str, path: str, ended: threading.Event) -> None:
        """Show the page of a path until `ended`."""
        super().__init__(daemon=True)
        self._visit, self._path, self._ended = Visit(port, cookie), path, ended
        self.fetched = self.refused = self.broken = 0
        self._pause_s = 0.0
        self.is_open, self._is_polled = threading.Event(), False

    def run(self) -> None:
        """Open the page and its stream, and keep the page up to date."""
        status, page, _ = self._visit.get(self._path)
        assert status == http.HTTPStatus.OK, (status, self._path)
        wanted = fragment(self._path, *regions(page))
        [where] = _STREAM.findall(page)
        self._is_polled = "data-again" in page
        while not self._ended.is_set():
            with contextlib.suppress(OSError, EOFError), self._visit.stream(where.replace("&amp;", "&")) as stream:
                self._follow(stream, wanted)
            self.broken += not self._ended.is_set()
            self._ended.wait(BROKEN_S)

    def _follow(self, stream: socket.socket, wanted: str) -> None:
        """Keep the page up to date until its stream ends. Raises EOFError then, or OSError."""
        etag = self._refreshed(wanted, None)
        self.is_open.set()
        again_at = time.monotonic() + AGAIN_S if self._is_polled else float("inf")
        while not self._ended.is_set():
            is_due = time.monotonic() >= again_at
            if is_due:
                again_at = time.monotonic() + max(AGAIN_S, self._pause_s)
            if is_due or self._has_heard(stream):
                etag = self._refreshed(wanted, etag)

    def _has_heard(self, stream: socket.socket) -> bool:
        if not select.select([stream], [], [], 0.1)[0]:
            return False
        heard = stream.recv(1 << 16)
        if not heard:
            raise EOFError
        if found := _PAUSE.findall(heard):
            self._pause_s = int(found[-1]) / 1000
        return bool(found)

    def _refreshed(self, wanted: str, etag: str | None) -> str | None:
        status, _, new = self._visit.get(wanted, etag)
        self.fetched += 1
        self.refused += status not in (http.HTTPStatus.OK, http.HTTPStatus.NOT_MODIFIED)
        return new if status == http.HTTPStatus.OK else etag


def keep_open(port: int, cookie: str, paths: list[str], ready: Connection) -> None:
    """Keep a tab open for each path until told to stop, and say how much they fetched; its own process."""
    elsewhere.go()
    ended = threading.Event()
    tabs = [Tab(port, cookie, path, ended) for path in paths]
    for tab in tabs:
        tab.start()
        assert tab.is_open.wait(LONGEST_S)
    ready.send("begun")
    before, began_at = sum(tab.fetched for tab in tabs), time.monotonic()
    ready.recv()
    took_s = time.monotonic() - began_at
    ready.send(
        [
            (sum(tab.fetched for tab in tabs) - before) / took_s,
            sum(tab.is_alive() for tab in tabs),
            sum(tab.refused for tab in tabs),
        ]
    )
    ended.set()
