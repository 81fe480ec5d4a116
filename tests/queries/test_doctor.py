"""The doctor finds each trouble, made for real on a real PostgreSQL, and nothing where there is none."""

import contextlib
import json
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from cryptography.fernet import Fernet

from app.domain.doctor import Finding, Limits, Severity
from app.infra.release import HEAD
from app.infra.settings import Settings
from app.infra.vault import Vault
from app.maintenance.maintainer import Maintainer
from app.operations import jobs as operations
from app.postgres.database import Database
from app.queries import doctor
from tests.support import clusters, databases
from tests.support.clusters import Cluster, until
from tests.support.jobs import new
from tests.support.raw import KEY
from tests.support.standbys import standby_of

PATIENT = Limits(notify_s=30.0)
"""As shipped, but that no NOTIFY is slow because the machine is."""
NOW = Limits(snapshot_s=0.0, prepared_s=0.0, waited_s=0.0, notify_s=30.0)
"""Limits under which a test need not wait for a minute to pass."""
EXPECTED = {"hidden_sessions", "no_checksums"}
"""Hints that depend on what else runs, and on how the server was made."""


@contextlib.contextmanager
def opened(url: str, **members: object) -> Iterator[tuple[Database, Vault]]:
    settings = Settings(**{"secret_keys": (KEY,), "statement_ms": 60_000} | members)  # type: ignore[arg-type]
    db = Database(settings, url=url, size=2, name="rowline-doctor")
    try:
        yield db, Vault(settings)
    finally:
        db.close()


def found(url: str, *, limits: Limits = PATIENT, still_s: float = 0.5, **members: object) -> list[Finding]:
    with opened(url, **members) as (db, vault):
        report = doctor.examine(db, vault, limits=limits, still_s=still_s)
    return [finding for finding in report.findings if finding.code not in EXPECTED]


def only(findings: list[Finding]) -> Finding:
    [finding] = findings
    assert finding.todo
    return finding


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A server of its own, whose state a test may change, and put back."""
    options = ["-c", "max_prepared_transactions=5", "-c", "autovacuum_freeze_max_age=100000", "-c", "wal_level=logical"]
    with clusters.cluster(options=options, is_copy=True) as made:
        yield made


@pytest.fixture(scope="module")
def url(cluster: Cluster) -> str:
    return databases.prepare(cluster.url)


@contextlib.contextmanager
def system(url: str, setting: str, value: str) -> Iterator[None]:
    """Change a setting of the server meanwhile, as ALTER SYSTEM does."""
    was = databases.ask(url, f"show {setting}")

    def settle(wanted: str) -> None:
        databases.run(url, "select pg_reload_conf()")
        until(lambda: databases.ask(url, f"show {setting}") == [(wanted,)])

    databases.run(url, f"alter system set {setting} = '{value}'")
    settle(value)
    try:
        yield
    finally:
        databases.run(url, f"alter system reset {setting}")
        settle(was[0][0])


def test_a_sound_database_has_no_findings(own_url: str, url: str) -> None:
    assert found(own_url) == found(databases.as_owner(own_url)) == found(url) == []


@pytest.mark.parametrize(
    ("setting", "value", "code", "severity"),
    [
        ("fsync", "off", "setting", Severity.BROKEN),
        ("full_page_writes", "off", "setting", Severity.BROKEN),
        ("synchronous_commit", "local", "setting", Severity.BROKEN),
        ("zero_damaged_pages", "on", "setting", Severity.BROKEN),
        ("ignore_checksum_failure", "on", "setting", Severity.BROKEN),
        ("autovacuum", "off", "autovacuum_off", Severity.WARNING),
        ("track_counts", "off", "autovacuum_off", Severity.WARNING),
        ("idle_session_timeout", "30s", "idle_timeout", Severity.WARNING),
    ],
)
def test_a_setting_of_the_server_that_breaks_a_promise_is_found(
    url: str, setting: str, value: str, code: str, severity: Severity
) -> None:
    with system(url, setting, value):
        finding = only([one for one in found(url) if setting in one.found])
    assert (finding.code, finding.severity) == (code, severity)
    assert setting in finding.todo


@pytest.mark.parametrize("whose", ["role", "database"])
@pytest.mark.parametrize(
    ("setting", "value", "code"),
    [
        ("synchronous_commit", "off", "setting_of_role"),
        ("synchronous_commit", "false", "setting_of_role"),
        ("idle_session_timeout", "10s", "idle_timeout"),
    ],
)
def test_a_setting_of_a_role_or_a_database_is_found_and_named(
    url: str, whose: str, setting: str, value: str, code: str
) -> None:
    databases.altered(url, whose, {setting: value})
    try:
        finding = only([one for one in found(url) if one.code == code])
    finally:
        databases.altered(url, whose, {setting: None})
    assert finding.found.startswith(f"the role rowline in this database has {setting}" if whose == "role" else "this")
    assert found(url) == []


def test_a_setting_of_the_role_of_run_time_is_found_by_the_owner_too(url: str) -> None:
    databases.run(url, "alter role rowline_runtime set synchronous_commit = off")
    try:
        finding = only(found(databases.as_owner(url)))
    finally:
        databases.run(url, "alter role rowline_runtime reset synchronous_commit")
    assert finding.found.startswith("the role rowline_runtime has synchronous_commit=off")
    assert finding.todo == "`alter role rowline_runtime reset synchronous_commit`"


def test_data_checksums_are_a_hint(url: str) -> None:
    [(checksums,)] = databases.ask(url, "show data_checksums")
    with opened(url) as (db, vault):
        hints = {one.code: one.severity for one in doctor.examine(db, vault).findings}
    assert hints.get("no_checksums") == (Severity.HINT if checksums == "off" else None)


def test_who_holds_the_oldest_snapshot_is_found_without_what_it_says(own_url: str) -> None:
    owner = databases.as_owner(own_url)
    with psycopg.connect(owner, application_name="it-is-a-secret") as held:
        pid = held.info.backend_pid
        held.execute("begin isolation level repeatable read")
        held.execute("select 'payload', 4711")
        finding = only(found(owner, limits=NOW))
        [hidden] = [one for one in doctor_report(own_url, NOW) if one.code == "hidden_sessions"]
        assert found(owner) == [], "it has not been held for a minute"
    assert finding.code == "old_snapshot"
    assert f"the session {pid} of the role" in finding.found
    assert "(another program), state idle in transaction, last statement SELECT, holds a snapshot" in finding.found
    assert not {"payload", "4711", "secret"} & set(finding.found.replace("'", " ").split())
    assert hidden.severity is Severity.HINT
    assert "pg_read_all_stats" in hidden.todo


def doctor_report(url: str, limits: Limits) -> list[Finding]:
    with opened(url) as (db, vault):
        return list(doctor.examine(db, vault, limits=limits).findings)


def test_a_prepared_transaction_is_found_without_its_name(url: str) -> None:
    with psycopg.connect(databases.as_owner(url), autocommit=True) as session:
        session.execute("begin")
        session.execute("create table public.left_open (n int)")
        session.execute("prepare transaction 'a-secret'")
        try:
            findings = found(url, limits=NOW)
        finally:
            session.execute("rollback prepared 'a-secret'")
    finding = only([one for one in findings if one.code == "prepared_transaction"])
    assert "secret" not in finding.found + finding.todo
    assert "ROLLBACK PREPARED" in finding.todo


def test_a_replication_slot_that_nobody_uses_is_found(url: str) -> None:
    databases.run(url, "select pg_create_physical_replication_slot('left_behind', true)")
    try:
        finding = only(found(url))
    finally:
        databases.run(url, "select pg_drop_replication_slot('left_behind')")
    assert finding.code == "slot_holds_wal"
    assert "left_behind is used by nobody" in finding.found
    assert found(url) == []


def test_a_table_with_more_dead_rows_than_are_good_is_found(own_url: str) -> None:
    databases.run(own_url, "alter table rowline.job_minutes set (autovacuum_enabled = off)")
    assert [one.code for one in found(own_url)] == ["autovacuum_off"]
    databases.run(
        own_url,
        "insert into rowline.job_minutes (minute, queue, added, completed, failed) "
        "select now(), 'q' || n, 0, 0, 0 from generate_series(1, 100000) as n",
    )
    databases.run(own_url, "delete from rowline.job_minutes")
    dead = "select n_dead_tup >= 100000 from pg_stat_user_tables where relname = 'job_minutes'"
    until(lambda: databases.ask(own_url, dead) == [(True,)])
    finding = only([one for one in found(own_url) if one.code == "dead_rows"])
    assert "rowline.job_minutes has about 100,000 dead rows" in finding.found


def test_transaction_ids_that_autovacuum_does_not_keep_up_with_are_found(url: str) -> None:
    owner = databases.as_owner(url)
    with psycopg.connect(owner) as held, psycopg.connect(owner, autocommit=True) as busy:
        held.execute("select pg_current_xact_id()")
        busy.execute("set synchronous_commit = off")
        busy.execute("do $$ begin for n in 1..151000 loop perform pg_current_xact_id(); commit; end loop; end $$")
        finding = only([one for one in found(url) if one.code == "xid_age"])
    assert finding.severity is Severity.WARNING
    assert "autovacuum should have begun at 100,000" in finding.found


def test_notifies_that_do_not_arrive_are_found(own_url: str, url: str) -> None:
    """They do not cross databases."""
    elsewhere = databases.as_owner(databases.named(own_url, "postgres"))
    finding = only(found(own_url, listen_url=elsewhere))
    assert (finding.code, finding.severity) == ("notify_lost", Severity.WARNING)
    with opened(own_url) as (db, vault):
        notify_s = doctor.examine(db, vault).facts.notify_s
    assert notify_s
    assert only(found(own_url, limits=Limits(notify_s=0.0))).code == "notify_slow"


@pytest.mark.parametrize("whose", ["database", "role"])
def test_connections_that_are_nearly_used_up_are_found(url: str, whose: str) -> None:
    name = {"database": databases.name_of(url), "role": "rowline"}[whose]
    databases.run(url, f"alter {whose} {name} connection limit 8")
    try:
        with contextlib.ExitStack() as stack:
            for _ in range(6):
                connection = psycopg.connect(databases.as_owner(url), application_name=f"rowline-api {HEAD}")
                stack.enter_context(connection)
            finding = only([one for one in found(url) if one.code == "connections"])
    finally:
        databases.run(url, f"alter {whose} {name} connection limit -1")
    assert f"of the 8 connections of this {whose} are used" in finding.found


def test_older_and_newer_nodes_are_found(own_url: str) -> None:
    owner = databases.as_owner(own_url)
    with contextlib.ExitStack() as stack:
        for name in ("rowline-worker 0001", "rowline-api 9999"):
            stack.enter_context(psycopg.connect(owner, application_name=name))
        found_here = {one.code: one for one in found(own_url)}
    assert {code: one.severity for code, one in found_here.items()} == {
        "older_node": Severity.WARNING,
        "newer_node": Severity.HINT,
    }
    assert "rowline-worker of 0001" in found_here["older_node"].found


@pytest.mark.parametrize(
    ("taken", "named"),
    [
        (
            "revoke insert on rowline.jobs from rowline_runtime",
            "the role rowline_runtime lacks rights: insert on rowline.jobs",
        ),
        ("revoke execute on all functions in schema rowline from rowline_runtime", "execute on rowline."),
        ("revoke usage on sequence rowline.job_numbers from rowline_runtime", "usage on rowline.job_numbers"),
        (
            "revoke select on report.jobs from rowline_report",
            "the role rowline_report lacks rights: select on report.jobs",
        ),
    ],
)
def test_a_right_that_a_role_lacks_is_found_by_that_role_and_by_the_owner(own_url: str, taken: str, named: str) -> None:
    databases.run(own_url, taken)
    for url in (own_url, databases.as_owner(own_url)):
        finding = only(found(url))
        assert (finding.code, finding.severity) == ("right_missing", Severity.BROKEN)
        assert named in finding.found
        assert "rowline db roles --apply" in finding.todo


def test_deltas_that_nobody_folds_are_found_and_those_that_somebody_folds_are_not(own_url: str) -> None:
    with opened(own_url) as (db, _):
        operations.submit_many(db, queue="q", new=[new()])
        finding = only(found(own_url))
        assert (finding.code, finding.severity) == ("not_folded", Severity.BROKEN)

        maintainer = Maintainer(Settings(database_url=own_url), db)
        for loop in maintainer.loops:
            loop.start()
        try:
            until(lambda: found(own_url, still_s=2.0) == [])
            stop = threading.Event()
            adding = threading.Thread(target=add_until, args=[own_url, stop])
            adding.start()
            assert found(own_url, still_s=10.0) == [], "there is something to fold at any time"
            stop.set()
            adding.join()
        finally:
            for loop in maintainer.loops:
                loop.stop()
            for loop in maintainer.loops:
                loop.join()


def add_until(url: str, stop: threading.Event) -> None:
    with opened(url) as (db, _):
        while not stop.wait(0.01):
            operations.submit_many(db, queue="q", new=[new()])


@pytest.mark.parametrize("next_at", ["null", "now() - interval '1 hour'"])
def test_a_plan_that_stands_still_is_found_and_one_that_waits_is_not(own_url: str, next_at: str) -> None:
    add = (
        "insert into rowline.plans (queue, id, action, filter, status, until, is_direct, created_by, next_at) "
        "values ('q', '{}', 'remove', '{{}}', '{}', 1, false, 'me', {})"
    )
    databases.run(own_url, add.format(uuid.uuid4(), "applying", "now() + interval '1 hour'"))
    databases.run(own_url, add.format(uuid.uuid4(), "queued", "null"))
    assert found(own_url) == []
    stuck = str(uuid.uuid4())
    databases.run(own_url, add.format(stuck, "applying", next_at))
    finding = only(found(own_url))
    assert (finding.code, f"q/{stuck}" in finding.found) == ("plan_stands_still", True)


def test_terms_that_stand_still_and_those_that_wait_are_found(own_url: str) -> None:
    add = "insert into rowline.term_fills (queue, path, status) values ('{}', 'n', '{}')"
    databases.run(own_url, add.format("q", "filling"))
    finding = only(found(own_url))
    assert (finding.code, "q/n" in finding.found) == ("terms_stand_still", True)
    databases.run(own_url, "delete from rowline.term_fills")
    databases.run(own_url, add.format("r", "waiting"))
    assert found(own_url) == []
    waiting = only(found(own_url, limits=NOW))
    assert (waiting.code, "r/n" in waiting.found) == ("terms_wait", True)


def test_an_endpoint_whose_key_this_process_lacks_is_found(own_url: str, tmp_path: Path) -> None:
    sealed = Vault(Settings(secret_keys=(KEY,))).seal({})
    with psycopg.connect(databases.as_owner(own_url), autocommit=True) as owner:
        owner.execute(
            "insert into rowline.endpoints (queue, url, method, headers, secrets, timeout_ms, concurrency) "
            "values ('mail', 'https://example.com/', 'POST', %s, %s, 1000, 1)",
            [sealed, sealed],
        )
    assert found(own_url) == []
    for members in ({"secret_keys": (Fernet.generate_key().decode(),)}, {"secret_keys": (), "home": tmp_path}):
        finding = only(found(own_url, **members))
        assert (finding.code, finding.severity) == ("secret_key_missing", Severity.BROKEN)
        assert "mail" in finding.found
        assert str(tmp_path) not in json.dumps([finding.found, finding.todo])


def test_an_index_whose_build_was_interrupted_is_found(own_url: str) -> None:
    databases.run(own_url, "update pg_index set indisvalid = false where indexrelid = 'rowline.jobs_listed'::regclass")
    finding = only(found(own_url))
    assert (finding.code, "rowline.jobs_listed" in finding.found) == ("invalid_index", True)


@pytest.mark.parametrize("revision", ["0001", "9999"])
def test_a_schema_of_another_release_is_found(own_url: str, revision: str) -> None:
    databases.run(own_url, f"update rowline.alembic_version set version_num = '{revision}', oldest = '{revision}'")
    finding = only(found(own_url))
    assert (finding.code, finding.severity) == ("schema", Severity.BROKEN)
    assert revision in finding.found


def test_a_database_without_the_schema_is_found(server_url: str) -> None:
    with databases.fresh(server_url) as empty:
        assert [one.code for one in found(empty)] == ["schema"]


def test_a_standby_is_found() -> None:
    with clusters.cluster(is_copy=True) as primary:
        databases.prepare(primary.url)
        with standby_of(primary) as standby:
            until(lambda: databases.ask(standby.url, "select to_regclass('rowline.jobs') is not null") == [(True,)])
            finding = only([one for one in found(standby.url) if one.code == "server"])
    assert "is a standby" in finding.found
