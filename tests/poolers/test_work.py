"""What works behind a pgbouncer whose role has our settings."""

import contextlib
import logging
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from random import Random

import psycopg
import pytest

from app.domain.states import Status
from app.infra.release import HEAD
from app.infra.settings import Settings
from app.postgres import notify, schema
from app.postgres.database import Database
from app.queries import health
from app.store.statements import Statement
from tests.poolers.__main__ import NEW, OLD
from tests.poolers.conftest import IGNORING, LOCKS, PROGRAMS, Pool, client_on, give_settings
from tests.support import bouncers, databases, work
from tests.support.clusters import PYTHON, Cluster, Program, free_port, until
from tests.support.jobs import new
from tests.support.raw import TOKEN
from tests.support.workers import WorkerProgram, add, in_status, written

RIGHT = [(OLD, "session"), (NEW, "session"), (NEW, "transaction")]
SETTINGS = (
    *("statement_timeout", "lock_timeout", "plan_cache_mode", "enable_seqscan", "jit", "search_path", "datestyle"),
    *("default_transaction_isolation", "client_connection_check_interval", "idle_in_transaction_session_timeout"),
)
UPGRADE = [*PYTHON, "-m", "app", "db", "upgrade"]
Open = Callable[..., Database]
Right = Callable[..., str]


@pytest.fixture
def right(started: Pool, name: str) -> Right:
    """Start a pgbouncer, give the role its settings, and return the URL of the database behind it."""

    def start(which: str, mode: str, **settings: object) -> str:
        return give_settings(started(which, mode, **settings), name)

    return start


@pytest.mark.parametrize(("which", "mode"), RIGHT)
def test_the_service_is_ready_and_sessions_have_our_settings(
    right: Right, opened: Open, own_url: str, which: str, mode: str
) -> None:
    databases.altered(own_url, "database", {"datestyle": "SQL, DMY", "jit": "on"})
    db, direct = opened(right(which, mode)), opened(databases.as_runtime(own_url))
    listed = ", ".join(f"replace(current_setting('{setting}'), ', ', ',')" for setting in SETTINGS)

    assert health.faults(db) == []
    with db.read() as behind, direct.read() as before:
        found, wanted = (conn.exec_driver_sql(f"select {listed}").one() for conn in (behind, before))
    hostile = SETTINGS.index("search_path")  # which the tests' own URL says
    assert [*found[:hostile], *found[hostile + 1 :]] == [*wanted[:hostile], *wanted[hostile + 1 :]]


@pytest.mark.parametrize(("which", "mode"), RIGHT)
def test_an_api_and_a_worker_do_their_jobs(right: Right, opened: Open, tmp_path: Path, which: str, mode: str) -> None:
    url = right(which, mode)
    db = opened(url)
    handlers = written(tmp_path, "@rowline.handler('n')\ndef n(job):\n    job.log('x')\n    return job.data")
    env = {"DATABASE_URL": url, "AUTH_TOKENS": TOKEN, "PORT": str(free_port()), "ROWLINE_API_PROCESSES": "2"}
    with Program([*PYTHON, "-m", "app", "serve"], env=env) as api, WorkerProgram(url, handlers) as worker:
        api.expect("api_started")
        ids = add(db, *[new(name="n")] * 300)
        for job_id in ids:
            assert in_status(db, job_id).status is Status.COMPLETED
        assert api.end(signal.SIGTERM) == worker.end(signal.SIGTERM) == 0
    assert "listen_pooled" in worker.output if mode == "transaction" else "listen_pooled" not in worker.output
    assert "tick_failed" not in worker.output


@pytest.mark.parametrize(("which", "mode"), RIGHT)
def test_pages_agree_with_their_counts_while_jobs_come_and_end(
    right: Right, opened: Open, which: str, mode: str
) -> None:
    url = right(which, mode, default_pool_size=20)
    dbs = [opened(url) for _ in range(4)]
    clients = [client_on(db) for db in dbs]

    def produce(nth: int) -> None:
        for _ in range(15):
            clients[nth].add(*[{"name": "n", "data": 1}] * 3)
            work.complete_next(dbs[nth])

    def read(nth: int) -> list[tuple[int, int]]:
        pages = [clients[nth].page(statuses="waiting,completed", length=100) for _ in range(60)]
        return [
            (len(page["jobs"]), sum(page["counts"][status] for status in ("waiting", "completed"))) for page in pages
        ]

    with ThreadPoolExecutor(4) as pool:
        writing = [pool.submit(produce, nth) for nth in (0, 1)]
        read_ = [pool.submit(read, nth) for nth in (2, 3)]
        assert [job.result() for job in writing] == [None, None]
        assert all(listed == counted for job in read_ for listed, counted in job.result())


def test_connections_on_shared_sessions_run_their_own_statements(right: Right, opened: Open) -> None:
    url = right(NEW, "transaction", default_pool_size=2, max_prepared_statements=20)
    dbs = [opened(url) for _ in range(6)]
    statements = [Statement(f"s{nth}", f"select {nth} as nth, :text::text as text") for nth in range(60)]

    def run(which: int) -> list[tuple[int, tuple[int, str]]]:
        order = [*range(60)] * 3
        Random(which).shuffle(order)
        found = []
        for nth in order:
            with dbs[which].read_once() as conn:
                found += [(nth, tuple(row)) for row in statements[nth].rows(conn, text=str(which))]
        return found

    with ThreadPoolExecutor(6) as pool:
        for which, found in enumerate(pool.map(run, range(6))):
            assert len(found) == 180
            assert all(row == (nth, str(which)) for nth, row in found)


@pytest.mark.parametrize("which", [OLD, NEW])
def test_wake_ups_are_heard_in_session_mode(right: Right, opened: Open, which: str) -> None:
    assert is_heard(opened(right(which, "session")))


def test_without_a_url_to_listen_nothing_is_left_listening_and_it_is_said_once(
    right: Right,
    opened: Open,
    own_url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(notify, "POOLED_S", 0.01)
    db = opened(right(NEW, "transaction"))
    looks = "select count(*) from pg_stat_activity where query ilike 'listen%'"
    with caplog.at_level(logging.WARNING):
        db.listen("q", lambda: None)
        until(lambda: "listen_pooled" in caplog.messages)
        logged = [vars(record)["cause"] for record in caplog.records if record.message == "listen_pooled"]
        for _ in range(100):  # while it looks again and again
            assert health.faults(db) == []
    assert "set ROWLINE_LISTEN_URL" in logged[0]
    assert databases.ask(own_url, looks) == [(0,)]
    assert caplog.messages.count("listen_pooled") == 1


def test_with_a_url_to_listen_wake_ups_are_heard(right: Right, opened: Open, own_url: str) -> None:
    assert is_heard(opened(right(NEW, "transaction"), listen_url=own_url))


def is_heard(db: Database) -> bool:
    """Whether a wake-up arrives that is sent when nothing can be taken for one any more."""
    woken = threading.Event()
    db.listen("q", woken.set)
    assert woken.wait(60)  # the one that says that it listens now
    woken.clear()
    db.notify("q")
    return woken.wait(60)


@pytest.mark.parametrize(("which", "mode"), RIGHT)
def test_a_program_is_listed_with_its_release(right: Right, own_url: str, which: str, mode: str) -> None:
    url = right(which, mode, application_name_add_host=1)
    with (
        closing(Database(Settings(), url=url, size=2, name="rowline-worker")) as db,
        closing(Database(Settings(), url=own_url, size=1, name="rowline-test")) as direct,
        db.begin(),
    ):
        assert {(one.name, one.release) for one in health.connected(direct)} == {("rowline-worker", HEAD)}


def test_in_transaction_mode_a_session_is_called_what_its_last_program_is(right: Right, own_url: str) -> None:
    url = right(NEW, "transaction", default_pool_size=1)
    with psycopg.connect(url, application_name="rowline-api 0001", autocommit=True, prepare_threshold=None) as first:
        with psycopg.connect(url, application_name="rowline-worker 0001", autocommit=True) as second:
            first.execute("select 1")
            second.execute("select 1")
        with closing(Database(Settings(), url=own_url, size=1, name="rowline-test")) as direct:
            assert [one.name for one in health.connected(direct)] == ["rowline-worker"], "gone, and seen; one is not"
            first.execute("select 1")
            assert [one.name for one in health.connected(direct)] == ["rowline-api"]


@pytest.mark.parametrize("which", [OLD, NEW])
def test_migrations_run_in_session_mode_and_leave_nothing_behind(cluster: Cluster, which: str) -> None:
    with (
        databases.fresh(cluster.url) as url,
        bouncers.bouncer(PROGRAMS[which], cluster, mode="session", **IGNORING) as it,
    ):
        behind = it.url(databases.name_of(url), user="rowline")
        with contextlib.ExitStack() as stack:
            upgrades = [stack.enter_context(Program(UPGRADE, env={"DATABASE_URL": behind})) for _ in range(3)]
            assert [upgrade.end() for upgrade in upgrades] == [0, 0, 0]
        assert databases.ask(url, "select version_num from rowline.alembic_version") == [(HEAD,)]
        assert databases.ask(url, LOCKS) == [(0,)]
        schema.downgrade(url, revision="base")


def test_what_the_role_was_given_is_what_a_direct_session_asks_for(own_url: str, name: str, started: Pool) -> None:
    pool = started(NEW, "transaction")
    env = {"DATABASE_URL": pool.url(name), "ROWLINE_STATEMENT_MS": "7000", "ROWLINE_LOCK_MS": "900"}
    with Program([*PYTHON, "-m", "app", "db", "pooler", "--apply"], env=env) as program:
        assert program.end() == 0, program.output
    pool.console("reconnect")
    with Program([*PYTHON, "-m", "app", "db", "check"], env=env) as program:
        assert (program.end(), program.output) == (0, "ready\n")
    with Program([*PYTHON, "-m", "app", "db", "check"], env=env | {"ROWLINE_LOCK_MS": "800"}) as program:
        assert (program.end(), "lock_timeout is 900ms and not 800ms" in program.output) == (1, True)
