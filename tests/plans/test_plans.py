"""Every statement reads the rows it needs and no others, whatever the table holds and the planner believes."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.domain.scan import HEAD, Place
from app.infra.settings import Settings
from app.operations import maintenance
from app.postgres.database import Connection, Database
from app.queries import plans
from app.store import leases
from app.store.jobs import ANY_BYTES
from app.store.statements import Statement
from app.store.tables import metadata
from tests.plans.conftest import Copied
from tests.plans.indexes import EVERYTHING, IN_ORDER_OF_NUMBERS, INDEXES
from tests.support import databases
from tests.support.jobs import insert, new

SQL = Path(__file__).parents[2] / "app" / "store" / "sql"
CLAIMS = ["leases/claim", "leases/claim_large", "leases/claim_next", "leases/claim_one"]
LOOKS = {"CTE locked", "CTE scanned"}
"""Where a claim looks for jobs: the one that claims one has nothing between that and the moment."""
ALL = [str(index.name) for table in metadata.tables.values() for index in table.indexes]
ALL += [str(table.primary_key.name) for table in metadata.tables.values()]
FILL = """
insert into rowline.jobs (queue, number, name, data, opts, status, priority, lifo, place, run_at, added_at, delay_ms,
    attempts, attempts_started, processed_at, finished_at, lease_token, leased_until, result)
select 'q', nextval('rowline.job_numbers'), 'n', '1', '{}', status, priority, false, n, now() + wait, now(), 0,
    1, started, case when started > 0 then now() end, case when result is not null then now() end,
    case when status = 'active' then gen_random_uuid() end,
    case when status = 'active' then now() + interval '1 hour' end, result::json
from generate_series(1, %s) as n
cross join lateral (select
    case when n %% 10 = 0 then 'waiting' when n %% 10 = 1 then 'completed' when n %% 1000 = 2 then 'active'
        else 'delayed' end as status
) as kind
cross join lateral (select
    case when status = 'delayed' then 1 else 0 end as priority,
    case when status = 'delayed' then interval '1 year' else interval '0' end as wait,
    case when status in ('completed', 'active') then 1 else 0 end as started,
    case when status = 'completed' then '1' end as result
) as members
"""
ADD = """
insert into rowline.jobs (queue, number, name, data, opts, status, priority, lifo, place, run_at, added_at, delay_ms,
    attempts)
select 'q', nextval('rowline.job_numbers'), 'n', '1', '{{}}', case when mod(n, 2) = 0 then 'waiting' else 'delayed' end,
    0, false, n, now() + interval '1 year', now(), 0, 1
from generate_series(1, {jobs}) as n
"""
WORK = """
update rowline.jobs
set status = 'completed', attempts_started = 1, attempts_made = 1, processed_at = now(), finished_at = now(),
    result = '1'
"""
ENDPOINT = """
insert into rowline.endpoints (queue, url, method, headers, secrets, timeout_ms, concurrency)
values ('q', 'https://example.com/', 'POST', '', '', 1000, 1000)
"""
DELTAS = """
insert into rowline.job_deltas (queue, waiting)
select case when mod(n, 1000) = 0 then 'q' else 'other' end, 1 from generate_series(1, 10000) as n
"""


def fill(url: str, size: int) -> None:
    databases.run(url, "alter table rowline.jobs set (autovacuum_enabled = off)")
    databases.run(url, FILL.replace("%s", str(size)).replace("%%", "%"))
    databases.run(url, "insert into rowline.job_counts (queue, waiting) values ('q', 1)")


@pytest.fixture(
    scope="module",
    params=[(0, False), (0, True), (1_000, False), (1_000, True), (50_000, False), (500_000, False), (500_000, True)],
    ids=lambda p: f"{p[0]} rows{', analyzed' if p[1] else ''}",
)
def filled(copied: Copied, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A queue of so many jobs, four fifths of them delayed to next year, all ahead of the ready ones by their place."""
    size, is_analyzed = request.param
    with copied(fill, size) as url:
        if is_analyzed:
            databases.run(url, "analyze rowline.jobs")
        db = Database(Settings(database_url=url, statement_ms=60_000), url=url, size=1, name="plans")
        yield db
        db.close()


def worked(url: str, size: int) -> None:
    """Let jobs wait and be delayed, and complete; what the indexes hold of them stays, as while a snapshot is held."""
    databases.run(url, "alter table rowline.jobs set (autovacuum_enabled = off)")
    databases.run(url, ADD.format(jobs=size))
    databases.run(url, WORK)


@pytest.mark.parametrize("few", [2, 6, 20, 60, 200])
def test_a_line_is_walked_by_its_index_however_few_jobs_the_last_analyze_saw_in_it(copied: Copied, few: int) -> None:
    with copied(worked, 40_000) as url:
        databases.run(url, ADD.format(jobs=few))
        databases.run(url, "analyze rowline.jobs")
        db = Database(Settings(database_url=url, statement_ms=60_000), url=url, size=1, name="plans")
        with db.read() as conn:
            for name in [name for name, indexes in INDEXES.items() if indexes & {"jobs_next", "jobs_later"}]:
                plan = of_parents(plans.plan(conn, Statement(name)))
                assert {index for index in ALL if re.search(rf"\b{index}\b", plan)} == INDEXES[name], f"{name}:\n{plan}"
        db.close()


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


def test_each_statement_goes_through_its_own_indexes(filled: Database) -> None:
    assert set(INDEXES) | EVERYTHING == {f"{file.parent.name}/{file.stem}" for file in SQL.glob("[a-z]*/*.sql")}
    with filled.read() as conn:
        for name, indexes in INDEXES.items():
            plan = of_parents(plans.plan(conn, Statement(name)))
            assert {index for index in ALL if re.search(rf"\b{index}\b", plan)} == indexes, f"{name}:\n{plan}"
            assert "Seq Scan on" not in plan, f"{name}:\n{plan}"
            for condition in re.findall(r"using jobs_pkey on jobs.*\n\s*Index Cond: (.*)", plan):
                assert "number = " in condition or name in IN_ORDER_OF_NUMBERS, f"{name}:\n{plan}"


def of_parents(plan: str) -> str:
    """Name the indexes of partitions of the events as those of the table."""
    for suffix, parent in {"pkey": "pkey", "queue_last_id_idx": "of_queue", "numbers_idx": "gone"}.items():
        plan = re.sub(rf"\bevents_\d+_{suffix}\b", f"events_{parent}", plan)
    return plan


def analyzed(conn: Connection, name: str, **parameters: object) -> dict[str, Any]:
    """Run a statement and return its plan with what it really did."""
    statement = Statement(name)
    conn.exec_driver_sql(f"prepare measured as {statement.prepared.replace('%', '%%')}")
    values = ", ".join(f"'{parameters[parameter]}'" for parameter in statement.parameters)
    execute = f"execute measured ({values})" if values else "execute measured"
    text = conn.exec_driver_sql(f"explain (analyze, buffers, timing off, format json) {execute}").scalar_one()
    conn.exec_driver_sql("deallocate measured")
    plan: dict[str, Any] = json.loads(text)[0]["Plan"]
    return plan


@pytest.mark.parametrize(
    ("name", "start"),
    [(name, start) for name in CLAIMS for start in (HEAD, Place(0, 500))],
)
def test_a_claim_reads_the_rows_it_takes_and_no_others(filled: Database, name: str, start: Place) -> None:
    with filled.begin() as conn:
        places = {"from_priority": start.priority, "from_place": start.place}
        asked = {"queue": "q", "limit": 10, "lease_ms": 1000, "grace_ms": 1000, "worker": "w", "max_bytes": ANY_BYTES}
        plan = analyzed(conn, name, **asked, **places)
        reads = [node for node in nodes(plan) if node.get("Relation Name") == "jobs" and "Scan" in node["Node Type"]]
        for node in reads:
            assert node["Actual Rows"] * node["Actual Loops"] <= 10, json.dumps(node, indent=1)
            assert node.get("Rows Removed by Filter", 0) == 0, json.dumps(node, indent=1)
        conn.rollback()
        conn.begin()


def test_counting_reads_what_its_queue_has_not_folded_and_nothing_else(filled: Database) -> None:
    with filled.begin() as conn:
        conn.exec_driver_sql(DELTAS)
        plan = analyzed(conn, "counts/count", queue="q")
        reads = [node for node in nodes(plan) if "Relation Name" in node]
        rows = {node["Relation Name"]: 0 for node in reads}
        for node in reads:
            assert node.get("Rows Removed by Filter", 0) == 0, json.dumps(node, indent=1)
            rows[node["Relation Name"]] += node["Actual Rows"] * node["Actual Loops"]
        assert rows == {"job_deltas": 10, "job_counts": 1, "job_folds": 1}
        assert buffers(plan) <= 100, json.dumps(plan, indent=1)
        conn.rollback()
        conn.begin()


def test_what_is_folded_is_not_read_again_though_a_snapshot_keeps_it_on_disk(own_url: str) -> None:
    db = Database(Settings(database_url=own_url), url=own_url, size=4, name="plans")
    with db.begin() as writer, db.read() as reader:
        for conn in (writer, reader):  # one keeps the rows, the other keeps the oldest number in flight
            conn.exec_driver_sql("select count(*) from rowline.jobs")
        insert(writer, new())
        databases.run(
            own_url, "insert into rowline.job_deltas (queue, waiting) select 'q', 1 from generate_series(1, 9000)"
        )
        assert maintenance.fold_counts(db) == 9_000
        assert maintenance.fold_counts(db) == 0  # tells that the events have a gap
        with db.begin() as conn:
            assert buffers(analyzed(conn, "counts/count", queue="q")) <= 20
            assert buffers(analyzed(conn, "counts/fold", limit=1000, most=2000, publishes=True)) <= 20
    db.close()


def test_a_fold_reads_a_part_of_the_deltas_that_wait_however_many_these_are(filled: Database) -> None:
    with filled.begin() as conn:
        conn.exec_driver_sql(
            "insert into rowline.job_deltas (queue, added_by, verb, numbers, at) "
            "select 'q', pg_current_xact_id()::text::bigint + nth, 'change', '{1}', now() + nth * interval '1 ms' "
            "from generate_series(1, 50000) as nth"
        )
        plan = analyzed(conn, "counts/fold", limit=1000, most=2000, publishes=True)
        reads = [node for node in nodes(plan) if node.get("Relation Name") == "job_deltas"]
        reads = [node for node in reads if "Scan" in node["Node Type"]]
        assert sum(node["Actual Rows"] * node["Actual Loops"] for node in reads) <= 3_000, json.dumps(reads, indent=1)
        assert sum(node.get("Rows Removed by Filter", 0) for node in reads) == 0
        assert conn.exec_driver_sql("select count(*) from rowline.job_deltas").scalar_one() == 49_000
        conn.rollback()
        conn.begin()


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_with_a_mark_does_not_walk_over_what_a_snapshot_keeps_on_disk(own_url: str, name: str) -> None:
    db = Database(Settings(database_url=own_url), url=own_url, size=4, name="plans")
    with db.begin() as conn:
        insert(conn, *[new() for _ in range(3_020)])
    with db.read() as reader:
        reader.exec_driver_sql("select count(*) from rowline.jobs")
        with db.begin() as conn:
            leases.claim(conn, queue="q", limit=3_000, lease_ms=1000, worker="w")
            last = conn.exec_driver_sql("select max(place) from rowline.jobs where status = 'active'").scalar_one()
        read = []
        for place in (HEAD.place, last):
            with db.begin() as conn:
                asked = {
                    "queue": "q",
                    "limit": 10,
                    "lease_ms": 1000,
                    "grace_ms": 1000,
                    "worker": "w",
                    "max_bytes": ANY_BYTES,
                }
                plan = analyzed(conn, name, **asked, from_priority=0, from_place=place)
                read.append(next(node for node in nodes(plan) if node.get("Subplan Name") in LOOKS))
                conn.rollback()
                conn.begin()
    db.close()
    assert buffers(read[0]) > 70  # forty rows a page
    assert buffers(read[1]) <= 25, json.dumps(read[1], indent=1)


def buffers(plan: dict[str, Any]) -> int:
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def test_looking_for_due_jobs_reads_next_to_nothing_when_none_is(filled: Database) -> None:
    with filled.begin() as conn:
        asked = {"limit": 1000, "after_at": "-infinity", "after_number": 0}
        for name, parameters in (("jobs/promote", {"queue": "q", "limit": 1000}), ("jobs/queues_with_due", asked)):
            plan = analyzed(conn, name, **parameters)
            assert buffers(plan) <= 12, json.dumps(plan, indent=1)
        conn.rollback()
        conn.begin()


def test_looking_for_leases_that_have_run_out_reads_a_step_of_the_active_jobs(filled: Database) -> None:
    with filled.begin() as conn:
        plan = analyzed(conn, "leases/queues_with_expired", limit=10, after_queue="", after_number=0)
        reads = [node for node in nodes(plan) if node.get("Relation Name") == "jobs"]
        assert sum(node["Actual Rows"] * node["Actual Loops"] for node in reads) <= 10, json.dumps(reads, indent=1)
        conn.rollback()
        conn.begin()


def test_the_look_reads_next_to_nothing_however_many_queues_have_delayed_jobs(filled: Database) -> None:
    with filled.begin() as conn:
        conn.exec_driver_sql(
            "update rowline.jobs set queue = 'q' || number where status = 'delayed' and number <= 5000"
        )
        plan = analyzed(conn, "rounds/look", channel="c", words="{}", tells=True)
        reads = [node for node in nodes(plan) if node.get("Relation Name") == "jobs"]
        assert sum(node["Actual Rows"] * node["Actual Loops"] for node in reads) <= 1, json.dumps(reads, indent=1)
        conn.rollback()
        conn.begin()


def fetched(conn: Connection) -> int:
    """The rows of jobs that this transaction has read so far, by any way."""
    counters = "pg_stat_get_xact_tuples_returned(c.oid) + pg_stat_get_xact_tuples_fetched(c.oid)"
    return int(
        conn.exec_driver_sql(
            f"select sum({counters}) from pg_class as c left join pg_index as i on i.indexrelid = c.oid "
            "where c.oid = 'rowline.jobs'::regclass or i.indrelid = 'rowline.jobs'::regclass"
        ).scalar_one()
    )


@pytest.mark.parametrize("start", [HEAD, Place(0, 500)])
def test_a_claim_for_calls_reads_the_rows_it_takes_and_those_that_are_called_for(
    filled: Database, start: Place
) -> None:
    with filled.begin() as conn:
        conn.exec_driver_sql(
            "update rowline.jobs set processed_by = 'push:1' where status = 'active' and mod(number, 2) = 0"
        )
        calls = conn.exec_driver_sql("select count(*) from rowline.jobs where status = 'active'").scalar_one()
        conn.exec_driver_sql(ENDPOINT)
        revision = conn.exec_driver_sql("select revision from rowline.endpoints for update").scalar_one()
        places = {"from_priority": start.priority, "from_place": start.place}
        asked = {
            "queue": "q",
            "revision": revision,
            "limit": 10,
            "lease_ms": 1000,
            "grace_ms": 1000,
            "worker": "push:1",
        }
        plan = analyzed(conn, "endpoints/claim_calls", **asked, **places, ignore_due=False, skip_dead=False)
        reads = [node for node in nodes(plan) if node.get("Relation Name") == "jobs" and "Scan" in node["Node Type"]]
        for node in reads:
            most = calls if node.get("Index Name") == "jobs_active" else 10
            removed = node.get("Rows Removed by Filter", 0)
            assert node["Actual Rows"] * node["Actual Loops"] + removed <= most, json.dumps(node, indent=1)
        conn.rollback()
        conn.begin()
