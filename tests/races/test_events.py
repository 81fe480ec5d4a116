"""Many who change jobs, hold transactions and roll some back, and rival folders: a reader by `id >` misses nothing."""

import time
from collections import defaultdict
from collections.abc import Callable
from random import Random

from app.domain.events import EventType
from app.domain.job import Completion, Failure, JsonText
from app.operations import claim, jobs, maintenance, manage, settle
from app.postgres.database import Database
from app.queries import events, metrics
from app.store import counts, leases
from app.store import jobs as store
from tests.support.acting import ACTOR
from tests.support.jobs import insert, new
from tests.support.race import RACERS, race
from tests.support.work import complete_all

TURNS = 10
FOLDERS, READERS = 2, 2
QUEUES = ("q", "r")
Seen = dict[int, list[str]]
"""The types of the events of each job, by its number, in their order."""


class Expected:
    """What was committed of each job, in its order, as whoever changed it knows."""

    def __init__(self) -> None:
        self.of: Seen = defaultdict(list)

    def note(self, number: int, *types: EventType) -> None:
        self.of[number] += [each.value for each in types]


def work(db: Database, expected: Expected, random: Random) -> None:
    """Add some jobs, work some, remove one, and hold a transaction open, or give it up, while others commit."""
    queue = random.choice(QUEUES)
    for added in jobs.submit_many(db, queue=queue, new=[new(attempts=2) for _ in range(3)]):
        expected.note(added.job.number, EventType.ADDED)
    with db.begin() as conn:
        numbers = insert(conn, new(attempts=2), new(delay_ms=3_600_000), queue=queue)
        store.cancel(conn, queue=queue, numbers=numbers[1:])
        time.sleep(random.random() * 0.02)
        # Jobs that later transactions have added and committed meanwhile.
        later = leases.claim(conn, queue=queue, limit=2, lease_ms=60_000, worker="w").taken
        if random.randrange(2):
            conn.rollback()
            conn.begin()
        else:
            expected.note(numbers[0], EventType.ADDED)
            expected.note(numbers[1], EventType.ADDED, EventType.CANCELLED)
            for lease in later:
                expected.note(lease.key.number, EventType.ACTIVE)
    for lease in claim.claim(db, queue=queue, limit=3, lease_ms=60_000, worker="w").leases:
        expected.note(lease.key.number, EventType.ACTIVE)
        if random.randrange(2):
            settle.fail(db, queue=queue, failures=[Failure(lease=lease.key, reason="r")], random=random)
            has_left = lease.job.attempts_made == 0
            expected.note(lease.key.number, EventType.RETRYING if has_left else EventType.FAILED)
        else:
            complete_all(db, queue=queue, completions=[Completion(lease=lease.key, result=JsonText("1"))])
            expected.note(lease.key.number, EventType.COMPLETED)
            manage.remove_job(db, actor=ACTOR, queue=queue, job_id=str(lease.key.number))
            expected.note(lease.key.number, EventType.REMOVED)


def follow(db: Database, seen: Seen, cursor: int) -> int:
    """Read what comes after an event; return after which to go on."""
    page = events.page(db, after=cursor, most=50)
    for one in page.events:
        assert one.event.id > cursor, "in order"
        assert one.event.type is not EventType.GAP
        if one.event.number is not None:
            seen[one.event.number].append(one.event.type.value)
        cursor = one.event.id
    return page.cursor


def test_a_reader_by_id_misses_nothing_while_many_change_jobs_and_rivals_fold(crowd: Database) -> None:
    workers = RACERS - FOLDERS - READERS
    expected, done = [Expected() for _ in range(workers)], list[int]()
    seen: list[Seen] = [defaultdict(list) for _ in range(READERS)]

    def while_they_work(doing: Callable[[], object]) -> int:
        while len(done) < workers:
            doing()
        return 0

    def one(nth: int) -> int:
        if nth < FOLDERS:
            return while_they_work(lambda: fold(crowd))
        if nth < FOLDERS + READERS:
            cursors = [0]
            mine = seen[nth - FOLDERS]
            while_they_work(lambda: cursors.append(follow(crowd, mine, cursors.pop())))
            while metrics.figures(crowd).deltas:  # who folds nothing because a rival does so looks again
                maintenance.fold_counts(crowd)
            while cursors[0] < events.ends(crowd).newest:
                cursors.append(follow(crowd, mine, cursors.pop()))
            return 0
        random = Random(nth)
        try:
            for _ in range(TURNS):
                work(crowd, expected[nth - FOLDERS - READERS], random)
        finally:
            done.append(nth)
        return 0

    race(one)
    assert merged([each.of for each in expected])
    for mine in seen:
        assert merged([mine]) == merged([each.of for each in expected])
        assert all(is_in_order(types) for types in mine.values())


def merged(parts: list[Seen]) -> Seen:
    """Return the types of the events of each job, sorted: who works a job did not add it."""
    of: Seen = defaultdict(list)
    for part in parts:
        for number, types in part.items():
            of[number] = sorted(of[number] + types)
    return of


def is_in_order(types: list[str]) -> bool:
    """Whether a job is added first, its attempts end after they began, and nothing follows its removal."""
    is_active = False
    for nth, word in enumerate(types):
        if (word == "added") != (nth == 0) or (word == "removed" and nth != len(types) - 1):
            return False
        if word in {"completed", "failed", "retrying"} and not is_active:
            return False
        is_active = word == "active"
    return True


def fold(db: Database) -> None:
    """Fold a few deltas at a time: so what is taken are parts."""
    with db.begin() as conn:
        counts.fold(conn, limit=7)
