"""A real browser: headless Chromium, driven by chromedriver's own HTTP interface (W3C WebDriver)."""

import base64
import contextlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import urllib3

from tests.support.clusters import Program, free_port

DEADLINE_S = 120.0
OPTIONS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
DOWN, UP, ENTER, ESCAPE, BACKSPACE = "\ue015", "\ue013", "\ue007", "\ue00c", "\ue003"
CONTROL = "\ue009"


class Browser:
    """One session."""

    def __init__(self, address: str) -> None:
        """Open a window through the chromedriver at `address`."""
        self._http = urllib3.PoolManager(timeout=DEADLINE_S, retries=False)
        self._session = f"{address}/session"
        chrome = {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": OPTIONS},
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        self._session += "/" + self._ask("", capabilities={"alwaysMatch": chrome})["sessionId"]

    def open(self, url: str, *, width: int = 1280, has_scripts: bool = True) -> None:
        """Open a page in a window of `width` pixels."""
        self._size(width)
        self._cdp("Emulation.setScriptExecutionDisabled", value=not has_scripts)
        self._ask("/url", url=url)

    def resize(self, width: int) -> None:
        """Give the window of the page another width."""
        self._size(width)
        self.wait("return innerWidth", lambda found: found == width)

    def press(self, keys: str) -> None:
        """Press keys, one after the other, where the focus is."""
        pressed = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._ask("/actions", actions=[{"type": "key", "id": "keyboard", "actions": pressed}])

    def select_all(self) -> None:
        """Press Ctrl-A where the focus is."""
        pressed = [("keyDown", CONTROL), ("keyDown", "a"), ("keyUp", "a"), ("keyUp", CONTROL)]
        keys = [{"type": kind, "value": key} for kind, key in pressed]
        self._ask("/actions", actions=[{"type": "key", "id": "keyboard", "actions": keys}])

    def click(self, selector: str) -> None:
        """Click on the first element of a CSS selector once it is there, as a person does; without scripts too."""
        end = time.monotonic() + DEADLINE_S
        while not self._clicks(selector):
            assert time.monotonic() < end, f"{selector} is not there"

    def said(self) -> list[str]:
        """Return what the console said since it was asked last, such as errors and breaches of the policy."""
        return [entry["message"] for entry in self._ask("/se/log", type="browser")]

    def forget(self) -> None:
        """Forget all cookies, and let scripts run."""
        self._cdp("Network.clearBrowserCookies")
        self._cdp("Emulation.setScriptExecutionDisabled", value=False)

    def run(self, script: str) -> Any:
        """Run the body of a function in the page; return what it returns."""
        return self._ask("/execute/sync", script=script, args=[])

    def accessible(self, selector: str) -> tuple[str, str]:
        """Return the role and the name that a screen reader gets of the first element of a CSS selector."""
        root = self._cdp("DOM.getDocument", depth=0)["root"]["nodeId"]
        node = self._cdp("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        [found] = self._cdp("Accessibility.getPartialAXTree", nodeId=node, fetchRelatives=False)["nodes"]
        if found["ignored"]:
            return "none", ""
        return found["role"]["value"], found.get("name", {}).get("value", "")

    def block(self, *urls: str) -> None:
        """Let requests for these patterns fail from now on, and no others."""
        self._cdp("Network.enable")
        self._cdp("Network.setBlockedURLs", urls=urls)

    def slow(self, *, bits_per_s: int, latency_ms: int) -> None:
        """Have a network of this throughput and latency from now on, and no cache."""
        self._cdp("Network.enable")
        self._cdp("Network.setCacheDisabled", cacheDisabled=True)
        there = {"downloadThroughput": bits_per_s / 8, "uploadThroughput": bits_per_s / 8, "latency": latency_ms}
        self._cdp("Network.emulateNetworkConditions", offline=False, **there)

    def prefer(self, theme: str) -> None:
        """Say from now on that this theme is the one of the system: light or dark."""
        self._cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])

    def picture(self, *, width: int, height: int) -> bytes:
        """Return a picture of the page from its top on, as PNG."""
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        taken = self._cdp("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(taken["data"])

    def wait(self, script: str, wanted: Callable[[Any], bool]) -> Any:
        """Run a script until it returns what is wanted."""
        end = time.monotonic() + DEADLINE_S
        while not wanted(found := self.run(script)):
            assert time.monotonic() < end, f"{script} returned {found!r}"
        return found

    def close(self) -> None:
        """Close the window and end the browser."""
        self._http.request("DELETE", self._session)

    def _size(self, width: int) -> None:
        self._cdp("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)

    def _cdp(self, command: str, **parameters: object) -> Any:
        return self._ask("/goog/cdp/execute", cmd=command, params=parameters)

    def _clicks(self, selector: str) -> bool:
        """Return false if the element is not there, or went between finding and clicking."""
        status, found = self._answer("/element", using="css selector", value=selector)
        if status == 200:
            status, found = self._answer(f"/element/{next(iter(found.values()))}/click")
        assert status in {200, 404}, found
        return status == 200

    def _ask(self, path: str, **body: object) -> Any:
        status, value = self._answer(path, **body)
        assert status == 200, value
        return value

    def _answer(self, path: str, **body: object) -> tuple[int, Any]:
        answer = self._http.request("POST", self._session + path, body=json.dumps(body))
        return answer.status, json.loads(answer.data)["value"]


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Start Chromium for the block; without chromedriver the tests are skipped (.ci/run installs it)."""
    driver = shutil.which("chromedriver")
    if not driver:
        pytest.skip("needs Chromium: apt-get install chromium-driver")
    port = free_port()
    with Program([driver, f"--port={port}"]) as program:
        program.expect("started successfully")
        opened = Browser(f"http://127.0.0.1:{port}")
        try:
            yield opened
        finally:
            opened.close()
