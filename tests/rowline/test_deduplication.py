"""The client's calls for deduplication ids."""

import pytest
import rowline

from app.operations import deduplication
from app.postgres.database import Database
from tests.support import work


def test_a_repeated_job_is_told_from_one_that_was_added(queue: rowline.Queue) -> None:
    first = queue.add("report", 1, deduplication={"id": "report-42"})
    again = queue.add("report", 2, deduplication={"id": "report-42"})
    assert (first.outcome, first.is_added) == ("created", True)
    assert (again.outcome, again.is_added, again.id, again.data) == ("deduplicated", False, first.id, 1)
    held = queue.deduplication("report-42")
    assert held == rowline.HeldId(id="report-42", job_id=first.id, expires_on=None)
    assert queue.let_go("report-42") == held
    with pytest.raises(rowline.NotFound, match="holds the deduplication id 'report-42'"):
        queue.deduplication("report-42")
    assert queue.add("report", 3, deduplication={"id": "report-42", "ttl": 60_000}).is_added
    assert queue.deduplication("report-42").expires_on is not None


def test_a_stored_job_can_be_waited_for_by_its_own_id(queue: rowline.Queue, db: Database) -> None:
    mode = {"id": "d", "keepLastIfActive": True}
    queue.add("n", 1, deduplication=mode)
    [lease] = work.take(db)
    assert queue.add("n", 2, job_id="last", deduplication=mode).outcome == "stored"
    work.complete(db, lease)
    assert deduplication.follow(db) == {"q"}
    work.complete_next(db)
    assert queue.wait("last", timeout_s=30).data == 2
