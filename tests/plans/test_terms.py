"""Statements of terms read those that they ask for, however many there are and whatever the planner believes."""

import json
import re
from collections.abc import Iterator

import pytest

from app.domain.jobfilter import JobFilter
from app.infra.settings import Settings
from app.postgres.database import Connection, Database
from app.queries import plans
from app.store import jobs, search, search_all
from app.store.search import OLDEST_FIRST
from app.store.statements import Statement
from tests.plans.conftest import Copied
from tests.plans.indexes import INDEXES
from tests.plans.of_terms import REMOVAL
from tests.plans.test_plans import FILL, analyzed, fetched, nodes
from tests.support import databases, terms

OF_TERMS = [name for name, indexes in INDEXES.items() if "terms_pkey" in indexes]
TAG = """
update rowline.jobs set tags = array[case when mod(number, 2) = 0 then 'even' else 'odd' end, 'rare-' || number / 10]
where status <> 'active';
insert into rowline.terms (queue, term, number)
select queue, 'tag:' || tag, number from rowline.jobs cross join unnest(tags) as tag;
insert into rowline.terms (queue, term, number) select 'other', term, number from rowline.terms;
"""


def tag(url: str, size: int) -> None:
    for table in ("jobs", "terms"):  # whether a copy is analyzed, its test says
        databases.run(url, f"alter table rowline.{table} set (autovacuum_enabled = off)")
    databases.run(url, "alter table rowline.jobs disable trigger user")
    databases.run(url, FILL.replace("%s", str(size // 2)).replace("%%", "%"))
    databases.run(url, TAG)


@pytest.fixture(
    scope="module",
    params=[(0, False), (1_000, False), (1_000, True), (50_000, True), (500_000, False), (500_000, True)],
    ids=lambda p: f"{p[0]} rows{', analyzed' if p[1] else ''}",
)
def tagged(copied: Copied, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A queue of so many terms, two for each job, and another one with as many."""
    size, is_analyzed = request.param
    with copied(tag, size) as url:
        if is_analyzed:
            databases.run(url, "vacuum analyze rowline.jobs, rowline.terms")
        db = Database(Settings(database_url=url, statement_ms=60_000), url=url, size=1, name="plans")
        with db.begin() as conn:
            terms.trust(conn)
        yield db
        db.close()


def shown(conn: Connection, statement: Statement) -> str:
    return plans.plan(conn, statement)


@pytest.mark.parametrize("name", OF_TERMS)
def test_terms_are_looked_up_by_their_key(tagged: Database, name: str) -> None:
    with tagged.read() as conn:
        plan = shown(conn, Statement(name))
    assert "Seq Scan on" not in plan, plan
    found = re.findall(r"terms_pkey on terms .*\n\s*Index Cond: (.*)", plan)
    for condition in found:
        assert "term" in condition, plan
        assert "queue = " in condition or name in {"terms/clear_all", "terms/orphans"}, plan
    assert found or "terms_pkey" in plan, plan
    if name in REMOVAL:
        assert "Tid Scan" in plan, plan


def test_a_search_sorts_nothing_in_both_orders(tagged: Database) -> None:
    [newest] = [one for one in OLDEST_FIRST if one.name == "jobs/search_terms"]
    with tagged.read() as conn:
        for one in (newest, OLDEST_FIRST[newest]):
            plan = shown(conn, one)
            assert {*re.findall(r"Sort Key: (\S+)", plan)} <= {"counted.number", '"*SELECT*'}, plan
            assert re.findall(r"-> +(?:Incremental )?Sort ", plan) == [], plan
            assert "Run Condition" in plan, plan


def test_jobs_with_terms_are_inserted_as_others_are(tagged: Database) -> None:
    with tagged.read() as conn:
        for one in (jobs._insert_found, jobs._insert_one_found):  # noqa: SLF001 - they have no files
            plan = shown(conn, one)
            assert set(re.findall(r"\b(jobs_custom_id|queue_settings_pkey)\b", plan)) == INDEXES["jobs/insert"], plan
            assert "Seq Scan on" not in plan, plan
        assert "terms_pkey" in shown(conn, search_all._queues_with_term)  # noqa: SLF001


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize(
    ("tags", "most"), [(("rare-3",), 20), (("even",), 20), (("odd", "rare-3"), 20), (("none",), 5), (("even",), 500)]
)
def test_it_reads_the_jobs_that_have_the_term_and_no_others(
    tagged: Database, tags: tuple[str, ...], most: int, *, newest_first: bool
) -> None:
    with tagged.read() as conn:
        before = fetched(conn)
        seen = search.search(conn, queue="q", wanted=JobFilter(tags=tags), most=most, newest_first=newest_first)
        assert seen.is_complete
        assert seen.looked_at <= min(most, len(seen.numbers) + 10)
        assert fetched(conn) - before <= 3 * (seen.looked_at + 2)  # an entry, a row, and one that was updated


def test_a_removal_reads_the_terms_of_its_jobs_and_no_others(tagged: Database) -> None:
    with tagged.begin() as conn:
        asked = "select number from rowline.jobs where status = 'completed' order by number limit 50"
        numbers = conn.exec_driver_sql(asked).scalars().all()
        before = conn.exec_driver_sql("select count(*) from rowline.terms").scalar_one()
        given = "{" + ",".join(map(str, numbers)) + "}"
        plan = analyzed(conn, "jobs/remove_job", queue="q", numbers=given)
        reads = [node for node in nodes(plan) if node.get("Relation Name") == "terms" and "Scan" in node["Node Type"]]
        for node in reads:
            assert node["Actual Rows"] * node["Actual Loops"] <= 2 * len(numbers), json.dumps(node, indent=1)
            assert node.get("Rows Removed by Filter", 0) == 0, json.dumps(node, indent=1)
        after = conn.exec_driver_sql("select count(*) from rowline.terms").scalar_one()
        assert before - after == 2 * len(numbers)
        conn.rollback()
        conn.begin()
