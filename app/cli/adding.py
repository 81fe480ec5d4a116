"""`rowline jobs add`: adds a job, with the options of the API, on the database itself."""

import json
import os
import re
from collections.abc import Callable, Collection
from typing import Any

import click
import orjson

from app.cli import columns, direct, names
from app.cli.values import JsonValue
from app.domain.options import STORED, Kind, Option
from app.infra import settings
from app.operations import jobs as operations
from app.operations.adding import Submitted
from app.postgres.database import Database
from app.web.jobs import new_job
from app.web.jobs.submitted import SubmittedSchema

Command = Callable[..., None]
_TYPES: dict[Kind, Any] = {Kind.WHOLE: int, Kind.FLAG: bool, Kind.ID: str, Kind.TEXTS: str}
"""What is given on the command line; JSON for all other kinds."""
_SEE, _LINK = re.compile(r",? see \[.*?\]\(.*?\)|`"), re.compile(r"\[(.*?)\]\(.*?\)")
_LETTERS = re.compile(r"(?<=[a-z])(?=[A-Z])")


def options(command: Command, *, besides: Collection[str] = ()) -> Command:
    """Add a parameter for each option of a job, but those of these names."""
    for option in reversed(STORED):
        command = command if option.name in besides else _option(option)(command)
    return command


def _option(option: Option) -> Callable[[Command], Command]:
    flag = _LETTERS.sub("-", option.name).lower()
    about = _LINK.sub(r"\1", _SEE.sub("", option.meaning))
    about = f"{about[0].upper()}{about[1:]}."
    match option.kind:
        case Kind.FLAG:
            return click.option(f"--{flag}/--no-{flag}", option.name, default=None, help=about)
        case Kind.TEXTS:
            return click.option(f"--{flag.removesuffix('s')}", option.name, multiple=True, help=f"{about} Repeatable.")
        case _:
            return click.option(f"--{flag}", option.name, type=_TYPES.get(option.kind, JsonValue()), help=about)


@click.command()
@names.queue
@click.argument("name")
@click.option("--data", type=JsonValue(), default="null", help="What its handler gets.")
@options
@click.option("--json", "is_json", is_flag=True, help="Print what the API answers.")
def add(*, queue: str, name: str, data: str, is_json: bool, **given: Any) -> None:
    """Add a job to a queue. Prints its id, its status, and whether it is new or stands for one that is there."""
    chosen = settings.from_env(os.environ)
    body = f'[{{"name":{json.dumps(name)},"data":{data},"opts":{{{opts(given)}}}}}]'

    def act(db: Database) -> Submitted:
        """Read the job as the API reads it, with the same limits and faults."""
        new = new_job.load(body.encode(), max_jobs=1, max_data_bytes=chosen.max_data_bytes)
        return operations.submit_many(db, queue=queue, new=new)[0]

    submitted = direct.told(act, name="rowline-jobs")
    if is_json:
        print(orjson.dumps(SubmittedSchema(queue_prefix=chosen.queue_prefix).dump_all([submitted])[0]).decode())
        return
    print(columns.line([submitted.job.id, submitted.job.status.value, submitted.outcome.value]))


def opts(given: dict[str, Any]) -> str:
    """Return the members of `opts` as JSON: what is not given is left out."""
    is_text = {option.name: option.kind in _TYPES for option in STORED}
    members = {name: value for name, value in given.items() if value not in {None, ()}}
    return ",".join(
        f"{json.dumps(name)}:{json.dumps(value) if is_text[name] else value}" for name, value in members.items()
    )
