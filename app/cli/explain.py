"""`rowline explain`: why a job, or the jobs of a queue, do not run, from the database itself."""

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
    print(columns.printable(found.sentence))
    for reason in found.reasons:
        print(columns.printable(f"  {reason.code}: {reason.text}"))
        for more in (reason.hint, reason.failed_reason and f"the failure was: {reason.failed_reason}"):
            if more:
                print(columns.printable(f"    {more}"))
