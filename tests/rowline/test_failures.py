"""The client shows failures in groups, finds the jobs of one and retries it."""

import rowline

from app.domain import fingerprint
from app.postgres.database import Database
from tests.support import work
from tests.support.plans import run


def test_failures_are_grouped_found_and_retried(queue: rowline.Queue, db: Database) -> None:
    ids = []
    for reason in ("broke 1", "other", "broke 2"):
        ids.append(queue.add("n", 1).id)
        work.fail_next(db, reason=reason)

    found = queue.failures()
    assert [(group.fingerprint, group.example, group.count, group.jobs) for group in found.groups] == [
        (fingerprint.of("broke 0"), "broke 2", 2, (ids[2], ids[0])),
        (fingerprint.of("other"), "other", 1, (ids[1],)),
    ]
    assert found.groups[0].first_on <= found.groups[0].last_on
    assert (found.count, found.is_complete, found.ungrouped) == (2, True, 0)
    assert queue.failures(start=1, length=1).groups == found.groups[1:]

    mine = fingerprint.of("broke 7")
    assert [job.id for job in queue.jobs(fingerprint=mine)] == [ids[2], ids[0]]
    plan = queue.plan("retry", fingerprint=mine)
    assert plan.info.matched == 2
    plan.apply(rate_per_s=1000)
    run(db)
    assert [group.example for group in queue.failures().groups] == ["other"]
