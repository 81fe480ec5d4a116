"""A process that starts before the migration has run waits for it, says so, and needs nobody to start it again."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.infra import release
from app.infra.settings import Settings
from app.local import binaries
from app.postgres import libpq, schema
from tests.support import databases, raw
from tests.support.clusters import PYTHON, Program, until
from tests.support.raw import Server
from tests.support.workers import WorkerProgram, written

BEHIND = "0002"
READY = raw.request("GET", "/health/ready", "Connection: close")


@pytest.fixture
def behind(server_url: str) -> Iterator[str]:
    """A database at a revision that this release cannot use."""
    with databases.fresh(server_url) as url:
        schema.upgrade(url, revision=BEHIND)
        yield url


def ask(server: Server, sent: bytes) -> tuple[int, str]:
    [answer] = server.ask(sent, wanted=1)
    return answer.status, answer.body.decode()


def test_an_api_process_on_a_schema_that_is_behind_refuses_in_words_until_it_is_migrated(behind: str) -> None:
    add = raw.request("POST", "/queues/q/jobs", "Connection: close", body=b'[{"name": "n", "data": 1}]')
    claim = raw.request("POST", "/queues/q/jobs/claim", "Connection: close", body=b"{}")
    with raw.server(behind, ROWLINE_PROMOTE_MS="50") as server:
        assert BEHIND in server.program.expect("schema_awaited")
        status, body = ask(server, READY)
        assert (status, json.loads(body)["code"]) == (503, "not_ready")
        assert "run `rowline db upgrade`" in json.loads(body)["error"]
        for sent in (add, claim):
            status, body = ask(server, sent)
            assert (status, json.loads(body)["code"]) == (503, "database_unavailable"), body

        schema.upgrade(behind)

        server.program.expect("schema_usable")
        assert [ask(server, sent)[0] for sent in (add, claim)] == [200, 200]
        until(lambda: ask(server, READY)[0] == 200)  # told again for a second
        assert "traceback" not in server.log()


def test_a_worker_waits_for_the_migration_and_then_works(behind: str, tmp_path: Path) -> None:
    handlers = written(tmp_path, "@rowline.handler('n')\ndef work(job):\n    return 1\n")
    with WorkerProgram(behind, handlers) as worker:
        assert BEHIND in worker.expect("schema_awaited")
        schema.upgrade(behind)
        worker.expect("schema_usable")
        worker.expect("worker_started")
        assert "failed" not in worker.rest()


def test_a_dispatcher_waits_for_the_migration_and_then_works(behind: str) -> None:
    env = {"DATABASE_URL": behind, "ROWLINE_SECRET_KEYS": raw.KEY}
    with Program([*PYTHON, "-m", "app", "dispatch"], env=env) as dispatcher:
        assert BEHIND in dispatcher.expect("schema_awaited")
        schema.upgrade(behind)
        dispatcher.expect("dispatcher_started")


def rowline(url: str, *words: str) -> tuple[int, str]:
    with Program([*PYTHON, "-m", "app", "db", *words], env={"DATABASE_URL": url}) as program:
        return program.end(), program.output


def test_an_operator_sees_where_the_schema_stands_and_what_is_to_come(behind: str) -> None:
    code, said = rowline(behind, "status")
    assert code == 0
    assert f"schema     {BEHIND}" in said
    assert f"release    {release.HEAD}" in said
    assert "serves     programs written for 0001 or later" in said
    assert "pending    0003 expand: Attempts, logs, time-outs" in said
    assert "pending    0002" not in said


def test_the_sql_of_an_upgrade_can_be_read_and_run_by_hand(behind: str, postgres_bin: Path | None) -> None:
    code, said = rowline(behind, "sql")
    assert code == 0
    assert "create table rowline.idempotency_keys" not in said
    psql = binaries.folder(Settings(postgres_bin=postgres_bin)) / "psql"
    words: list[str | Path] = [psql, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", libpq.normal(behind)]
    subprocess.run(words, input=said, text=True, check=True)
    assert rowline(behind, "check") == (0, "ready\n")


def test_an_operator_goes_down_and_up_again(behind: str) -> None:
    assert [rowline(behind, *words)[0] for words in (["upgrade"], ["downgrade", BEHIND])] == [0, 0]
    assert databases.ask(behind, "select version_num, oldest from rowline.alembic_version") == [(BEHIND, "0001")]
    code, said = rowline(behind, "upgrade", "8888")
    assert code == 1
    assert said.startswith("rowline: the schema cannot be migrated: Can't locate revision identified by '8888'")


def test_a_node_of_an_older_release_keeps_serving_while_the_schema_is_ahead(own_url: str) -> None:
    with raw.server(own_url) as server:
        databases.run(own_url, f"update rowline.alembic_version set version_num = '9999', oldest = '{release.HEAD}'")
        assert ask(server, READY)[0] == 200
        databases.run(own_url, "update rowline.alembic_version set oldest = '9999'")
        until(lambda: ask(server, READY)[0] == 503)
        assert "start a newer release" in ask(server, READY)[1]
