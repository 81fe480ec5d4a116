"""A real service for the client, reached through a proxy that a test may have fail."""

from collections.abc import Iterator

import pytest
import rowline

from app.postgres.database import Database
from tests.support import httpproxy, raw
from tests.support.httpproxy import HttpProxy
from tests.support.raw import Server


@pytest.fixture(scope="package")  # to start it takes a second and a half of CPU, which each file would pay
def service(shared_url: str) -> Iterator[Server]:
    """`rowline serve` as shipped, with one process."""
    with raw.server(shared_url) as server:
        yield server


@pytest.fixture
def proxy(service: Server, db: Database) -> Iterator[HttpProxy]:
    """The way to the service, on an empty database."""
    with httpproxy.before(service.port) as proxy:
        yield proxy


@pytest.fixture
def api(proxy: HttpProxy) -> Iterator[rowline.Rowline]:
    """A client through the proxy."""
    with rowline.Rowline(proxy.url, raw.TOKEN, timeout_s=10) as client:
        yield client


@pytest.fixture
def queue(api: rowline.Rowline) -> rowline.Queue:
    return api.queue("q")
