"""Each transition of a job is told: a fold publishes exactly its events, in their order, and no others."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from app.domain import events
from app.domain.events import OF_VERB, Event, EventType, Note
from app.domain.job import Completion, Failure, JsonText
from app.domain.states import TRANSITIONS, Status
from app.postgres.database import Connection
from app.postgres.pool import driver_of
from app.store import counts, jobs, leases, logs, queues
from app.store.statements import Statement, whole
from tests.store.test_states import EVENTS, SQL
from tests.support.jobs import QUEUE, in_status, insert, new, row

SILENT = {"extend", "expire", "request_cancel"}
"""What changes nothing that is told: a lease, and a cancel that the worker has yet to hear of."""


def told(conn: Connection) -> list[Event]:
    """Fold, and return the events that this published."""
    last = conn.exec_driver_sql("select next_event from rowline.job_folds").scalar_one()
    counts.fold(conn, limit=1_000)
    found = conn.exec_driver_sql(
        "select last_id, size, queue, verb, floor(extract(epoch from at) * 1000)::bigint, numbers, worker, "
        f"details::text from rowline.events where last_id >= {last} order by last_id"
    )
    notes = [Note._make([*[*one][:-1], json.loads(one[-1] or "{}")]) for one in found]
    return [event for note in notes for run in events.spread(note) for event in events.each(run)]


def expected(event: str, after: Status | None) -> list[EventType]:
    if event in SILENT:
        return []
    types = [*OF_VERB[event]]
    if event in {"release", "recover_stalled"} and after == Status.FAILED:
        return [EventType.FAILED]
    return types


@pytest.mark.parametrize("event", [event for event in TRANSITIONS if TRANSITIONS[event].leaves])
@pytest.mark.parametrize("status", Status)
def test_a_transition_is_told_once_and_what_does_not_happen_is_not(
    conn: Connection, status: Status, event: str
) -> None:
    for perform in EVENTS[event]:
        key = in_status(conn, status)
        told(conn)
        perform(conn, key)
        heard = [one for one in told(conn) if one.type != EventType.DRAINED]
        happens = status in TRANSITIONS[event].leaves
        after = row(conn, key.number).status if happens and TRANSITIONS[event].enters else None
        assert [one.type for one in heard] == (expected(event, after) if happens else [])
        assert all((one.queue, one.number) == (QUEUE, key.number) for one in heard)
        conn.exec_driver_sql("delete from rowline.attempts")
        conn.exec_driver_sql("delete from rowline.jobs")


def test_a_job_is_told_of_from_its_start_to_its_end_with_what_each_event_says(conn: Connection) -> None:
    told(conn)
    [number] = insert(conn, new(custom_id="mine", attempts=2))
    [lease] = leases.claim(conn, queue=QUEUE, limit=1, lease_ms=10_000, worker="w1").taken
    leases.report_progress(conn, queue=QUEUE, lease=lease.key, progress=JsonText("50"))
    logs.append(conn, queue=QUEUE, lease=lease.key, line="a line")
    failure = Failure(lease=lease.key, reason="x" * 300)
    leases.retry_later(conn, queue=QUEUE, retries=[leases.Retry(failure=failure, delay_ms=60_000)])
    jobs.promote_now(conn, queue=QUEUE, numbers=[number])
    [lease] = leases.claim(conn, queue=QUEUE, limit=1, lease_ms=10_000, worker="w2").taken
    leases.complete(conn, queue=QUEUE, completions=[Completion(lease=lease.key, result=JsonText("1"))])
    jobs.remove(conn, queue=QUEUE, numbers=[number])
    heard = told(conn)
    assert [one.type.value for one in heard] == [
        *("added", "active", "progress", "log", "retrying", "promoted", "active", "completed", "removed", "drained")
    ]
    assert [one.id for one in heard] == [*range(heard[0].id, heard[0].id + len(heard))]
    assert {one.number for one in heard[:-1]} == {number}
    first, retried, second = heard[1], heard[4], heard[6]
    assert (first.attempt, first.worker, second.attempt, second.worker) == (1, "w1", 2, "w2")
    assert (retried.attempt, retried.delay_ms, retried.reason, retried.worker) == (1, 60_000, "x" * 200, "w1")
    assert heard[7].attempt == 2
    assert heard[8].custom_id == "mine"
    assert heard[3].line_number is not None


def test_a_pause_and_its_end_are_told_once(conn: Connection) -> None:
    told(conn)
    for _ in range(2):
        queues.pause(conn, queue=QUEUE, by="test", reason=None)
    for _ in range(2):
        queues.resume(conn, queue=QUEUE)
    assert [(one.type, one.queue, one.number) for one in told(conn)] == [
        (EventType.PAUSED, QUEUE, None),
        (EventType.RESUMED, QUEUE, None),
    ]


def test_a_cancelled_attempt_is_told_as_cancelled(conn: Connection) -> None:
    for perform in (*EVENTS["fail"], *EVENTS["release"][:1], *EVENTS["recover_stalled"][:1]):
        key = in_status(conn, Status.ACTIVE)
        jobs.request_cancel(conn, queue=QUEUE, numbers=[key.number])
        told(conn)
        perform(conn, key)
        assert [one.type for one in told(conn)] == [EventType.CANCELLED]
        conn.exec_driver_sql("delete from rowline.jobs")


def test_where_events_are_off_statements_do_not_tell_and_the_stream_has_a_gap_once_they_are_on(
    conn: Connection, quiet: None
) -> None:
    insert(conn, new())
    [(verb, numbers)] = conn.exec_driver_sql("select verb, numbers from rowline.job_deltas").all()
    assert (verb, numbers) == ("insert", None)
    assert told(conn) == []
    driver_of(conn).tells = True
    insert(conn, new())
    assert [one.type for one in told(conn)] == [EventType.GAP, EventType.ADDED]


@pytest.fixture
def quiet(conn: Connection) -> Iterator[None]:
    """Events are off on this connection, which other tests use again."""
    told(conn)
    driver_of(conn).tells = False
    yield
    driver_of(conn).tells = True


def test_what_a_release_before_tells_or_folds_is_a_gap_before_the_next_event(conn: Connection) -> None:
    told(conn)
    conn.exec_driver_sql(f"insert into rowline.job_deltas (queue, waiting) values ('{QUEUE}', 1)")
    conn.exec_driver_sql("insert into rowline.job_deltas (queue, waiting) values ('other', 1), ('other', 1)")
    insert(conn, new(), queue="third")
    insert(conn, new())
    heard = told(conn)
    assert {(one.type, one.queue) for one in heard[:2]} == {(EventType.GAP, QUEUE), (EventType.GAP, "other")}
    assert [(one.type, one.queue) for one in heard[2:]] == [(EventType.ADDED, "third"), (EventType.ADDED, QUEUE)]
    conn.exec_driver_sql("update rowline.job_folds set folded_below = folded_below + 1")
    assert [(one.type, one.queue) for one in told(conn)] == [(EventType.GAP, "")], "also if nothing happens any more"
    assert told(conn) == []
    conn.exec_driver_sql("update rowline.job_folds set folded_below = folded_below + 1")
    conn.exec_driver_sql(f"insert into rowline.job_deltas (queue, waiting) values ('{QUEUE}', 1)")
    assert [(one.type, one.queue) for one in told(conn)] == [(EventType.GAP, "")], "which is of all queues"


def test_once_the_database_was_restored_ids_go_on_far_behind_those_that_it_may_have_given(conn: Connection) -> None:
    told(conn)
    insert(conn, new())
    [last] = told(conn)
    conn.exec_driver_sql("update rowline.job_folds set history = 'that of another server'")
    insert(conn, new())
    reset, added = told(conn)
    assert (reset.type, reset.queue, added.type) == (EventType.RESET, "", EventType.ADDED)
    assert reset.id - last.id > 10**12
    assert added.id == reset.id + 1
    insert(conn, new())
    assert [one.type for one in told(conn)] == [EventType.ADDED], "once"
    [(history, known)] = conn.exec_driver_sql("select history, rowline.history(tableoid) from rowline.job_folds").all()
    assert history == known
    assert re.fullmatch(r"\d+/[0-9A-F]{8}/\d+", history)


LONG = 120


def writers(random: Random, *, transactions: int, open_at_once: int) -> Iterator[int]:
    """Yield the ids of transactions, which are given as they begin, in the order in which these write.

    The first LONG ones stay open while the others come and go, and write much at last.
    """
    begun, at_work = LONG, list[int]()
    while begun < transactions or at_work:
        if begun < transactions and len(at_work) < open_at_once and random.randrange(2):
            at_work.append(begun)
            begun += 1
        elif at_work:
            yield (writer := random.choice(at_work))
            if random.randrange(3):
                at_work.remove(writer)
    yield from random.sample([*range(LONG)] * 6, k=6 * LONG)


def test_of_many_deltas_some_are_read_at_once_and_none_is_published_before_an_earlier_one(conn: Connection) -> None:
    told(conn)
    written = list(writers(Random(1), transactions=4_000, open_at_once=50))
    conn.exec_driver_sql(
        "insert into rowline.job_deltas (queue, added_by, verb, numbers, at) "
        "select 'q', pg_current_xact_id()::text::bigint + xid, 'change', '{1}', now() + nth * interval '1 ms' "
        "from unnest(%s::bigint[]) with ordinality as one (xid, nth) order by random()",
        (written,),
    )
    folds: list[counts.Folded] = []
    while not folds or folds[-1].is_cut:
        folds.append(counts.fold(conn, limit=500))
        assert 0 < folds[-1].deltas <= 500
    assert sum(fold.deltas for fold in folds) == len(written)
    published = conn.exec_driver_sql("select at from rowline.events where verb = 'change' order by last_id").scalars()
    assert (ats := [*published]) == sorted(ats)
    assert len(ats) == len(written)


def test_the_many_deltas_of_one_transaction_are_folded_too(conn: Connection) -> None:
    told(conn)
    conn.exec_driver_sql(
        "insert into rowline.job_deltas (queue, verb, numbers, at) "
        "select 'q', 'change', '{1}', now() - nth * interval '1 ms' from generate_series(1, 1000) as nth"
    )
    assert (counts.fold(conn, limit=100).deltas, counts.fold(conn, limit=1_000).is_cut) == (100, False)
    ats = conn.exec_driver_sql("select at from rowline.events where verb = 'change' order by last_id").scalars().all()
    assert [*ats] == sorted(ats)
    assert len(ats) == 1_000


def test_each_verb_that_a_statement_tells_has_its_events() -> None:
    verbs = set()
    for file in Path(SQL).glob("[a-z]*/*.sql"):
        verbs |= set(re.findall(r"^ +'(\w+)',?$", whole(file.read_text()), re.MULTILINE))
    assert set(OF_VERB) - verbs <= {"replace", "gap", "drain", "reset"}
    assert set(TRANSITIONS) - set(OF_VERB) == SILENT


def test_each_statement_exists_in_both_texts_and_both_are_sql(conn: Connection) -> None:
    parted = []
    for file in sorted(Path(SQL).glob("[a-z]*/*.sql")):
        statement = Statement(f"{file.parent.name}/{file.stem}")
        if statement.quiet != statement.prepared:
            parted.append(statement.name)
            assert "    array_agg(number),\n" not in statement.quiet
            conn.exec_driver_sql(f"prepare quiet as {statement.quiet.replace('%', '%%')}")
            conn.exec_driver_sql("deallocate quiet")
    assert {"jobs/insert_one", "leases/complete", "queues/pause", "logs/append", "retention/sweep"} <= {*parted}
