"""Every connection says which program it is of, and which release."""

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from app.infra import release
from app.infra.settings import Settings
from app.postgres import poolers, schema
from app.postgres.database import Database
from app.store.tables import UPGRADER_LOCK
from tests.support import databases
from tests.support.clusters import until

CALLED = """
select distinct application_name from pg_stat_activity
where datname = current_database() and application_name like 'rowline-%' and application_name not like 'rowline-test %'
"""


def called(url: str) -> set[str]:
    return {name for (name,) in databases.ask(url, CALLED)}


def test_whatever_a_database_opens_a_connection_for_names_its_release(own_url: str) -> None:
    db = Database(Settings(), url=own_url, size=2, name="rowline-all")
    woken = threading.Event()
    counting = "select count(*) from pg_stat_activity where application_name = 'rowline-all {}'"
    with db.begin(), db.read():
        db.listen("q", woken.set)
        assert woken.wait(60)
        db.notify("q")
        until(lambda: databases.ask(own_url, counting.format(release.HEAD)) == [(4,)])
    assert called(own_url) == {f"rowline-all {release.HEAD}"}
    db.close()


def test_a_program_is_called_what_it_is_whatever_its_url_and_the_role_say(
    own_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGAPPNAME", "mine")
    databases.altered(own_url, "role", {"application_name": "mine"})
    db = Database(Settings(), url=f"{own_url}&application_name=mine", size=1, name="rowline-all")
    with db.read() as conn:
        assert conn.exec_driver_sql("show application_name").scalar_one() == f"rowline-all {release.HEAD}"
    db.close()


def test_who_migrates_names_its_release(own_url: str) -> None:
    owner = databases.as_owner(own_url)
    with psycopg.connect(owner, autocommit=True) as other, ThreadPoolExecutor(1) as beside:
        other.execute(f"select pg_advisory_lock({UPGRADER_LOCK})".encode())
        upgrade = beside.submit(schema.upgrade, owner)
        until(lambda: called(own_url) == {f"rowline-migrate {release.HEAD}"})
        other.execute(f"select pg_advisory_unlock({UPGRADER_LOCK})".encode())
        upgrade.result(timeout=60)


def test_what_gives_a_role_its_settings_names_its_release(own_url: str) -> None:
    owner = databases.as_owner(own_url)
    with psycopg.connect(owner) as other, ThreadPoolExecutor(1) as beside:
        change = f"alter role session_user in database {databases.name_of(owner)} set work_mem = '1MB'"
        other.execute(change.encode())
        apply = beside.submit(poolers.apply, owner, {"work_mem": "2MB"}, within_s=60)
        until(lambda: called(own_url) == {f"rowline-db {release.HEAD}"})
        other.rollback()
        apply.result(timeout=60)
