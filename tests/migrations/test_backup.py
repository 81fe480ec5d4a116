"""The words of `app/docs/backup.md`: a dump under load, a restore, and all that was acknowledged before."""

import contextlib
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from app.domain.events import EventType
from app.domain.job import NewJob
from app.infra.settings import Settings
from app.local import binaries
from app.operations import maintenance
from app.postgres import libpq, schema
from app.postgres.database import Database
from app.queries import events, health
from tests.migrations import stored
from tests.support import databases, jobs, work, workers
from tests.support.jobs import QUEUE


@pytest.fixture
def programs(postgres_bin: Path | None) -> Path:
    return binaries.folder(Settings(postgres_bin=postgres_bin))


@contextlib.contextmanager
def opened(url: str) -> Iterator[Database]:
    db = Database(Settings(), url=url, size=2, name="test")
    try:
        yield db
    finally:
        db.close()


def copy(programs: Path, url: str, dump: Path, *, to: str) -> None:
    """Do as the page says, in the words of the page."""
    subprocess.run([programs / "pg_dump", "--format=custom", f"--file={dump}", databases.as_owner(url)], check=True)
    words = ["--no-owner", "--exit-on-error", "--single-transaction", f"--dbname={libpq.normal(to)}"]
    subprocess.run([programs / "pg_restore", *words, dump], check=True)


class Adder(threading.Thread):
    """Adds jobs until stopped, and remembers which were acknowledged."""

    def __init__(self, db: Database) -> None:
        super().__init__()
        self.acknowledged: list[str] = []
        self.begun, self.stopped = threading.Event(), threading.Event()
        self._db = db

    def run(self) -> None:
        while not self.stopped.is_set():
            self.acknowledged += workers.add(self._db, *(jobs.new() for _ in range(5)))
            self.begun.set()


def test_every_job_acknowledged_before_a_dump_is_there_after_a_restore(
    server_url: str, own_url: str, programs: Path, tmp_path: Path
) -> None:
    with databases.fresh(server_url) as url, opened(own_url) as db:
        adder = Adder(db)
        adder.start()
        assert adder.begun.wait(60)
        before = list(adder.acknowledged)
        copy(programs, own_url, tmp_path / "dump", to=url)
        adder.stopped.set()
        adder.join()

        there = {str(number) for (number,) in databases.ask(url, "select number from rowline.jobs")}
        assert set(before) <= there <= set(adder.acknowledged)
        with opened(url) as restored:
            assert health.faults(restored) == []
            [added] = workers.add(restored, NewJob(name="n", data=jobs.new().data))
            assert int(added) > max(map(int, there))


def test_no_lease_is_stuck_after_a_restore(server_url: str, own_url: str, programs: Path, tmp_path: Path) -> None:
    with databases.fresh(server_url) as url, opened(own_url) as db:
        added = workers.add(db, *(jobs.new() for _ in range(3)))
        assert len(work.take(db, queue=QUEUE, limit=2, lease_ms=1)) == 2
        copy(programs, own_url, tmp_path / "dump", to=url)

        with opened(url) as restored:
            assert maintenance.recover_stalled(restored, max_stalled_count=1) == {QUEUE: 2}
            taken = work.take(restored, queue=QUEUE, limit=10)
            assert {str(lease.job.number) for lease in taken} == set(added)


def test_who_resumes_a_stream_after_a_restore_is_told_so_also_if_as_much_has_happened_since(
    server_url: str, own_url: str, programs: Path, tmp_path: Path
) -> None:
    with databases.fresh(server_url) as url, opened(own_url) as db:
        workers.add(db, jobs.new())
        work.fold(db)
        copy(programs, own_url, tmp_path / "dump", to=url)
        workers.add(db, *(jobs.new() for _ in range(10)))
        work.fold(db)
        last_seen = events.ends(db).newest
        with opened(url) as restored:
            workers.add(restored, *(jobs.new() for _ in range(20)))
            work.fold(restored)
            [reset] = events.page(restored, after=last_seen).events
    assert reset.event.type is EventType.RESET


def test_a_dump_of_an_older_release_is_told_apart_and_brought_up_to_date(
    server_url: str, programs: Path, tmp_path: Path
) -> None:
    with databases.fresh(server_url) as older, databases.fresh(server_url) as url:
        schema.upgrade(older, revision="0002")
        stored.put(older, queue="kept")
        copy(programs, older, tmp_path / "dump", to=url)
        with opened(url) as restored:
            assert "is at revision 0002" in health.faults(restored)[0]
            schema.upgrade(url)
            assert health.faults(restored) == []
        assert stored.kept(url) == stored.kept(older)
        with psycopg.connect(libpq.normal(url)) as connection:
            [(oldest,)] = connection.execute("select oldest from rowline.alembic_version").fetchall()
        assert oldest == schema.revisions()[-1].oldest
