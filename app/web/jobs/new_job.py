"""The body of POST /queues/:queue/jobs: an array of Job, read as `NewJob` values or rejected with all its faults."""

import functools
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from marshmallow import Schema, ValidationError, fields, validate

from app.domain import ids
from app.domain.backoff import LONGEST_MS, Backoff, BackoffType
from app.domain.deduplication import ID_MAX, Deduplication
from app.domain.errors import Fault, InvalidRequest
from app.domain.job import JsonText, NewJob
from app.domain.options import OPTIONS, STORED, Kind, Option
from app.domain.telemetry import METADATA_MAX, Telemetry
from app.infra.cooperation import give_way
from app.web.fields import Flag, NotYet, Number, Text, Texts, Whole
from app.wire import demands, objects
from app.wire.demands import Array, Form
from app.wire.jsonreader import FAULTS_MAX, Members
from app.wire.retention import Kept

Messages = dict[str, str | list[Any] | dict[Any, Any]]
_UNKNOWN = {"unknown": demands.UNKNOWN, "type": "must be an object"}
_Opts = tuple[Any, ...]
_REQUIRED_MEMBERS = 2  # name and data
_OPTION_FIELDS = NewJob._fields[NewJob._fields.index("opts") + 1 :]
_NULL, _EMPTY = JsonText("null"), JsonText("{}")
NAME_TEXT_MAX = 2**21
"""The maximum of a name as JSON, in bytes; a longer one is rejected unread, a shorter one by its characters."""
OPTS_TEXT_MAX = 8 * 1024
"""The maximum of options as JSON, in bytes: twice what the longest need with every character escaped."""
_BRACKETS_MAX = 8
"""More brackets than valid options have outside of strings; options with more are left to the schema."""
_PIECE = 64
"""Jobs between two calls of `give_way`: a few ms at most."""
_SEEN_LONGEST = 256
"""The longest options that are cached, in characters: most jobs have the same options as others."""
_REQUIRED: Messages = {"required": "is required", "null": "must not be null"}


class BackoffSchema(Schema):
    """`opts.backoff` as an object."""

    error_messages = _UNKNOWN
    type = fields.String(
        required=True,
        error_messages=_REQUIRED | {"invalid": "must be a string"},
        validate=validate.OneOf([*BackoffType], error="must be one of " + ", ".join(BackoffType)),
    )
    delay = Whole(0, LONGEST_MS)
    jitter = Number(0, 1)


class BackoffField(fields.Field[Backoff]):
    """`opts.backoff`: an object, or a number of ms for a fixed backoff; null counts as absent."""

    _schema = BackoffSchema()
    _delay = Whole(0, LONGEST_MS)

    def __init__(self) -> None:
        """Allow null."""
        super().__init__(allow_none=True)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Backoff:
        if not isinstance(value, dict):
            return Backoff(type=BackoffType.FIXED, delay_ms=self._fixed(value))
        loaded = self._schema.load(value)
        return Backoff(
            type=BackoffType(loaded["type"]), delay_ms=loaded.get("delay") or 0, jitter=loaded.get("jitter") or 0.0
        )

    def _fixed(self, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValidationError("must be an object or a number of milliseconds")
        return self._delay.deserialize(value)


class DeduplicationId(Text):
    """`opts.deduplication.id`."""

    def __init__(self) -> None:
        """Demand it."""
        super().__init__(longest=2**31, required=True, error_messages=_REQUIRED)

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> str:
        dedup_id = super()._deserialize(value, *args, **options)
        if fault := ids.name_fault(dedup_id, max_length=ID_MAX):
            raise ValidationError(fault)
        return dedup_id


class DeduplicationSchema(Schema):
    """`opts.deduplication`."""

    error_messages = _UNKNOWN
    id = DeduplicationId()
    ttl = Whole(1, LONGEST_MS)
    extend = Flag()
    replace = Flag()
    keepLastIfActive = Flag()


class DeduplicationField(fields.Field[Deduplication]):
    """`opts.deduplication`: an object; null counts as absent."""

    _schema = DeduplicationSchema()

    def __init__(self) -> None:
        """Allow null."""
        super().__init__(allow_none=True)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Deduplication:
        loaded = self._schema.load(value)
        return Deduplication(
            id=loaded["id"],
            ttl_ms=loaded.get("ttl"),
            extends=bool(loaded.get("extend")),
            replaces=bool(loaded.get("replace")),
            keeps_last=bool(loaded.get("keepLastIfActive")),
        )


class TelemetrySchema(Schema):
    """`opts.telemetry`."""

    error_messages = _UNKNOWN
    metadata = Text(METADATA_MAX, allow_none=True)
    omitContext = Flag()


class TelemetryField(fields.Field[Telemetry]):
    """`opts.telemetry`: an object; null counts as absent."""

    _schema = TelemetrySchema()

    def __init__(self) -> None:
        """Allow null."""
        super().__init__(allow_none=True)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Telemetry:
        loaded = self._schema.load(value)
        return Telemetry(metadata=loaded.get("metadata"), omits_context=bool(loaded.get("omitContext")))


class JobId(Text):
    """`opts.jobId`: null and empty count as absent."""

    def __init__(self, **options: Any) -> None:
        """Allow null; `ids.custom_id_fault` checks the length."""
        super().__init__(longest=2**31, allow_none=True, **options)

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> str:
        custom_id = super()._deserialize(value, *args, **options)
        if custom_id and (fault := ids.custom_id_fault(custom_id)):
            raise ValidationError(fault)
        return custom_id


_FIELDS: dict[Kind, Callable[..., fields.Field[Any]]] = {
    Kind.WHOLE: lambda option, **more: Whole(option.low, option.high, **more),
    Kind.FLAG: lambda _, **more: Flag(**more),
    Kind.ID: lambda _: JobId(),
    Kind.TEXTS: lambda option, **more: Texts(option.high, option.longest, **more),
    Kind.BACKOFF: lambda _: BackoffField(),
    Kind.DEDUPLICATION: lambda _: DeduplicationField(),
    Kind.TELEMETRY: lambda _: TelemetryField(),
    Kind.KEPT: lambda _: Kept(),
    Kind.PLANNED: lambda _: NotYet(),
}


def field_of(option: Option, **more: Any) -> fields.Field[Any]:
    """Return the field of an option; `more` are parameters of marshmallow's fields."""
    return _FIELDS[option.kind](option, **more)


class KnownOnly(Schema):
    """A schema of a request: unknown members are rejected by name."""

    error_messages = _UNKNOWN


_OPTS = {option.name: field_of(option) for option in OPTIONS}
OptsSchema = KnownOnly.from_dict(dict(_OPTS), name="OptsSchema")
"""`opts` of a job, from the table of options."""


NOT_EMPTY = validate.Length(min=1, error="must not be empty")


class NewJobSchema(Schema):
    """One job of the array."""

    error_messages = _UNKNOWN
    name = Text(
        ids.JOB_NAME_MAX,
        required=True,
        error_messages=_REQUIRED | {"null": "must be a string"},
        validate=NOT_EMPTY,
    )
    data = fields.Raw(required=True, allow_none=True, error_messages=_REQUIRED)
    opts = fields.Nested(OptsSchema, allow_none=True)


EXAMPLE = [{"name": "welcome", "data": {"to": "ada@example.com"}, "opts": {"attempts": 3, "jobId": "welcome-ada"}}]
"""An example body, for the OpenAPI document."""
_schema = NewJobSchema()
NAMES = frozenset(_schema.fields)


def load(raw: bytes, *, max_jobs: int, max_data_bytes: int) -> list[NewJob]:
    """Read the body. Raises InvalidRequest with all faults of the jobs, about FAULTS_MAX at most; TooLarge.

    Lets other greenlets run meanwhile.
    """
    limits = {"data": max_data_bytes, "name": NAME_TEXT_MAX, "opts": OPTS_TEXT_MAX}
    asked = objects.read_objects(raw, Array("jobs", max_jobs, Form(NAMES, limits=limits)))
    jobs: list[NewJob] = []
    faults: list[Fault] = []
    for nth, members in enumerate(asked):
        if nth % _PIECE == _PIECE - 1:
            give_way()
        try:
            jobs.append(_plainly(members, max_data_bytes))
        except (KeyError, ValueError, ValidationError):  # perhaps a fault: the schema decides, and finds all of them
            give_way()
            try:
                jobs.append(by_schema(members, f"jobs[{nth}]", max_data_bytes))
            except InvalidRequest as error:
                if type(error) is not InvalidRequest and not faults:
                    raise
                faults += error.faults
        if len(faults) >= FAULTS_MAX:
            break
    if faults:
        raise InvalidRequest(*faults)
    return jobs


def traced(new: list[NewJob], metadata: str) -> list[NewJob]:
    """Return the jobs with the trace of their request in `opts`, but for those that say something of theirs."""
    added = f'"telemetry":{json.dumps({"metadata": metadata}, separators=(",", ":"))}' + "}"
    return [job if job.telemetry else job._replace(opts=_with(job.opts, added)) for job in new]


def _with(opts: JsonText, member: str) -> JsonText:
    """Return the text of an object with one more member; `member` ends with the object's bracket."""
    before = opts.rstrip()[:-1].rstrip()
    return JsonText(f"{before}{'' if before == '{' else ','}{member}")


def _plainly(members: Members, max_data_bytes: int) -> NewJob:
    """Read a common job as the schema would, at a tenth of the cost.

    Raises KeyError, ValueError or ValidationError if it is invalid or not common.
    """
    name, data, opts = objects.string(members["name"]), members["data"], members.get("opts", _NULL)
    if not 1 <= len(name) <= ids.JOB_NAME_MAX or len(data) * 4 > max_data_bytes:
        raise ValueError(name)
    if len(members) > _REQUIRED_MEMBERS + ("opts" in members):
        raise ValueError(name)
    if opts in {_NULL, _EMPTY}:
        return NewJob(name, data)
    return NewJob(name, data, opts, *(_seen_opts if len(opts) <= _SEEN_LONGEST else _opts)(opts))


def _opts(text: str) -> _Opts:
    """Read `opts` with the fields of the schema. Raises KeyError, ValueError, ValidationError."""
    if text[0] != "{" or text.count("[") + text.count("{") > _BRACKETS_MAX:
        raise ValueError(text[:1])
    value = json.loads(text, object_pairs_hook=_untwinned)
    return _as_opts({key: _OPTS[key].deserialize(member) for key, member in value.items()})


def _untwinned(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a name stands there twice")
    return members


_seen_opts = functools.lru_cache(maxsize=4096)(_opts)


def by_schema(members: Members, path: str, max_data_bytes: int, *, schema: Schema | None = None) -> NewJob:
    """Read a job with the schema, or with another one. Raises InvalidRequest with all its faults, TooLarge."""
    require_size(members.get("data", _NULL), f"{path}.data", max_data_bytes)
    try:
        values = (schema or _schema).load(objects.owns(members, path=path, objects=("opts",), besides=("data",)))
    except ValidationError as error:
        raise InvalidRequest(*faults(error, path)) from None
    opts = values.get("opts")
    text = _EMPTY if opts is None else members["opts"]
    return NewJob(values["name"], members["data"], text, *_as_opts(opts or {}))


def faults(error: ValidationError, path: str) -> Iterator[Fault]:
    """Yield the faults that marshmallow has found, with their paths: in the order of the schema, then unknown members.

    Those come in the order of the request; marshmallow has them in that of a set, another one in each process.
    """
    return _faults(error.messages, path, error.data)


def _faults(messages: Any, path: str, asked: Any) -> Iterator[Fault]:
    if isinstance(messages, list):
        yield from (Fault(path, message) for message in messages)
        return
    known = asked if isinstance(asked, Mapping) else dict(enumerate(asked)) if isinstance(asked, list) else {}
    place = {key: nth for nth, key in enumerate(known, start=1)}
    unknown = [_UNKNOWN["unknown"]]
    for key, below in sorted(messages.items(), key=lambda found: place.get(found[0], 0) if found[1] == unknown else 0):
        if key == "_schema":
            yield from _faults(below, path, asked)
        else:
            member = f"{path}[{key}]" if isinstance(key, int) else demands.member_path(path, key)
            yield from _faults(below, member, known.get(key))


class Loaded(NamedTuple):
    """The values of an object and its faults."""

    values: dict[str, Any]
    faults: list[Fault]


def loaded_or_faults(schema: Schema, values: dict[str, Any], path: str = "") -> Loaded:
    """Load the object at `path`."""
    try:
        return Loaded(dict(schema.load(values)), [])
    except ValidationError as error:
        return Loaded({}, list(faults(error, path)))


def loaded(schema: Schema, values: dict[str, Any]) -> dict[str, Any]:
    """Load a top-level object. Raises InvalidRequest with all its faults."""
    found = loaded_or_faults(schema, values)
    if found.faults:
        raise InvalidRequest(*found.faults)
    return found.values


def _as_opts(opts: dict[str, Any]) -> _Opts:
    """Return the values of the fields of NewJob after `opts`, in their order."""
    meant = dict(NewJob._field_defaults)
    for option in STORED:
        value = opts.get(option.name)
        if value is not None and (value or not option.is_empty_absent):
            meant[option.field] = value
    return tuple(meant[field] for field in _OPTION_FIELDS)


def require_size(text: str, path: str, limit: int) -> None:
    """Require that `text` has at most `limit` bytes. Raises TooLarge."""
    if _bytes(text, limit) > limit:
        raise demands.too_long(path, limit)


def _bytes(text: str, limit: int) -> int:
    """Return the length of `text` in bytes; a lower bound if it cannot exceed `limit`."""
    return len(text) if len(text) * 4 <= limit else len(text.encode())
