"""A real worker: `rowline work`, as a process, with handlers that a test writes."""

import textwrap
from pathlib import Path
from typing import Any

from app.domain.job import Job, NewJob
from app.domain.states import FINAL, Status
from app.operations import jobs as operations
from app.postgres.database import Database
from app.queries import jobs
from tests.support.clusters import PATIENCE_S, PYTHON, Program, until
from tests.support.jobs import QUEUE
from tests.support.raw import TOKEN


class WorkerProgram(Program):
    """A worker on the queue of the tests, from the database or the service at an address."""

    def __init__(self, url: str, handlers: Path, **settings: Any) -> None:
        """Start it, with these settings by their names in lower case without `ROWLINE_`; `extra` goes in as it is."""
        extra: dict[str, str] = settings.pop("extra", {})
        env = {f"ROWLINE_{name.upper()}": str(value) for name, value in settings.items()}
        argv: list[str | Path] = [*PYTHON, "-m", "app", "work", "--queue", QUEUE, "--handlers", handlers]
        place = {"DATABASE_URL": url} if not url.startswith("http") else {"DATABASE_URL": "", "ROWLINE_URL": url}
        super().__init__(
            argv, env=place | {"ROWLINE_TOKEN": TOKEN, "ROWLINE_WORKER_PROCESSES": "1"} | env | dict(extra)
        )


def written(folder: Path, text: str) -> Path:
    """Write a handlers file."""
    file = folder / "handlers.py"
    file.write_text("import os, signal, time\nimport rowline\n\n" + textwrap.dedent(text))
    return file


def add(db: Database, *new: NewJob) -> list[str]:
    """Add jobs; return their ids."""
    return [submitted.job.id for submitted in operations.submit_many(db, queue=QUEUE, new=new)]


def find(db: Database, job_id: str) -> Job:
    return jobs.Lookup(db).find(queue=QUEUE, job_id=job_id)


def in_status(db: Database, job_id: str, *statuses: Status, within_s: float = PATIENCE_S) -> Job:
    """Wait until the job is in one of `statuses`, completed or failed if none is named; return it."""
    wanted = statuses or tuple(FINAL)
    until(lambda: find(db, job_id).status in wanted, within_s=within_s)
    return find(db, job_id)
