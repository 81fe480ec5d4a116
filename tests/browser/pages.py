"""The dashboard as a person has it, in a browser."""

import json
import time
import urllib.request
from collections.abc import Callable
from typing import Any

from app.operations import sessions
from app.postgres.database import Database
from tests.support.browser import DEADLINE_S, Browser
from tests.support.raw import TOKEN, Server


class Pages:
    """Opens pages, and does what a program would beside them."""

    def __init__(self, browser: Browser, server: Server, db: Database) -> None:
        self.browser, self._db = browser, db
        self.api = f"http://127.0.0.1:{server.port}"
        self.root = f"{self.api}/dashboard/"

    def sign_in(self, *, has_scripts: bool = True) -> None:
        """Sign in by a link, as `rowline dashboard` prints them."""
        self.browser.open(f"{self.root}login/{sessions.make_code(self._db)}", has_scripts=has_scripts)
        if not has_scripts:
            self.browser.click("button.main")
        self.title("Queues - Rowline")

    def open(self, path: str = "", *, width: int = 1280, has_scripts: bool = True) -> None:
        self.browser.open(self.root + path, width=width, has_scripts=has_scripts)

    def title(self, wanted: str) -> None:
        """Wait for a page of this title."""
        self.browser.wait("return document.title", lambda found: found == wanted)

    def text(self, wanted: str) -> None:
        """Wait until the page has a text."""
        self.browser.wait("return document.body.innerText", lambda found: wanted in found)

    def live(self) -> None:
        """Wait until the page hears of changes."""
        self.browser.wait("return 'isLive' in document.body.dataset", bool)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Call the API."""
        return json.loads(self._ask(method, path, body))

    def add(self, job_id: str, queue: str = "mail", **opts: Any) -> None:
        job = {"name": "welcome", "data": {"to": job_id}, "opts": {"jobId": job_id} | opts}
        self.ask("POST", f"/queues/{queue}/jobs", [job])

    def register(self, queue: str, url: str) -> None:
        """Register an endpoint."""
        self._ask("POST", "/workers", {"queue": queue, "endpoint": {"url": url, "method": "POST"}})

    def _ask(self, method: str, path: str, body: Any = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {TOKEN}"}
        request = urllib.request.Request(self.api + path, data=data, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return bytes(answer.read())

    def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so, for a while."""
        end = time.monotonic() + DEADLINE_S
        while not is_so():
            assert time.monotonic() < end

    def fail(self, job_id: str, queue: str = "mail") -> None:
        """Add a job and let it fail."""
        self.fail_with(job_id, "no such host", queue)

    def fail_with(self, job_id: str, reason: str, queue: str = "mail") -> None:
        """Add a job and let it fail for a reason."""
        self.add(job_id, queue, removeOnFail=False)
        [lease] = self.ask("POST", f"/queues/{queue}/jobs/claim", {})["jobs"]
        assert lease["job"]["id"] == job_id
        failure = {"token": lease["token"], "failedReason": reason, "stacktrace": "at line 7\nat line 9"}
        self.ask("POST", f"/queues/{queue}/jobs/{job_id}/fail", failure)
