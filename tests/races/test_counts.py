"""Many who change jobs, many who fold, and many who read: no snapshot ever has a wrong count."""

from collections.abc import Callable
from random import Random

from app.domain.job import Completion, Failure, JsonText, Lease, Release
from app.operations import claim, jobs, maintenance, manage, settle
from app.postgres.database import Database
from app.store import counts
from tests.support import work
from tests.support.acting import ACTOR
from tests.support.jobs import counted, insert, new
from tests.support.race import RACERS, race

TURNS = 40
QUEUES = ("q", "r")
FOLDERS, READERS = 2, 3


def end(db: Database, queue: str, taken: list[Lease], random: Random) -> None:
    """End attempts in all the ways there are."""
    for lease in taken:
        match random.randrange(4):
            case 0:
                settle.fail(db, queue=queue, failures=[Failure(lease=lease.key, reason="r")], random=random)
            case 1:
                settle.release(db, queue=queue, releases=[Release(lease=lease.key)])
            case 2:
                settle.recover_dead(db, queue=queue, held=[lease.key], max_stalled_count=1)
            case _:
                work.complete_all(db, queue=queue, completions=[Completion(lease=lease.key, result=JsonText("1"))])


def change_jobs(db: Database, random: Random) -> None:
    """Add, claim and end jobs, cancel some, and give up some transactions half done."""
    queue = random.choice(QUEUES)
    added = jobs.submit_many(db, queue=queue, new=[new(attempts=2, priority=random.randrange(2)) for _ in range(5)])
    end(db, queue, claim.claim(db, queue=queue, limit=3, lease_ms=60_000, worker="w").leases, random)
    with db.begin() as conn:
        insert(conn, new(), queue=queue)
        if random.randrange(2):
            conn.rollback()
            conn.begin()
    delayed = jobs.submit_many(db, queue=queue, new=[new(delay_ms=3_600_000)])[0].job
    manage.cancel(db, actor=ACTOR, queue=queue, job_id=delayed.id)
    assert len(added) == 5


def test_no_snapshot_has_a_wrong_count_while_many_work_and_fold(crowd: Database) -> None:
    workers = RACERS - FOLDERS - READERS
    done: list[int] = []

    def read() -> int:
        with crowd.read() as conn:
            for queue in QUEUES:
                assert counts.count(conn, queue=queue) == counted(conn, queue)
        return 0

    def while_they_work(doing: Callable[[], int]) -> int:
        total = 0
        while len(done) < workers:
            total += doing()
        return total

    def racer(nth: int) -> int:
        if nth < FOLDERS:
            return while_they_work(lambda: maintenance.fold_counts(crowd))
        if nth < FOLDERS + READERS:
            return while_they_work(read)
        try:
            for turn in range(TURNS):
                change_jobs(crowd, Random(nth * TURNS + turn))
        finally:
            done.append(nth)
        return 0

    assert sum(race(racer)) > TURNS * workers, "deltas were folded while others worked"
    work.fold(crowd)
    read()
    assert maintenance.recount(crowd, actor=ACTOR) == []


def test_a_recount_amid_many_who_work_finds_nothing_wrong(crowd: Database) -> None:
    def racer(nth: int) -> list[str]:
        if nth == 0:
            return [queue for _ in range(TURNS) for queue in maintenance.recount(crowd, actor=ACTOR)]
        for _ in range(TURNS // 4):
            change_jobs(crowd, Random(nth))
            maintenance.fold_counts(crowd)
        return []

    assert not any(race(racer))
    with crowd.read() as conn:
        for queue in QUEUES:
            assert counts.count(conn, queue=queue) == counted(conn, queue)
