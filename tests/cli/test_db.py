"""`rowline db`, as a person calls it."""

from app.infra.database import Database
from tests.support import databases
from tests.support.clusters import PYTHON, Program
from tests.support.jobs import QUEUE, new
from tests.support.workers import add


def said(url: str, *words: str) -> str:
    with Program([*PYTHON, "-m", "app", "db", *words], env={"DATABASE_URL": url}) as program:
        assert program.end() == 0, program.output
        return program.output.strip()


def test_a_recount_names_the_queues_whose_counts_it_mended(db: Database, shared_url: str) -> None:
    add(db, new())
    databases.run(shared_url, "insert into rowline.job_deltas (queue, failed) values ('q', 7)")

    assert said(shared_url, "recount") == f"mended: {QUEUE}"
    assert said(shared_url, "recount") == "all counts were right"
