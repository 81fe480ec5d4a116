"""The two sides of each line: Rowline as it is run, and raw PostgreSQL with the same statements and the same jobs."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg

from tests.bench import jobs, programs
from tests.bench.programs import BenchError
from tests.bench.window import Count

HANDLERS = Path(__file__).with_name("handlers.py")
CLAIMED_AT_ONCE = 100
LOOK_S = 0.1
WORKED_WITHIN_S = 120.0
_LAST = "select status from rowline.jobs where queue = 'bench' order by number desc limit 1"
_WORKED = """
    select count(*), extract(epoch from max(finished_at) - min(processed_at))::float8
    from rowline.jobs where status = 'completed'
"""


class Sides:
    """Measures one round of one side at a time, each on an empty table. Rates are jobs a second."""

    def __init__(
        self,
        connection: psycopg.Connection[tuple[Any, ...]],
        *,
        env: Mapping[str, str],
        folder: Path,
        processes: int,
        seconds: float,
        backlog: int,
    ) -> None:
        """`connection`, in autocommit, looks after the table; `env` is for all processes, `folder` for what they say.

        `processes` insert beside one another, as many as the API has; `seconds` long is a round of adding; `backlog`
        jobs are worked on.
        """
        self._connection, self._env, self._folder = connection, env, folder
        self._processes, self._seconds, self._backlog = processes, seconds, backlog

    @contextlib.contextmanager
    def api(self) -> Iterator[None]:
        """Run the API during the block."""
        log = self._folder / "api.log"
        with programs.serving(["serve"], self._env, log) as process:
            programs.await_ready(process, port=int(self._env["PORT"]), log=log)
            yield

    def live(self, *, connections: int) -> Count:
        """GET a constant answer from the API: what client, gunicorn and Flask reach."""
        words = ["tests.bench.load", str(connections), "0"]
        return programs.measure(words, env=self._env, seconds=self._seconds)[0]

    def post(self, *, size: int, connections: int) -> Count:
        """POST batches of `size` jobs."""
        self._empty()
        words = ["tests.bench.load", str(connections), str(size)]
        count = programs.measure(words, env=self._env, seconds=self._seconds)[0]
        self._require(count.all_jobs)
        return count

    def insert(self, *, size: int) -> float:
        """Insert the same batches from as many processes as the API has, each with one connection."""
        self._empty()
        words = ["tests.bench.raw", "insert", str(size)]
        counts = programs.measure(*[words] * self._processes, env=self._env, seconds=self._seconds)
        self._require(sum(count.all_jobs for count in counts))
        return sum(count.rate for count in counts)

    def work(self) -> float:
        """Have one worker with one handler process work off a backlog."""
        self._fill()
        words = ["work", "--queue", jobs.QUEUE, "--handlers", str(HANDLERS), "--processes", "1"]
        with programs.serving(words, self._env, self._folder / "worker.log") as process:
            ends_at = time.monotonic() + WORKED_WITHIN_S
            while self._ask(_LAST)[0] != "completed":
                if process.poll() is not None or time.monotonic() > ends_at:
                    said = (self._folder / "worker.log").read_text(errors="replace")[-2_000:]
                    raise BenchError(f"the worker does not finish:\n{said}")
                time.sleep(LOOK_S)
        return self._worked()

    def claim(self) -> float:
        """Work off the same backlog with two statements in a loop."""
        self._fill()
        programs.measure(["tests.bench.raw", "claim", str(CLAIMED_AT_ONCE)], env=self._env, seconds=self._seconds)
        return self._worked()

    def _fill(self) -> None:
        self._empty()
        programs.measure(["tests.bench.raw", "fill", str(self._backlog)], env=self._env, seconds=self._seconds)
        self._require(self._backlog)
        self._connection.execute("analyze rowline.jobs")
        self._checkpoint()

    def _empty(self) -> None:
        self._connection.execute("truncate rowline.jobs")
        self._checkpoint()

    def _checkpoint(self) -> None:
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):  # then rounds differ a little more
            self._connection.execute("checkpoint")

    def _require(self, expected: int) -> None:
        """Compare what was answered with what is stored. Raises BenchError."""
        (stored,) = self._ask("select count(*) from rowline.jobs")
        if stored != expected:
            raise BenchError(f"{expected} jobs were acknowledged, but {stored} are stored")

    def _worked(self) -> float:
        completed, seconds = self._ask(_WORKED)
        if completed != self._backlog:
            raise BenchError(f"{completed} of {self._backlog} jobs were completed")
        return float(completed / seconds)

    def _ask(self, query: str) -> tuple[Any, ...]:
        row = self._connection.execute(query).fetchone()
        assert row
        return row
