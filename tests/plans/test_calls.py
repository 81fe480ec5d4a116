"""Counting the calls under way does not scan over what a snapshot keeps on disk of those that have ended."""

from collections.abc import Iterator
from typing import Any

import pytest

from app.domain.job import Completion, JsonText
from app.domain.scan import HEAD
from app.infra.settings import Settings
from app.operations import maintenance
from app.postgres.database import Connection, Database
from app.store import leases
from tests.plans.test_plans import analyzed, buffers, nodes
from tests.support.jobs import QUEUE, claim, endpoint, insert, new

ENDED = 3_000
NOTHING: dict[str, Any] = {"limit": 0, "lease_ms": 1, "grace_ms": 1, "worker": "push:w", "ignore_due": True}


@pytest.fixture
def kept(own_url: str) -> Iterator[Database]:
    """A queue whose jobs have ended, all but the last ten, while a snapshot was held, as it is still."""
    db = Database(Settings(database_url=own_url), url=own_url, size=4, name="plans")
    with db.begin() as conn:
        insert(conn, *[new() for _ in range(ENDED + 10)])
        endpoint(conn, concurrency=1_000)
    with db.read() as reader:
        reader.exec_driver_sql("select count(*) from rowline.jobs")
        with db.begin() as conn:
            told = [Completion(lease=lease.key, result=JsonText("1")) for lease in claim(conn, ENDED)]
            leases.complete(conn, queue=QUEUE, completions=told)
        with db.begin() as conn:
            claim(conn, 10)
        yield db
    db.close()


def counted(conn: Connection, *, skip_dead: bool) -> dict[str, Any]:
    """Count the calls under way as a claim does; return the plan of the scan that looks for them."""
    revision = conn.exec_driver_sql("select revision from rowline.endpoints for update").scalar_one()
    start = {"from_priority": HEAD.priority, "from_place": HEAD.place}
    asked = NOTHING | start | {"queue": QUEUE, "revision": revision, "skip_dead": skip_dead}
    plan = analyzed(conn, "endpoints/claim_calls", **asked)
    return next(node for node in nodes(plan) if node.get("Index Name") == "jobs_active")


def test_calls_that_ended_are_not_read_again_though_a_snapshot_keeps_them(kept: Database) -> None:
    with kept.begin() as conn:
        walked, quick = counted(conn, skip_dead=False), counted(conn, skip_dead=True)

    assert walked["Actual Rows"] == quick["Actual Rows"] == 10
    assert buffers(walked) > 70  # forty rows a page
    assert buffers(quick) <= 25


def test_nor_are_they_when_the_counts_are_folded(kept: Database) -> None:
    assert maintenance.fold_counts(kept)
    with kept.begin() as conn:
        quick = counted(conn, skip_dead=True)

    assert quick["Actual Rows"] == 10
    assert buffers(quick) <= 25
