"""A database that many race on."""

import dataclasses
from collections.abc import Iterator

import pytest

from app.infra.settings import Settings
from app.postgres.database import Database
from tests.support.race import RACERS


@pytest.fixture
def patient(settings: Settings, own_url: str) -> Settings:
    """Settings under which no racer gives up because others, or the machine, are slow."""
    return dataclasses.replace(settings, database_url=own_url, lock_ms=30_000, pool_wait_ms=60_000, connect_s=60)


@pytest.fixture
def crowd(patient: Settings, own_url: str) -> Iterator[Database]:
    """A database of its own with a connection for each racer."""
    opened = Database(patient, url=own_url, size=RACERS, name="race")
    yield opened
    opened.close()
