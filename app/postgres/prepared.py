"""Statements that are prepared once per connection and run by libpq directly, at half the CPU of psycopg's cursors."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import psycopg
from psycopg import generators, pq
from psycopg.abc import PQGen
from psycopg.adapt import Transformer
from psycopg.pq.abc import PGresult

from app.postgres.libpq import BoundedConnection

PREPARED_MAX = 100
"""The most prepared statements per connection, each with its plan: pages have one per set of statuses."""
_GOOD = {pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK}
Make = Callable[[Sequence[Any]], Any]


class BoundStatement(NamedTuple):
    """A statement with its parameters in PostgreSQL's format; the server infers their types. None is NULL."""

    text: bytes
    values: Sequence[bytes | None]
    formats: Sequence[int] | None  # of each value: 0 text, 1 binary; None if all are text


SNAPSHOT = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
"""Begins a read-only transaction with one snapshot."""
_BEGIN_SNAPSHOT, _COMMIT = BoundStatement(SNAPSHOT, [], None), BoundStatement(b"COMMIT", [], None)


def name_of(text: bytes) -> bytes:
    """Return the name of the statement `text` on every connection.

    A hash of the text: a pooler may run it in a session in which another connection has prepared other statements.
    """
    return b"rowline_" + hashlib.sha256(text).hexdigest()[:32].encode()


class PendingResult:
    """The future result of a statement; it has the attribute `rows` once the statement has run."""

    rows: Sequence[tuple[Any, ...]]


class PreparedConnection(BoundedConnection):
    """A connection that tracks its prepared statements. Unlike psycopg's, it is not thread-safe."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Start without prepared statements; the arguments are psycopg's."""
        super().__init__(*arguments, **options)
        self._names: dict[bytes, bytes] = {}
        self._queued: list[tuple[BoundStatement, PendingResult]] = []
        self.tells = True
        """Whether statements on it tell which jobs they changed, for the streams of events (`ROWLINE_EVENTS`)."""
        self.notification: BoundStatement | None = None
        """Runs right after the next statement, in a transaction of its own, without any effect on its outcome.

        It is reset to None unless it fails.
        """

    def settle_types(self) -> None:
        """Convert values from now on by the loaders that are registered now."""
        self._loading = Transformer(self)

    def run(self, statement: BoundStatement) -> PGresult:
        """Run a statement. Raises psycopg.Error."""
        if self.notification:
            return self._run_notifying(self.notification, statement)
        name = self._name_of(statement.text)
        self.pgconn.send_query_prepared(name, statement.values, statement.formats)
        return self._outcome()

    def _run_notifying(self, notification: BoundStatement, statement: BoundStatement) -> PGresult:
        notifying = self._name_of(notification.text)  # first: it may evict another name, but not that of the statement
        sent = ((self._name_of(statement.text), statement), (notifying, notification))
        results: list[PGresult] = []
        try:
            self.pgconn.enter_pipeline_mode()
            for name, (_, values, formats) in sent:
                self.pgconn.send_query_prepared(name, values, formats)
                self.pgconn.pipeline_sync()
            self.wait(self._both_outcomes(results))
            self.pgconn.exit_pipeline_mode()
            _good(results[1])
            self.notification = None
        except psycopg.Error:
            if not results:
                self.close()
                raise
        finally:
            if self.pgconn.pipeline_status:
                self.close()
        return _good(results[0])

    def _both_outcomes(self, results: list[PGresult]) -> PQGen[None]:
        results += yield from self._outcomes(1)
        # Makes its loaders: some ask the connection, which may have ended when `rows` needs them.
        self._loading.set_pgresult(results[0])
        warning = self.warning
        try:
            results += yield from self._outcomes(1)
        finally:
            self.warning = warning

    def rows(self, result: PGresult, make: Make) -> list[Any]:
        """Make each row of `result` from its values."""
        self._loading.set_pgresult(result)
        rows = self._loading.load_rows(0, result.ntuples, make)
        self._loading.set_pgresult(None)  # otherwise its memory would be kept while the connection is idle
        return rows

    def queue(self, statement: BoundStatement) -> PendingResult:
        """Queue a statement for `run_queued`."""
        pending = PendingResult()
        self._queued.append((statement, pending))
        return pending

    def run_queued(self, *, in_snapshot: bool = False) -> None:
        """Run the queued statements in one packet and one transaction, and set their results. Raises psycopg.Error.

        `in_snapshot`: in one read-only snapshot. BEGIN in the packet says so: libpq takes a session that is read-only
        by itself for a standby, and a pooler may give each transaction another session.
        """
        queued, self._queued = self._queued, []
        sent = [statement for statement, _ in queued]
        if in_snapshot:
            sent = [_BEGIN_SNAPSHOT, *sent, _COMMIT]
        names: list[Any] = [*map(self._names.get, [statement.text for statement in sent])]
        if None in names:
            names = self._names_of([statement.text for statement in sent])
        send = self.pgconn.send_query_prepared
        try:
            self.pgconn.enter_pipeline_mode()
            for name, (_, values, formats) in zip(names, sent, strict=True):
                send(name, values, formats)
            self.pgconn.pipeline_sync()
            results = self.wait(self._outcomes(len(sent)))
            self.pgconn.exit_pipeline_mode()
        except BaseException:
            self.close()  # the responses still pending belong to the failed statements
            raise
        for result in results:
            if result.status not in _GOOD:
                raise psycopg.errors.error_from_result(result)
        for result, (_, pending) in zip(results[1:-1] if in_snapshot else results, queued, strict=True):
            self._loading.set_pgresult(result)
            pending.rows = self._loading.load_rows(0, result.ntuples, tuple)
        self._loading.set_pgresult(None)

    def forget_queued(self) -> None:
        """Drop the queued statements."""
        self._queued.clear()

    def _name_of(self, text: bytes) -> bytes:
        """Return the name of a statement; prepare it first if it is not prepared."""
        if name := self._names.get(text):
            return name
        if len(self._names) == PREPARED_MAX:
            self.pgconn.send_close_prepared(self._names.pop(next(iter(self._names))))
            self._outcome()
        name = name_of(text)
        self.pgconn.send_prepare(name, text)
        self._outcome()
        self._names[text] = name
        return name

    def _names_of(self, texts: Sequence[bytes]) -> list[bytes]:
        """Return the names of statements that are sent together: none of them evicts another."""
        for text in texts:
            if text in self._names:
                self._names[text] = self._names.pop(text)  # marks it as recently used
        return [self._name_of(text) for text in texts]

    def _outcome(self) -> PGresult:
        return _good(self.wait(generators.execute(self.pgconn))[-1])

    def _outcomes(self, number: int) -> PQGen[list[PGresult]]:
        """Send what is pending, and collect `number` results and the end of their transaction.

        Raises psycopg.Error if the commit failed although all statements succeeded.
        """
        yield from generators.send(self.pgconn)
        is_busy, take = self.pgconn.is_busy, self.pgconn.get_result
        results: list[Any] = []  # if the server has disconnected, the first is an error and the others are None
        for _ in range(number):
            while is_busy():
                yield psycopg.waiting.Wait.R
                self.pgconn.consume_input()
            results.append(take())
            take()  # the None that ends the results of a statement
        [end] = yield from generators.fetch_many(self.pgconn)
        if end.status != pq.ExecStatus.PIPELINE_SYNC:
            raise psycopg.errors.error_from_result(end)
        return results


def _good(result: PGresult) -> PGresult:
    if result.status not in _GOOD:
        raise psycopg.errors.error_from_result(result)
    return result
