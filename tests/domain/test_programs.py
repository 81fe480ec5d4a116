"""What a connection is called says which program it is of, and which release."""

import pytest

from app.domain.programs import SERVING, Program, connected
from app.infra import release


@pytest.mark.parametrize("name", SERVING)
def test_a_program_is_known_by_its_name_and_its_release(name: str) -> None:
    [found] = connected([(release.named(name), 3)])
    assert found == Program(name=name, release=release.HEAD, connections=3)


@pytest.mark.parametrize("name", SERVING)
def test_what_a_program_that_serves_is_called_is_shorter_than_postgresql_cuts_it(name: str) -> None:
    assert len(release.named(name).encode()) <= 63


@pytest.mark.parametrize("called", ["rowline-worker", "rowline-worker ", "rowline-worker 1", "rowline-worker - 0010"])
def test_a_program_that_names_no_release_is_older_than_any(called: str) -> None:
    [found] = connected([(called, 1)])
    assert (found.name, found.release) == ("rowline-worker", "")
    assert found.is_older_than("0001")


@pytest.mark.parametrize("called", ["", "psql", "rowline", "rowline-db 0010", "rowline-worker-2 0010", "Rowline-api"])
def test_other_names_do_not_count(called: str) -> None:
    assert connected([(called, 1)]) == []


def test_what_a_pooler_adds_is_no_part_of_the_release() -> None:
    [found] = connected([("rowline-api 0010 - 10.0.0.7:41234", 1), ("rowline-api 0010 - 10.0.0.8:555", 2)])
    assert found == Program(name="rowline-api", release="0010", connections=3)


def test_a_program_is_older_than_a_schema_that_it_does_not_know() -> None:
    older, newer = connected([("rowline-worker 0011", 1), ("rowline-worker 0009", 1)])
    assert [one.is_older_than("0010") for one in (older, newer)] == [True, False]
    assert not newer.is_older_than("0011")
