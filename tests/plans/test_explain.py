"""An explanation walks over 10,001 entries of an index and no further, however long the queue is."""

import json
from collections.abc import Iterator

import pytest

from app.domain.job import PRIORITY_MAX
from app.domain.pace import EXACT
from app.infra.settings import Settings
from app.postgres.database import Database
from tests.plans.test_plans import analyzed, buffers, nodes
from tests.support import databases

SIZE = 60_000
FILL = f"""
insert into rowline.jobs (queue, number, name, data, opts, status, priority, lifo, place, run_at, added_at, delay_ms,
    attempts)
select 'q', nth, 'n', '1', '{{}}', case when mod(nth, 2) = 0 then 'waiting' else 'delayed' end, 0, false, nth,
    now() + mod(nth, 2) * nth * interval '1 millisecond', now(), 0, 1
from generate_series(1, {2 * SIZE}) as nth
"""
END = 2 * SIZE + 1


@pytest.fixture(scope="module", params=[True, False], ids=["analyzed", "never analyzed"])
def large(server_url: str, template: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A queue of 60,000 ready and as many delayed jobs."""
    with databases.fresh(server_url, template=template) as url:
        databases.run(url, "alter table rowline.jobs set (autovacuum_enabled = off)")
        databases.run(url, FILL)
        databases.run(url, "vacuum analyze rowline.jobs" if request.param else "vacuum rowline.jobs")
        db = Database(Settings(database_url=url, statement_ms=60_000), url=url, size=1, name="plans")
        yield db
        db.close()


WALKS = {
    "explain/ahead": {"priority": 0, "place": END},
    "explain/line": {"priority": 0, "place": 0, "to_priority": PRIORITY_MAX},
    "explain/soon": {"within_s": 3_600},
}


@pytest.mark.parametrize("name", WALKS)
def test_a_walk_reads_so_many_entries_of_one_index_and_no_row(large: Database, name: str) -> None:
    with large.begin() as conn:
        plan = analyzed(conn, name, queue="q", most=EXACT + 1, **WALKS[name])
    walks = [node for node in nodes(plan) if node.get("Relation Name") == "jobs"]
    for node in walks:
        shown = json.dumps(node, indent=1)
        assert node["Node Type"] == "Index Only Scan", shown
        assert node["Actual Rows"] * node["Actual Loops"] <= EXACT + 1, shown
        assert node.get("Rows Removed by Filter", 0) == 0, shown
        assert node["Heap Fetches"] == 0, shown
    assert buffers(plan) <= 300


def test_what_is_near_is_read_alone(large: Database) -> None:
    with large.begin() as conn:
        near = analyzed(conn, "explain/ahead", queue="q", most=EXACT + 1, priority=0, place=20)
        end = {"priority": 0, "place": END - 20, "to_priority": PRIORITY_MAX}
        late = analyzed(conn, "explain/line", queue="q", most=EXACT + 1, **end)
        runs = analyzed(conn, "explain/runs", queue="q", most=200, within_s=900)
        batch = analyzed(conn, "explain/batch", queue="q", most=500, within_s=300)
        one = analyzed(conn, "explain/job", queue="q", numbers="{2}", custom_ids="{}", reason_max=200)
    assert buffers(near) <= 10
    assert buffers(late) <= 20
    assert buffers(runs) <= 20
    assert buffers(batch) <= 20
    assert buffers(one) <= 20
