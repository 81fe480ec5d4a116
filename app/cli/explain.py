"""`rowline explain`: why a job, or the jobs of a queue, do not run."""

from collections.abc import Iterator
from typing import Any

import click

from app.cli import columns, names, output, service
from app.cli.service import of_queue


@click.command()
@names.queue
@click.argument("job_id", metavar="[ID]", required=False)
@output.as_json
@output.watchable
def explain(*, queue: str, job_id: str | None, as_json: bool) -> None:
    """Explain why the jobs of QUEUE do not run, or its job ID: by whom or what it is held, and what to do."""
    where = of_queue(queue) if job_id is None else of_queue(queue, "jobs", job_id)
    with service.opened() as api:
        found = api.get(f"{where}/explain")
    if not output.show([found], as_json=as_json):
        for line in _lines(found.members):
            print(columns.printable(line))


def _lines(found: dict[str, Any]) -> Iterator[str]:
    """Yield the sentence, then what it does not say: of several reasons each with its own hint, and the failure."""
    yield found["sentence"]
    for reason in found["reasons"]:
        if len(found["reasons"]) > 1:
            yield f"  {reason['code']}: {reason['text']}"
            yield from [f"    {reason['hint']}"] if "hint" in reason else []
        if "failedReason" in reason:
            yield f"    the failure was: {reason['failedReason']}"
