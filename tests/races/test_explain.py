"""An explanation is of one snapshot: what changes meanwhile, together, is in it together."""

import threading

from app.domain.explain import Code
from app.domain.job import Release
from app.domain.states import Status
from app.domain.workers import Sighting, Way
from app.operations import settle, workers
from app.postgres.database import Database
from app.queries import explain
from app.store import jobs, queues
from tests.support import work
from tests.support.jobs import QUEUE, insert, new

LOOKS = 60


def test_a_pause_and_what_comes_with_it_are_told_together(db: Database) -> None:
    """A queue is paused as three jobs get before one, and resumed as they go."""
    workers.note(db, process="0b3c5a8e-6c1f-4a52-9d0e-2f4b7a91c3d7", sightings=[Sighting(QUEUE, "w", Way.PYTHON, 1)])
    with db.begin() as conn:
        [number] = insert(conn, new())
    is_over = threading.Event()

    def change() -> None:
        while not is_over.is_set():
            with db.begin() as conn:
                queues.pause(conn, queue=QUEUE, by="env:0", reason=None)
                before = insert(conn, *[new(lifo=True) for _ in range(3)])
            with db.begin() as conn:
                jobs.lock(conn, queue=QUEUE, numbers=before)
                jobs.remove(conn, queue=QUEUE, numbers=before)
                queues.resume(conn, queue=QUEUE)

    changing = threading.Thread(target=change)
    changing.start()
    seen = set()
    try:
        for _ in range(LOOKS):
            found = explain.job(db, queue=QUEUE, job_id=str(number))
            whole = explain.queue(db, queue=QUEUE)
            assert found.ahead
            seen.add((tuple(reason.code for reason in found.reasons), found.ahead.jobs))
            assert whole.status == ("blocked" if whole.reasons[0].code is Code.PAUSED else "working")
            assert whole.ahead is None or whole.ahead.jobs == 1
    finally:
        is_over.set()
        changing.join()
    assert seen <= {((Code.PAUSED,), 3), ((Code.BEHIND,), 0)}


def test_a_job_that_is_claimed_and_given_back_is_in_one_status_in_each_answer(db: Database) -> None:
    workers.note(db, process="0b3c5a8e-6c1f-4a52-9d0e-2f4b7a91c3d7", sightings=[Sighting(QUEUE, "w", Way.PYTHON, 1)])
    with db.begin() as conn:
        [number] = insert(conn, new())
    is_over = threading.Event()

    def change() -> None:
        while not is_over.is_set():
            for lease in work.take(db):
                settle.release(db, queue=QUEUE, releases=[Release(lease=lease.key)])

    changing = threading.Thread(target=change)
    changing.start()
    wanted = {Status.WAITING: Code.BEHIND, Status.ACTIVE: Code.ACTIVE}
    try:
        for _ in range(LOOKS):
            found = explain.job(db, queue=QUEUE, job_id=str(number))
            assert [reason.code for reason in found.reasons] == [wanted[Status(found.status)]]
    finally:
        is_over.set()
        changing.join()
