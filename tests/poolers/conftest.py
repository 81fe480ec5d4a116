"""The pgbouncers to test with, as `make poolers` names them; without it none of these tests is one."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from app.infra.settings import Settings
from app.postgres import poolers
from app.postgres.database import Database, session
from app.web import app
from tests.poolers.__main__ import NEW, OLD
from tests.support import bouncers, clusters, databases
from tests.support.bouncers import Bouncer
from tests.support.client import Client
from tests.support.clusters import Cluster
from tests.support.raw import KEY, TOKEN

PROGRAMS = {name: os.environ[name] for name in (OLD, NEW) if name in os.environ}
collect_ignore_glob = [] if PROGRAMS else ["test_*.py"]
IGNORING = {"ignore_startup_parameters": "options"}

LOCKS = "select count(*) from pg_locks where locktype = 'advisory'"

Pool = Callable[..., Bouncer]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with clusters.cluster() as started:
        bouncers.let_in(started)
        yield started


@pytest.fixture(scope="session")
def template(cluster: Cluster) -> Iterator[str]:
    with databases.migrated(cluster.url) as name:
        yield name


@pytest.fixture
def own_url(cluster: Cluster, template: str) -> Iterator[str]:
    """A database at head for one test, straight from the server, as its owner."""
    with databases.fresh(cluster.url, template=template) as url:
        yield url


@pytest.fixture
def name(own_url: str) -> str:
    """The name of that database."""
    return databases.name_of(own_url)


@pytest.fixture
def started(cluster: Cluster, own_url: str) -> Iterator[Pool]:
    """Start a pgbouncer that ignores what it is asked for at the start, or as `settings` say."""
    with ExitStack() as stack:

        def start(which: str, mode: str, **settings: object) -> Bouncer:
            given = IGNORING | settings
            return stack.enter_context(bouncers.bouncer(PROGRAMS[which], cluster, mode=mode, **given))

        yield start


@pytest.fixture
def opened() -> Iterator[Callable[..., Database]]:
    """Open pools of ours, to be closed at the end."""
    made: list[Database] = []

    def open_one(url: str, **settings: object) -> Database:
        made.append(Database(Settings(**settings), url=url, size=4, name="rowline-test"))  # type: ignore[arg-type]
        return made[-1]

    yield open_one
    for db in made:
        db.close()


def give_settings(pool: Bouncer, name: str) -> str:
    """Give the role what its sessions need, as the handbook has it; return the URL of the database behind `pool`."""
    url = pool.url(name)
    poolers.apply(url, session(Settings(), url), within_s=30)
    pool.console("reconnect")
    return url


def client_on(db: Database) -> Client:
    """A program that talks to the API on a database."""
    settings = Settings(tokens=(TOKEN,), secret_keys=(KEY,))
    return Client(app.create(settings, db).test_client(), token=TOKEN)
