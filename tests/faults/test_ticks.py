"""Schedules while who makes their ticks is killed, and while the clock of the database jumps: each tick comes once."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random

import libfaketime
import pytest

from app.infra.settings import Settings
from app.postgres.database import Database
from tests.support import clusters, databases
from tests.support.clusters import Cluster, until
from tests.support.schedules import made, tick, wrong
from tests.support.workers import WorkerProgram, written

LASTS_S = float(os.environ.get("ROWLINE_TEST_TICKS_S", "15"))
"""How long it goes on. A run of ten minutes is ROWLINE_TEST_TICKS_S=600."""
HANDLERS = """
    @rowline.handler("n")
    def run(job):
        return None
"""
EVERY_MS = (200, 300, 500, 700, 1_000)
SHIFTS_S = (-90, -30, 0, 0, 20, 60)
NEXT = "select min(next_at), floor(extract(epoch from clock_timestamp()) * 1000) from rowline.schedules"


class Clock:
    """The wall clock of a PostgreSQL, which a test sets."""

    def __init__(self, folder: Path) -> None:
        self._file, library = folder / "shift", folder / "libfaketime.so.1"
        [there] = Path(libfaketime.__file__).parent.rglob("libfaketime.so.1")
        shutil.copy(there, library)  # to where the account of the server can read it
        self.set(0)
        self.env = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, shift_s: int) -> None:
        """Have it be so many seconds ahead."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{shift_s:+d}s")
        new.rename(self._file)


@pytest.fixture
def clock() -> Iterator[Clock]:
    with clusters.folder() as folder:
        yield Clock(folder)


@pytest.fixture
def cluster(clock: Clock) -> Iterator[Cluster]:
    with clusters.cluster(env=clock.env, is_copy=True) as running:
        yield running


@pytest.mark.timeout(LASTS_S + 180)
def test_every_tick_comes_once_whoever_dies_and_however_the_clock_jumps(
    cluster: Cluster, clock: Clock, tmp_path: Path
) -> None:
    url, random = databases.prepare(cluster.url), Random()
    handlers = written(tmp_path, HANDLERS)
    db = Database(Settings(database_url=url), url=url, size=2, name="rowline-worker")
    for every_ms in EVERY_MS:
        made(db, f"s{every_ms}", every_ms=every_ms)
    ends_at, deaths, jumps = time.monotonic() + LASTS_S, 0, 0
    with ExitStack() as stack:

        def started() -> WorkerProgram:
            return stack.enter_context(WorkerProgram(url, handlers))

        tickers = [started(), started()]
        while time.monotonic() < ends_at or deaths + jumps < LASTS_S:
            time.sleep(random.uniform(0, 1))
            if random.random() < 0.5:
                nth = random.randrange(2)
                tickers[nth].process.kill()
                tickers[nth] = started()
                deaths += 1
            else:
                clock.set(random.choice(SHIFTS_S))
                jumps += 1
            assert wrong(url) == []
    clock.set(max(SHIFTS_S))
    until(lambda: _is_past(url))
    tick(db)
    db.close()
    assert wrong(url) == []
    until(lambda: abs(_ahead_s(url) - max(SHIFTS_S)) < 5)  # the clock was set indeed; a backend looks once a second
    [(count,)] = databases.ask(url, "select count(*) from rowline.jobs")
    print(f"{count} ticks, {deaths} deaths, {jumps} jumps")
    assert count > LASTS_S * len(EVERY_MS)


def _ahead_s(url: str) -> float:
    """Return how many seconds the clock of the database is ahead."""
    [(ahead_s,)] = databases.ask(url, f"select extract(epoch from clock_timestamp())::float8 - {time.time()}")
    return float(ahead_s)


def test_a_crash_takes_no_tick_without_what_its_schedule_knows_of_it() -> None:
    with clusters.cluster(is_copy=True) as crashed:
        url = databases.prepare(crashed.url)
        db = Database(Settings(database_url=url), url=url, size=2, name="rowline-worker")
        for every_ms in EVERY_MS:
            made(db, f"s{every_ms}", every_ms=every_ms)
        for _ in range(5):
            until(lambda: _is_past(url))
            tick(db)
            crashed.stop_immediately()
            crashed.start()
            assert wrong(url) == []
        tick(db)
        assert wrong(url) == []
        db.close()


def _is_past(url: str) -> bool:
    """Whether the clock has come to the next tick of any schedule."""
    [(next_at, now_ms)] = databases.ask(url, NEXT)
    return bool(next_at <= now_ms)
