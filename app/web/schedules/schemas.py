"""The bodies of the requests that make schedules and preview their ticks."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from marshmallow import fields, validate

from app.domain import ids, scheduled
from app.domain.backoff import LONGEST_MS
from app.domain.errors import Fault, InvalidRequest
from app.domain.job import JsonText, NewJob
from app.domain.options import OPTIONS
from app.domain.schedule import EVERY_MAX_MS, PATTERN_MAX, Misfire, Overlap, Timing
from app.domain.scheduled import UTC, Asked, Wanted
from app.domain.wallclock import TimingInvalid
from app.web.fields import Flag, Moment, MomentText, Text, Unfit, Whole, WholeText
from app.web.jobs import new_job, page
from app.wire import demands, objects
from app.wire.demands import BODY, Form

TZ_MAX = 64
LIMIT_MAX = 2**53
COUNT_MAX, COUNT = 100, 10
"""Ticks of a preview, at most and by default."""
_UNFIT = {
    "jobId": "the job of each tick has an id of its own",
    "startBy": "it would be the same moment for all ticks",
    "parent": "the jobs of ticks have none",
}
_REQUIRED: dict[str, Any] = {"required": "is required", "null": "must not be null"}
_OPTIONS = {
    option.name: Unfit(_UNFIT[option.name]) if option.name in _UNFIT else new_job.field_of(option) for option in OPTIONS
}
TemplateOptsSchema = new_job.KnownOnly.from_dict(dict(_OPTIONS), name="TemplateOptsSchema")
"""`template.opts`: the options of the jobs."""


class TemplateSchema(new_job.KnownOnly):
    """The job of each tick."""

    name = Text(
        ids.JOB_NAME_MAX,
        validate=new_job.NOT_EMPTY,
        error_messages={"null": "must be a string"},
        metadata={"description": "default: the id of the schedule"},
    )
    data = fields.Raw(allow_none=True, metadata={"description": "any JSON value; default: {}"})
    opts = fields.Nested(TemplateOptsSchema, allow_none=True)


def _of(words: type[Misfire] | type[Overlap], about: str) -> fields.String:
    allowed = [word.value for word in words]
    return fields.String(
        allow_none=True,
        validate=validate.OneOf(allowed, error=f"must be one of {', '.join(allowed)}"),
        error_messages={"invalid": "must be a string"},
        metadata={"description": about},
    )


class NewTimingSchema(new_job.KnownOnly):
    """When a schedule ticks: `every` or `pattern`."""

    every = Whole(1, EVERY_MAX_MS, metadata={"description": "ms from tick to tick"})
    offset = Whole(
        0,
        LONGEST_MS,
        metadata={"description": "with `every`: tick so many ms after its multiples since the epoch"},
    )
    pattern = Text(
        PATTERN_MAX, allow_none=True, metadata={"description": "5 or 6 fields (with seconds), as cron has them"}
    )
    tz = Text(TZ_MAX, allow_none=True, metadata={"description": "the time zone of `pattern`; default: UTC"})
    startDate = Moment("no tick before it")
    endDate = Moment("no tick after it")


class PreviewSchema(NewTimingSchema):
    """The body of a preview."""

    count = Whole(1, COUNT_MAX, metadata={"description": f"how many; default: {COUNT}"})


class NewScheduleSchema(NewTimingSchema):
    """The body of a schedule."""

    limit = Whole(1, LIMIT_MAX, metadata={"description": "it ends after so many ticks that got a job"})
    immediately = Flag(metadata={"description": "a new schedule ticks at once, besides; not with `startDate`"})
    jitter = Whole(
        0, LONGEST_MS, metadata={"description": "the job of a tick is delayed by 0 to so many ms, at random"}
    )
    misfire = _of(
        Misfire,
        "what becomes of ticks that nobody was there for: one job for all of them (default), none, or one for each; "
        "`all` needs the overlap `allow`",
    )
    overlap = _of(
        Overlap,
        "of a tick, while the job of the last one: has not begun (`pending`, the default) or has not ended (`skip`), "
        "there is no job; `allow`: there is one; `cancel`: there is one, and the old one is cancelled",
    )
    paused = Flag(metadata={"description": "absent: as it is; a new one is not paused"})
    template = fields.Nested(TemplateSchema, required=True, error_messages=_REQUIRED)


class CountQuerySchema(new_job.KnownOnly):
    """Which ticks are asked for. Unknown parameters are refused by name: there is no timing to give here."""

    count = WholeText(1, COUNT_MAX, load_default=COUNT)
    since = MomentText("the ticks from then on, as if there were no limit")


EXAMPLE = {
    "pattern": "0 3 * * *",
    "tz": "Europe/Vienna",
    "template": {"name": "report", "data": {"to": "ada@example.com"}, "opts": {"attempts": 3}},
}
PREVIEW_EXAMPLE = {"pattern": "30 2 * * *", "tz": "Europe/Vienna", "count": 3}
_new, _preview, _template = NewScheduleSchema(), PreviewSchema(), TemplateSchema()
_count = CountQuerySchema()
_PLACEHOLDER = {"name": "n"}
"""Stands for a template that is read by itself, since its data stay text."""


def load(raw: bytes, *, schedule_id: str, max_data_bytes: int) -> Asked:
    """Read the body of a schedule. Raises InvalidRequest with all its faults, UnparsableBody, TooLarge."""
    longest = max_data_bytes + new_job.NAME_TEXT_MAX + new_job.OPTS_TEXT_MAX + demands.LONGEST
    members, _ = objects.read_object(raw, Form(frozenset(_new.fields), limits={"template": longest}))
    text = members.get("template", JsonText("null"))
    values = objects.owns(members, besides=("template",))
    faults: list[Fault] = []
    template: NewJob | None = None
    if text.startswith("{"):
        values["template"] = _PLACEHOLDER
        try:
            template = _read_template(text, schedule_id, max_data_bytes)
        except InvalidRequest as error:
            if type(error) is not InvalidRequest:
                raise
            faults += error.faults
    elif "template" in members:
        values["template"] = None if text == "null" else 0
    loaded = new_job.loaded_or_faults(_new, values)
    faults = [*loaded.faults, *faults]
    if not loaded.faults:
        faults += _unfit(loaded.values)
    if faults or template is None:
        raise InvalidRequest(*faults)
    return Asked(_wanted(loaded.values, template), loaded.values.get("paused"), bool(loaded.values.get("immediately")))


def _read_template(text: JsonText, schedule_id: str, max_data_bytes: int) -> NewJob:
    limits = {"data": max_data_bytes, "name": new_job.NAME_TEXT_MAX, "opts": new_job.OPTS_TEXT_MAX}
    try:
        members, _ = objects.read_object(text.encode(), Form(frozenset(_template.fields), limits=limits))
    except InvalidRequest as error:
        raise type(error)(*map(_of_template, error.faults)) from None
    defaults = {"name": JsonText(json.dumps(schedule_id)), "data": JsonText("{}")}
    return new_job.by_schema(defaults | members, "template", max_data_bytes, schema=_template)


def _of_template(fault: Fault) -> Fault:
    return Fault("template" if fault.path == BODY else f"template.{fault.path}", fault.message)


def _unfit(loaded: dict[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong with members that are valid by themselves."""
    yield from _timing_faults(loaded)
    if loaded.get("immediately") and loaded.get("startDate") is not None:
        yield Fault("immediately", "must not be there with startDate")
    if loaded.get("misfire") == Misfire.ALL and loaded.get("overlap") != Overlap.ALLOW:
        yield Fault("misfire", "must not be all, unless overlap is allow: several jobs at once may be added for it")


def _timing_faults(loaded: dict[str, Any]) -> Iterator[Fault]:
    given = {name for name, value in loaded.items() if value is not None}
    if not given & {"every", "pattern"}:
        yield Fault("every", "or pattern is required")
        return
    if {"every", "pattern"} <= given:
        yield Fault("pattern", "must not be there with every: a schedule ticks by one of them")
        return
    if "pattern" in given and "offset" in given:
        yield Fault("offset", "must be there with every only")
    if "every" in given and "tz" in given:
        yield Fault("tz", "must be there with pattern only")
    try:
        timing_of(loaded)
    except TimingInvalid as error:
        yield Fault(error.field, str(error))


@contextlib.contextmanager
def named_fault() -> Iterator[None]:
    """Raise InvalidRequest for a schedule that cannot tick: this machine may not know its time zone, for example."""
    try:
        yield
    except TimingInvalid as error:
        raise InvalidRequest(Fault(error.field, str(error))) from None


def timing_of(loaded: dict[str, Any]) -> Timing:
    """Return when a schedule of these members ticks. Raises TimingInvalid."""
    return Timing(
        every_ms=loaded.get("every"),
        offset_ms=loaded.get("offset"),
        pattern=loaded.get("pattern"),
        tz=loaded.get("tz") or UTC,
        starts_at=loaded.get("startDate"),
        ends_at=loaded.get("endDate"),
    )


def _wanted(loaded: dict[str, Any], template: NewJob) -> Wanted:
    return Wanted(
        every_ms=loaded.get("every"),
        offset_ms=loaded.get("offset"),
        pattern=loaded.get("pattern"),
        tz=(loaded.get("tz") or UTC) if loaded.get("pattern") is not None else None,
        starts_at=loaded.get("startDate"),
        ends_at=loaded.get("endDate"),
        tick_limit=loaded.get("limit"),
        jitter_ms=loaded.get("jitter") or 0,
        misfire=Misfire(loaded.get("misfire") or Misfire.ONCE),
        overlap=Overlap(loaded.get("overlap") or Overlap.PENDING),
        name=template.name,
        data=template.data,
        opts=template.opts,
        options=scheduled.options_of(template),
    )


class Previewed(NamedTuple):
    """Of what a preview is, and how many ticks it has."""

    timing: Timing
    ticks: int


def load_preview(raw: bytes) -> Previewed:
    """Read the body of a preview. Raises InvalidRequest with all its faults, UnparsableBody."""
    members, _ = objects.read_object(raw, Form(frozenset(_preview.fields)))
    loaded = new_job.loaded(_preview, objects.owns(members))
    if faults := [*_timing_faults(loaded)]:
        raise InvalidRequest(*faults)
    return Previewed(timing_of(loaded), loaded.get("count") or COUNT)


def load_count(query: bytes) -> tuple[int, int | None]:
    """Read how many ticks a preview has, and from when on. Raises InvalidRequest."""
    asked = page.loaded_query(_count, query)
    return int(asked["count"]), asked.get("since")
