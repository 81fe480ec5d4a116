"""Searches leave connections to calls that are short."""

import pytest

from app.domain.jobfilter import JobFilter
from app.infra.settings import Settings
from app.postgres.database import LONG_SHARE, Database, DatabaseError
from app.queries.find import Finder, Sought
from app.store import search
from app.store.search import Searched
from tests.support.race import race

SOUGHT = Sought(wanted=JobFilter(name="n"), length=1)


def test_a_share_of_the_connections_searches_and_the_others_are_free(
    own_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(database_url=own_url, pool_wait_ms=50)
    db = Database(settings, url=own_url, size=2 * LONG_SHARE, name="rowline-test")
    finder = Finder(db)
    searching: list[int] = []
    refused: list[str] = []

    def found(*_: object, **__: object) -> Searched:
        """Search within a search, until none is let in: as many run then as may."""
        searching.append(len(searching) + 1)
        with pytest.raises(DatabaseError) as caught:
            finder.find(queue="q", sought=SOUGHT)
        refused.append(str(caught.value))
        with db.read_once() as conn:
            assert conn.exec_driver_sql("select 1").scalar_one() == 1
        raise DatabaseError("the end")

    monkeypatch.setattr(search, "search", found)
    with pytest.raises(DatabaseError, match="the end"):
        finder.find(queue="q", sought=SOUGHT)
    assert searching == [1, 2]
    assert refused == ["too many searches and deep pages are read", "the end"]
    monkeypatch.undo()
    assert finder.find(queue="q", sought=SOUGHT).jobs == []
    db.close()


def test_those_that_come_together_take_turns(own_url: str) -> None:
    db = Database(
        Settings(database_url=own_url, pool_wait_ms=30_000), url=own_url, size=LONG_SHARE, name="rowline-test"
    )
    finder = Finder(db)

    assert all(found.is_complete for found in race(lambda _: finder.find(queue="q", sought=SOUGHT)))
    db.close()
