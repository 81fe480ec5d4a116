"""One real PostgreSQL for all tests: embedded, or the one of DATABASE_URL."""

import contextvars
import dataclasses
import ipaddress
import os
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.domain import scan
from app.infra import callers, loading
from app.infra.settings import Settings
from app.postgres.database import Connection, Database
from app.store import failures, leases, search, search_all
from app.web import app
from tests.support import clusters, databases
from tests.support.client import Client
from tests.support.raw import KEY

TOKEN = "a-token-of-the-tests"
LATE_S = 50.0
LONG = (
    *("tests/cli/", "tests/faults/", "tests/plans/", "tests/races/", "tests/worker/"),
    *("tests/web/test_schemathesis.py", "tests/web/test_memory.py", "tests/web/test_events.py"),
    *("tests/web/test_strangers.py", "tests/web/test_slow_clients.py", "tests/web/test_shapes.py"),
)
"""Where tests start many processes or have many jobs worked, and the files of tests/web that take longest."""
KEPT = ("alembic_version", "carried_totals", "job_folds", "job_options", "token_changes")
"""Tables that stay from one test to the next: marks and counters of what happened, and the options that jobs share."""
ADDRESSES = ipaddress.IPv4Network("172.16.0.0/12").hosts()

# Whoever forbids Python to keep what it compiled has each worker compile all tests again, for nine seconds, and each
# program that a test starts all of `app`.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A shell starts what runs in the background with SIGINT ignored, which programs started by tests would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says something of the machine alone. The examples of one commit are always the same:
# whether a change is good must not depend on luck. To search, run with `--hypothesis-profile search`, as `make model`.
SLOW = [hypothesis.HealthCheck.too_slow]
hypothesis.settings.register_profile("search", deadline=None, suppress_health_check=SLOW)
hypothesis.settings.register_profile("rowline", deadline=None, suppress_health_check=SLOW, derandomize=True)
hypothesis.settings.load_profile("rowline")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Scan the ten thousand tests and all that they import for garbage neither while they are collected nor later: it
    takes a worker a sixth of its CPU time."""
    with loading.uncollected():
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take minutes: one that begins last has the whole run wait for it."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


class _Client(FlaskClient):
    """Runs each request in a context of its own, as each connection has one: it leaves no caller to the test."""

    def open(self, *arguments: Any, **named: Any) -> TestResponse:
        return contextvars.copy_context().run(super().open, *arguments, **named)


Flask.test_client_class = _Client


@pytest.fixture(autouse=True)
def _nobody_asks() -> None:
    """Have what a test does be no work for the caller of the test before."""
    callers.current.set("")


@pytest.fixture(scope="session", autouse=True)
def to_their_ends() -> Iterator[None]:
    """Have no search of jobs, and no count of failures, in this process stop because the machine is slow.

    As shipped, each looks for a quarter of a second at most, and says then that it is not complete.
    """
    bounded = (search.search, search.search_along, search.search_by_number, search_all.search_all, failures.count)
    with pytest.MonkeyPatch.context() as patched:
        for one in bounded:
            patched.setattr(one, "__kwdefaults__", {**(one.__kwdefaults__ or {}), "time_ms": 60_000})
        patched.setattr(failures, "NAMED_MS", 60_000)
        yield


@pytest.fixture(scope="session")
def postgres_bin() -> Path | None:
    """The programs of the PostgreSQL to test on: None is the wheel's."""
    named = os.environ.get("ROWLINE_POSTGRES_BIN")
    return Path(named) if named else None


@pytest.fixture(scope="session")
def server_url(postgres_bin: Path | None) -> Iterator[str]:
    """A server whose databases a test may make and drop, but not the server's own state."""
    if url := os.environ.get("DATABASE_URL"):
        yield url
        return
    with clusters.cluster(place=clusters.in_memory(), postgres_bin=postgres_bin) as cluster:
        yield cluster.url


@pytest.fixture(scope="session")
def template(server_url: str) -> Iterator[str]:
    """The name of a database at head, to be copied; `make mutate` has made one for many sessions."""
    if made := os.environ.get("TESTS_TEMPLATE"):
        yield made
        return
    with databases.migrated(server_url) as name:
        yield name


@pytest.fixture(scope="session")
def shared_url(server_url: str, template: str) -> Iterator[str]:
    """A database at head that tests use one after the other, as the role of run time."""
    with databases.fresh(server_url, template=template) as url:
        yield databases.as_runtime(url)


@pytest.fixture
def own_url(server_url: str, template: str) -> Iterator[str]:
    """A database at head for one test alone, with as many connections as it likes; as the role of run time too."""
    with databases.fresh(server_url, template=template) as url:
        yield databases.as_runtime(url)


@pytest.fixture(scope="session")
def settings(shared_url: str) -> Settings:
    """As shipped, but that no statement ends because the machine is slow, and that no connection fails for it."""
    known: dict[str, Any] = {"database_url": shared_url, "tokens": (TOKEN,), "secret_keys": (KEY,)}
    return Settings(**known, statement_ms=60_000, lock_ms=10_000, connect_s=20)


@pytest.fixture(scope="session")
def shared_db(settings: Settings, shared_url: str) -> Iterator[Database]:
    """One pool for all tests: each would leave the connection behind that it sends wake-ups over."""
    opened = Database(settings, url=shared_url, size=8, name="rowline-test")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def emptied(shared_url: str) -> Iterator[Callable[[], None]]:
    """Empty the shared database: of its tables those that hold anything, as to truncate costs milliseconds a table."""
    # In the order in which others lock them: a server that another test left may still be at it.
    tables = (
        "endpoints",
        "jobs",
        "attempts",
        "job_deltas",
        "events",
        "job_counts",
        "job_minutes",
        "job_hours",
        "job_days",
        "logs",
        "idempotency_keys",
        "queue_settings",
        "queue_workers",
        "removed_jobs",
        "removed_packs",
        "terms",
        "term_fills",
        "plan_jobs",
        "plan_removed",
        "plan_retried",
        "plans",
        "deduplications",
        "schedules",
        "tokens",
        "sessions",
        "sign_in_codes",
        "audit",
    )
    each = "".join(f"if exists (select from rowline.{t}) then truncate rowline.{t}; end if; " for t in tables)
    # One row of settings is there from the first; what a test changed in it would remove the jobs of the next.
    each += (
        "if (select json_agg(s)::text from rowline.settings as s) "
        "is distinct from (select json_agg(s)::text from as_made as s) "
        "then truncate rowline.settings; insert into rowline.settings table as_made; end if; "
    )
    each += "if exists (select from rowline.carried_totals where added <> 0) "
    each += "then truncate rowline.carried_totals; insert into rowline.carried_totals default values; end if; "
    with psycopg.connect(databases.as_owner(shared_url), autocommit=True) as owner:
        owner.execute("create temporary table as_made as table rowline.settings")
        found = owner.execute(
            "select relname from pg_class "
            "where relnamespace = 'rowline'::regnamespace and relkind in ('r', 'p') and not relispartition"
        )
        assert {name for (name,) in found} == {*tables, *KEPT, "settings"}, "a table that no test empties"

        # A function, of which the connection keeps the plans: as a block it takes 0.8 ms instead of 0.1 ms, each time.
        owner.execute(f"create function pg_temp.emptied() returns void language plpgsql as $$ begin {each} end $$")

        def empty() -> None:
            owner.execute("select pg_temp.emptied()")

        yield empty


@pytest.fixture
def db(shared_db: Database, emptied: Callable[[], None]) -> Database:
    """The shared database, empty."""
    emptied()
    leases.leaving_more.clear()
    return shared_db


@pytest.fixture
def conn(db: Database) -> Iterator[Connection]:
    """A transaction on the empty database that is rolled back."""

    with db.begin() as opened:
        yield opened
        opened.rollback()
        opened.begin()  # nothing is left for the end of the block to commit


@pytest.fixture(scope="session")
def application(settings: Settings, shared_db: Database) -> Flask:
    """The application on the shared database. To make one takes 0.1 s, which thousands of tests need not pay."""
    return app.create(settings, shared_db)


@pytest.fixture
def from_the_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every claim read the queue from its head: after a scan that was slow, as on a busy machine, the application,
    which all tests share, would overtake jobs for up to two seconds."""
    monkeypatch.setattr(scan, "LONGEST_S", 0.0)


def at_an_address_of_its_own(flask: Flask) -> Client:
    program = flask.test_client()
    program.environ_base["REMOTE_ADDR"] = str(next(ADDRESSES))  # as wrong tokens are counted by address
    return Client(program, token=TOKEN)


@pytest.fixture
def client(application: Flask, db: Database, from_the_head: None) -> Client:
    """A program with a token, talking to the application on the empty database; at an address of its own."""
    return at_an_address_of_its_own(application)


@pytest.fixture(scope="session")
def small_application(settings: Settings, shared_db: Database) -> Flask:
    """The application of an operator who has set small limits: 2,000 bytes a body, 3 jobs, 100 bytes of data."""
    return app.create(dataclasses.replace(settings, max_body_bytes=2_000, max_jobs=3, max_data_bytes=100), shared_db)


@pytest.fixture
def small_client(small_application: Flask, db: Database, from_the_head: None) -> Client:
    """A program that talks to it, with the empty database; at an address of its own too."""
    return at_an_address_of_its_own(small_application)


@pytest.fixture
def early_in_a_minute(db: Database) -> None:
    """Wait for the next minute of the database's clock if this one is nearly over: it must not end within the test."""
    with db.read() as conn:
        second = float(conn.exec_driver_sql("select extract(second from clock_timestamp())").scalar_one())
    if second > LATE_S:
        time.sleep(60.1 - second)
