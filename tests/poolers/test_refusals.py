"""Behind a pgbouncer that keeps less than we need nothing is done, and the sentence says what to set."""

import signal
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from app.cli.exits import Code
from app.infra import release
from app.postgres.database import Database, DatabaseError
from app.queries import health
from tests.poolers.__main__ import NEW, OLD
from tests.poolers.conftest import LOCKS, Pool, client_on, give_settings
from tests.support import answers, databases
from tests.support.clusters import PYTHON, Program
from tests.support.jobs import new
from tests.support.workers import WorkerProgram, add, written

ALL = [(which, mode) for which in (OLD, NEW) for mode in ("session", "transaction")]
AS_MADE = {"ignore_startup_parameters": ""}
Open = Callable[..., Database]


def rowline(*words: str, url: str) -> tuple[int, str]:
    with Program([*PYTHON, "-m", "app", *words], env={"DATABASE_URL": url}) as program:
        return program.end(), program.output


@pytest.mark.parametrize(("which", "mode"), ALL)
def test_a_pooler_as_it_is_made_is_refused_with_what_to_set(
    started: Pool, opened: Open, name: str, which: str, mode: str
) -> None:
    url = started(which, mode, **AS_MADE).url(name)
    client = client_on(opened(url))

    said = answers.error(client.flask.get("/health/ready"), 503)
    assert "(pgbouncer)" in said
    assert "set ignore_startup_parameters = options in pgbouncer.ini" in said
    assert client.post("/queues/q/jobs", '[{"name": "n", "data": 1}]').status_code == 503
    code, output = rowline("db", "check", url=url)
    assert (code, "ignore_startup_parameters = options" in output) == (1, True)


@pytest.mark.parametrize(("which", "mode"), ALL)
def test_sessions_without_our_settings_are_not_worked_with(
    started: Pool, opened: Open, own_url: str, name: str, which: str, mode: str
) -> None:
    url = started(which, mode).url(name)
    client = client_on(opened(url))

    assert client.post("/queues/q/jobs", '[{"name": "n", "data": 1}]').status_code == 503
    assert client.get("/queues/q/jobs").status_code == 503
    assert databases.ask(own_url, "select count(*) from rowline.jobs") == [(0,)]
    for said in (answers.error(client.flask.get("/health/ready"), 503), rowline("db", "check", url=url)[1]):
        assert "(pgbouncer)" in said
        assert "statement_timeout is 0 and not 5s" in said
        assert "rowline db pooler --apply" in said


def test_of_what_the_url_asks_for_only_names_are_told(started: Pool, opened: Open, name: str) -> None:
    url = give_settings(started(NEW, "session"), name)
    asking = f"{url}?options={quote('-c search_path=canary -c app.key=canary')}"

    said = answers.error(client_on(opened(asking)).flask.get("/health/ready"), 503)

    assert "(search_path is not what was asked for, app.key is not what was asked for)" in said
    assert "canary" not in said + rowline("db", "check", url=asking)[1]


@pytest.mark.parametrize("which", [OLD, NEW])
def test_a_setting_of_the_url_that_postgresql_does_not_know_is_said(
    started: Pool, opened: Open, name: str, which: str
) -> None:
    url = give_settings(started(which, "session"), name)
    db = opened(f"{url}?options=-c%20nonsense%3D1")

    [fault] = health.faults(db)
    assert 'unrecognized configuration parameter "nonsense"' in fault
    assert client_on(db).get("/queues/q/jobs").status_code == 503


@pytest.mark.parametrize(("which", "settings"), [(OLD, {}), (NEW, {"max_prepared_statements": 0})])
def test_transaction_mode_without_prepared_statements_is_refused(
    started: Pool, opened: Open, name: str, which: str, settings: dict[str, object]
) -> None:
    url = give_settings(started(which, "transaction", **settings), name)
    client = client_on(opened(url))

    assert client.post("/queues/q/jobs", '[{"name": "n", "data": 1}]').status_code == 503
    for said in (answers.error(client.flask.get("/health/ready"), 503), rowline("db", "check", url=url)[1]):
        assert "the pooler (pgbouncer) in front of PostgreSQL hands sessions on with what others have prepared" in said
        assert "1.21 or newer with max_prepared_statements = 200" in said


def test_session_mode_that_resets_nothing_is_refused(started: Pool, opened: Open, name: str) -> None:
    url = give_settings(started(NEW, "session", server_reset_query="", default_pool_size=2), name)
    leaving = opened(url)
    assert health.faults(leaving) == []
    leaving.close()

    with pytest.raises(DatabaseError, match="server_reset_query = DISCARD ALL"), opened(url).read():
        pass


def test_a_worker_says_why_it_takes_no_jobs(
    started: Pool, opened: Open, own_url: str, name: str, tmp_path: Path
) -> None:
    add(opened(own_url), new())
    handlers = written(tmp_path, "@rowline.handler('n')\ndef n(job):\n    return 1")
    with WorkerProgram(started(NEW, "transaction").url(name), handlers) as worker:
        worker.expect("rowline db pooler --apply")
        worker.end(signal.SIGTERM)
    assert databases.ask(own_url, "select status from rowline.jobs") == [("waiting",)]


@pytest.mark.parametrize("round_robin", [0, 1])
@pytest.mark.parametrize("servers", [1, 2, 5])
def test_transaction_mode_is_seen_however_sessions_are_given_out(
    started: Pool, opened: Open, name: str, servers: int, round_robin: int
) -> None:
    pool = started(OLD, "transaction", server_round_robin=round_robin, min_pool_size=servers)
    url = give_settings(pool, name)
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("select 1")  # from now on pgbouncer has as many as it was told to
    with pytest.raises(DatabaseError, match="hands sessions on"), opened(url).read():
        pass


def test_a_setting_that_another_program_left_in_a_shared_session_is_told(
    started: Pool, opened: Open, name: str
) -> None:
    url = give_settings(started(NEW, "transaction", default_pool_size=1), name)
    db = opened(url)
    assert health.faults(db) == []

    with psycopg.connect(url, autocommit=True) as other:
        other.execute("set enable_seqscan = on")
    [fault] = health.faults(db)
    assert "enable_seqscan is on and not off" in fault


def test_a_pool_that_is_turned_to_transaction_mode_under_us_is_told(started: Pool, opened: Open, name: str) -> None:
    pool = started(OLD, "session")
    url = give_settings(pool, name)
    db = opened(url)
    assert health.faults(db) == []

    pool.set("pool_mode", "transaction")
    faults = [health.faults(db) for _ in range(3)][-1]
    assert "hands sessions on" in faults[0]


@pytest.mark.parametrize("which", [OLD, NEW])
@pytest.mark.parametrize("command", [["upgrade"], ["downgrade", "base"]])
def test_migrations_refuse_a_pooler_in_transaction_mode_and_leave_no_lock(
    started: Pool, own_url: str, name: str, which: str, command: list[str]
) -> None:
    url = started(which, "transaction").url(name, user="rowline")

    code, output = rowline("db", *command, url=url)

    assert code == Code.UNAVAILABLE
    assert "set DATABASE_URL to PostgreSQL itself for `rowline db upgrade`" in output
    assert databases.ask(own_url, LOCKS) == [(0,)]
    assert databases.ask(own_url, "select version_num from rowline.alembic_version") == [(release.HEAD,)]
    assert rowline("db", "upgrade", url=own_url)[0] == 0


def test_migrations_refuse_a_pooler_as_it_is_made(started: Pool, name: str) -> None:
    code, output = rowline("db", "upgrade", url=started(NEW, "session", **AS_MADE).url(name, user="rowline"))

    assert (code, "set ignore_startup_parameters = options" in output) == (Code.UNAVAILABLE, True)
