"""One real server for the tests of a module that speak to it in bytes."""

from collections.abc import Iterator

import pytest

from app.postgres.database import Database
from tests.support import raw
from tests.support.raw import Server

BODY_MAX = 2_000


@pytest.fixture(scope="module")  # it recovers stalled jobs of the shared database, as long as it lives
def served(shared_url: str) -> Iterator[Server]:
    """`rowline serve` as shipped, but for a small limit on bodies, and more patience with a slow database."""
    with raw.server(shared_url, ROWLINE_MAX_BODY_BYTES=str(BODY_MAX), **raw.PATIENT) as server:
        yield server


@pytest.fixture
def server(served: Server, db: Database) -> Iterator[Server]:
    """The same on an empty database. Whatever a test sent it, it must still answer, and its log must be clean."""
    yield served
    served.check()
