"""`rowline jobs add`: adds a job, with the options of the API."""

import json
import re
from collections.abc import Callable, Collection
from typing import Any

import click

from app.cli import columns, names, output, service
from app.cli.service import Reply, of_queue
from app.cli.values import JsonValue
from app.domain.options import STORED, Kind, Option

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
@output.as_json
@output.ids_only
def add(*, queue: str, name: str, data: str, as_json: bool, ids_only: bool, **given: Any) -> None:
    """Add a job to a queue. Prints its id, its status, and whether it is new or stands for one that is there."""
    body = f'[{{"name":{json.dumps(name)},"data":{data},"opts":{{{opts(given)}}}}}]'
    with service.opened() as api:
        [added] = api.add(of_queue(queue, "jobs"), body).elements
    show(added, as_json=as_json, ids_only=ids_only)


def show(added: Reply, *, as_json: bool, ids_only: bool = False) -> None:
    """Print a job that was added, or that stands for it."""
    if not output.show([added], as_json=as_json, ids=(lambda job: job.members["id"]) if ids_only else None):
        print(columns.line([added.members["id"], added.members["status"], added.members["outcome"]]))


def opts(given: dict[str, Any]) -> str:
    """Return the members of `opts` as JSON: what is not given is left out."""
    is_text = {option.name: option.kind in _TYPES for option in STORED}
    members = {name: value for name, value in given.items() if value not in {None, ()}}
    return ",".join(
        f"{json.dumps(name)}:{json.dumps(value) if is_text[name] else value}" for name, value in members.items()
    )
