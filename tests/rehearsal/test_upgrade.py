"""An earlier release of this repository and this one, on one database: a short form of `make upgrade-rehearsal`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.postgres import schema
from tests.rehearsal import release, upgrade
from tests.rehearsal.__main__ import life_cycle
from tests.rehearsal.release import Release
from tests.support import clusters, databases


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
    assert run.broken() == [], run.verdict.examples
    assert run.verdict.acknowledged > 20
