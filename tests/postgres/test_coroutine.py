"""A call that gives way: the caller goes on while PostgreSQL works, and hears what came of it."""

import select
import time
from collections.abc import Callable

import pytest

from app.infra.settings import Settings
from app.postgres.coroutine import DatabaseCoroutine
from app.postgres.database import Database, DatabaseError, OutcomeUnknown
from app.store.statements import Statement

SLEEP = Statement("sleep", "select pg_sleep(:s)::text as slept")
BREAK = Statement("break", "select pg_terminate_backend(pg_backend_pid())::text as broken")


@pytest.fixture
def db(db: Database) -> Database:
    """The shared database, connected to: a process makes its very first connection under a lock of SQLAlchemy's."""
    with db.begin():
        return db


def asked(db: Database, statement: Statement, **parameters: object) -> str:
    with db.begin() as conn:
        return str(statement.rows(conn, **parameters))


def begun(do: Callable[[], str]) -> DatabaseCoroutine[str]:
    call: DatabaseCoroutine[str] = DatabaseCoroutine()
    call.begin(do)
    return call


def over(call: DatabaseCoroutine[str]) -> str | None:
    """Go on with a call until it is over."""
    answer = call.go_on()
    while not call.is_over:
        poll = select.poll()
        poll.register(call.descriptor, call.events)
        poll.poll(max(0.0, call.ends_at - time.monotonic()) * 1000)
        answer = call.go_on()
    return answer


def test_the_caller_goes_on_while_postgresql_works(db: Database) -> None:
    calls = [begun(lambda: asked(db, SLEEP, s=0.1)) for _ in range(2)]
    for call in calls:
        assert call.go_on() is None
        assert not call.is_over

    assert [over(call) for call in calls] == ["[Row(slept='')]"] * 2


def test_what_a_call_raises_reaches_its_caller(db: Database) -> None:
    call = begun(lambda: asked(db, BREAK))
    with pytest.raises((DatabaseError, OutcomeUnknown)):
        over(call)

    assert call.is_over
    call.begin(lambda: asked(db, SLEEP, s=0))
    assert "slept" in str(over(call)), "it is fit for the next call"


def test_a_call_gives_up_at_its_end(shared_url: str) -> None:
    db = Database(Settings(), url=shared_url, size=1, name="late")
    with db.begin():
        pass  # so that it need not connect
    db.limit_s = 0.2
    call = begun(lambda: asked(db, SLEEP, s=30))
    with pytest.raises(DatabaseError):
        over(call)
    db.close()
