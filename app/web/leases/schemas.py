"""The bodies of requests of HTTP workers, and of the responses."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from app.domain import attempts, ids
from app.domain.backoff import LONGEST_MS
from app.domain.errors import Fault, InvalidRequest, TooLarge
from app.domain.job import Completion, Failure, JsonText, Lease, Release
from app.domain.states import Status
from app.domain.workers import PUSH
from app.infra.cooperation import give_way
from app.operations.claim import Ask
from app.operations.settle import Settlement
from app.web.fields import Flag, StringOrLines, Text, Whole
from app.web.jobs import new_job
from app.wire import objects
from app.wire.demands import Array, Form
from app.wire.fields import Milliseconds
from app.wire.job import JobSchema
from app.wire.jsonreader import FAULTS_MAX, Members

COUNT_MAX = 1_000  # jobs claimed, or settled, in one request
LEASE_MIN_MS, LEASE_MAX_MS = 500, 86_400_000
TOKEN_MAX = WORKER_MAX = 255
_UNKNOWN = {"unknown": "is not known here", "type": "must be an object"}
_REQUIRED: dict[str, Any] = {"required": "is required", "null": "must not be null"}
LOOSE = (
    "failedReason",
    "stacktrace",
)  # cut and cleaned, whatever they contain, so that every failure can be reported
_FAILING = {"failedReason", "stacktrace", "unrecoverable", "delay"}


class WorkerName(Text):
    """The name under which a worker claims; null counts as absent."""

    def __init__(self) -> None:
        """Allow null."""
        super().__init__(
            WORKER_MAX,
            allow_none=True,
            validate=validate.Length(min=1, error="must not be empty"),
            metadata={"description": f"not one that begins with `{PUSH}`, as those of dispatchers do"},
        )

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> str:
        name = super()._deserialize(value, *args, **options)
        if name.startswith(PUSH):
            raise ValidationError(f"must not begin with {PUSH!r}, as the names of dispatchers do")
        return name


class ClaimSchema(Schema):
    """The body of a claim."""

    error_messages = _UNKNOWN
    count = Whole(1, COUNT_MAX)
    lockDuration = Whole(LEASE_MIN_MS, LEASE_MAX_MS)
    wait = Whole(0, 2**53)
    worker = WorkerName()


class _TokenSchema(Schema):
    error_messages = _UNKNOWN
    token = Text(TOKEN_MAX, required=True, error_messages=_REQUIRED | {"null": "must be a string"})


class CompleteSchema(_TokenSchema):
    """The body of a completion."""

    returnvalue = fields.Raw(allow_none=True)


class FailSchema(_TokenSchema):
    """The body of a failure."""

    failedReason = fields.String(allow_none=True, error_messages={"invalid": "must be a string"})
    stacktrace = StringOrLines()
    unrecoverable = Flag()
    delay = Whole(
        0, LONGEST_MS, metadata={"description": "ms before the next attempt, if there is one, instead of the backoff"}
    )


class ReleaseSchema(_TokenSchema):
    """The body of a release."""

    delay = Whole(0, LONGEST_MS)


class ExtendSchema(_TokenSchema):
    """The body of an extension, the heartbeat of an attempt."""

    lockDuration = Whole(LEASE_MIN_MS, LEASE_MAX_MS)


class EndingSchema(FailSchema, CompleteSchema):
    """One of many settlements: a failure if one of the members of a failure is set, else a completion."""

    id = Text(ids.JOB_ID_MAX, required=True, error_messages=_REQUIRED | {"null": "must be a string"})


class NextSchema(Schema):
    """The jobs to claim in the same transaction."""

    error_messages = _UNKNOWN
    count = Whole(1, COUNT_MAX)
    lockDuration = Whole(LEASE_MIN_MS, LEASE_MAX_MS)
    worker = WorkerName()


class FinishSchema(Schema):
    """The body of `finish`: settlements, and the jobs to claim next."""

    error_messages = _UNKNOWN
    jobs = fields.List(fields.Nested(EndingSchema), required=True)
    claim = fields.Nested(NextSchema, allow_none=True)


class LeaseSchema(Schema):
    """A claimed job."""

    job = fields.Nested(JobSchema(queue_prefix="bull"), required=True)
    token = fields.String(required=True)
    lockedUntil = fields.Integer(required=True, metadata={"description": "ms since the epoch"})


class ClaimedSchema(Schema):
    """The response to a claim."""

    jobs = fields.List(fields.Nested(LeaseSchema), required=True)


class EndedSchema(Schema):
    """The status of a job after a settlement."""

    id = fields.String(required=True)
    status = fields.String(required=True)


class ExtendedSchema(Schema):
    """The response to an extension."""

    id = fields.String(required=True)
    lockedUntil = Milliseconds(attribute="until", required=True)
    cancelled = fields.Boolean(attribute="is_cancelled", required=True)


class FinishedSchema(ClaimedSchema):
    """The response to `finish`: the statuses of the settled jobs, and the claimed jobs."""

    finished = fields.List(fields.Nested(EndedSchema), required=True)


_CLAIM, _NEXT, _RELEASE, _EXTEND = ClaimSchema(), NextSchema(), ReleaseSchema(), ExtendSchema()
_COMPLETE, _FAIL, _ENDING, _FINISH = CompleteSchema(), FailSchema(), EndingSchema(), FinishSchema()
_FINISH_FORM = Form(frozenset(_FINISH.fields), limits={"claim": 4_096})
_NULL = JsonText("null")
STACK_TEXT_MAX = 2**19
"""The maximum of a stack trace as a JSON array of lines, in characters; a longer one is not stored."""
STACK_TOO_LONG = "the stack trace was too long to keep"
_PLAIN = 2  # members of a completion: id and token
LOST = "lost"
"""The status in the response to `finish` if the lease was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimAsked:
    """The parameters of a claim, and how long it may wait."""

    ask: Ask
    wait_ms: int


def load_claim(raw: bytes, *, lease_ms: int, max_wait_ms: int, worker: str) -> ClaimAsked:
    """Read the body of a claim; an empty body requests one job. Raises InvalidRequest."""
    loaded = _loaded(_CLAIM, raw) if raw.strip() else {}
    return ClaimAsked(ask=_ask(loaded, lease_ms, worker), wait_ms=min(max_wait_ms, loaded.get("wait") or 0))


def load_complete(raw: bytes, *, job_id: str, max_data_bytes: int) -> Settlement:
    """Read a completion. Raises InvalidRequest, TooLarge."""
    members, _ = objects.read_object(raw, Form(frozenset(_COMPLETE.fields), limits={"returnvalue": max_data_bytes}))
    loaded = new_job.loaded(_COMPLETE, objects.owns(members, besides=("returnvalue",)))
    return _settlement(job_id, loaded, partial(Completion, result=_result(members, "returnvalue", max_data_bytes)))


def load_fail(raw: bytes, *, job_id: str, max_body_bytes: int) -> Settlement:
    """Read a failure. Raises InvalidRequest."""
    form = Form(frozenset(_FAIL.fields), LOOSE, dict.fromkeys(LOOSE, max_body_bytes))
    loaded = new_job.loaded(_FAIL, _failing(objects.read_object(raw, form)[0], ""))
    return _settlement(job_id, loaded, _failure(loaded))


def load_release(raw: bytes, *, job_id: str) -> Settlement:
    """Read a release. Raises InvalidRequest."""
    loaded = _loaded(_RELEASE, raw)
    return _settlement(job_id, loaded, partial(Release, delay_ms=loaded.get("delay") or 0))


def load_extend(raw: bytes, *, lease_ms: int) -> tuple[str, int]:
    """Read a heartbeat; return its token and the requested lease, in ms. Raises InvalidRequest."""
    loaded = _loaded(_EXTEND, raw)
    return ids.lease_token(loaded["token"]), loaded.get("lockDuration") or lease_ms


def load_finish(
    raw: bytes, *, lease_ms: int, worker: str, max_data_bytes: int, max_body_bytes: int
) -> tuple[list[Settlement], Ask | None]:
    """Read settlements, and the parameters of a claim if there is one. Raises InvalidRequest, TooLarge."""
    limits = dict.fromkeys(LOOSE, max_body_bytes) | {"returnvalue": max_data_bytes}
    form = Form(frozenset(_ENDING.fields), LOOSE, limits)
    members, endings = objects.read_object(raw, _FINISH_FORM, array=Array("jobs", COUNT_MAX, form))
    if "jobs" not in members:
        raise InvalidRequest(Fault("jobs", "is required"))
    try:
        settlements, asked = _plainly_finished(members, endings, max_data_bytes)
    except (KeyError, ValueError, ValidationError):  # perhaps a fault: the schema decides, and finds all
        settlements, asked = finish_by_schema(members, endings, max_data_bytes)
    seen: set[str] = set()
    for nth, settlement in enumerate(settlements):
        if settlement.job_id in seen:
            raise InvalidRequest(Fault(f"jobs[{nth}].id", "is there twice"))
        seen.add(settlement.job_id)
    return settlements, None if asked is None else _ask(asked, lease_ms, worker)


def _plainly_finished(
    members: Members, endings: list[Members], max_data_bytes: int
) -> tuple[list[Settlement], dict[str, Any] | None]:
    """Read completions as the schema would, faster. Raises KeyError, ValueError, ValidationError for anything else."""
    asked = objects.own(members.get("claim", _NULL), "claim")
    if len(members) > 1 + ("claim" in members):
        raise ValueError(members)
    settlements = [_plainly_ended(ending, max_data_bytes) for ending in endings]
    return settlements, None if asked is None else dict(_NEXT.load(asked))


def _plainly_ended(ending: Members, max_data_bytes: int) -> Settlement:
    """Read a completion as the schema would. Raises KeyError or ValueError for anything else."""
    job_id, token, result = (
        objects.string(ending["id"]),
        objects.string(ending["token"]),
        ending.get("returnvalue", _NULL),
    )
    if len(ending) > _PLAIN + ("returnvalue" in ending):
        raise ValueError(job_id)
    if len(job_id) > ids.JOB_ID_MAX or len(token) > TOKEN_MAX or len(result) * 4 > max_data_bytes:
        raise ValueError(job_id)
    return Settlement(
        job_id=job_id,
        token=ids.lease_token(token),
        of_lease=lambda lease: Completion(lease=lease, result=result),
    )


def finish_by_schema(
    members: Members, endings: list[Members], max_data_bytes: int
) -> tuple[list[Settlement], dict[str, Any] | None]:
    """Read settlements and the claim with the schema. Raises InvalidRequest with all faults, TooLarge."""
    values: dict[str, Any] = objects.owns(members, objects=("claim",), besides=("jobs",)) | {"jobs": []}
    top = new_job.loaded_or_faults(_FINISH, values)
    settlements: list[Settlement] = []
    faults = [*top.faults]
    for nth, ending in enumerate(endings):
        path = f"jobs[{nth}]"
        found = new_job.loaded_or_faults(_ENDING, _failing(ending, path), path)
        faults += found.faults
        if len(faults) >= FAULTS_MAX:
            break
        if not found.faults:
            settlements.append(_ending(found.values, ending, f"{path}.returnvalue", max_data_bytes))
        give_way()
    if faults:
        raise InvalidRequest(*faults)
    return settlements, top.values.get("claim")


def dump_leases(leases: Sequence[Lease], job_json: JobSchema, *, sees_payload: bool) -> list[dict[str, Any]]:
    """Return the JSON of claimed jobs. Every worker sees their data; what attempts left only if `sees_payload`."""
    members = job_json.members_to_work(sees_payload=sees_payload)
    return [
        {"job": members(lease.job), "token": lease.token, "lockedUntil": int(lease.until.timestamp() * 1000)}
        for lease in leases
    ]


def dump_ended(job_id: str, status: Status | None) -> dict[str, str]:
    """Return the JSON of a settled job; `status` is None if its lease was lost."""
    return {"id": job_id, "status": LOST if status is None else status.value}


def _loaded(schema: Schema, raw: bytes) -> dict[str, Any]:
    """Read an object without nested objects. Raises InvalidRequest."""
    return new_job.loaded(schema, objects.owns(objects.read_object(raw, Form(frozenset(schema.fields)))[0]))


def _failing(members: Members, path: str) -> dict[str, Any]:
    """Return the values of what may be a failure. The array of a stack trace is joined without building a list."""
    values = objects.owns(members, path=path, besides=("returnvalue", *LOOSE))
    return values | {name: _loose(members[name], name) for name in LOOSE if name in members}


def _loose(text: JsonText, name: str) -> Any:
    """Return what is stored of a string, even an invalid one, or of lines; 0, which the schema rejects, of the rest."""
    is_stack = name == "stacktrace"
    if text.startswith("[") and is_stack:
        if len(text) > STACK_TEXT_MAX:
            return STACK_TOO_LONG
        lines = objects.lines(text, attempts.STACK_MAX)
        return [None] if lines is None else lines
    if text.startswith('"'):
        return objects.tail(text, attempts.STACK_MAX) if is_stack else objects.head(text, attempts.REASON_MAX)
    return None if text == "null" else 0  # not a string: the schema rejects it


def _ending(loaded: dict[str, Any], members: Members, path: str, max_data_bytes: int) -> Settlement:
    of_lease: Any = partial(Completion, result=_result(members, path, max_data_bytes))
    if any(loaded.get(name) is not None for name in _FAILING):
        of_lease = _failure(loaded)
    return _settlement(loaded["id"], loaded, of_lease)


def _failure(loaded: dict[str, Any]) -> Any:
    stack = loaded.get("stacktrace")
    return partial(
        Failure,
        reason=attempts.clean_reason(loaded.get("failedReason") or ""),
        stack=None if stack is None else attempts.clean_stack(stack),
        unrecoverable=loaded.get("unrecoverable") or False,
        delay_ms=loaded.get("delay"),
    )


def _settlement(job_id: str, loaded: dict[str, Any], of_lease: Any) -> Settlement:
    return Settlement(
        job_id=job_id, token=ids.lease_token(loaded["token"]), of_lease=lambda lease: of_lease(lease=lease)
    )


def _result(members: Members, path: str, max_data_bytes: int) -> JsonText:
    text = members.get("returnvalue", _NULL)
    if len(text.encode()) > max_data_bytes:
        raise TooLarge(Fault(path, f"must be at most {max_data_bytes} bytes"))
    return text


def _ask(loaded: dict[str, Any], lease_ms: int, worker: str) -> Ask:
    return Ask(
        limit=loaded.get("count") or 1,
        lease_ms=loaded.get("lockDuration") or lease_ms,
        worker=loaded.get("worker") or worker,
    )
