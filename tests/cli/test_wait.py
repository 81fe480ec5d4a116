"""`rowline wait`, as a person calls it."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app.operations import jobs as operations
from app.postgres.database import Database
from tests.support import work
from tests.support.clusters import PYTHON, Program
from tests.support.jobs import QUEUE, new


def said(url: str, *words: str) -> tuple[int | None, str]:
    """Run the command; return its exit code and what it said."""
    with Program([*PYTHON, "-m", "app", "wait", *words], env={"DATABASE_URL": url}) as program:
        return program.end(), program.output.strip()


def add(db: Database, **fields: Any) -> str:
    [added] = operations.submit_many(db, queue=QUEUE, new=[new(**fields)])
    return added.job.id


def test_it_prints_the_result_of_a_job_that_ends_meanwhile(db: Database, shared_url: str) -> None:
    job_id = add(db)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(said, shared_url, QUEUE, job_id, "--timeout", "40")
        work.complete_next(db, result='{"sent": [1.50, "\x9bred\x7f\U000e0001é"]}')

        code, output = waiting.result()
    assert (code, json.loads(output)) == (0, {"sent": [1.5, "\x9bred\x7f\U000e0001é"]})
    assert output == '{"sent": [1.50, "\\u009bred\\u007f\\udb40\\udc01é"]}'


def test_a_failed_job_is_exit_code_1_with_its_reason(db: Database, shared_url: str) -> None:
    job_id = add(db, custom_id="own")
    work.fail_next(db, reason="no such \x1b[31maddress")

    assert said(shared_url, QUEUE, job_id) == (1, "job 'own' failed: no such \N{REPLACEMENT CHARACTER}[31maddress")


def test_a_job_that_does_not_end_is_exit_code_6(db: Database, shared_url: str) -> None:
    job_id = add(db)

    assert said(shared_url, QUEUE, job_id, "--timeout", "0.2") == (6, f"job '{job_id}' is waiting after 0.2 s")


@pytest.mark.parametrize(
    ("words", "code", "fault"),
    [
        ((QUEUE, "absent"), 3, "queue 'q' has no job 'absent'"),
        ((QUEUE, "\udcff"), 2, "must not contain control characters or surrogates"),
        ((QUEUE,), 2, "Missing argument 'ID'"),
        ((QUEUE, "1", "--timeout", "-1"), 2, "Invalid value for '--timeout'"),
        ((QUEUE, "1", "--timeout", "nan"), 2, "Invalid value for '--timeout'"),
    ],
)
@pytest.mark.usefixtures("db")
def test_what_cannot_be_done_is_said_in_a_line(shared_url: str, words: tuple[str, ...], code: int, fault: str) -> None:
    found, output = said(shared_url, *words)

    assert found == code, output
    assert fault in output
    assert "Traceback" not in output
