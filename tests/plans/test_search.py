"""A search reads the jobs that it looks at, in the order of an index, whatever the table holds."""

import re
from typing import Any

import pytest

from app.domain.jobfilter import JobFilter
from app.domain.states import Status
from app.infra.settings import Settings
from app.postgres.database import Database
from app.queries import plans
from app.store import search
from app.store.search import OLDEST_FIRST
from app.store.statements import Statement
from tests.plans.indexes import INDEXES
from tests.plans.test_plans import ALL, FILL, fetched, filled
from tests.support import databases

__all__ = ["filled"]
EACH = len(Status)
STATUSES = [tuple(Status), (Status.ACTIVE,), (Status.COMPLETED, Status.FAILED), (Status.WAITING,)]
NOTHING = JobFilter(name="none")


def test_in_both_orders_it_walks_over_an_index_and_sorts_no_queue(filled: Database) -> None:
    with filled.read() as conn:
        for newest, oldest in OLDEST_FIRST.items():
            for statement in (newest, oldest):
                plan = plans.plan(conn, statement)
                assert {index for index in ALL if f" {index} " in plan} == INDEXES[newest.name], plan
                assert "Seq Scan on" not in plan, plan
                keys = re.findall(r"-> +(?:Incremental )?Sort .*\n +Sort Key: (\S+)", plan)
                assert bool({*keys} - {"counted.number"}) == (newest.name == "jobs/search_ids"), plan
                assert "Run Condition" in plan, plan


def test_in_a_database_with_one_queue_and_one_status_no_walk_goes_over_all_jobs(server_url: str, template: str) -> None:
    """Statistics say there that a look for a status finds it at once, whichever it is; the primary key is shorter."""
    with databases.fresh(server_url, template=template) as url:
        databases.run(url, FILL.replace("%s", "20000").replace("%%", "%"))
        databases.run(url, "delete from rowline.jobs where status <> 'completed'")
        databases.run(url, "vacuum analyze rowline.jobs")
        db = Database(Settings(database_url=url), url=url, size=1, name="plans")
        with db.read() as conn:
            for name in (
                "jobs/search",
                "retention/sweep",
                "retention/next_at_once",
                "retention/edge",
                "retention/aged",
            ):
                plan = plans.plan(conn, Statement(name))
                assert "jobs_listed" in plan, plan
                walks = re.findall(r"using jobs_pkey .*\n +Index Cond: (.*)", plan)
                assert all("number = ANY" in each for each in walks), plan
        db.close()


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("statuses", STATUSES)
@pytest.mark.parametrize("bounds", [{"limit": 50, "most": 100}, {"limit": 20_000, "most": 10}])
def test_it_reads_about_as_many_jobs_as_it_looks_at(
    filled: Database, statuses: tuple[Status, ...], bounds: dict[str, Any], *, newest_first: bool
) -> None:
    wanted = JobFilter(statuses=statuses, name="n")
    with filled.read() as conn:
        for _ in range(2):  # who comes first past dead entries marks them so
            before = fetched(conn)
            seen = search.search(conn, queue="q", wanted=wanted, newest_first=newest_first, **bounds)
        assert seen.looked_at <= min(bounds["limit"], bounds["most"])
        assert seen.looked_at == len(seen.numbers)
        assert fetched(conn) - before <= 2 * (seen.looked_at + EACH + 2)


@pytest.mark.parametrize("newest_first", [True, False])
def test_over_all_queues_too(filled: Database, *, newest_first: bool) -> None:
    with filled.read() as conn:
        for _ in range(2):
            before = fetched(conn)
            seen = search.search_by_number(
                conn, readable=["%"], shown=["%"], wanted=NOTHING, most=10, limit=50, newest_first=newest_first
            )
        assert fetched(conn) - before <= 2 * (seen.looked_at + 2)


def test_it_goes_on_from_a_number_without_reading_what_is_before(filled: Database) -> None:
    with filled.read() as conn:
        first = search.search(conn, queue="q", wanted=NOTHING, most=10, limit=400)
        before = fetched(conn)
        seen = search.search(conn, queue="q", wanted=NOTHING, most=10, limit=20, after=first.last)
        assert fetched(conn) - before <= 2 * (seen.looked_at + EACH + 2)


def test_those_of_a_transaction_that_writes_do_so_too(filled: Database) -> None:
    """Plans search in transactions of their own, on connections that may choose other plans."""
    with filled.begin() as conn:
        for statement in OLDEST_FIRST.items():
            for one in statement:
                plan = plans.plan(conn, one)
                assert "Bitmap" not in plan or "search_ids" in one.name, plan
