"""The terms of jobs that were there before: when they are filled, how far that is, and that it can be repeated."""

import json
from collections.abc import Iterator

import psycopg
import pytest

from app.domain.job import JsonText, NewJob
from app.domain.jobfilter import JobFilter
from app.domain.terms import KNOWN_SINCE, TAGS, FillStatus
from app.infra.release import HEAD
from app.maintenance.terms import TermFiller
from app.operations import jobs, settings
from app.operations import terms as operations
from app.postgres.database import Database
from app.queries import queues
from app.store import search
from tests.support import databases, terms
from tests.support.acting import ACTOR
from tests.support.clusters import until
from tests.support.jobs import new


@pytest.fixture
def url(shared_url: str) -> Iterator[str]:
    reset = "update rowline.alembic_version set oldest = '0005'"
    databases.run(shared_url, reset)
    yield shared_url
    databases.run(shared_url, reset)


def job(nth: int) -> NewJob:
    data = JsonText(json.dumps({"customer": {"id": nth % 3}}))
    return new(data=data, tags=("even",) if nth % 2 == 0 else None)


def before(db: Database, url: str, number: int = 20) -> None:
    """Add jobs as a release does that knows no terms."""
    for queue in ("q", "r"):
        jobs.submit_many(db, queue=queue, new=[job(nth) for nth in range(number)])
    databases.run(url, "delete from rowline.terms")


def wait_long(url: str) -> None:
    databases.run(url, "update rowline.term_fills set waiting_since = now() - interval '1 hour'")


def statuses(db: Database) -> dict[str, FillStatus]:
    return {one.path: one.status for one in operations.unfinished(db)}


def tick(db: Database, filler: TermFiller, times: int = 3) -> dict[str, FillStatus]:
    for _ in range(times):
        filler.tick()
    return statuses(db)


def found(db: Database, **wanted: object) -> tuple[int, int]:
    """Return how many jobs of q are found, and at how many was looked."""
    with db.read() as conn:
        seen = search.search(conn, queue="q", wanted=JobFilter(**wanted), most=100)  # type: ignore[arg-type]
    assert seen.is_complete
    return len(seen.numbers), seen.looked_at


def test_an_hour_after_the_last_older_node_was_seen_tags_are_filled(db: Database, url: str) -> None:
    before(db, url)
    filler = TermFiller(db)
    assert tick(db, filler) == {TAGS: FillStatus.WAITING}
    assert found(db, tags=("even",)) == (10, 20)
    wait_long(url)
    assert tick(db, filler, 20) == {}
    assert databases.ask(url, "select oldest from rowline.alembic_version") == [(KNOWN_SINCE,)]
    terms.check(db)
    assert found(db, tags=("even",)) == (10, 10)


def test_while_an_older_node_is_connected_they_are_not(db: Database, url: str) -> None:
    before(db, url)
    filler = TermFiller(db)
    with psycopg.connect(url, application_name="rowline-worker 0030"):
        filler.tick()
        wait_long(url)
        assert tick(db, filler) == {TAGS: FillStatus.WAITING}
        assert databases.ask(url, "select oldest from rowline.alembic_version") == [("0005",)]
    until(lambda: not databases.ask(url, "select from pg_stat_activity where application_name like '% 0030'"))
    assert tick(db, filler) == {TAGS: FillStatus.WAITING}  # its hour begins anew
    wait_long(url)
    assert tick(db, filler, 20) == {}


def test_in_an_empty_database_tags_are_trusted_at_once(db: Database, url: str) -> None:
    assert tick(db, TermFiller(db), 6) == {}
    jobs.submit_many(db, queue="q", new=[job(nth) for nth in range(20)])
    assert found(db, tags=("even",)) == (10, 10)


def test_filling_takes_terms_away_whose_jobs_an_older_node_removed(db: Database, url: str) -> None:
    before(db, url)
    databases.run(url, "insert into rowline.terms values ('q', 'tag:gone', 1), ('q', 'tag:even', 2)")
    operations.begin(db)
    wait_long(url)
    terms.run(db)
    terms.check(db)


def test_a_key_is_filled_and_shows_how_far_that_is(db: Database, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "LOOKED_AT_ONCE", 8)
    monkeypatch.setattr(operations, "AT_ONCE", 3)
    before(db, url)
    settings.change_queue(db, actor=ACTOR, queue="q", keys=["customer.id", "nothing"])
    assert found(db, data=(("customer.id", "1"),)) == (7, 20)
    filler = TermFiller(db)
    seen: list[tuple[FillStatus, int]] = []
    while not seen or seen[-1] != (FillStatus.FILLED, 20):
        filler.tick()
        key = queues.find(db, queue="q").keys[0]
        seen.append((key.status, key.looked_at))
    steps = [(FillStatus.FILLING, number) for number in (0, 8, 16)]
    assert [one for one in dict.fromkeys(seen) if one[0] is FillStatus.FILLING] == steps
    assert found(db, data=(("customer.id", "1"),)) == (7, 7)
    assert found(db, data=(("nothing", "1"),)) == (0, 0)
    wait_long(url)
    terms.run(db)
    terms.check(db)


def test_a_key_waits_for_transactions_that_may_add_jobs_without_its_terms(db: Database, url: str) -> None:
    before(db, url)
    with db.begin() as other:
        other.exec_driver_sql("select 1")
        settings.change_queue(db, actor=ACTOR, queue="q", keys=["customer.id"])
        filler = TermFiller(db)
        assert tick(db, filler)["customer.id"] is FillStatus.WAITING
    assert "customer.id" not in tick(db, filler, 6)


def test_a_key_that_is_taken_away_goes_with_its_terms_and_can_come_back(db: Database, url: str) -> None:
    before(db, url)
    settings.change_queue(db, actor=ACTOR, queue="q", keys=["customer.id", "customer"])
    terms.run(db)
    settings.change_queue(db, actor=ACTOR, queue="q", keys=["customer"])
    assert found(db, data=(("customer.id", "1"),)) == (7, 20)
    settings.change_queue(db, actor=ACTOR, queue="q", keys=["customer", "customer.id"])
    assert found(db, data=(("customer.id", "1"),)) == (7, 20)
    terms.run(db)
    assert found(db, data=(("customer.id", "1"),)) == (7, 7)
    settings.change_queue(db, actor=ACTOR, queue="q", keys=[])
    assert queues.find(db, queue="q").keys == ()
    terms.run(db)
    terms.check(db)
    with db.read() as conn:
        assert not any(term.startswith("key:") for _, term, _ in terms.stored(conn))


def test_a_queue_that_is_forgotten_loses_its_keys(db: Database, url: str) -> None:
    settings.change_queue(db, actor=ACTOR, queue="q", keys=["customer.id"])
    settings.forget_queue(db, actor=ACTOR, queue="q")
    terms.run(db)
    assert databases.ask(url, "select count(*) from rowline.term_fills where queue = 'q'") == [(0,)]


def test_a_step_that_is_repeated_does_no_harm(db: Database, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "LOOKED_AT_ONCE", 5)
    before(db, url)
    settings.change_queue(db, actor=ACTOR, queue="q", keys=["customer.id"])
    filler = TermFiller(db)
    for _ in range(4):
        filler.tick()
    databases.run(url, "update rowline.term_fills set at = 0 where queue = 'q'")
    terms.run(db)
    terms.check(db)


def test_the_revision_is_that_of_the_release_that_knows_terms() -> None:
    assert KNOWN_SINCE <= HEAD
