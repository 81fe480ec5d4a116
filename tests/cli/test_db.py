"""`rowline db`, as a person calls it."""

import contextlib
import os
from pathlib import Path

import psycopg
import pytest

from app.infra.release import HEAD
from app.infra.settings import Settings
from app.local import binaries
from app.postgres.database import Database
from tests.support import databases
from tests.support.clusters import PYTHON, Program
from tests.support.jobs import QUEUE, new
from tests.support.workers import add


def said(url: str, *words: str) -> str:
    with Program([*PYTHON, "-m", "app", "db", *words], env={"DATABASE_URL": url}) as program:
        assert program.end() == 0, program.output
        return program.output.strip()


@pytest.fixture
def psql_on_path(monkeypatch: pytest.MonkeyPatch, postgres_bin: Path | None) -> None:
    folder = binaries.folder(Settings(postgres_bin=postgres_bin))
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.mark.usefixtures("psql_on_path")
def test_psql_takes_arguments_of_its_own_and_its_exit_code_is_ours(own_url: str) -> None:
    asked = ("psql", "--", "-X", "-A", "-t", "-F", " of ", "-c")
    assert said(own_url, *asked, "select 1, current_database()") == f"1 of {databases.name_of(own_url)}"

    argv = [*PYTHON, "-m", "app", "db", *asked, "select nonsense"]
    with Program(argv, env={"DATABASE_URL": own_url}) as program:
        assert program.end() == 1
        assert 'column "nonsense" does not exist' in program.output
    with Program([*PYTHON, "-m", "app", "db", "psql", "-c", "select 1"], env={"DATABASE_URL": own_url}) as program:
        assert program.end() == 2
        assert "Error: No such option" in program.output


def test_a_recount_names_the_queues_whose_counts_it_repaired(db: Database, shared_url: str) -> None:
    add(db, new())
    databases.run(shared_url, "insert into rowline.job_deltas (queue, failed) values ('q', 7)")

    assert said(shared_url, "recount") == f"repaired: {QUEUE}"
    assert said(shared_url, "recount") == "all counts were correct"


def test_an_operator_sees_which_programs_are_connected_and_which_are_older_than_the_schema(own_url: str) -> None:
    owner = databases.as_owner(own_url)
    assert "connected" not in said(own_url, "status")
    with contextlib.ExitStack() as stack:
        for name in ("rowline-worker", "rowline-dispatcher 0001", f"rowline-api {HEAD}", f"rowline-api {HEAD}"):
            stack.enter_context(psycopg.connect(owner, application_name=name))
        lines = [line for line in said(own_url, "status").splitlines() if line.startswith("connected")]
    assert lines == [
        f"connected  rowline-api {HEAD}, 2 connections",
        "connected  rowline-dispatcher 0001, 1 connection: older than the schema",
        "connected  rowline-worker, which names no release, 1 connection: older than the schema",
    ]


def test_the_settings_for_a_pooler_name_the_role_and_the_database_that_have_them(own_url: str) -> None:
    [(role, database)] = databases.ask(own_url, "select session_user, current_database()")
    its_settings = f"""
        select array_to_string(setconfig, ' ') from pg_db_role_setting
        where setrole = '{role}'::regrole and setdatabase = (select oid from pg_database where datname = '{database}')
    """
    assert databases.ask(own_url, its_settings) == []

    told = said(databases.as_owner(own_url), "pooler", "--apply")
    assert told.startswith(f'the role "{role}" has its settings in the database "{database}"; ')
    [(settings,)] = databases.ask(own_url, its_settings)
    assert "plan_cache_mode=" in settings


def test_a_command_that_only_looks_does_without_alembic() -> None:
    words = [*PYTHON, "-X", "importtime", "-m", "app", "db", "check"]
    with Program(words, env={"DATABASE_URL": "postgresql://127.0.0.1:1/x"}) as program:
        assert program.end() == 1
    assert "the database is not available" in program.output
    assert "sqlalchemy" in program.output
    assert "alembic" not in program.output
