"""Arguments of commands that are names."""

from typing import Any

import click

from app.domain import ids, scheduled
from app.domain.deduplication import ID_MAX


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


queue = click.argument("queue", type=Name("QUEUE", ids.QUEUE_NAME_MAX))
job_id = click.argument("job_id", metavar="ID", type=Name("ID", ids.JOB_ID_MAX))
dedup_id = click.argument("dedup_id", metavar="ID", type=Name("ID", ID_MAX))
schedule_id = click.argument("schedule_id", metavar="ID", type=Name("ID", scheduled.ID_MAX))
