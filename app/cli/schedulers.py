"""`rowline schedulers`: jobs that are added again and again, on the database itself."""

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import Any

import click
import orjson

from app.cli import account, adding, columns, direct, names, tables
from app.cli.values import JsonValue
from app.domain import ids, scheduled
from app.domain import schedule as times
from app.domain.schedule import Misfire, Overlap
from app.domain.scheduled import Schedule
from app.infra import room, settings
from app.operations import schedules as operations
from app.postgres.database import Database
from app.queries import schedules as queries
from app.queries.reports import Found
from app.web.jobs.submitted import SubmittedSchema
from app.web.schedules import schemas, shown

Command = Callable[..., None]
NAME = "rowline-schedulers"
COLUMNS = ["id", "ticks", "time zone", "next", "done", "skipped", "last", "misfire", "overlap", "limits", "job"]
TICK_COLUMNS = ["local time", "UTC", "note"]
RUN_COLUMNS = ["tick", "besides", "job", "status", "began", "ended", "attempts", "reason"]
BY_SCHEDULE = frozenset({"jobId", "startBy"})
"""Options that the jobs of schedules cannot have."""
_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
_LENGTHS = ("every", "offset")
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


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
    return names.queue(names.schedule_id(_as_json(command)))


@click.group()
def schedulers() -> None:
    """Have jobs added again and again: by a pattern of cron in a time zone, or every so often."""


@schedulers.command("list")
@names.queue
@_as_json
def list_all(*, queue: str, as_json: bool) -> None:
    """List the schedules of a queue, by id."""

    def page(db: Database, start: int) -> tuple[int, list[Schedule]]:
        return queries.page(db, queue=queue, start=start, length=direct.LISTED)

    _print(direct.told(lambda db: direct.listed(partial(page, db)), name=NAME), as_json=as_json)


@schedulers.command()
@_of_one
def show(*, queue: str, schedule_id: str, as_json: bool) -> None:
    """Show a schedule."""
    _print(direct.told(lambda db: _found(db, queue, schedule_id), name=NAME), as_json=as_json)


@schedulers.command("set")
@names.queue
@names.schedule_id
@_with(*_TIMING.values(), *_MORE.values(), *_template)
@partial(adding.options, besides=BY_SCHEDULE)
@_as_json
def put(*, queue: str, schedule_id: str, as_json: bool, name: str | None, data: str | None, **given: Any) -> None:
    """Make a schedule, or change it, whole: what is not given is as it is by default, but for a pause.

    \b
    rowline schedulers set mail nightly --cron "0 3 * * *" --tz Europe/Vienna --name report
    rowline schedulers set mail poll --every 30s --overlap skip
    """  # noqa: D301 - click's sign for lines that stay as they are
    own = {member: given.pop(member) for member in (*_TIMING, *_MORE)}
    members = {member: json.dumps(value) for member, value in own.items() if value is not None}
    template = {"name": None if name is None else json.dumps(name), "data": data, "opts": f"{{{adding.opts(given)}}}"}
    members["template"] = _object({member: text for member, text in template.items() if text is not None})
    body = _object(members)
    actor, chosen, random = account.actor(), settings.from_env(os.environ), Random()  # noqa: S311 - spreads jobs

    def act(db: Database) -> Schedule:
        """Read the schedule as the API reads it, with the same limits and faults."""
        asked = schemas.load(body.encode(), schedule_id=schedule_id, max_data_bytes=chosen.max_data_bytes)
        return operations.put(
            db, actor=actor, queue=queue, schedule_id=schedule_id, asked=asked, random=random
        ).schedule

    _print(direct.told(act, name=NAME), as_json=as_json)


@schedulers.command()
@_of_one
def remove(*, queue: str, schedule_id: str, as_json: bool) -> None:
    """Remove a schedule; print it as it was. The jobs of its ticks stay."""
    _act(operations.remove, queue, schedule_id, as_json=as_json)


@schedulers.command()
@_of_one
def pause(*, queue: str, schedule_id: str, as_json: bool) -> None:
    """Pause a schedule: it makes no ticks. One that is paused stays so."""
    _act(operations.pause, queue, schedule_id, as_json=as_json)


@schedulers.command()
@_of_one
def resume(*, queue: str, schedule_id: str, as_json: bool) -> None:
    """Resume a schedule, in its rhythm: it goes on with the next tick from now on."""
    _act(operations.resume, queue, schedule_id, as_json=as_json)


@schedulers.command()
@_of_one
def run(*, queue: str, schedule_id: str, as_json: bool) -> None:
    """Add a job of a schedule now, besides its ticks, also if it is paused or over. Prints the job."""
    actor = account.actor()
    added = direct.told(lambda db: operations.run(db, actor=actor, queue=queue, schedule_id=schedule_id), name=NAME)
    if as_json:
        prefix = settings.from_env(os.environ).queue_prefix
        print(orjson.dumps(SubmittedSchema(queue_prefix=prefix).dump_all([added])[0]).decode())
    else:
        print(columns.line([added.job.id, added.job.status.value, added.outcome.value]))


@schedulers.command()
@click.argument("queue", required=False, type=names.Name("QUEUE", ids.QUEUE_NAME_MAX))
@click.argument("schedule_id", metavar="[ID]", required=False, type=names.Name("ID", scheduled.ID_MAX))
@_with(*_TIMING.values())
@click.option("--count", type=click.IntRange(1, schemas.COUNT_MAX), default=schemas.COUNT, show_default=True)
@_as_json
def preview(*, queue: str | None, schedule_id: str | None, count: int, as_json: bool, **timing: Any) -> None:
    """Show the next ticks of a schedule, or, without its name, those that --cron or --every would make.

    With what changes of the clocks do to them. A pause is overlooked. Nothing is stored.
    """
    given = {member: value for member, value in timing.items() if value is not None}
    if (queue is None) != (schedule_id is None) or (queue is None) != bool(given):
        raise click.UsageError("give QUEUE and ID of a schedule, or --cron or --every")

    def read(db: Database) -> Sequence[times.Run]:
        if queue is None or schedule_id is None:
            asked = schemas.load_preview(json.dumps(given | {"count": count}).encode())
            return times.runs(asked.timing, since=queries.now_ms(db), count=asked.ticks)
        return scheduled.preview(_found(db, queue, schedule_id), now_ms=queries.now_ms(db), count=count)

    found = direct.told(read, name=NAME)
    if as_json:
        _print_json(shown.dump_ticks(found)["runs"])
    else:
        tables.show(Found(columns=TICK_COLUMNS, rows=[(one.local, _at(one.on), one.note) for one in found]), "ticks")


@schedulers.command()
@names.queue
@names.schedule_id
@click.option("--limit", type=click.IntRange(1, direct.LISTED), default=20, show_default=True, help="The most jobs.")
@_as_json
def runs(*, queue: str, schedule_id: str, limit: int, as_json: bool) -> None:
    """List the jobs of a schedule that are there, the newest tick first, and how they ended."""
    found = direct.told(
        lambda db: queries.runs(db, queue=queue, schedule_id=schedule_id, start=0, length=limit), name=NAME
    )
    if as_json:
        _print_json([shown.dump_run(schedule_id, one, sees_payload=True) for one in found])
    else:
        tables.show(Found(columns=RUN_COLUMNS, rows=[*map(partial(_run_row, schedule_id), found)]), "runs")


def _object(members: Mapping[str, str]) -> str:
    """Return a JSON object of members that are JSON."""
    return "{" + ",".join(f'"{name}":{text}' for name, text in members.items()) + "}"


def _found(db: Database, queue: str, schedule_id: str) -> Schedule:
    return queries.find(db, queue=queue, schedule_id=schedule_id, reserve=room.alone)


def _act(verb: Callable[..., Schedule], queue: str, schedule_id: str, *, as_json: bool) -> None:
    actor = account.actor()
    done = direct.told(lambda db: verb(db, actor=actor, queue=queue, schedule_id=schedule_id), name=NAME)
    _print(done, as_json=as_json)


def _print(found: Schedule | list[Schedule], *, as_json: bool) -> None:
    if as_json:
        dump = partial(shown.dump, sees_payload=True)
        _print_json([*map(dump, found)] if isinstance(found, list) else dump(found))
        return
    rows = [_row(one) for one in (found if isinstance(found, list) else [found])]
    tables.show(Found(columns=COLUMNS, rows=rows), "schedules")


def _row(one: Schedule) -> Sequence[Any]:
    members = shown.dump(one, sees_payload=True)
    timing = one.pattern or " ".join(f"{word} {_length(members[word])}" for word in _LENGTHS if word in members)
    ends = [f"limit {one.tick_limit}"] if one.tick_limit else []
    ends += [f"jitter {_length(one.jitter_ms)}"] if one.jitter_ms else []
    ends += [f"{word} {_at(at):%Y-%m-%dT%H:%M:%SZ}" for word, at in _ends(one) if at is not None]
    next_at = "paused" if one.paused_at else _at(one.next_at) if one.next_at is not None else "over"
    numbers = (one.ticks, one.skipped, None if one.last_tick_at is None else _at(one.last_tick_at))
    return (one.id, timing, one.tz, next_at, *numbers, one.misfire, one.overlap, ", ".join(ends), one.name)


def _ends(one: Schedule) -> tuple[tuple[str, int | None], ...]:
    return ("start", one.starts_at), ("end", one.ends_at)


def _run_row(schedule_id: str, run: scheduled.Run) -> Sequence[Any]:
    tick = scheduled.tick_of(schedule_id, run.job_id)
    besides = "besides" if scheduled.is_besides(run.job_id) else ""
    times_of = (run.begun_at, run.finished_at)
    return (tick and _at(tick), besides, run.job_id, run.status, *times_of, run.attempts_made, run.failed_reason)


def _length(ms: int) -> str:
    """Return a length of time as it can be given: in the longest unit of which it is a multiple."""
    return next(f"{ms // size}{unit}" for unit, size in reversed(_UNITS.items()) if ms % size == 0)


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1_000, UTC)


def _print_json(members: Any) -> None:
    print(orjson.dumps(members, option=orjson.OPT_INDENT_2).decode())
