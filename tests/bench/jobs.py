"""The jobs to measure with: the same for Rowline, for raw PostgreSQL and for peers, and ready before the clock runs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from unittest import mock

from app.domain.job import NewJob
from app.store import jobs
from app.store.statements import Statement
from app.web.jobs import new_job

QUEUE = "bench"
NAME = "welcome"
DIFFERENT = 1_000
POST = f"/queues/{QUEUE}/jobs"


def posts(size: int) -> list[str]:
    """Return requests that add `size` jobs each, a line each as the load clients read them: method, path, body."""
    return [f"POST {POST} {body}" for body in bodies(size)]


def bodies(size: int) -> list[str]:
    """Return request bodies of `size` jobs each, as a client would send them."""
    jobs_of = ([f'{{"name":"{NAME}","data":{text}}}' for text in batch] for batch in _batches(size))
    return [f"[{','.join(asked)}]" for asked in jobs_of]


def columns(size: int) -> list[dict[str, Any]]:
    """Return the parameters of `jobs/insert`, which adds two jobs and more, for the same jobs in the same batches."""
    return [parameters(new_job.load(body.encode(), max_jobs=size, max_data_bytes=2**20)) for body in bodies(size)]


class _Asked(Exception):
    """What the statement would have been given."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        super().__init__()
        self.parameters = dict(parameters)


def parameters(new: Sequence[NewJob]) -> dict[str, Any]:
    """Return what the service itself gives to `jobs/insert`, whatever columns there are."""

    def ask(*_: object, **asked: Any) -> None:
        raise _Asked(asked)

    with mock.patch.object(Statement, "rows", ask):
        try:
            jobs.insert(mock.Mock(), queue=QUEUE, new=new)
        except _Asked as asked:
            return asked.parameters
    raise AssertionError("jobs.insert runs no statement")


def _batches(size: int) -> Iterator[list[str]]:
    texts = [data(number) for number in range(max(DIFFERENT, size))]
    return (texts[start : start + size] for start in range(0, len(texts), size))


def data(number: int) -> str:
    """Return about 150 bytes of JSON."""
    return json.dumps(
        {
            "to": f"user-{number:04}@example.com",
            "template": "welcome",
            "tries": 3,
            "locale": "en-GB",
            "subject": "Welcome to the example",
            "trace": f"{number:032x}",
        },
        separators=(",", ":"),
    )
