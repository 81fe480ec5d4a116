"""The doctor over HTTP."""

import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from app.infra.settings import Settings
from app.infra.vault import Vault
from app.postgres.database import Database
from app.queries.doctor import Doctor
from app.web import app
from tests.conftest import TOKEN
from tests.support import answers, databases
from tests.support.client import Client
from tests.support.tokens import issue


def test_a_token_for_metrics_sees_findings_and_figures_without_what_sessions_say(
    settings: Settings, db: Database, shared_url: str
) -> None:
    asked = app.create(settings, db).test_client()  # which has no report that another test has had made
    program = Client(asked, token=issue(db, "metrics").secret)
    with psycopg.connect(databases.as_owner(shared_url), application_name="a-secret") as held:
        held.execute("set role rowline_runtime")
        held.execute("begin isolation level repeatable read")
        held.execute("select 'a-secret'")
        answer = program.get("/doctor")

    said = answers.ok(answer)
    assert set(said) == {"findings", "figures", "asOf"}
    assert all(set(finding) == {"code", "severity", "found", "todo"} for finding in said["findings"])
    oldest = said["figures"]["oldestSnapshot"]
    assert set(oldest) == {"kind", "name", "pid", "role", "state", "since", "statement", "transactions"}
    assert "a-secret" not in answer.text
    assert said["figures"]["notifyMs"] > 0
    assert said["figures"]["deadRows"].keys() >= {"jobs", "attempts"}
    assert [limit["name"] for limit in said["figures"]["connections"]] == ["the server", "this database", "this role"]
    assert abs(said["asOf"] / 1000 - time.time()) < 60


def test_other_scopes_do_not_show_it(client: Client, db: Database) -> None:
    program = Client(client.flask, token=issue(db, "jobs:read").secret)
    assert answers.error(program.get("/doctor"), 403) == "the token lacks the scope metrics"


def test_without_a_database_it_is_unavailable(settings: Settings) -> None:
    lost = Database(settings, url="postgresql://x@127.0.0.1:1/x", size=1, name="rowline-test-lost")
    client = Client(app.create(settings, lost).test_client(), token=TOKEN)
    assert answers.problem(client.get("/doctor"), 503)["code"] == "database_unavailable"


def test_many_who_ask_at_once_share_an_examination(
    settings: Settings, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.queries.doctor.FRESH_S", 600.0)
    doctor = Doctor(db, Vault(settings))
    with ThreadPoolExecutor(8) as pool:
        reports = [*pool.map(lambda _: doctor.report(), range(8))]
    assert len({id(report) for report in reports}) == 1

    monkeypatch.setattr("app.queries.doctor.FRESH_S", 0.0)
    again = Doctor(db, Vault(settings))
    assert again.report() is not again.report()
