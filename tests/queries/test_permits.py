"""What takes long to read needs one of few permits: it leaves connections to all others."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from types import SimpleNamespace
from typing import cast

import pytest

from app.domain.plan import Plan, PlanStatus
from app.domain.series import Step
from app.domain.states import Status
from app.infra.settings import Settings
from app.operations import plans, removal
from app.postgres.database import LONG_SHARE, Database, DatabaseError
from app.queries import audit, history, jobplans, queues, schedules, series, tokens
from app.queries.find import Finder
from app.queries.jobs import Pages, Part
from app.queries.permits import NEAR
from tests.support import databases
from tests.support.clusters import until
from tests.support.jobs import insert, new
from tests.support.schedules import made

QUEUE = "long"
READS: dict[str, tuple[Callable[[Database], object], bool]] = {
    "a page": (lambda db: page(db, 0), False),
    "a deep page": (lambda db: page(db, NEAR), True),
    "a page behind all jobs": (lambda db: page(db, 5 * NEAR), False),
    "groups of failures": (lambda db: Finder(db).failures(queue=QUEUE, start=0, length=10), True),
    "the log of a job": (lambda db: history.logs(db, queue=QUEUE, job_id="1", start=0, length=10), False),
    "a log that may be long": (lambda db: history.logs(db, queue=QUEUE, job_id="2", start=0, length=10), True),
    "attempts": (lambda db: history.attempts(db, queue=QUEUE, job_id="2", start=0, length=10), False),
    "many attempts": (lambda db: history.attempts(db, queue=QUEUE, job_id="1", start=0, length=10), True),
    "plans of a queue": (lambda db: jobplans.page(db, queue=QUEUE, start=0, length=10), False),
    "plans far down": (lambda db: jobplans.page(db, queue=QUEUE, start=NEAR, length=10), True),
    "plans of all queues": (lambda db: jobplans.page_of_all(db, allowed=["*"], start=0, length=10), True),
    "schedules of a queue": (lambda db: schedules.page(db, queue=QUEUE, start=0, length=10), False),
    "schedules far down": (lambda db: schedules.page(db, queue=QUEUE, start=NEAR, length=10), True),
    "schedules of all queues": (
        lambda db: schedules.page_of_all(db, allowed=["*"], pattern="*", start=0, length=10),
        True,
    ),
    "runs of a schedule": (
        lambda db: schedules.runs(db, queue="q", schedule_id="s", start=0, length=10),
        True,
    ),
    "queues": (lambda db: queues.page(db, start=0, length=10), True),
    "tokens": (lambda db: tokens.page(db, start=0, length=10), False),
    "tokens far down": (lambda db: tokens.page(db, start=NEAR, length=10), True),
    "acts": (lambda db: audit.entries(db, wanted=audit.Wanted(target="x"), length=10), True),
    "the last hour": (lambda db: series.of_queue(db, queue=QUEUE), False),
    "a series of days": (lambda db: series.of_queue(db, queue=QUEUE, step=Step.DAY), True),
}
"""By their names, how each is read, and whether it needs a permit."""


def page(db: Database, start: int) -> None:
    Pages(db).read(queue=QUEUE, part=Part(statuses=(*Status,), start=start, length=10))


@pytest.fixture(scope="module")
def reader(server_url: str, template: str) -> Iterator[Database]:
    with databases.fresh(server_url, template=template) as url:
        settings = Settings(database_url=url, pool_wait_ms=50)
        db = Database(settings, url=databases.as_runtime(url), size=2 * LONG_SHARE, name="rowline-test")
        with db.begin() as conn:
            first, _ = insert(conn, new(), new(logs_kept=20_000), queue=QUEUE)
            insert(conn, *[new()] * NEAR, queue=QUEUE)
            conn.exec_driver_sql(
                f"update rowline.jobs set attempts_started = 20000, processed_at = now() where number = {first}"
            )
        made(db, "s")
        yield db
        db.close()


@pytest.mark.parametrize("what", READS)
def test_what_takes_long_to_read_waits_for_a_permit(reader: Database, what: str) -> None:
    read, is_long = READS[what]
    read(reader)
    with ExitStack() as taken:
        assert all(taken.enter_context(reader.long_work()) for _ in range(2))
        if is_long:
            with pytest.raises(DatabaseError, match="too many searches and deep pages are read"):
                read(reader)
        else:
            read(reader)
    read(reader)


def test_a_removal_in_steps_stops_for_who_waits_for_its_permit(
    server_url: str, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = cast("Plan", SimpleNamespace(status=PlanStatus.APPLYING, queue=QUEUE, id="1"))
    with databases.fresh(server_url, template=template) as url, ThreadPoolExecutor(1) as pool:
        db = Database(Settings(database_url=url), url=databases.as_runtime(url), size=LONG_SHARE, name="rowline-test")
        steps: list[Future[None]] = []

        def read() -> None:
            with db.long_work(timeout_s=60) as is_mine:
                assert is_mine

        def step(*_: object, **__: object) -> Plan:
            steps.append(pool.submit(read))
            until(lambda: bool(db._long._lines))  # noqa: SLF001
            return plan

        monkeypatch.setattr(plans, "step", step)
        assert removal.go_on(db, plan, limit_s=60) is plan
        assert len(steps) == 1
        steps[0].result()
        db.close()
