"""`rowline explain`: why a job, or the jobs of a queue, do not run, from the database itself."""

from collections.abc import Iterator

import click
import orjson

from app.cli import columns, direct, names
from app.domain.explain import Explanation
from app.postgres.database import Database
from app.queries import explain as queries
from app.wire.explain import dump


@click.command()
@names.queue
@click.argument("job_id", metavar="[ID]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(*, queue: str, job_id: str | None, as_json: bool) -> None:
    """Explain why the jobs of QUEUE do not run, or its job ID: by whom or what it is held, and what to do.

    It is in the database: DATABASE_URL, or the embedded one of `rowline run`.
    """

    def act(db: Database) -> Explanation:
        return queries.queue(db, queue=queue) if job_id is None else queries.job(db, queue=queue, job_id=job_id)

    found = direct.told(act, name="rowline-explain")
    if as_json:
        print(orjson.dumps(dump(found, sees_payload=True), option=orjson.OPT_INDENT_2).decode())
        return
    for line in _lines(found):
        print(columns.printable(line))


def _lines(found: Explanation) -> Iterator[str]:
    """Yield the sentence, then what it does not say: of several reasons each with its own hint, and the failure."""
    yield found.sentence
    for reason in found.reasons:
        if len(found.reasons) > 1:
            yield f"  {reason.code}: {reason.text}"
            yield from [f"    {reason.hint}"] if reason.hint else []
        if reason.failed_reason:
            yield f"    the failure was: {reason.failed_reason}"
