"""An earlier release of this repository and this one, on one database: a short form of `make upgrade-rehearsal`."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.infra.settings import Settings
from app.postgres import schema
from app.postgres.database import Database
from app.queries import health
from tests.rehearsal import release, upgrade
from tests.rehearsal.__main__ import life_cycle
from tests.rehearsal.release import Release
from tests.support import clusters, databases
from tests.support.clusters import free_port, until
from tests.support.raw import TOKEN


@pytest.fixture(scope="module")
def earlier() -> Iterator[Release]:
    with release.earlier() as found:
        yield found


@pytest.fixture
def folder() -> Iterator[Path]:
    with clusters.folder() as made:
        yield made


def test_the_earlier_release_is_one_whose_schema_differs_and_that_can_use_this_one(earlier: Release) -> None:
    head = schema.revisions()[-1]
    assert head.oldest <= earlier.revision < head.name, "name another commit in tests/migrations/earlier_release"


def test_each_process_of_the_earlier_release_runs_its_code(earlier: Release, folder: Path, own_url: str) -> None:
    """Which names no release, as a database of today's code says of it."""
    base = upgrade.SETTINGS | {"DATABASE_URL": databases.as_owner(own_url), "ROWLINE_HOME": str(folder / "home")}
    base |= {"CHAOS_RECORD": str(folder / "workers.jsonl")}
    api = base | {"AUTH_TOKENS": TOKEN, "PORT": str(free_port())}
    handlers = Path(upgrade.__file__).with_name("handlers.py")
    db = Database(Settings(), url=own_url, size=1, name="rowline-test")
    work = ("work", "--queue", "q", "--handlers", handlers)
    with earlier.rowline("serve", env=api), earlier.rowline(*work, env=base), closing(db):
        until(lambda: len(health.connected(db)) == 2)
        found = [(one.name, one.release) for one in health.connected(db)]
    assert found == [("rowline-api", ""), ("rowline-worker", "")]


def test_the_release_before_passes_its_own_life_cycle_tests_on_the_new_schema(
    earlier: Release, server_url: str
) -> None:
    ran = life_cycle(earlier, server_url, "tests/web/test_pull.py")
    assert ran.returncode == 0, ran.stdout[-8_000:] + ran.stderr[-4_000:]


def test_an_upgrade_under_load_fails_no_request_loses_nothing_and_does_nothing_twice(
    earlier: Release, folder: Path, server_url: str
) -> None:
    with databases.fresh(server_url) as url:
        run = upgrade.rehearse(earlier, folder, url, phase_s=0.5, producers=4, size=1)
    assert run.broken(stall_s=60.0) == [], run.verdict.examples
    assert run.verdict.acknowledged > 20
