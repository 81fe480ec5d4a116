"""A real service and a real Chromium, as `make browser` has them; without it none of these tests is one."""

import os
from collections.abc import Iterator

import pytest

from app.postgres.database import Database
from tests.browser.__main__ import AXE
from tests.browser.pages import Pages
from tests.support import browser as chromium
from tests.support import raw
from tests.support.browser import Browser
from tests.support.raw import Server

collect_ignore_glob = [] if AXE in os.environ else ["test_*.py"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium.browser() as opened:
        yield opened


@pytest.fixture(scope="session")
def served(shared_url: str) -> Iterator[Server]:
    with raw.server(shared_url) as server:
        yield server


@pytest.fixture
def pages(browser: Browser, served: Server, db: Database) -> Iterator[Pages]:
    """The dashboard, signed in, on an empty database; whatever a test did, no page broke its policy."""
    pages = Pages(browser, served, db)
    browser.said()
    yield pages
    assert browser.said() == []
    browser.open("about:blank")  # before the next test empties the database: the page would ask for it
    browser.forget()
