"""Where a run takes place: a database of its own, the programs on it, and the same beginning for every round."""

import contextlib
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from app.infra.settings import Settings
from app.postgres import libpq, schema
from tests.bench import cpu, jobs, programs, raw
from tests.bench.cpu import Meter
from tests.bench.programs import BenchError
from tests.support import clusters, databases

FILLED_AT_ONCE = 5_000
LOOK_S = 0.02
SETTLE_S = 0.4  # in which nothing comes in any more of what a client left behind
WORKED_WITHIN_S = 120.0
API = ("app", "serve")
CONSTANT = ("gunicorn", "--config", "python:app.web.server", "tests.bench.constant:application")
_TABLES = """
    select string_agg(table_schema || '.' || table_name, ', ') from information_schema.tables
    where table_schema = 'rowline' and table_name in ('jobs', 'attempts', 'job_deltas', 'job_counts')
"""
_LAST = "select status from rowline.jobs where queue = %s order by number desc limit 1"
_ANY = "select exists (select from rowline.jobs where queue = %s and status = 'completed')"
_WORKED = """
    select count(*), extract(epoch from max(finished_at) - min(processed_at))::float8
    from rowline.jobs where queue = %s and status = 'completed'
"""


@dataclass(frozen=True, kw_only=True)
class Service:
    """A program that listens."""

    port: int
    pid: int


@dataclass(kw_only=True)
class Place:
    """One run. `connection`, in autocommit, looks after the database; `folder` is for what programs say and read."""

    connection: psycopg.Connection[tuple[Any, ...]]
    chosen: Settings
    url: str
    token: str
    folder: Path
    seconds: int  # that a round of adding or reading lasts
    backlog: int  # jobs in a round of working
    rss: dict[str, dict[str, list[float]]] = field(default_factory=dict)  # by what had worked, then by part

    def __post_init__(self) -> None:
        """Find the server, if it is on this machine."""
        self.server = cpu.postmaster(self.connection.info.backend_pid)

    def env(self, **more: str) -> dict[str, str]:
        """Return the environment of a program on this database."""
        mine = {"DATABASE_URL": self.url, "AUTH_TOKENS": self.token, "HOST": "127.0.0.1"}
        return mine | {"PYTHONPATH": ":".join(clusters.IMPORTABLE)} | more

    def meter(self, **roots: int) -> Meter:
        """Make a meter of these parts and of the server."""
        return Meter(roots | self.server)

    def note_rss(self, name: str, **roots: int) -> None:
        """Note the memory of processes that run, and of the server's, under `name`."""
        self.rss[name] = cpu.rss_mib(roots | self.server)

    @contextlib.contextmanager
    def serving(self, words: Sequence[str], *, path: str, part: str, **more: str) -> Iterator[Service]:
        """Run a server during the block, on a port of its own; `more` is for its environment."""
        port, log = clusters.free_port(), self.folder / f"{part}.log"
        with programs.serving(words, self.env(PORT=str(port), **more), log) as process:
            programs.await_ready(process, port=port, path=path, log=log)
            yield Service(port=port, pid=process.pid)
            self.note_rss(part, **{part: process.pid})

    @contextlib.contextmanager
    def api(self) -> Iterator[Service]:
        """Run the API during the block."""
        with self.serving(API, path="/health/ready", part="API") as service:
            yield service

    @contextlib.contextmanager
    def constant(self) -> Iterator[Service]:
        """Run the constant answer during the block."""
        with self.serving(CONSTANT, path="/constant", part="constant answer") as service:
            yield service

    def write(self, name: str, lines: Iterable[str]) -> Path:
        """Write a file for a program to read, if it is not there yet."""
        path = self.folder / name
        if not path.exists():
            path.write_text("".join(f"{line}\n" for line in lines))
        return path

    def empty(self) -> None:
        """Take all jobs away, and what is counted of them."""
        (tables,) = self.ask(_TABLES)
        self.connection.execute(f"truncate {tables} cascade".encode())
        self.checkpoint()

    def fill(self, count: int | None = None, *, queue: str = jobs.QUEUE, empty: bool = True) -> None:
        """Begin with a backlog, of `count` jobs in whole batches: the jobs of the load clients."""
        wanted = count or self.backlog
        if empty:
            self.empty()
        batch = jobs.columns(min(FILLED_AT_ONCE, wanted))[0] | {"queue": queue}
        with raw.connect(self.url) as connection, connection.cursor() as cursor:
            for _ in range(-(-wanted // FILLED_AT_ONCE)):
                raw.insert_once(cursor, batch)
        self.connection.execute("analyze rowline.jobs")
        self.checkpoint()

    def checkpoint(self) -> None:
        """Have no checkpoint of an earlier round in the next."""
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):  # then rounds differ a little more
            self.connection.execute("checkpoint")

    def require(self, least: int, most: int) -> None:
        """Compare what was answered with what is stored, once what is under way has come in. Raises BenchError."""
        stored = -1
        while (now := self.ask("select count(*) from rowline.jobs")[0]) != stored:
            stored = now
            time.sleep(SETTLE_S)
        if not least <= stored <= most:
            raise BenchError(f"{least} to {most} jobs were acknowledged, but {stored} are stored")

    def await_first(self, queue: str = jobs.QUEUE) -> None:
        """Wait until work has begun: a program that starts is not measured. Raises BenchError."""
        self._await(_ANY, True, queue)

    def await_worked(self, queue: str = jobs.QUEUE) -> float:
        """Wait until all is worked, and return the jobs a second from the first claim to the last end."""
        self._await(_LAST, "completed", queue)
        (backlog,) = self.ask("select count(*) from rowline.jobs where queue = %s", queue)
        ends_at = time.monotonic() + programs.READY_S
        while (found := self.ask(_WORKED, queue))[0] < backlog:
            if time.monotonic() > ends_at:
                raise BenchError(f"{found[0]} of {backlog} jobs were completed")
            time.sleep(LOOK_S)
        return float(found[0] / found[1])

    def _await(self, query: str, wanted: object, queue: str) -> None:
        ends_at = time.monotonic() + WORKED_WITHIN_S
        while self.ask(query, queue)[0] != wanted:
            if time.monotonic() > ends_at:
                raise BenchError(f"the jobs are not worked within {WORKED_WITHIN_S:g} s\n{self._last_words()}")
            time.sleep(LOOK_S)

    def _last_words(self) -> str:
        """Repeat what the programs said at last."""
        return "\n".join(log.read_text(errors="replace")[-1_000:] for log in sorted(self.folder.glob("*.log")))

    def ask(self, query: str, *values: object) -> tuple[Any, ...]:
        """Ask for one row."""
        row = self.connection.execute(query, values or None).fetchone()
        assert row
        return row


@contextlib.contextmanager
def database(chosen: Settings, *, options: Sequence[str] = ()) -> Iterator[str]:
    """Make a database at head, on the server of DATABASE_URL or on one of our own, started with `options`."""
    with contextlib.ExitStack() as stack:
        server = chosen.database_url
        if server is None or options:
            own = clusters.cluster(options=options, postgres_bin=chosen.postgres_bin)
            server = stack.enter_context(own).url
        url = stack.enter_context(databases.fresh(server))
        schema.upgrade(url)
        yield url


@contextlib.contextmanager
def opened(chosen: Settings, *, seconds: int, backlog: int, options: Sequence[str] = ()) -> Iterator[Place]:
    """Make a place for a run, on a server that is started with `options` if it is ours."""
    with (
        database(chosen, options=options) as url,
        psycopg.connect(libpq.normal(url), autocommit=True) as connection,
        clusters.folder() as folder,
    ):
        yield Place(
            connection=connection,
            chosen=chosen,
            url=url,
            token=secrets.token_urlsafe(24),
            folder=folder,
            seconds=seconds,
            backlog=backlog,
        )
