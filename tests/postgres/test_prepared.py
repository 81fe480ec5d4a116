"""Statements that a connection has prepared: which it knows, and what becomes of several that are asked at once."""

from collections.abc import Iterator

import psycopg
import pytest

from app.infra.settings import Settings
from app.postgres import pool, prepared
from app.postgres.database import Connection, Database, DatabaseError
from app.postgres.prepared import BoundStatement
from app.store.statements import Statement

PREPARED = "select count(*)::int from pg_prepared_statements"
ONE = Statement("one", "select :text::text as text")
ADD = Statement("add", "insert into t values (:n::integer) returning n")


@pytest.fixture
def single(shared_url: str) -> Iterator[Database]:
    """A pool of one connection."""
    opened = Database(Settings(), url=shared_url, size=1, name="single")
    yield opened
    opened.close()


@pytest.fixture
def table(single: Database) -> Iterator[Connection]:
    """A connection out of any transaction, with an empty table `t` of its own."""
    with single.write_once() as conn:
        pool.driver_of(conn).execute("create temporary table t (n integer)")
        yield conn
        pool.driver_of(conn).execute("drop table t")


def known(conn: Connection) -> int:
    [(count,)] = pool.driver_of(conn).execute(PREPARED)
    return int(count)


def test_a_statement_is_prepared_once_and_stays_so_over_a_rollback(single: Database) -> None:
    for text in ("a", "b", "c"):
        with single.begin() as conn:
            assert ONE.rows(conn, text=text) == [(text,)]
            assert known(conn) == 1
            conn.rollback()
            conn.begin()


EACH = Statement("each", "select now() as at, 'a'::text as text, '{1}'::bigint[] as some, '1 h'::interval as span")


def test_what_was_answered_is_read_though_the_connection_has_ended_since(single: Database) -> None:
    with single.write_once() as conn:
        driver = pool.driver_of(conn)
        driver.execute("create temporary table u (n integer unique deferrable initially deferred)")
        driver.notification = BoundStatement(b"insert into u values (1), (1)", [], None)  # refused at its commit
        [row] = EACH.rows(conn)  # the first of the connection that has these types
        assert driver.closed
    assert (row.text, row.some) == ("a", [1])


def test_of_too_many_statements_the_oldest_are_given_up_and_can_come_again(single: Database) -> None:
    statements = [Statement(f"s{nth}", f"select {nth} as nth") for nth in range(prepared.PREPARED_MAX + 5)]
    with single.write_once() as conn:
        for _ in range(2):
            assert [statement.rows(conn)[0].nth for statement in statements] == list(range(len(statements)))
            assert known(conn) == prepared.PREPARED_MAX


def test_statements_that_go_out_together_do_not_push_each_other_out(single: Database) -> None:
    """Pages have a statement for any choice of statuses, and the counts go out with each."""
    for nth in range(2 * prepared.PREPARED_MAX):
        with single.read_pipeline() as conn:
            always = ONE.send(conn, text="a")
            other = Statement(f"s{nth}", f"select {nth} as nth").send(conn)
        assert (always(), other()) == ([("a",)], [(nth,)])


def test_a_statement_has_one_name_on_every_connection_and_no_other_statement_has_it(shared_url: str) -> None:
    """A pooler that gives one connection the session of another cannot run a statement that was not meant."""
    found: set[tuple[str, str]] = set()
    for numbers in (range(3), range(2, -1, -1)):
        db = Database(Settings(), url=shared_url, size=1, name="single")
        with db.write_once() as conn:
            for nth in numbers:
                Statement(f"s{nth}", f"select {nth} as nth").rows(conn)
            found |= set(pool.driver_of(conn).execute("select name, statement from pg_prepared_statements"))
        db.close()
    assert len(found) == len(dict(found)) == 3


def test_what_cannot_be_prepared_is_not_taken_for_prepared(table: Connection) -> None:
    late = Statement("late", "select n from t2")
    with pytest.raises(psycopg.errors.UndefinedTable):
        late.rows(table)
    pool.driver_of(table).execute("create temporary table t2 as select 1 as n")
    assert late.rows(table) == [(1,)]
    pool.driver_of(table).execute("drop table t2")


@pytest.mark.parametrize("value", ["", "é\N{GRINNING FACE}'\\\"{},", "NULL", 5, -1.5, True, None])
def test_values_go_out_as_postgresql_reads_them(single: Database, value: object) -> None:
    kind = {int: "bigint", float: "float8", bool: "boolean"}.get(type(value), "text")
    echo = Statement("echo", f"select :value::{kind} as value")
    with single.read_once() as conn:
        assert echo.rows(conn, value=value) == [(value,)]


def test_bytes_come_back_as_they_went(single: Database) -> None:
    with single.read_once() as conn:
        assert Statement("echo", "select :value::bytea as value").rows(conn, value=b"\x00\\\xff") == [(b"\x00\\\xff",)]


def test_a_text_does_not_end_at_a_nul(single: Database) -> None:
    with pytest.raises(psycopg.DataError), single.read_once() as conn:
        ONE.rows(conn, text="drop\x00ped")


def test_of_several_at_once_all_or_none_happen(table: Connection) -> None:
    driver = pool.driver_of(table)
    wrong = Statement("wrong", "select 1 / :n::integer as n")
    answers = [ADD.send(table, n=1), wrong.send(table, n=0), ADD.send(table, n=2)]
    with pytest.raises(psycopg.errors.DivisionByZero):
        driver.run_queued()
    with pytest.raises(AttributeError):
        answers[0]()
    answers = [ADD.send(table, n=3), wrong.send(table, n=1), ADD.send(table, n=4)]
    driver.run_queued()
    assert [answer() for answer in answers] == [[(3,)], [(1,)], [(4,)]]
    assert driver.execute("select n from t order by n").fetchall() == [(3,), (4,)]


def test_a_block_that_fails_asks_nothing_and_leaves_nothing_behind(single: Database) -> None:
    fail = Statement("fail", "select 1 / 0 as n")
    with pytest.raises(ZeroDivisionError), single.pipeline() as conn:
        fail.send(conn)
        raise ZeroDivisionError
    with single.pipeline() as conn:
        told = ONE.send(conn, text="a")
    assert told() == [("a",)]


def test_much_can_go_both_ways_at_once(single: Database) -> None:
    """Neither side must wait for the other to read what it sends."""
    texts = [chr(ord("a") + nth) * 3_000_000 for nth in range(5)]
    with single.read_pipeline() as conn:
        answers = [ONE.send(conn, text=text) for text in texts]
    assert [answer()[0][0] for answer in answers] == texts


def test_a_connection_that_breaks_under_several_is_not_used_again(single: Database) -> None:
    leave = Statement("leave", "select pg_terminate_backend(pg_backend_pid()) as gone")
    with pytest.raises(DatabaseError), single.read_pipeline() as conn:
        leave.send(conn)
        ONE.send(conn, text="a")
    with single.read_once() as conn:
        assert ONE.rows(conn, text="b") == [("b",)]
