"""A service for the command line, and a folder for its file of contexts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.postgres.database import Database
from tests.support import raw
from tests.support.raw import Server


@pytest.fixture(scope="module")
def server(shared_url: str) -> Iterator[Server]:
    """`rowline serve` as shipped, with one process."""
    with raw.server(shared_url) as server:
        yield server


@pytest.fixture
def api(server: Server, db: Database) -> str:
    """The URL of a service on an empty database."""
    return f"http://127.0.0.1:{server.port}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the file of contexts is, for commands in this process; none is set otherwise."""
    for name in ("DATABASE_URL", "ROWLINE_URL", "ROWLINE_TOKEN", "ROWLINE_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("ROWLINE_HOME", str(tmp_path / "home"))
    return tmp_path
