"""What a process remembers of tokens, and for how long that is true."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app.domain import tokens as domain
from app.infra import callers
from app.infra.settings import Settings
from app.operations import tokens
from app.operations.tokens import Issued
from app.postgres.database import Database, DatabaseError
from app.postgres.prepared import BoundStatement, PreparedConnection
from app.queries import tokens as queries
from app.queries.tokens import Callers
from tests.support import databases
from tests.support.acting import ACTOR
from tests.support.tokens import issue


class Clock:
    """The monotonic clock of the callers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        monkeypatch.setattr("app.queries.tokens.time.monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What PostgreSQL was asked."""
    asked: list[Any] = []
    run = PreparedConnection.run

    def counted(connection: PreparedConnection, statement: BoundStatement) -> Any:
        asked.append(connection)
        return run(connection, statement)

    monkeypatch.setattr(PreparedConnection, "run", counted)
    return asked


def digest(issued: Issued) -> bytes:
    return domain.digest(issued.secret.encode())


def known(callers: Callers, issued: Issued) -> bool:
    """Return whether a token is valid, as the API finds it out."""
    return (callers.seen(issued.token.id, digest(issued)) or callers.find(issued.token.id, digest(issued))) is not None


def test_a_token_is_read_once_and_then_remembered(db: Database, clock: Clock, statements: list[Any]) -> None:
    callers, issued = Callers(db, wait_ms=1_000), issue(db, "work")
    assert not callers.remembers(issued.token.id, digest(issued))
    statements.clear()

    for _ in range(100):
        assert known(callers, issued)
        clock.now += 0.01
    assert callers.remembers(issued.token.id, digest(issued))
    assert len(statements) == 1


def test_whether_any_has_ceased_to_be_valid_is_asked_for_all_at_once(
    db: Database, clock: Clock, statements: list[Any]
) -> None:
    callers, issued = Callers(db, wait_ms=1_000), [issue(db, "work") for _ in range(20)]
    assert all(known(callers, one) for one in issued)
    statements.clear()

    clock.now += queries.TRUST_S + 0.1
    assert all(known(callers, one) for one in issued)
    assert len(statements) == 1


@pytest.mark.parametrize("end", ["revoke", "finish_rotation"])
def test_a_secret_that_has_ceased_to_be_valid_is_refused_when_that_is_asked(
    db: Database, clock: Clock, end: str
) -> None:
    callers, issued, other = Callers(db, wait_ms=1_000), issue(db, "work"), issue(db, "work")
    second = tokens.rotate(db, actor=ACTOR, caller=None, token_id=issued.token.id)
    assert all(known(callers, one) for one in (issued, second, other))
    if end == "revoke":
        tokens.revoke(db, actor=ACTOR, token_id=issued.token.id)
    else:
        tokens.finish_rotation(db, actor=ACTOR, caller=None, token_id=issued.token.id)

    assert known(callers, issued), "it is trusted for a while"
    clock.now += queries.TRUST_S + 0.1
    assert not known(callers, issued)
    assert known(callers, second) is (end == "finish_rotation")
    assert known(callers, other)


def test_what_was_read_before_a_change_is_not_trusted_after_it(db: Database, clock: Clock) -> None:
    callers, early, late = Callers(db, wait_ms=1_000), issue(db, "work"), issue(db, "work")
    assert known(callers, early)
    tokens.revoke(db, actor=ACTOR, token_id=early.token.id)

    assert known(callers, late)
    assert callers.seen(early.token.id, digest(early)) is None, "another token, read since then, tells of the change"
    assert callers.remembers(early.token.id, digest(early)), "it need not wait behind strangers to be refused"
    assert not known(callers, early)
    assert not callers.remembers(early.token.id, digest(early))


def test_while_the_database_is_away_a_remembered_token_is_trusted_for_some_seconds(
    settings: Settings, db: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    callers, issued = Callers(db, wait_ms=1_000), issue(db, "work")
    assert known(callers, issued)

    def away() -> Any:
        raise DatabaseError("away")

    monkeypatch.setattr(db, "read_once", away)
    clock.now += queries.KEPT_S - 0.1
    assert known(callers, issued)
    clock.now += 0.2
    with pytest.raises(DatabaseError):
        known(callers, issued)


def test_many_who_show_tokens_nobody_knows_use_one_connection(db: Database, statements: list[Any]) -> None:
    callers, begun = Callers(db, wait_ms=60_000), threading.Semaphore(0)

    def guess(nth: int) -> object:
        begun.release()
        return callers.find(f"{nth:08}", b"0" * 32)

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(guess, range(200))) == [None] * 200
    assert len(set(map(id, statements))) == 1
    assert len(statements) < 200


def test_the_least_recently_read_tokens_are_forgotten(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "REMEMBERED", 2)
    callers, issued = Callers(db, wait_ms=1_000), [issue(db, "work") for _ in range(3)]
    for one in issued:
        assert known(callers, one)

    assert [callers.remembers(one.token.id, digest(one)) for one in issued] == [False, True, True]


def test_a_wrong_secret_of_a_token_is_no_token(db: Database) -> None:
    callers, issued = Callers(db, wait_ms=1_000), issue(db, "work")

    assert callers.find(issued.token.id, domain.digest(domain.another(issued.token.id).encode())) is None
    assert known(callers, issued)


def test_a_mark_that_comes_back_proves_nothing(db: Database, shared_url: str, clock: Clock) -> None:
    """As after a restore, or a failover to a standby that lagged: what was noted there is lost, and noted again."""
    callers, issued, other = Callers(db, wait_ms=1_000), issue(db, "work"), issue(db, "work")
    tokens.revoke(db, actor=ACTOR, token_id=other.token.id)
    assert known(callers, issued)
    databases.run(shared_url, "delete from rowline.token_changes")
    tokens.revoke(db, actor=ACTOR, token_id=issued.token.id)

    clock.now += queries.TRUST_S + 0.1
    assert not known(callers, issued)


def test_after_a_restore_tokens_are_remembered_again(
    db: Database, shared_url: str, clock: Clock, statements: list[Any]
) -> None:
    callers, issued, other = Callers(db, wait_ms=1_000), issue(db, "work"), issue(db, "work")
    tokens.revoke(db, actor=ACTOR, token_id=other.token.id)
    assert known(callers, issued)
    databases.run(shared_url, "delete from rowline.token_changes")
    clock.now += queries.TRUST_S + 0.1
    assert known(callers, issued)
    statements.clear()

    assert all(known(callers, issued) for _ in range(50))
    assert statements == []


def test_what_is_remembered_is_bounded_by_scopes_and_a_rotated_token_is_remembered_once(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "SCOPES_REMEMBERED", 5)
    callers, first, last = Callers(db, wait_ms=1_000), issue(db, "work", "audit", "events"), issue(db, "work", "audit")
    for _ in range(5):
        second = tokens.rotate(db, actor=ACTOR, caller=None, token_id=first.token.id)
        assert known(callers, second)
    assert known(callers, last)
    assert callers.remembers(first.token.id, digest(second))
    third = issue(db, "work")
    assert known(callers, third)

    assert not callers.remembers(first.token.id, digest(second))
    assert callers.remembers(last.token.id, digest(last))


def test_who_shows_a_token_is_looked_up_in_the_line_of_nobody(shared_url: str, db: Database) -> None:
    """Not in that of the caller before on the same connection, whose share may be used up."""
    issued = issue(db, "jobs:read")
    settings = Settings(database_url=shared_url, pool_wait_ms=50)
    narrow = Database(settings, url=shared_url, size=4, name="rowline-test")
    found = Callers(narrow, wait_ms=60_000)
    callers.current.set("the caller before")
    with narrow.read(), narrow.read(), narrow.read():
        with pytest.raises(DatabaseError, match="all database connections are in use"), narrow.read():
            pass
        assert found.find(issued.token.id, digest(issued)) is not None
        assert found.seen(issued.token.id, digest(issued)) is not None
    narrow.close()
