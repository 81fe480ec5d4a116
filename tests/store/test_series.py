"""The series is what happened in each minute, hour and day, and how long jobs waited and ran, by whatever statement."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from app.domain import durations
from app.domain.job import Completion, Failure, JsonText, Lease, Release
from app.domain.queue import DAYS_KEPT, HOURS_KEPT_DAYS, MINUTES_KEPT
from app.domain.retention import Keep
from app.domain.series import DAY_MS, LENGTH_MS, Periods, Point, Step
from app.infra.settings import Settings
from app.operations import jobs as operations
from app.operations import maintenance, settle
from app.postgres.database import Connection, Database, DatabaseError
from app.queries import series as queries
from app.store import counts, minutes, series
from tests.support import databases, work
from tests.support.acting import ACTOR
from tests.support.jobs import QUEUE, claim_by, insert, new

pytestmark = pytest.mark.usefixtures("early_in_a_minute")

KINDS = 6
"""How many ways the jobs of a mix end their first attempts."""
WAITED = """
update rowline.jobs
set place = sign(place) * (abs(place) - (power(10, number %% 9) * 100)::bigint)
where status in ('waiting', 'prioritized') and number = any(%s)
"""
"""From a tenth of a millisecond to three hours."""
RAN = """
update rowline.jobs set processed_at = processed_at - power(10, number %% 9) * interval '0.5 milliseconds'
where number = any(%s)
"""
EXPIRED = "update rowline.jobs set leased_until = now() where number = any(%s)"


class Real:
    """The jobs themselves: what is read of their rows after each step, by buckets."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.waits: Counter[int] = Counter()
        self.runs: Counter[int] = Counter()
        self.wait_s = self.run_s = 0.0

    def change(self, sql: str, numbers: Sequence[int]) -> None:
        with self.db.begin() as conn:
            conn.exec_driver_sql(sql, ([*numbers],))

    def see(self, what: str, sql: str, numbers: Sequence[int]) -> None:
        """Note how long jobs took, which `sql` reads in s."""
        with self.db.begin() as conn:
            took = [float(row[0]) for row in conn.exec_driver_sql(sql, ([*numbers],))]
        assert len(took) == len(numbers)
        getattr(self, what).update(bisect_right(durations.BOUNDS_S, s) for s in took)
        if what == "waits":
            self.wait_s += sum(took)
        else:
            self.run_s += sum(took)

    def claim(self, numbers: Sequence[int], *, at_once: int) -> list[Lease]:
        """Claim these, which are all that are ready, and note how long they waited."""
        self.change(WAITED, numbers)
        taken: list[Lease] = []
        while found := work.take(self.db, limit=at_once):
            taken += found
        assert {lease.job.number for lease in taken} == {*numbers}
        self.see(
            "waits",  # in double precision, as it is stored: a wait that is a bound to the µs may lie on either side
            "select date_part('epoch', processed_at) - abs(place) / 1e6::float8 from rowline.jobs "
            "where number = any(%s)",
            numbers,
        )
        self.change(RAN, numbers)
        return taken

    def ended(self, leases: Sequence[Lease]) -> None:
        """Note how long attempts ran that ended with their jobs."""
        self.see(
            "runs",
            "select extract(epoch from finished_at - processed_at) from rowline.jobs where number = any(%s)",
            [lease.job.number for lease in leases],
        )

    def retried(self, leases: Sequence[Lease]) -> None:
        """Note how long attempts ran that failed, of jobs that are tried again."""
        self.see(
            "runs",
            "select extract(epoch from ended_at - started_at) from rowline.attempts where number = any(%s)",
            [lease.job.number for lease in leases],
        )

    def told(self, point: Point) -> None:
        """Compare what the series says."""
        assert Counter(dict(enumerate(point.wait.counts))) == self.waits
        assert Counter(dict(enumerate(point.run.counts))) == self.runs
        assert point.wait.total_s == pytest.approx(self.wait_s, rel=1e-5)
        assert point.run.total_s == pytest.approx(self.run_s, rel=1e-5)


def parts(taken: Sequence[Lease], size: int) -> list[Sequence[Lease]]:
    return [taken[start : start + size] for start in range(0, len(taken), size)]


def mixed(db: Database, size: int, *, between: Any = lambda: None) -> tuple[Point, Real]:
    """Have `size` jobs of each kind end in its way, so many by a statement; return what is to be told, and theirs."""
    real = Real(db)
    asked = [new(attempts=2, priority=nth % 2, lifo=nth % 3 == 0) for nth in range(size * KINDS)]
    added = [done.job.number for part in range(0, len(asked), size) for done in operations.submit_many(
        db, queue=QUEUE, new=asked[part : part + size]
    )]  # fmt: skip
    between()
    taken = real.claim(added, at_once=size)
    between()
    completed, failed, retried, stalled, released, kept = parts(taken, size)
    work.complete_all(
        db, queue=QUEUE, completions=[Completion(lease=one.key, result=JsonText("1")) for one in completed]
    )
    between()
    lost = [Failure(lease=one.key, reason="r", unrecoverable=True) for one in failed]
    settle.fail(db, queue=QUEUE, failures=lost, random=Random(1))
    again = [Failure(lease=one.key, reason="r") for one in retried]
    settle.fail(db, queue=QUEUE, failures=again, random=Random(1))
    settle.release(db, queue=QUEUE, releases=[Release(lease=one.key) for one in released])
    real.change(EXPIRED, [one.job.number for one in stalled])
    assert maintenance.recover_stalled(db, max_stalled_count=1) == {QUEUE: size}
    real.ended([*completed, *failed])
    real.retried(retried)
    between()
    second = real.claim([one.job.number for one in (*retried, *stalled, *released)], at_once=size)
    work.complete_all(db, queue=QUEUE, completions=[Completion(lease=one.key, result=JsonText("1")) for one in second])
    real.ended(second)
    assert len(kept) == size, "these run still"
    return Point(added=6 * size, claimed=9 * size, completed=4 * size, failed=size, retried=size, stalled=size), real


def told(db: Database, step: Step = Step.MINUTE) -> Point:
    return queries.of_queue(db, queue=QUEUE, step=step).total


def same_counts(one: Point, other: Point) -> bool:
    return one[:6] == other[:6]


@pytest.mark.parametrize("size", [1, 10, 100])
def test_the_series_is_what_the_jobs_themselves_say(db: Database, size: int) -> None:
    expected, real = mixed(db, size, between=lambda: maintenance.fold_counts(db))
    work.fold(db)
    for step in Step:
        found = told(db, step)
        assert same_counts(found, expected)
        real.told(found)
    assert sum(found.wait.counts) == found.claimed
    assert sum(found.run.counts) == found.completed + found.failed + found.retried


@pytest.mark.parametrize("take", [maintenance.fold_counts, lambda db: maintenance.recount(db, actor=ACTOR)])
def test_a_fold_that_is_killed_loses_nothing_and_counts_nothing_twice(db: Database, shared_url: str, take: Any) -> None:
    expected, real = mixed(db, 3)
    with pytest.raises(DatabaseError), db.begin() as conn:
        counts.fold(conn, limit=10)
        pid = conn.exec_driver_sql("select pg_backend_pid()").scalar_one()
        databases.run(shared_url, f"select pg_terminate_backend({pid})")
        conn.exec_driver_sql("select 1")
    assert told(db) == Point(wait=told(db).wait, run=told(db).run)
    take(db)
    found = told(db)
    assert same_counts(found, expected)
    real.told(found)


@pytest.mark.parametrize("way", ["claim", "claim_large", "claim_next", "claim_calls"])
def test_each_way_to_claim_tells_how_long_each_job_waited(conn: Connection, way: str) -> None:
    insert(conn, *[new() for _ in range(3)], new(lifo=True))
    conn.exec_driver_sql("update rowline.jobs set place = sign(place) * (abs(place) - 70000000)")
    claim_by(conn, way, limit=4, lease_ms=1_000)
    [(told, total_s)] = conn.exec_driver_sql(
        "select durations, durations_s from rowline.job_deltas where verb = 'claim'"
    )
    assert told == chr(ord(durations.FIRST) + bisect_right(durations.BOUNDS_S, 70)) * 4
    assert 280 <= total_s < 300


def test_what_is_removed_as_it_completes_ran_as_long_as_it_did(db: Database) -> None:
    operations.submit_many(db, queue=QUEUE, new=[new(remove_on_complete=Keep(count=0))] * 2)
    taken = work.take(db, limit=2)
    Real(db).change("update rowline.jobs set processed_at = now() - interval '15 s' where number = any(%s)", [
        lease.job.number for lease in taken
    ])  # fmt: skip
    work.complete_all(db, queue=QUEUE, completions=[Completion(lease=one.key, result=JsonText("1")) for one in taken])
    work.fold(db)
    found = told(db)
    assert (found.completed, sum(found.run.counts)) == (2, 2)
    assert found.run.counts[bisect_right(durations.BOUNDS_S, 15)] == 2


def test_without_events_the_series_is_the_same(own_url: str) -> None:
    silent = Database(Settings(database_url=own_url, events=False), url=own_url, size=2, name="rowline-test")
    expected, real = mixed(silent, 2)
    work.fold(silent)
    found = told(silent)
    assert same_counts(found, expected)
    real.told(found)
    silent.close()


def test_what_a_node_of_the_release_before_did_counts_and_is_in_no_bucket(db: Database, shared_url: str) -> None:
    operations.submit_many(db, queue=QUEUE, new=[new()])
    work.complete_next(db)
    databases.run(shared_url, "update rowline.job_deltas set durations = null, durations_s = null")
    operations.submit_many(db, queue=QUEUE, new=[new()])
    work.complete_next(db)
    work.fold(db)
    found = told(db)
    assert same_counts(found, Point(added=2, claimed=2, completed=2))
    assert (sum(found.wait.counts), sum(found.run.counts)) == (1, 1)


def test_what_a_node_of_the_release_before_folds_is_added_to_the_row(db: Database, shared_url: str) -> None:
    operations.submit_many(db, queue=QUEUE, new=[new()])
    work.complete_next(db)
    work.fold(db)
    databases.run(
        shared_url,
        "insert into rowline.job_minutes as existing (minute, queue, added, completed, failed) "
        "values (date_trunc('minute', now()), 'q', 1, 1, 0), (date_trunc('minute', now()), 'other', 1, 1, 0) "
        "on conflict (minute, queue) do update set added = existing.added + excluded.added, "
        "completed = existing.completed + excluded.completed, failed = existing.failed + excluded.failed",
    )
    found = told(db)
    assert same_counts(found, Point(added=2, claimed=1, completed=2))
    assert sum(found.run.counts) == 1
    assert queries.of_queue(db, queue="other").total[:3] == (1, 0, 1)


def test_a_quiet_queue_costs_no_rows(db: Database, shared_url: str) -> None:
    operations.submit_many(db, queue=QUEUE, new=[new(delay_ms=60_000)])
    work.fold(db)
    databases.run(shared_url, "delete from rowline.job_minutes")
    with db.begin() as conn:
        conn.exec_driver_sql("update rowline.jobs set run_at = now()")
    assert maintenance.promote_due(db) == {QUEUE}
    operations.submit_many(db, queue="busy", new=[new()])
    assert maintenance.fold_counts(db) == 2
    assert maintenance.fold_counts(db) == 0
    assert databases.ask(shared_url, "select queue, waits, runs from rowline.job_minutes") == [("busy", None, None)]
    assert databases.ask(shared_url, "select count(*) from rowline.job_hours") == [(0,)]


def note(conn: Connection, table: str, at: str, *, queue: str = QUEUE, waits: str = "null", wait_s: float = 0) -> None:
    unit = table.removeprefix("job_").removesuffix("s")
    conn.exec_driver_sql(
        f"insert into rowline.{table} ({unit}, queue, added, claimed, completed, failed, retried, stalled, "
        f"waits, wait_s, runs, run_s) "
        f"values ({at}, '{queue}', 1, 2, 3, 4, 5, 6, {waits}, {wait_s}, {waits}, {2 * wait_s})"
    )


def everything(conn: Connection) -> list[Any]:
    """Return the sums over all that is kept."""
    columns = ", ".join(
        [f"sum({name})::bigint" for name in ("added", "claimed", "completed", "failed", "retried", "stalled")]
        + [f"report.sum_counts({name}::bigint[]), sum({of})" for name, of in (("waits", "wait_s"), ("runs", "run_s"))]
    )
    kept = " union all ".join(
        f"select queue, added, claimed, completed, failed, retried, stalled, waits::bigint[], wait_s, "
        f"runs::bigint[], run_s from rowline.{table}"
        for table in ("job_minutes", "job_hours", "job_days")
    )
    return [
        tuple(row) for row in conn.exec_driver_sql(f"select queue, {columns} from ({kept}) k group by 1 order by 1")
    ]


@pytest.mark.parametrize(
    ("table", "rolls", "kept_s"),
    [
        ("job_minutes", minutes.forget, MINUTES_KEPT * 60),
        ("job_hours", minutes.forget_hours, HOURS_KEPT_DAYS * 86_400),
    ],
)
def test_a_roll_up_keeps_all_sums_also_of_rows_without_buckets(
    conn: Connection, table: str, rolls: Any, kept_s: int
) -> None:
    length_s = 60 if table == "job_minutes" else 3_600
    histogram = "'{1,0,2,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,7}'"
    for nth in range(150):
        at = f"date_bin('{length_s} s', now() - interval '{kept_s + length_s * (nth + 1)} s', timestamptz 'epoch')"
        waits = ("null", histogram, "'{4}'")[nth % 3]
        note(conn, table, at, queue=f"q{nth % 2}", waits=waits, wait_s=0.25 * nth)
    note(conn, table, "date_trunc('minute', now())", waits=histogram)
    before = everything(conn)
    steps = [rolls(conn, limit=40) for _ in range(5)]
    assert steps == [40, 40, 40, 30, 0]
    assert everything(conn) == before
    assert conn.exec_driver_sql(f"select count(*) from rowline.{table}").scalar_one() == 1
    into = "job_hours" if table == "job_minutes" else "job_days"
    assert 0 < conn.exec_driver_sql(f"select count(*) from rowline.{into}").scalar_one() <= 16


def test_days_are_of_utc_and_go_after_ten_years(conn: Connection) -> None:
    conn.exec_driver_sql("set local time zone 'Asia/Kolkata'")
    note(conn, "job_hours", "date_bin('1 day', now() - interval '95 days', timestamptz 'epoch')")
    note(conn, "job_hours", "date_bin('1 day', now() - interval '95 days', timestamptz 'epoch') + interval '23 hours'")
    assert minutes.forget_hours(conn, limit=10) == 2
    [(added, hour)] = conn.exec_driver_sql(
        "select added, extract(hour from day at time zone 'UTC') from rowline.job_days"
    )
    assert (added, hour) == (2, 0)
    for ago in (DAYS_KEPT - 1, DAYS_KEPT + 1, DAYS_KEPT + 2):
        note(conn, "job_days", f"date_bin('1 day', now() - interval '{ago} days', timestamptz 'epoch')")
    assert [minutes.forget_days(conn, limit=1) for _ in range(3)] == [1, 1, 0]
    assert conn.exec_driver_sql("select count(*) from rowline.job_days").scalar_one() == 2


def test_a_round_makes_so_many_steps_and_another_goes_on(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "AT_ONCE", 2)
    monkeypatch.setattr(maintenance, "STEPS_AT_ONCE", 3)
    with db.begin() as conn:
        for nth in range(7):
            note(conn, "job_minutes", f"date_trunc('minute', now()) - interval '{3_000 + nth} minutes'")
    assert [maintenance.forget_minutes(db) for _ in range(3)] == [6, 1, 0]


def periods(step: Step, begin_ms: int, end_ms: int) -> Periods:
    length = LENGTH_MS[step]
    return Periods(step=step, from_ms=begin_ms // length * length, to_ms=-(-end_ms // length) * length)


def test_each_period_tells_of_all_three_tables_and_of_its_queue_alone(conn: Connection) -> None:
    now_ms = conn.exec_driver_sql("select floor(extract(epoch from now()) * 1000)::bigint").scalar_one()
    day = "date_bin('1 day', now(), timestamptz 'epoch')"
    for queue in (QUEUE, "other"):
        note(conn, "job_minutes", f"{day} - interval '1 minute'", queue=queue, waits="'{1}'", wait_s=1)
        note(conn, "job_minutes", f"{day} - interval '61 minutes'", queue=queue, waits="'{2}'", wait_s=1)
        note(conn, "job_hours", f"{day} - interval '1 hour'", queue=queue)
        note(conn, "job_hours", f"{day} - interval '30 hours'", queue=queue, waits="'{4,1}'", wait_s=1)
        note(conn, "job_days", f"{day} - interval '1 day'", queue=queue, waits="'{8}'", wait_s=1)
    found = series.of_queue(conn, queue=QUEUE, periods=periods(Step.DAY, now_ms - 3 * DAY_MS, now_ms))
    midnight = now_ms // DAY_MS * DAY_MS
    assert {(at - midnight) // DAY_MS: (point.added, point.wait) for at, point in found.items()} == {
        -2: (1, ([4, 1, *[0] * 22], 1.0)),
        -1: (4, ([11, *[0] * 23], 3.0)),
    }
    hours = series.of_queue(conn, queue=QUEUE, periods=periods(Step.HOUR, midnight - 3 * 3_600_000, midnight))
    assert {(at - midnight) // 3_600_000: point.added for at, point in hours.items()} == {-2: 1, -1: 2}
    told = series.of_queue(conn, queue=QUEUE, periods=periods(Step.MINUTE, midnight - 3_600_000, midnight))
    assert {(at - midnight) // 60_000: point.added for at, point in told.items()} == {-1: 1}
    assert series.of_queue(conn, queue="nothing", periods=periods(Step.DAY, now_ms - 3 * DAY_MS, now_ms)) == {}


def test_a_queue_is_forgotten_with_all_its_minutes_hours_and_days_and_no_other(conn: Connection) -> None:
    for queue in (QUEUE, "other"):
        for ago in (0, 1, 100):
            note(conn, "job_minutes", f"date_trunc('minute', now()) - interval '{ago} minutes'", queue=queue)
            note(conn, "job_hours", f"date_trunc('hour', now()) - interval '{ago} hours'", queue=queue)
            note(conn, "job_days", f"date_bin('1 day', now(), 'epoch') - interval '{ago} days'", queue=queue)
    minutes.forget_queue(conn, queue=QUEUE)
    assert [(queue, added) for queue, added, *_ in everything(conn)] == [("other", 9)]


def test_percentiles_in_sql_are_those_of_the_domain(conn: Connection) -> None:
    random = Random(7)
    histograms = [[0] * durations.BUCKETS, [5], [0, 0, 3]] + [
        [random.choice((0, 0, 1, random.randrange(1_000))) for _ in range(durations.BUCKETS)] for _ in range(50)
    ]
    shares = [0.0, 0.01, *durations.SHARES.values(), 1.0]
    for counted in histograms:
        [(found,)] = conn.exec_driver_sql(
            "select report.percentiles(%s::bigint[], %s::double precision[])", (counted, shares)
        )
        expected = [durations.percentile(counted, share) for share in shares]
        assert found == [each if each is None else pytest.approx(each) for each in expected]
    assert conn.exec_driver_sql("select report.percentiles(null, array[0.5])").scalar_one() is None


def test_histograms_add_up_bucket_by_bucket_in_sql(conn: Connection) -> None:
    summed = (
        "select report.sum_counts(waits) from (values ('{1,2}'::bigint[]), (null), ('{3}'), ('{0,0,5}')) as h (waits)"
    )
    assert conn.exec_driver_sql(summed).scalar_one() == [4, 2, 5]
    assert conn.exec_driver_sql("select report.sum_counts(null)").scalar_one() is None
