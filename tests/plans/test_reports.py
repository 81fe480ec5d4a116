"""Every view reads about the rows that its common question is about, analyzed or not, and not all that are kept."""

from collections.abc import Iterator

import psycopg
import pytest

from app.infra.settings import Settings
from app.postgres.database import Database
from tests.bench.reports import QUESTIONS, fill
from tests.plans.test_plans import fetched
from tests.support import databases

A_DAY, LIVE, ACTIVE, QUEUES = 500, 2_000, 20, 20
ABOUT = {
    "queues": LIVE,
    "queues: the line alone": LIVE,
    "attention": LIVE,
    "workers": ACTIVE + A_DAY / 24,
    "endpoints": 0,
    "running": ACTIVE,
    "counts": 0,
    "retention": 4 * QUEUES,
    "storage": 0,
    "throughput: a day by the minute": 0,
    "throughput: a week by the hour": 0,
    "throughput: a month by the day": 0,
    "latency: a day by the hour": 0,
    "latency: a week by the day": 0,
    "arrivals: two days": 0,
    "failures: a week": 7 * A_DAY / 100,
    "attempts: an hour of yesterday": ACTIVE + 2 * A_DAY / 24,
    "jobs: failed of a week by customer": 7 * A_DAY / 100,
    "jobs: slowest of an hour": A_DAY / 24,
}
"""How many jobs each question is about, of 45,000 that finished in 90 days, a hundredth of them badly."""


PREPARED = {"never analyzed": "", "analyzed": "analyze", "vacuumed": "vacuum (analyze)"}


@pytest.fixture(scope="module", params=PREPARED)
def filled(server_url: str, template: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    with databases.fresh(server_url, template=template) as url:
        databases.run(url, "alter table rowline.jobs set (autovacuum_enabled = off)")
        with psycopg.connect(url, autocommit=True) as connection:
            fill(connection, url, jobs=90 * A_DAY, live=LIVE)
            if PREPARED[request.param]:
                connection.execute(f"{PREPARED[request.param]} rowline.jobs, rowline.attempts")
        db = Database(Settings(statement_ms=60_000), url=databases.as_runtime(url), size=1, name="plans")
        yield db
        db.close()


def test_every_question_that_is_measured_is_guarded() -> None:
    assert set(QUESTIONS) == set(ABOUT)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_report_reads_about_the_rows_that_it_is_about(filled: Database, question: str) -> None:
    with filled.read() as conn:
        before = fetched(conn)
        conn.exec_driver_sql(QUESTIONS[question].replace("%", "%%")).fetchall()
        # A row found by an index is counted twice; the day of today makes a period one longer.
        assert fetched(conn) - before <= 2.6 * (ABOUT[question] + A_DAY * (" by the day" in question)) + 200


@pytest.mark.parametrize(
    "question", [one for one in QUESTIONS if one.startswith(("throughput", "latency", "arrivals"))]
)
def test_what_came_and_finished_is_told_without_reading_a_job(filled: Database, question: str) -> None:
    with filled.read() as conn:
        before = fetched(conn)
        rows = conn.exec_driver_sql(QUESTIONS[question]).fetchall()
        assert rows
        assert fetched(conn) == before
