"""`rowline schedulers`: jobs that are added again and again."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import click

from app.cli import adding, columns, names, output, service
from app.cli.service import Reply, of_queue
from app.cli.values import JsonValue
from app.domain import scheduled
from app.domain.schedule import Misfire, Overlap

Command = Callable[..., None]
COLUMNS = ["id", "ticks", "time zone", "next", "done", "skipped", "last", "misfire", "overlap", "limits", "job"]
TICK_COLUMNS = ["local time", "UTC", "note"]
RUN_COLUMNS = ["tick", "besides", "job", "status", "began", "ended", "attempts", "reason"]
BY_SCHEDULE = frozenset({"jobId", "startBy"})
"""Options that the jobs of schedules cannot have."""
_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
_LENGTHS = ("every", "offset")
COUNT_MAX, COUNT = 100, 10  # ticks of a preview
ANY = "any"
"""The queue of which a preview of a timing is asked, if it does not matter."""


class Length(click.ParamType):  # type: ignore[type-arg]  # generic only in the newest click
    """A length of time: 500ms, 90s, 30m, 24h, 7d, 2w."""

    name = "LENGTH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse the length, into ms."""
        found = re.fullmatch(r"(0|[1-9]\d{0,11})(ms|s|m|h|d|w)", str(value), re.ASCII)
        if not found:
            self.fail(f"{value!r} is not a length of time such as 500ms, 30s, 5m or 24h", param, ctx)
        return int(found[1]) * _UNITS[found[2]]


class Moment(click.ParamType):  # type: ignore[type-arg]  # generic only in the newest click
    """A moment with its offset from UTC."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse the moment, into ms since the epoch."""
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            self.fail(f"{value!r} is not a time with its offset, such as 2030-01-31T08:00:00Z", param, ctx)
        return round(moment.timestamp() * 1_000)


_TIMING = {
    "pattern": click.option("--cron", "pattern", help='Minute, hour, day, month, day of the week: "0 3 * * 1-5".'),
    "tz": click.option("--tz", help="The time zone of --cron, such as Europe/Vienna; default: UTC."),
    "every": click.option("--every", type=Length(), help="Instead of --cron: at once, and again each 30s, 5m, 24h."),
    "offset": click.option("--offset", type=Length(), help="With --every: so much after its multiples since 1970."),
    "startDate": click.option("--start", "startDate", type=Moment(), help="No tick before: 2030-01-31T08:00:00Z."),
    "endDate": click.option("--end", "endDate", type=Moment(), help="No tick after."),
}
"""Options of commands, by the members of the API's body."""
_MORE = {
    "limit": click.option("--limit", type=click.IntRange(1), help="It ends after so many ticks that got a job."),
    "immediately": click.option("--immediately", is_flag=True, default=None, help="A new one ticks at once, besides."),
    "jitter": click.option("--jitter", type=Length(), help="Delay each job by up to so much, at random."),
    "misfire": click.option(
        "--misfire",
        type=click.Choice([word.value for word in Misfire]),
        help="Ticks that nobody was there for: one job for all of them (once, the default), none, or one for each.",
    ),
    "overlap": click.option(
        "--overlap",
        type=click.Choice([word.value for word in Overlap]),
        help="A tick gets no job while that of the last one has not begun (pending, the default), or not ended (skip); "
        "or it gets one (allow), for which the old one is cancelled (cancel).",
    ),
    "paused": click.option("--paused/--not-paused", default=None, help="Default: as it is; a new one is not paused."),
}
_template = (
    click.option("--name", help="The name of the jobs; default: the id of the schedule."),
    click.option("--data", type=JsonValue(), help="What their handler gets; default: {}."),
)


def _with(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def _of_one(command: Command) -> Command:
    """Add what the command of one schedule takes: QUEUE ID --json."""
    return names.queue(names.schedule_id(output.as_json(command)))


@click.group()
def schedulers() -> None:
    """Have jobs added again and again: by a pattern of cron in a time zone, or every so often."""


@schedulers.command("list")
@names.optional_queue
@click.option("--pattern", help="Without QUEUE: of queues with such a name; `*` stands for any characters.")
@output.as_json
@output.ids_only
@output.watchable
def list_all(*, queue: str | None, pattern: str | None, as_json: bool, ids_only: bool) -> None:
    """List the schedules of QUEUE, by id, or of all queues, by queue and id."""
    if queue is not None and pattern is not None:
        raise click.UsageError("give QUEUE or --pattern, not both")
    with service.opened() as api:
        if queue is not None:
            found = [*api.listed(of_queue(queue, "schedulers"), "schedulers")]
        else:
            found = [*api.listed("/schedulers", "schedulers", pattern=pattern or "*")]
    _print(found, as_json=as_json, ids_only=ids_only, has_queues=queue is None)


@schedulers.command()
@_of_one
@output.watchable
def show(*, queue: str, schedule_id: str, as_json: bool) -> None:
    """Show a schedule."""
    with service.opened() as api:
        _print([api.get(_path(queue, schedule_id))], as_json=as_json)


@schedulers.command("set")
@names.queue
@names.schedule_id
@_with(*_TIMING.values(), *_MORE.values(), *_template)
@partial(adding.options, besides=BY_SCHEDULE)
@output.as_json
def put(*, queue: str, schedule_id: str, as_json: bool, name: str | None, data: str | None, **given: Any) -> None:
    """Make a schedule, or change it, whole: what is not given is as it is by default, but for a pause.

    \b
    rowline schedulers set mail nightly --cron "0 3 * * *" --tz Europe/Vienna --name report
    rowline schedulers set mail poll --every 30s --overlap skip
    """  # noqa: D301 - click's sign for lines that stay as they are
    own = {member: given.pop(member) for member in (*_TIMING, *_MORE)}
    members = {member: json.dumps(value) for member, value in own.items() if value is not None}
    template = {"name": None if name is None else json.dumps(name), "data": data, "opts": f"{{{adding.opts(given)}}}"}
    body = service.members({**members, "template": service.members(template)})
    with service.opened() as api:
        _print([api.send("PUT", _path(queue, schedule_id), body, is_repeatable=True)], as_json=as_json)


@schedulers.command()
@_of_one
def remove(*, queue: str, schedule_id: str, as_json: bool) -> None:
    """Remove a schedule; print it as it was. The jobs of its ticks stay."""
    with service.opened() as api:
        _print([api.send("DELETE", _path(queue, schedule_id))], as_json=as_json)
    click.echo(
        columns.printable(f"removed schedule {schedule_id!r} of {queue!r}; the jobs of its ticks stay"), err=True
    )


@schedulers.command()
@_of_one
def pause(*, queue: str, schedule_id: str, as_json: bool) -> None:
    """Pause a schedule: it makes no ticks. One that is paused stays so."""
    _act("pause", queue, schedule_id, as_json=as_json)


@schedulers.command()
@_of_one
def resume(*, queue: str, schedule_id: str, as_json: bool) -> None:
    """Resume a schedule, in its rhythm: it goes on with the next tick from now on."""
    _act("resume", queue, schedule_id, as_json=as_json)


@schedulers.command()
@_of_one
def run(*, queue: str, schedule_id: str, as_json: bool) -> None:
    """Add a job of a schedule now, besides its ticks, also if it is paused or over. Prints the job."""
    with service.opened() as api:
        adding.show(api.send("POST", _path(queue, schedule_id, "run")), as_json=as_json)


@schedulers.command()
@names.optional_queue
@click.argument("schedule_id", metavar="[ID]", required=False, type=names.Name("ID", scheduled.ID_MAX))
@_with(*_TIMING.values())
@click.option("--count", type=click.IntRange(1, COUNT_MAX), default=COUNT, show_default=True)
@output.as_json
@output.watchable
def preview(*, queue: str | None, schedule_id: str | None, count: int, as_json: bool, **timing: Any) -> None:
    """Show the next ticks of a schedule, or, without ID, those that --cron or --every would make.

    With what changes of the clocks do to them. A pause is overlooked, and, with --start, a limit. Nothing is stored.
    """
    given = {member: value for member, value in timing.items() if value is not None}
    since = given.pop("startDate", None) if schedule_id is not None else None
    if (schedule_id is None) != bool(given):
        raise click.UsageError(
            "give QUEUE and ID of a schedule, with --start alone of its timing, or --cron or --every"
        )
    with service.opened() as api:
        if queue is None or schedule_id is None:
            body = json.dumps(given | {"count": count})
            found = api.send("POST", of_queue(queue or ANY, "schedulers", "preview"), body, is_repeatable=True)
        else:
            found = api.get(_path(queue, schedule_id, "preview"), count=count, since=since)
    ticks = found.parts("runs")
    if not output.show(ticks, as_json=as_json):
        rows = [(one["local"], output.at(one["on"]), one.get("note")) for one in found.members["runs"]]
        output.table(TICK_COLUMNS, rows, "ticks")


@schedulers.command()
@names.queue
@names.schedule_id
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True, help="The most jobs.")
@output.as_json
@output.watchable
def runs(*, queue: str, schedule_id: str, limit: int, as_json: bool) -> None:
    """List the jobs of a schedule that are there, the newest tick first, and how they ended."""
    with service.opened() as api:
        found = [*api.listed(_path(queue, schedule_id, "runs"), "runs", most=limit)]
    if not output.show(found, as_json=as_json):
        output.table(RUN_COLUMNS, [_run_row(run.members) for run in found], "runs")


def _path(queue: str, schedule_id: str, *more: str) -> str:
    return of_queue(queue, "schedulers", schedule_id, *more)


def _act(verb: str, queue: str, schedule_id: str, *, as_json: bool) -> None:
    with service.opened() as api:
        _print([api.send("POST", _path(queue, schedule_id, verb), is_repeatable=True)], as_json=as_json)


def _print(found: Iterable[Reply], *, as_json: bool, ids_only: bool = False, has_queues: bool = False) -> None:
    ids = (lambda one: one.members["id"]) if ids_only else None
    if output.show(found, as_json=as_json, ids=ids):
        return
    if has_queues:
        rows = [(one.members["queue"], *_row(one.members)) for one in found]
        output.table(["queue", *COLUMNS], rows, "schedules")
    else:
        output.table(COLUMNS, [_row(one.members) for one in found], "schedules")


def _row(one: dict[str, Any]) -> Sequence[Any]:
    timing = one.get("pattern") or " ".join(f"{word} {_length(one[word])}" for word in _LENGTHS if word in one)
    ends = [f"limit {one['limit']}"] if "limit" in one else []
    ends += [f"jitter {_length(one['jitter'])}"] if "jitter" in one else []
    bounds = {"start": output.at(one.get("startDate")), "end": output.at(one.get("endDate"))}
    ends += [f"{word} {at:%Y-%m-%dT%H:%M:%SZ}" for word, at in bounds.items() if at is not None]
    next_at = _paused(one) or output.at(one.get("next")) or "over"
    numbers = (one["iterationCount"], one["skippedCount"], output.at(one.get("lastOn")))
    return (
        *(one["id"], timing, one.get("tz"), next_at, *numbers, one["misfire"], one["overlap"]),
        *(", ".join(ends), one["name"]),
    )


def _paused(one: dict[str, Any]) -> str:
    """Return that a schedule is paused, and by whom, as far as that is known; "" of one that is not."""
    by = f" by {one['pausedBy']}" if "pausedBy" in one else ""
    return f"paused{by}" if one["paused"] else ""


def _run_row(run: dict[str, Any]) -> Sequence[Any]:
    besides = "besides" if run["isBesides"] else ""
    times_of = (output.at(run.get("processedOn")), output.at(run.get("finishedOn")))
    head = (output.at(run["on"]), besides, run["jobId"], run["status"])
    return (*head, *times_of, run["attemptsMade"], run.get("failedReason"))


def _length(ms: int) -> str:
    """Return a length of time as it can be given: in the longest unit of which it is a multiple."""
    return next(f"{ms // size}{unit}" for unit, size in reversed(_UNITS.items()) if ms % size == 0)
