"""Arguments of commands that are names."""

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import click
from click.shell_completion import CompletionItem

from app.domain import ids, scheduled
from app.domain.deduplication import ID_MAX

INPUT = "-"
"""Instead of an id: those of standard input, one a line."""


class Name(click.ParamType):  # type: ignore[type-arg]  # generic only in the newest click
    """The name of a queue, or the id of a job."""

    def __init__(self, name: str, longest: int) -> None:
        """Allow up to `longest` characters."""
        self.name, self._longest = name, longest

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Validate the name."""
        if fault := ids.name_fault(value, max_length=self._longest):
            self.fail(fault, param, ctx)
        return str(value)


def complete_queues(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a queue, where a service says at once which there are."""
    from app.cli import service  # noqa: PLC0415 - it is needed at the Tab key alone

    return [CompletionItem(name) for name in service.queues_that_begin(incomplete, ctx)]


QUEUE = Name("QUEUE", ids.QUEUE_NAME_MAX)
queue = click.argument("queue", type=QUEUE, shell_complete=complete_queues)
optional_queue = click.argument("queue", required=False, type=QUEUE, shell_complete=complete_queues)
job_id = click.argument("job_id", metavar="ID", type=Name("ID", ids.JOB_ID_MAX))
job_ids = click.argument("job_ids", metavar="ID...", nargs=-1, required=True, type=Name("ID", ids.JOB_ID_MAX))
dedup_id = click.argument("dedup_id", metavar="ID", type=Name("ID", ID_MAX))
schedule_id = click.argument("schedule_id", metavar="ID", type=Name("ID", scheduled.ID_MAX))


def given(chosen: Iterable[str]) -> list[str]:
    """Return ids, those of standard input in the place of `-`, each once. Raises UsageError for what is no id."""
    return [*dict.fromkeys(_given(chosen))]


def _given(chosen: Iterable[str]) -> Iterator[str]:
    for one in chosen:
        if one != INPUT:
            yield one
            continue
        for line in sys.stdin:
            if not (name := line.rstrip("\r\n")):
                continue
            if fault := ids.name_fault(name, max_length=ids.JOB_ID_MAX):
                raise click.UsageError(f"standard input has {name[:100]!r}, which {fault}")
            yield name
