"""What the metrics say of the database: of each queue that has a name, and of all others together, without jumps."""

import re
from typing import Any

import psycopg
import pytest

from app.domain.job import Completion, JsonText
from app.domain.metrics import OTHER, PRIORITIES_MAX, QueueFigures, Totals
from app.domain.states import TRANSITIONS, Status
from app.infra.settings import Settings
from app.operations import jobs as operations
from app.operations import maintenance
from app.postgres.database import Connection, Database
from app.queries import plans
from app.store import counts, jobs, leases, metrics
from app.store.seen import TOTALS
from app.store.statements import Statement
from tests.store.test_states import EVENTS
from tests.support import databases, work
from tests.support.acting import ACTOR
from tests.support.jobs import QUEUE, claim, in_status, insert, new, rows

NOTHING = Totals(**dict.fromkeys(TOTALS, 0))
ENDS = {Status.COMPLETED: "completed", Status.FAILED: "failed", Status.ACTIVE: "claimed", None: "removed"}

OUTCOMES = {
    "fail": "attempts_failed",
    "retry_later": "retried",
    "release": "released",
    "recover_stalled": "stalled",
}


def figures(conn: Connection, *, named_max: int = 500) -> dict[str, QueueFigures]:
    return {queue.name: queue for queue in metrics.figures(conn, named_max=named_max).queues}


def fold(conn: Connection) -> None:
    counts.fold(conn, limit=100)
    conn.exec_driver_sql("delete from rowline.job_deltas")  # of this transaction, which a fold takes again


def drained(conn: Connection) -> Totals:
    """Fold everything; return what was counted since the last call."""
    fold(conn)
    found = figures(conn)[QUEUE].totals if QUEUE in figures(conn) else NOTHING
    conn.exec_driver_sql("update rowline.job_counts set " + ", ".join(f"total_{total} = 0" for total in TOTALS))
    return found


@pytest.mark.parametrize("event", [event for event in TRANSITIONS if TRANSITIONS[event].leaves])
@pytest.mark.parametrize("before", Status)
def test_a_transition_is_counted_as_what_it_is(conn: Connection, before: Status, event: str) -> None:
    for perform in EVENTS[event]:
        key = in_status(conn, before)
        drained(conn)
        perform(conn, key)
        after = next((Status(row.status) for row in rows(conn)), None)
        expected = dict.fromkeys(TOTALS, 0)
        if after != before and after in ENDS and event != "undo_retry":  # those ends were counted before
            expected[ENDS[after]] = 1
        if event == "complete_and_remove" and before is Status.ACTIVE:
            expected["completed"] = 1
        if event in OUTCOMES and after != before:
            expected[OUTCOMES[event]] = 1
        if event == "remove_active" and before is Status.ACTIVE:
            assert drained(conn).removed == 1
        else:
            assert drained(conn) == Totals(**expected)
        for table in ("attempts", "jobs", "job_counts"):
            conn.exec_driver_sql(f"delete from rowline.{table}")


def test_only_a_claim_makes_jobs_active() -> None:
    """Else more than claims would be counted as such."""
    for event, rule in TRANSITIONS.items():
        if Status.ACTIVE in rule.enters and Status.ACTIVE not in rule.leaves:
            assert event == "claim"


def test_a_recount_keeps_the_totals_also_of_a_queue_that_is_empty_by_now(db: Database, shared_url: str) -> None:
    for queue in ("q", "r"):
        operations.submit_many(db, queue=queue, new=[new()] * 3)
    work.fold(db)
    operations.submit_many(db, queue="q", new=[new()])
    databases.run(shared_url, "delete from rowline.jobs where queue = 'r'")
    assert maintenance.recount(db, actor=ACTOR) == ["r"]
    with db.begin() as conn:
        found = figures(conn)
    assert {name: queue.totals.added for name, queue in found.items()} == {"q": 4, "r": 3}
    assert sum(found["r"].counts.values()) == 0


def test_what_is_not_folded_is_in_the_gauges_at_once(conn: Connection) -> None:
    insert(conn, new(), new(priority=2), new(delay_ms=60_000))
    claim(conn)
    found = metrics.figures(conn)
    assert found.deltas == 2
    [queue] = found.queues
    assert {status: count for status, count in queue.counts.items() if count} == {
        Status.PRIORITIZED: 1,
        Status.DELAYED: 1,
        Status.ACTIVE: 1,
    }


@pytest.mark.parametrize("members", [{}, {"priority": 3}, {"lifo": True}, {"priority": PRIORITIES_MAX - 1}], ids=str)
def test_the_job_that_is_ready_longest_is_found_behind_others(conn: Connection, members: dict[str, Any]) -> None:
    [oldest] = insert(conn, new(**members))
    sign = "-" if members.get("lifo") else ""
    conn.exec_driver_sql(
        f"update rowline.jobs set place = {sign}(extract(epoch from now() - interval '1 hour') * 1000000)::bigint "
        "where number = %s",
        (oldest,),
    )
    insert(conn, *[new(priority=priority) for priority in range(PRIORITIES_MAX - 1)], new(lifo=True))
    oldest_s = figures(conn)[QUEUE].oldest_ready_s
    assert oldest_s is not None
    assert 3_600 <= oldest_s < 3_700


def test_a_queue_without_ready_jobs_has_no_oldest_and_one_in_which_nothing_ended_no_drain_time(
    conn: Connection,
) -> None:
    insert(conn, new(delay_ms=60_000))
    queue = figures(conn)[QUEUE]
    assert (queue.oldest_ready_s, queue.drain_s) == (None, None)


def test_the_time_to_drain_is_that_of_the_last_full_minutes(conn: Connection) -> None:
    insert(conn, *[new() for _ in range(6)])
    conn.exec_driver_sql(
        "insert into rowline.job_minutes (minute, queue, added, completed, failed) "
        "select date_trunc('minute', statement_timestamp()) - ago * interval '1 minute', 'q', 0, 1, 1 "
        "from generate_series(0, 6) as ago"
    )
    assert figures(conn)[QUEUE].drain_s == 6 * 300 / 10


def test_a_paused_queue_and_one_with_a_worker_are_there_without_a_job(conn: Connection) -> None:
    conn.exec_driver_sql(
        "insert into rowline.queue_settings (queue, paused_at, paused_by) values ('p', statement_timestamp(), 'me')"
    )
    for worker, ago_s in (("a", 0), ("b", 0), ("gone", 600)):
        conn.exec_driver_sql(
            "insert into rowline.queue_workers (queue, worker, process, way, slots, busy, seen_at) values "
            "('w', %s, gen_random_uuid(), 'python', 1, 0, statement_timestamp() - %s * interval '1 second')",
            (worker, ago_s),
        )
    found = figures(conn)
    assert {name: (queue.paused, queue.workers) for name, queue in found.items()} == {"p": (1, 0), "w": (0, 2)}


def test_more_queues_than_have_names_are_one_whose_counters_never_jump(conn: Connection) -> None:
    """Whichever queues have names, what all others count together grows by what happens in them, and only so."""
    seen = []

    def named(*, adding: str) -> set[str]:
        insert(conn, new(), queue=adding)
        fold(conn)
        # In a transaction all moments are one.
        conn.exec_driver_sql("update rowline.job_counts set active_at = active_at - interval '40 minutes'")
        conn.exec_driver_sql("update rowline.job_counts set active_at = now() where queue = %s", (adding,))
        metrics.name_queues(conn, named_max=2)
        found = figures(conn, named_max=2)
        seen.append(found[OTHER].totals.added if OTHER in found else 0)
        return set(found) - {OTHER}

    assert named(adding="a") == {"a"}
    assert named(adding="b") == {"a", "b"}
    assert named(adding="c") == {"b", "c"}, "nothing happened in `a` for an hour"
    assert named(adding="a") == {"a", "c"}
    assert named(adding="b") == {"a", "b"}
    assert seen == sorted(seen)
    assert seen[-1] - seen[1] <= 3, "what is added to queues with a name is not counted beside them"


def test_the_histograms_of_all_others_never_jump_either(conn: Connection) -> None:
    seen: list[tuple[int, int, float]] = []
    for worked in ("a", "b", "c", "a", "b", "d", "c"):
        insert(conn, new(), queue=worked)
        [lease] = claim(conn, queue=worked)
        leases.complete(conn, queue=worked, completions=[Completion(lease=lease.key, result=JsonText("1"))])
        conn.exec_driver_sql("update rowline.job_deltas set durations_s = 1 where durations is not null")
        fold(conn)
        conn.exec_driver_sql("update rowline.job_counts set active_at = active_at - interval '40 minutes'")
        conn.exec_driver_sql("update rowline.job_counts set active_at = now() where queue = %s", (worked,))
        metrics.name_queues(conn, named_max=2)
        found = figures(conn, named_max=2)
        for name, queue in found.items():
            if name != OTHER:
                assert sum(queue.wait.counts) == queue.wait.total_s == queue.totals.claimed
                assert sum(queue.run.counts) == queue.run.total_s == queue.totals.completed
        if OTHER in found:
            wait, run = found[OTHER].wait, found[OTHER].run
            assert sum(wait.counts) == wait.total_s == found[OTHER].totals.claimed
            seen.append((sum(wait.counts), sum(run.counts), run.total_s))
    assert len(seen) == 5
    assert seen == sorted(seen)


def test_a_recount_adds_to_the_histograms_and_keeps_them(db: Database) -> None:
    for _ in range(2):
        operations.submit_many(db, queue="q", new=[new()])
        work.complete_next(db)
        maintenance.recount(db, actor=ACTOR)
    with db.begin() as conn:
        queue = figures(conn)["q"]
    assert (sum(queue.wait.counts), sum(queue.run.counts)) == (2, 2)
    assert queue.run.total_s > 0


def test_who_has_a_name_keeps_it_while_something_happens_in_it(conn: Connection) -> None:
    for queue in ("z", "b", "c"):
        insert(conn, new(), queue=queue)
        fold(conn)
        metrics.name_queues(conn, named_max=2)
    assert set(figures(conn, named_max=2)) == {"z", "b", OTHER}


@pytest.fixture
def crowded(conn: Connection) -> Connection:
    """Queues, of which `a` and `b` have names; the others have no jobs, and nothing has happened for a day."""
    for queue in ("a", "b", "c", "d"):
        numbers = insert(conn, *[new()] * 2, queue=queue)
        if queue != "a":
            jobs.remove(conn, queue=queue, numbers=numbers)
        fold(conn)
        metrics.name_queues(conn, named_max=2)
    conn.exec_driver_sql("update rowline.job_counts set active_at = active_at - interval '25 hours'")
    return conn


def added(conn: Connection) -> dict[str, int]:
    return {name: queue.totals.added for name, queue in figures(conn, named_max=2).items()}


def test_the_counts_of_queues_that_are_not_in_use_go_and_what_they_counted_stays(crowded: Connection) -> None:
    before = {"a": 2, "b": 2, OTHER: 4}
    assert added(crowded) == before
    assert [metrics.forget_unused(crowded, limit=1, named_max=2) for _ in range(3)] == [1, 1, 0]
    assert added(crowded) == before
    left = crowded.exec_driver_sql("select queue from rowline.job_counts order by queue").scalars().all()
    assert left == ["a", "b"], "those with a name stay"
    insert(crowded, new(), queue="c")
    fold(crowded)
    assert added(crowded) == before | {OTHER: 5}


def test_the_histograms_of_queues_that_are_not_in_use_stay(conn: Connection) -> None:
    for nth, queue in enumerate(("a", "b", "c", "d", "e")):
        numbers = insert(conn, new(), queue=queue)
        [lease] = claim(conn, queue=queue)
        leases.complete(conn, queue=queue, completions=[Completion(lease=lease.key, result=JsonText("1"))])
        letters = (
            f"update rowline.job_deltas set durations = '{'bdfhj'[nth]}', durations_s = 1 where durations is not null"
        )
        conn.exec_driver_sql(letters)
        jobs.remove(conn, queue=queue, numbers=numbers)
        fold(conn)
        metrics.name_queues(conn, named_max=2)
    conn.exec_driver_sql("update rowline.job_counts set active_at = active_at - interval '25 hours'")
    before = figures(conn, named_max=2)[OTHER]
    assert metrics.forget_unused(conn, limit=10, named_max=2) == 3
    after = figures(conn, named_max=2)[OTHER]
    assert (after.wait, after.run, after.totals) == (before.wait, before.run, before.totals)
    assert (sum(after.run.counts), after.run.total_s) == (3, 3)


@pytest.mark.parametrize(
    "use",
    [
        "update rowline.job_counts set failed = 1 where queue = 'c'",
        "update rowline.job_counts set active_at = now() - interval '23 hours' where queue = 'c'",
        "insert into rowline.queue_settings (queue, start_within_ms) values ('c', 1000)",
    ],
)
def test_the_counts_of_a_queue_that_is_in_use_stay(crowded: Connection, use: str) -> None:
    crowded.exec_driver_sql(use)
    assert metrics.forget_unused(crowded, limit=10, named_max=2) == 1
    left = crowded.exec_driver_sql("select queue from rowline.job_counts order by queue").scalars().all()
    assert left == ["a", "b", "c"]


def test_as_long_as_all_queues_have_names_none_goes(crowded: Connection) -> None:
    assert metrics.forget_unused(crowded, limit=10, named_max=5) == 0


def test_no_counts_go_while_somebody_folds(db: Database) -> None:
    with db.begin() as conn:
        counts.fold(conn, limit=100)
        assert maintenance.forget_unused(db) == 0
    assert maintenance.forget_unused(db) == 0


def test_a_queue_that_is_called_as_all_others_are_is_among_them(conn: Connection) -> None:
    for queue in (OTHER, "a"):
        insert(conn, new(), queue=queue)
    fold(conn)
    assert metrics.name_queues(conn) == 1
    assert {name: queue.totals.added for name, queue in figures(conn).items()} == {"a": 1, OTHER: 1}


def test_no_queue_is_named_anew_while_somebody_folds(db: Database) -> None:
    operations.submit_many(db, queue="q", new=[new()])
    work.fold(db)
    with db.begin() as conn:
        counts.fold(conn, limit=100)
        assert maintenance.name_queues(db) == 0
    assert maintenance.name_queues(db) == 1


def test_a_snapshot_that_somebody_holds_is_told_of_to_who_may_see_it(shared_url: str) -> None:
    owner_url = databases.as_owner(shared_url)
    seeing = Database(Settings(), url=owner_url, size=1, name="rowline-test")
    with psycopg.connect(owner_url, autocommit=True) as held:
        held.execute("begin isolation level repeatable read")
        held.execute("select 1")
        with seeing.read() as conn:
            found = metrics.figures(conn)
    seeing.close()
    assert found.oldest_snapshot_s is not None
    assert found.oldest_snapshot_s > 0
    assert found.xid_age > 0


def test_dead_rows_are_told_by_table_and_not_by_partition(conn: Connection) -> None:
    found = metrics.figures(conn).dead_rows
    assert {"jobs", "attempts", "audit"} <= set(found)
    assert not {name for name in found if name.startswith("audit_")}


def test_the_oldest_jobs_are_the_first_of_an_index_and_no_queue_is_read_whole(conn: Connection) -> None:
    """A sort would read all ready jobs of a queue."""
    plan = plans.plan(conn, Statement("metrics/queues"))
    assert len(re.findall(r"Index (?:Only )?Scan (?:Backward )?using jobs_next", plan)) == 5
    assert "Incremental Sort" not in plan
    assert not re.search(r"Sort\n(?:.*\n){1,2}.*using jobs_next", plan)


def test_a_queue_without_a_name_tells_of_the_job_that_is_next(conn: Connection) -> None:
    [number] = insert(conn, new(), queue="a")
    insert(conn, new(), queue="b")
    fold(conn)
    conn.exec_driver_sql("update rowline.jobs set place = place - 3600000000 where number = %s", (number,))
    oldest_s = figures(conn, named_max=0)[OTHER].oldest_ready_s
    assert oldest_s is not None
    assert 3_600 <= oldest_s < 3_700
