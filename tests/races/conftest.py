"""A database that many race on."""

from collections.abc import Iterator

import pytest

from app.infra.settings import Settings
from app.postgres.database import Database
from tests.support.race import RACERS


@pytest.fixture
def crowd(own_url: str) -> Iterator[Database]:
    """A database of its own with a connection for each racer."""
    opened = Database(Settings(database_url=own_url), url=own_url, size=RACERS, name="race")
    yield opened
    opened.close()
