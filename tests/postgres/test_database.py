"""Transactions, and what becomes of them when the server, the pool or time fails us."""

import contextlib
import functools
import select
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
import sqlalchemy
from psycopg.conninfo import conninfo_to_dict

from app.infra.settings import Settings
from app.postgres import libpq, notify, pool
from app.postgres.database import Database, DatabaseError, OutcomeUnknown
from app.store.statements import Statement
from tests.support import clusters, databases
from tests.support.clusters import free_port, until


@pytest.fixture
def own_url(own_url: str) -> str:
    """A database where everything is allowed: this is about the machine, and no role of ours."""
    return databases.as_owner(own_url)


@pytest.fixture
def single(own_url: str) -> Iterator[Database]:
    """A pool of one connection on a database with an empty table `t`."""
    databases.run(own_url, "create table public.t (n integer)")
    opened = Database(Settings(statement_ms=60_000), url=own_url, size=1, name="single")
    yield opened
    opened.close()


insert = Statement("insert", "insert into public.t values (:n::integer) returning n")


def rows(db: Database) -> int:
    with db.read() as conn:
        return int(conn.exec_driver_sql("select count(*) from public.t").scalar_one())


def kill_backends(url: str) -> None:
    databases.run(
        url, "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name like 'single %'"
    )


def test_a_transaction_is_all_or_nothing(single: Database) -> None:
    with single.begin() as conn:
        conn.exec_driver_sql("insert into public.t values (1)")
    with pytest.raises(ZeroDivisionError), single.begin() as conn:
        conn.exec_driver_sql("insert into public.t values (2)")
        raise ZeroDivisionError
    assert rows(single) == 1


def test_a_read_cannot_write(single: Database) -> None:
    with pytest.raises(Exception, match="read-only transaction"), single.read() as conn:
        conn.exec_driver_sql("insert into public.t values (1)")
    assert rows(single) == 0


def test_statements_that_are_read_together_see_one_moment_and_cannot_write(single: Database) -> None:
    show = Statement("show", "select current_setting(:name)")
    with single.read_pipeline() as conn:
        told = [show.send(conn, name=name) for name in ("transaction_isolation", "transaction_read_only")]
    assert [answer() for answer in told] == [[("repeatable read",)], [("on",)]]
    with pytest.raises(Exception, match="read-only transaction"), single.read_pipeline() as conn:
        insert.send(conn, n=1)
    assert rows(single) == 0


def test_a_commit_without_an_answer_is_unknown_and_the_pool_goes_on(single: Database, own_url: str) -> None:
    with pytest.raises(OutcomeUnknown), single.begin() as conn:
        conn.exec_driver_sql("insert into public.t values (1)")
        kill_backends(own_url)
    assert rows(single) == 0


def test_a_statement_without_an_answer_stored_nothing(single: Database, own_url: str) -> None:
    with pytest.raises(DatabaseError) as caught, single.begin() as conn:
        kill_backends(own_url)
        conn.exec_driver_sql("insert into public.t values (1)")
    assert not isinstance(caught.value, OutcomeUnknown)
    assert rows(single) == 0


@contextlib.contextmanager
def together(db: Database) -> Iterator[None]:
    with db.pipeline() as conn:
        insert.send(conn, n=1)
        yield


@contextlib.contextmanager
def alone(db: Database, topic: str | None) -> Iterator[None]:
    add(db, topic=topic)
    yield


@pytest.mark.parametrize(
    "write",
    [together, functools.partial(alone, topic=None), functools.partial(alone, topic="a")],
    ids=["together", "alone", "notified"],
)
@pytest.mark.parametrize("refused", ["raise exception 'no'", "perform pg_terminate_backend(pg_backend_pid())"])
def test_a_statement_that_went_well_and_whose_commit_did_not_is_no_success(
    single: Database, own_url: str, write: Callable[[Database], contextlib.AbstractContextManager[None]], refused: str
) -> None:
    """The server tells the statement's rows before it commits."""
    refuse = f"""
        create function refuse() returns trigger language plpgsql as $$ begin {refused}; return null; end $$;
        create constraint trigger refuse after insert on public.t deferrable initially deferred
            for each row execute function refuse()
    """
    databases.run(own_url, refuse)
    with pytest.raises((DatabaseError, psycopg.errors.RaiseException)), write(single):
        pass
    assert rows(single) == 0


def test_a_connection_that_died_in_the_pool_is_replaced_unseen(single: Database, own_url: str) -> None:
    assert rows(single) == 0
    kill_backends(own_url)
    assert rows(single) == 0


def test_a_slow_statement_is_given_up(own_url: str) -> None:
    db = Database(Settings(statement_ms=300), url=own_url, size=1, name="single", limit_ms=60_000)
    with pytest.raises(DatabaseError, match="statement timeout"), db.begin() as conn:
        conn.exec_driver_sql("select pg_sleep(30)")
    db.close()


def test_a_wait_for_a_connection_ends(own_url: str) -> None:
    db = Database(Settings(statement_ms=60_000, pool_wait_ms=100), url=own_url, size=1, name="single")
    with db.read(), pytest.raises(DatabaseError, match="all database connections are in use"), db.read():
        pass
    db.close()


def test_a_server_that_is_not_there_is_told_in_one_line() -> None:
    db = Database(Settings(), url=f"postgresql://127.0.0.1:{free_port()}/none", size=1, name="single")
    with pytest.raises(DatabaseError, match=r"^the database is not available: .*Connection refused$"), db.read():
        pass


def test_json_comes_back_as_its_text(single: Database) -> None:
    with single.read() as conn:
        text = conn.exec_driver_sql("""select '{"b": 1e400,"a":[1.0]}'::json""").scalar_one()
    assert text == '{"b": 1e400,"a":[1.0]}'


def test_a_notification_wakes_who_listens_and_nobody_else(single: Database) -> None:
    heard = {"a": threading.Semaphore(0), "b": threading.Semaphore(0)}
    for topic, bell in heard.items():
        single.listen(topic, bell.release)
        assert bell.acquire(timeout=60), "the first call, for what was missed"
    single.notify("a")
    assert heard["a"].acquire(timeout=60)
    assert not heard["b"].acquire(blocking=False)


@pytest.mark.parametrize("topic", ["x" * 64, "\N{GRINNING FACE}" * 100, "a'b\"c;--", "%s", " "])
def test_a_queue_of_any_name_is_notified(single: Database, topic: str) -> None:
    """U13: a channel of PostgreSQL has at most 63 bytes."""
    heard, other = threading.Semaphore(0), threading.Semaphore(0)
    for name, bell in ((topic, heard), (f"{topic[:-1]}y", other)):
        single.listen(name, bell.release)
        assert bell.acquire(timeout=60)
    single.notify(topic)
    assert heard.acquire(timeout=60)
    assert not other.acquire(blocking=False)


def test_a_listener_whose_connection_dies_listens_again_and_looks(single: Database, own_url: str) -> None:
    heard = threading.Semaphore(0)
    single.listen("a", heard.release)
    assert heard.acquire(timeout=60)
    kill_backends(own_url)
    assert heard.acquire(timeout=60)
    single.notify("a")
    assert heard.acquire(timeout=60)


def add(db: Database, *, topic: str | None = "a") -> None:
    with db.write_once(notify=topic) as conn:
        insert.rows(conn, n=1)


@pytest.mark.parametrize("say", [lambda db: db.notify("a"), add], ids=["notified", "added"])
def test_many_calls_are_few_notifications(single: Database, own_url: str, say: Callable[[Database], None]) -> None:
    with psycopg.connect(libpq.normal(own_url), autocommit=True) as connection:
        connection.execute(f"listen {notify.channel('a')}")
        ends_at = time.monotonic() + 0.1
        while time.monotonic() < ends_at:
            say(single)
        until(lambda: list(connection.notifies(timeout=0.01, stop_after=1)))
        more = list(connection.notifies(timeout=0.5))
    assert len(more) < 10


@pytest.mark.parametrize(
    "body",
    [
        "begin raise exception 'no room'; end",
        "begin perform pg_terminate_backend(pg_backend_pid()); return $1; end",
        "begin raise warning 'half of the room is taken'; perform pg_notify($1, ''); return $1; end",
    ],
    ids=["refused", "broken off", "warned of"],
)
def test_what_is_added_is_added_and_notified_whatever_becomes_of_its_own_notification(
    single: Database, own_url: str, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    """A full queue of notifications, say: the server's word on that is none on the commit before."""
    databases.run(own_url, f"create function public.hint(text) returns text language plpgsql as $$ {body} $$")
    monkeypatch.setattr(notify, "NOTIFY", b"select public.hint($1)")
    with psycopg.connect(libpq.normal(own_url), autocommit=True) as connection:
        connection.execute(f"listen {notify.channel('a')}")
        for nth in range(1, 3):
            add(single)
            assert rows(single) == nth
            assert list(connection.notifies(timeout=60, stop_after=1))
            time.sleep(2 * notify.INTERVAL_S)


def test_a_database_that_is_not_set_up_is_trouble_of_the_database(single: Database) -> None:
    with pytest.raises(DatabaseError, match="does not exist"), single.begin() as conn:
        conn.exec_driver_sql("select * from nowhere.nothing")


def test_a_fault_of_our_own_is_not_taken_for_trouble_of_the_database(single: Database) -> None:
    with pytest.raises(Exception, match="syntax error") as caught, single.begin() as conn:
        conn.exec_driver_sql("selekt")
    assert not isinstance(caught.value, DatabaseError)


def test_the_options_of_the_url_are_kept(own_url: str) -> None:
    mark = "&" if "?" in own_url else "?"
    db = Database(Settings(), url=f"{own_url}{mark}options=-c%20work_mem%3D7MB", size=1, name="single")
    with db.read() as conn:
        assert conn.exec_driver_sql("show work_mem").scalar_one() == "7MB"
        assert conn.exec_driver_sql("show jit").scalar_one() == "off"
    db.close()


def test_a_url_that_only_libpq_understands_is_understood(own_url: str) -> None:
    parts = conninfo_to_dict(libpq.normal(own_url))
    host = quote(str(parts["host"]), safe="")
    port = f":{parts['port']}" if "port" in parts else ""
    secret = f":{quote(str(parts['password']))}" if "password" in parts else ""
    url = f"postgresql://{parts['user']}{secret}@{host}{port}/{parts['dbname']}"
    db = Database(Settings(), url=url, size=1, name="single")
    with db.read() as conn:
        assert conn.exec_driver_sql("select 1").scalar_one() == 1
    db.close()


def test_a_transaction_that_takes_too_long_as_a_whole_is_given_up_and_stores_nothing(own_url: str) -> None:
    databases.run(own_url, "create table public.t (n integer)")
    db = Database(Settings(), url=own_url, size=1, name="single", limit_ms=400)
    with pytest.raises(DatabaseError, match="no response from the server in time") as caught, db.begin() as conn:
        conn.exec_driver_sql("set local statement_timeout = '60s'")  # none of them takes too long
        conn.exec_driver_sql("insert into public.t values (1)")
        for _ in range(10):
            conn.exec_driver_sql("select pg_sleep(0.1)")
    assert not isinstance(caught.value, OutcomeUnknown)
    assert databases.ask(own_url, "select from public.t") == []
    db.close()


def test_one_broken_connection_makes_all_that_were_open_suspect(own_url: str) -> None:
    """What broke one, a link or a server, mostly broke all; the others would each cost a request to find out."""
    db = Database(Settings(), url=own_url, size=2, name="single")
    pids = "select array_agg(pid order by pid) from pg_stat_activity where application_name like 'single %%'"
    with db.read() as one, db.read() as other:
        before = one.exec_driver_sql(pids).scalar_one()
        other.exec_driver_sql("select 1")
    with pytest.raises(DatabaseError), db.read() as conn:
        conn.exec_driver_sql("select pg_terminate_backend(pg_backend_pid())")
    with db.read() as one, db.read() as other:
        other.exec_driver_sql("select 1")
        after = one.exec_driver_sql(pids).scalar_one()
    assert not set(before) & set(after)
    db.close()


def test_a_block_that_swallowed_an_error_of_a_statement_is_no_success(single: Database) -> None:
    """PostgreSQL would answer the commit with ROLLBACK, and no error."""
    with pytest.raises(DatabaseError, match="failed before its end"), single.begin() as conn:
        conn.exec_driver_sql("insert into public.t values (1)")
        with contextlib.suppress(Exception):
            conn.exec_driver_sql("select 1/0")
    assert rows(single) == 0


def test_a_commit_whose_wait_for_a_standby_was_cancelled_is_unknown(postgres_bin: Path | None) -> None:
    """The server then says success, and warns that no standby has it."""
    with clusters.cluster(postgres_bin=postgres_bin, is_copy=True) as cluster:
        databases.run(cluster.url, "create table public.t (n integer)")
        databases.run(cluster.url, "alter system set synchronous_standby_names = 'nobody'")
        databases.run(cluster.url, "select pg_reload_conf()")
        until(lambda: databases.ask(cluster.url, "show synchronous_standby_names") == [("nobody",)])
        db = Database(Settings(), url=cluster.url, size=1, name="single")
        cancel = "select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'"
        canceller = threading.Thread(target=lambda: until(lambda: databases.ask(cluster.url, cancel)))
        canceller.start()
        with pytest.raises(OutcomeUnknown, match="canceling wait for synchronous replication"), db.begin() as conn:
            conn.exec_driver_sql("insert into public.t values (1)")
        canceller.join()
        db.close()


def test_who_adds_does_not_wait_for_the_notifications_of_others(postgres_bin: Path | None) -> None:
    """Of all NOTIFYs of a server, in any database, one commits at a time; this one waits for a standby."""
    with clusters.cluster(postgres_bin=postgres_bin, is_copy=True) as cluster, contextlib.ExitStack() as stack:
        databases.run(cluster.url, "create table public.t (n integer)")
        databases.run(cluster.url, "alter system set synchronous_standby_names = 'nobody'")
        databases.run(cluster.url, "select pg_reload_conf()")
        until(lambda: databases.ask(cluster.url, "show synchronous_standby_names") == [("nobody",)])
        waiting = "select pid from pg_stat_activity where wait_event = 'SyncRep'"
        cancel = f"select pg_cancel_backend(pid) from ({waiting}) as waiting"
        others = [threading.Thread()]

        def is_waiting() -> bool:
            """Sessions see the setting before the checkpointer does, which lets commits pass until then."""
            if not others[-1].is_alive():
                notify = "insert into public.t values (1); select pg_notify('b', '')"
                others.append(threading.Thread(target=databases.run, args=[cluster.url, notify]))
                others[-1].start()
                stack.callback(others[-1].join)
            return bool(databases.ask(cluster.url, waiting))

        until(is_waiting)
        stack.callback(databases.ask, cluster.url, cancel)
        mark = "&" if "?" in cluster.url else "?"
        url = f"{cluster.url}{mark}options=-c%20synchronous_commit%3Dlocal"
        db = Database(Settings(lock_ms=500_000, statement_ms=600_000), url=url, size=1, name="single")
        stack.callback(db.close)
        add(db)
        assert databases.ask(cluster.url, waiting), "it still waits"


def test_a_transaction_that_is_over_its_time_before_the_commit_is_not_committed(own_url: str) -> None:
    databases.run(own_url, "create table public.t (n integer)")
    db = Database(Settings(statement_ms=60_000), url=own_url, size=1, name="single")
    with pytest.raises(DatabaseError, match="took too long") as caught, db.begin() as conn:
        conn.exec_driver_sql("insert into public.t values (1)")
        pool.driver_of(conn).ends_at = time.monotonic()
    assert not isinstance(caught.value, OutcomeUnknown)
    assert rows(db) == 0
    db.close()


def test_connections_that_die_as_soon_as_they_are_made_are_trouble_and_no_bug(shared_url: str) -> None:
    """As many times in a row as the pool tries: a server that ends each of them at once."""
    db = Database(Settings(), url=shared_url, size=1, name="test")
    sqlalchemy.event.listen(db._writing.engine, "connect", _end_it)  # noqa: SLF001 - no server can be told to do it
    with pytest.raises(DatabaseError), db.begin():
        pass
    sqlalchemy.event.remove(db._writing.engine, "connect", _end_it)  # noqa: SLF001
    with db.begin() as conn:
        assert conn.exec_driver_sql("select 1").scalar_one() == 1
    db.close()


def _end_it(connection: psycopg.Connection[Any], _record: object) -> None:
    """Have the server end a connection, and wait until its last word is there."""
    connection.execute("set idle_session_timeout = 1")
    connection.commit()
    assert select.select([connection.fileno()], [], [], 60)[0]
