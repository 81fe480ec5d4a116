"""What time and others do to a queue: a snapshot that is held, a million jobs gone through, a flood next door."""

import contextlib
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping

import psycopg

from app.domain.job import Completion, JsonText, NewJob
from app.domain.scan import ScanCursor
from app.operations import claim, endpoints, exchange, maintenance
from app.operations import jobs as operations
from app.postgres import libpq
from app.postgres.database import Database
from app.queries.endpoints import revisions
from app.web.jobs import new_job
from tests.bench import deep, depths, jobs, programs, report, sample, working
from tests.bench.deep import Finding
from tests.bench.place import Place
from tests.support import receivers

BATCH = 10
SLICES = 10
LAST = 5  # slices that are compared
WAVE = 20_000
CALM = "calm"
CALM_RATE = 50  # jobs a second
CALM_SECONDS = 5  # times the seconds of a measurement
SNAPSHOT_LEAST, STRETCH = 0.8, 0.9
FLOOD_MOST = 2.0
FOLD_S = 0.5
CONCURRENCY = 64  # of an endpoint
Way = Callable[[Database], Callable[[int], int]]
"""Makes a function that ends what it claimed before, claims up to so many jobs, and returns how many it got."""


def snapshot(calm: Place, place: Place, *, count: int) -> Iterator[Finding]:
    """Hold a snapshot while `count` jobs pass, by a worker."""
    yield from _held(calm, place, count=count, ways={"by a worker": _by_worker, "by claims over HTTP": _by_claims})


def calls(calm: Place, place: Place, *, count: int) -> Iterator[Finding]:
    """Hold a snapshot while `count` jobs pass, as a dispatcher calls an endpoint; the calls take no time."""
    yield from _held(calm, place, count=count, ways={"by calls of an endpoint": _by_calls})


def _held(calm: Place, place: Place, *, count: int, ways: Mapping[str, Way]) -> Iterator[Finding]:
    """Hold a snapshot while `count` jobs pass the first of `ways`; measure each, in turn with a calm place.

    A snapshot holds up what vacuum does in its own database only. Who works lives all the time, as a worker does: what
    it remembers of the queue it learned from the first jobs on.
    """
    for one in (calm, place):
        one.empty()
    rates: dict[str, list[list[float]]] = {way: [] for way in ways}
    passing = next(iter(ways))
    reading = psycopg.connect(libpq.normal(place.url))
    with deep.operating(calm) as calm_db, deep.operating(place) as db, _folding(calm_db, db), reading as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        reader.execute("select count(*) from rowline.jobs")
        turns = {way: {one: begin(one) for one in (calm_db, db)} for way, begin in ways.items()}
        for nth in range(SLICES):
            _pass(db, turns[passing][db], count=count // SLICES)
            for way, turn in turns.items():
                both = (calm_db, db) if nth % 2 else (db, calm_db)
                measured = {one: _worked(one, turn[one], lasting_s=place.seconds) for one in both}
                rates[way].append([measured[calm_db], measured[db]])
        reader.rollback()
    [passed] = place.ask("select count(*) from rowline.jobs")
    for way, pairs in rates.items():
        print(f"{way}, calm and held, jobs/s: {' '.join('/'.join(map(report.number, pair)) for pair in pairs)}")
        before, after = (statistics.median(side) for side in zip(*pairs[-LAST:], strict=True))
        yield Finding(
            line=f"snapshot held while {passed:,} jobs pass, batches of {BATCH}, {way} (stretch {STRETCH:g})",
            unit="jobs/s",
            before=before,
            after=after,
            least=SNAPSHOT_LEAST,
            more=tuple(held / alone for alone, held in pairs),
        )


@contextlib.contextmanager
def _folding(*databases: Database) -> Iterator[None]:
    """Fold the counts twice a second during the block, as the service does."""
    is_over = threading.Event()

    def fold() -> None:
        while not is_over.wait(FOLD_S):
            for db in databases:
                maintenance.fold_counts(db)

    thread = threading.Thread(target=fold)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _by_claims(db: Database) -> Callable[[int], int]:
    """Claim and complete, as the API and dispatchers do, who remember it too."""
    cursor = ScanCursor()
    return lambda size: deep.turn(db, queue=jobs.QUEUE, size=size, cursor=cursor)


def _by_worker(db: Database) -> Callable[[int], int]:
    """Exchange, as a Python worker on the database does, who remembers where it is in line."""
    cursor, held = ScanCursor(), list[Completion]()

    def turn(size: int) -> int:
        ask = claim.Ask(limit=size, lease_ms=deep.LEASE_MS, worker="bench")
        found = exchange.exchange(db, queue=jobs.QUEUE, completions=held, ask=ask, cursor=cursor)
        held[:] = [Completion(lease=job.key, result=JsonText("null")) for job in found.taken]
        return len(held)

    return turn


def _by_calls(db: Database) -> Callable[[int], int]:
    """Claim within the limits of an endpoint, and complete with the next claim, as a dispatcher does."""
    receivers.register(db, "https://example.com/", queue=jobs.QUEUE, concurrency=CONCURRENCY)
    revision = revisions(db)[jobs.QUEUE]
    cursor, held = ScanCursor(), list[Completion]()

    def turn(size: int) -> int:
        ask = claim.Ask(limit=size, lease_ms=deep.LEASE_MS, worker="push:bench")
        found = endpoints.exchange_calls(
            db, queue=jobs.QUEUE, revision=revision, ask=ask, completions=held, cursor=cursor
        )
        held[:] = [Completion(lease=lease.key, result=JsonText("null")) for lease in found.leases]
        return len(held)

    return turn


def _new(count: int) -> list[NewJob]:
    return list(new_job.load(jobs.bodies(count)[0].encode(), max_jobs=count, max_data_bytes=2**20))


def _pass(db: Database, turn: Callable[[int], int], *, count: int) -> None:
    """Add and work so many jobs, by the hundred."""
    new = _new(1_000)
    for _ in range(0, count, len(new)):
        operations.submit_many(db, queue=jobs.QUEUE, new=new)
        while turn(100):
            pass


def _worked(db: Database, turn: Callable[[int], int], *, lasting_s: float) -> float:
    """Add and work for so long; return the jobs a second of the working alone."""
    new = _new(1_000)
    ends_at = time.monotonic() + lasting_s
    done, took_s = 0, 0.0
    while time.monotonic() < ends_at:
        operations.submit_many(db, queue=jobs.QUEUE, new=new)
        begun_at = time.monotonic()
        while time.monotonic() < ends_at and (now := turn(BATCH)):
            done += now
        took_s += time.monotonic() - begun_at
        while turn(len(new)):  # what is left, and what is held
            pass
    return done / took_s


def growth(empty: Place, place: Place, *, count: int, rounds: int) -> Iterator[Finding]:
    """Pass jobs through in waves; compare the bytes of a job early, late and rewritten, and how fast all is then."""
    place.empty()
    sizes: list[tuple[float, float]] = []
    new = _new(1_000)
    with deep.operating(place) as db:
        for passed in range(WAVE, max(count, 2 * WAVE) + 1, WAVE):
            for _ in range(WAVE // len(new)):
                operations.submit_many(db, queue=jobs.QUEUE, new=new)
            while deep.turn(db, queue=jobs.QUEUE, size=100):
                pass
            sizes.append(_sizes(place, passed))
    yield from deep.level(f"{passed:,} jobs passed through", empty, place, rounds=rounds)
    [kept] = place.ask("select count(*) from rowline.jobs")
    used = _sizes(place, kept)
    place.connection.execute("vacuum full rowline.jobs")
    rewritten = _sizes(place, kept)
    for nth, what in enumerate(("heap", "indexes")):
        yield Finding(
            line=f"{passed:,} jobs passed through: {what}, a job, early and late",
            unit="bytes",
            before=sizes[len(sizes) // 10][nth],
            after=sizes[-1][nth],
            most=1.1,
            more=tuple(size[nth] for size in sizes),
        )
        line = f"{kept:,} jobs passed through or there: {what}, a job, rewritten and as it is"
        yield Finding(line=line, unit="bytes", before=rewritten[nth], after=used[nth])


def _sizes(place: Place, count: int) -> tuple[float, float]:
    """Return the bytes of heap and of indexes for each of so many jobs."""
    heap, index = place.ask("select pg_table_size('rowline.jobs'), pg_indexes_size('rowline.jobs')")
    return heap / count, index / count


def flood(other: Place, place: Place, *, count: int) -> Iterator[Finding]:
    """Compare how long claiming and completing a job of a calm queue takes alone, and beside a flood.

    The same flood in another place says how much of that is the cores' doing: there is nothing else that both share.
    """
    place.empty()
    other.empty()
    with deep.operating(place) as db:
        alone = _calm(db, place)
        depths.waiting(place, count)
        yield _calmly(f"{count:,} of another queue wait", alone, _calm(db, place), most=FLOOD_MOST)
        for flooded, where, most in ((other, "in another database", None), (place, "here", FLOOD_MOST)):
            with _flooding(flooded):
                flooded.await_first()
                beside = _calm(db, place)
            line = f"jobs of another queue come and are worked, as fast as can be, {where}"
            yield _calmly(line, alone, beside, most=most)


def _calmly(what: str, before: list[float], after: list[float], *, most: float | None) -> Finding:
    p99 = [sample.percentile(waits, 0.99) * 1000 for waits in (before, after)]
    more = (statistics.median(before) * 1000, statistics.median(after) * 1000)
    return Finding(line=f"{what}: claim p99", unit="ms", before=p99[0], after=p99[1], most=most, more=more)


def _calm(db: Database, place: Place) -> list[float]:
    """Return how long claims of one job took, in seconds."""
    [new] = _new(1)
    took_s = []
    for _ in range(CALM_RATE * CALM_SECONDS * place.seconds):
        operations.submit_many(db, queue=CALM, new=[new])
        begun_at = time.monotonic()
        deep.turn(db, queue=CALM, size=1)
        took_s.append(time.monotonic() - begun_at)
        time.sleep(max(0.0, 1 / CALM_RATE - took_s[-1]))
    return took_s


@contextlib.contextmanager
def _flooding(place: Place) -> Iterator[None]:
    """Have jobs added and worked without a pause during the block."""
    with (
        programs.serving(working.worker_words(), place.env(), place.folder / "worker.log"),
        programs.measuring(["tests.bench.raw", "1000"], place.env()) as adding,
    ):
        assert adding.stdin
        assert adding.stdout
        adding.stdout.readline()
        now = time.monotonic()
        adding.stdin.write(json.dumps({"opens_at": now, "closes_at": now + 3600}).encode() + b"\n")
        adding.stdin.flush()
        yield
