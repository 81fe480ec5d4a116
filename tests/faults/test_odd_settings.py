"""What a database or a role may have set for all its sessions: no value of ours looks otherwise for it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from app.domain.job import JsonText, NewJob
from app.domain.states import Status
from app.infra.settings import Settings
from app.operations import jobs
from app.postgres import schema
from app.postgres.database import Database
from app.queries import reports
from app.store.statements import Statement
from app.web import app
from tests.support import databases, work, workers
from tests.support.client import Client
from tests.support.databases import altered
from tests.support.jobs import new

ODD = {
    "array_nulls": "off",
    "bytea_output": "escape",
    "client_min_messages": "error",
    "datestyle": "SQL, DMY",
    "default_transaction_isolation": "serializable",
    "extra_float_digits": "-15",
    "intervalstyle": "sql_standard",
    "lc_monetary": "C.UTF-8",
    "lc_numeric": "C.UTF-8",
    "lc_time": "C.UTF-8",
    "quote_all_identifiers": "on",
    "standard_conforming_strings": "off",
    "timezone": "Asia/Kathmandu",
    "transform_null_equals": "on",
    "xmlbinary": "hex",
    "xmloption": "document",
}
"""Settings that change what a value looks like, or what a statement means, each as it is not by itself."""
TOKEN = "a-token"
show = Statement("show", "select current_setting(:name)")


@pytest.fixture
def odd_url(own_url: str, request: pytest.FixtureRequest) -> str:
    altered(own_url, *request.param)
    return own_url


@pytest.fixture
def odd(odd_url: str) -> Iterator[Database]:
    opened = Database(Settings(), url=odd_url, size=2, name="rowline-test-odd")
    yield opened
    opened.close()


def each(test: Any) -> Any:
    """Run a test with each setting set otherwise by the database, and with all at once by database and by role."""
    cases = [*(("database", {name: value}) for name, value in ODD.items()), ("database", ODD), ("role", ODD)]
    names = [f"{whose}-{next(iter(settings)) if len(settings) == 1 else 'all'}" for whose, settings in cases]
    return pytest.mark.parametrize("odd_url", cases, indirect=True, ids=names)(test)


@each
def test_jobs_are_added_read_and_worked_however_values_look_in_other_sessions(odd: Database) -> None:
    client = Client(app.create(Settings(tokens=(TOKEN,)), odd).test_client(), token=TOKEN)
    [plain, _] = client.add(
        {"name": "n", "data": {"n": [0.1, None]}}, {"name": "n", "data": 1, "opts": {"delay": 9_000}}
    )
    keyed = [client.post("/queues/q/jobs", '[{"name":"k","data":"\\\\"}]', Idempotency_Key="k") for _ in range(2)]
    [lease] = json.loads(client.post("/queues/q/jobs/claim", "{}").text)["jobs"]
    beat = client.post(f"/queues/q/jobs/{plain['id']}/extend", json.dumps({"token": lease["token"]}))
    told = json.dumps({"token": lease["token"], "returnvalue": 0.1})
    done = client.post(f"/queues/q/jobs/{plain['id']}/complete", told)

    assert client.flask.get("/health/ready").status_code == 200
    assert [answer.status_code for answer in (*keyed, beat, done)] == [200] * 4
    assert keyed[0].data == keyed[1].data
    assert client.page()["counts"] | {"completed": 1, "waiting": 1, "delayed": 1} == client.page()["counts"]
    job = client.job(plain["id"])
    assert (job["data"], job["result"], job in client.page(length=10)["jobs"]) == ({"n": [0.1, None]}, 0.1, True)
    assert client.get(f"/queues/q/jobs/{plain['id']}/attempts").status_code == 200


@each
def test_workers_and_reports_see_the_same_moments_however_values_look_in_other_sessions(odd: Database) -> None:
    begun_at = datetime.now(UTC)
    jobs.submit_many(odd, queue="q", new=[NewJob(name="n", data=JsonText("1")) for _ in range(3)])
    work.complete_next(odd)
    work.fail_next(odd)
    work.stall_next(odd)
    work.fold(odd)
    for name in reports.REPORTS:
        found = reports.ask(odd, name=name, since=timedelta(hours=1))
        moments = [value for row in found.rows for value in row if isinstance(value, datetime)]
        assert all(abs(value - begun_at) < timedelta(days=400) and value.tzinfo for value in moments), (name, moments)
    assert len(reports.ask(odd, name="attempts", since=timedelta(hours=1)).rows) == 3, "each that ended just now"


ALL = [("database", ODD), ("role", ODD)]
whoever = pytest.mark.parametrize("odd_url", ALL, indirect=True, ids=["database", "role"])


@whoever
def test_no_session_of_ours_has_a_setting_of_others(odd: Database, odd_url: str, shared_db: Database) -> None:
    for opened in (odd.begin, odd.read):
        with opened() as conn, shared_db.begin() as plain:
            assert [show.rows(conn, name=name) for name in ODD] == [show.rows(plain, name=name) for name in ODD]


@whoever
def test_a_worker_process_completes_a_job_whatever_others_have_set(odd: Database, odd_url: str, tmp_path: Path) -> None:
    handlers = workers.written(
        tmp_path,
        """
        @rowline.handler("n")
        def n(job):
            time.sleep(2)  # longer than its lease
            return 0.1
    """,
    )
    [job_id] = workers.add(odd, new())
    with workers.WorkerProgram(odd_url, handlers, lease_ms=1_000):
        job = workers.in_status(odd, job_id, within_s=60)
    assert (job.status, job.attempts_made) == (Status.COMPLETED, 1)


@pytest.mark.parametrize("name", ["PGDATESTYLE", "PGTZ"])
def test_no_session_of_ours_has_a_setting_of_its_environment(
    own_url: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, {"PGDATESTYLE": "SQL, DMY", "PGTZ": "Asia/Kathmandu"}[name])
    db = Database(Settings(), url=own_url, size=1, name="rowline-test-odd")
    with db.read() as conn:
        assert [show.rows(conn, name=name)[0][0] for name in ("datestyle", "timezone")] == ["ISO, MDY", "UTC"]
    db.close()


def test_values_look_the_same_whatever_the_options_of_the_url_say(own_url: str) -> None:
    url = databases.as_owner(own_url)
    mark = "&" if "?" in url else "?"
    db = Database(
        Settings(), url=f"{url}{mark}options=-c%20datestyle%3DGerman%20-c%20work_mem%3D7MB", size=1, name="odd"
    )
    with db.read() as conn:
        assert [show.rows(conn, name=name)[0][0] for name in ("datestyle", "work_mem")] == ["ISO, MDY", "7MB"]
    db.close()


@pytest.mark.parametrize("whose", ["database", "role"])
def test_a_schema_is_the_same_whatever_others_have_set_while_it_was_made(
    server_url: str, own_url: str, whose: str
) -> None:
    described = (
        "select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint"
        " where connamespace = 'rowline'::regnamespace union all select proname, prosrc, proconfig::text from pg_proc"
        " where pronamespace = 'rowline'::regnamespace union all select viewname, definition, '' from pg_views"
        " where schemaname = 'report' order by 1, 2, 3"
    )
    with databases.fresh(server_url) as url:
        altered(url, whose, ODD)
        schema.upgrade(url)
        for name in ODD:
            databases.run(url, f"alter database {urlsplit(url).path[1:]} reset {name}")
            databases.run(url, f"alter role current_user in database {urlsplit(url).path[1:]} reset {name}")
        assert databases.ask(url, described) == databases.ask(own_url, described)
