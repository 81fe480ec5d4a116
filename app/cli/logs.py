"""`rowline jobs logs`: prints the log lines of a job, also those that come while it runs."""

import time
from dataclasses import dataclass, field

import click
from rowline import errors
from rowline.values import FINAL

from app.cli import columns, names, output, service
from app.cli.exits import Code, Ended
from app.cli.service import Reply, Service, of_queue

LOOK_S = 1.0
"""How often a log that is followed is looked at."""
KNOWN = service.PAGE // 2
"""So many of the last lines are read again, by which the new ones are found where a full log drops its oldest."""


@click.command()
@names.queue
@names.job_id
@click.option("--last", type=click.IntRange(1), help="Only so many lines, the last ones. Default: all.")
@click.option("-f", "--follow", is_flag=True, help="Go on with the lines to come, until the job has ended, or Ctrl-C.")
@output.watchable
@output.as_json
def logs(*, queue: str, job_id: str, last: int | None, follow: bool, as_json: bool) -> None:
    """Print the log lines of a job, the oldest first."""
    if follow and click.get_current_context().params["watch"]:
        raise click.UsageError("--follow and --watch exclude each other")
    with service.opened() as api:
        job = of_queue(queue, "jobs", job_id)
        log = _Log(path=f"{job}/logs", as_json=as_json)
        log.begin(api, last)
        log.print_new(api)
        if not follow:
            return
        try:
            status = _followed(api, job, log)
        except errors.NotFound:
            status = "not there any more"
        click.echo(columns.printable(f"job {job_id!r} is {status}"), err=True)


def _followed(api: Service, job: str, log: "_Log") -> str:
    """Print lines until the job has ended; return its status."""
    was_running = False
    while True:
        found = api.get(job, wait=round(LOOK_S * 1000), wait_s=LOOK_S)
        log.print_new(api)
        if (status := str(found.members["status"])) not in FINAL:
            was_running = True
        elif was_running:  # a line that was sent as the job ended may come after its end
            time.sleep(LOOK_S)
            was_running = False
        else:
            return status


@dataclass(kw_only=True)
class _Log:
    """The log of a job, as far as it was printed: up to the offset `end`; `known` are the last lines before it."""

    path: str
    as_json: bool
    end: int = 0
    known: list[str] = field(default_factory=list)

    def begin(self, api: Service, last: int | None) -> None:
        """Begin with the last lines, or the first one. Raises Ended if the lines are hidden."""
        begun = api.get(self.path, start=0, length=0).members
        if "logs" in begun.get("hidden", ()):
            raise Ended("the token lacks the scope payload: it may not see log lines", Code.REFUSED)
        self.end = 0 if last is None else max(0, begun["count"] - last)

    def print_new(self, api: Service) -> None:
        """Print the lines that were not printed."""
        while self._go_on(api):
            pass

    def _go_on(self, api: Service) -> bool:
        start = self.end - len(self.known)
        read = api.get(self.path, start=start, length=service.PAGE).parts("logs")
        lines = [one.line for one in read]
        if self.known and len(lines) < len(self.known):  # another job took its id
            self.end, self.known = 0, []
            return bool(lines)
        again = self._again(lines)
        if self.known and not again:
            click.echo("some lines are not kept any more", err=True)
        for line in read[again:]:
            self._print(line)
        self.end = start + len(lines)
        self.known = lines[-KNOWN:]
        return again < len(lines)

    def _again(self, lines: list[str]) -> int:
        """Return how many of the lines were printed before: those with which the known ones end."""
        most = len(self.known)
        return next(count for count in range(most, -1, -1) if self.known[most - count :] == lines[:count])

    def _print(self, line: Reply) -> None:
        click.echo(line.line if self.as_json else columns.printable(line.members))
