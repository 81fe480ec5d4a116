"""The query of GET /queues/:queue/jobs with a filter, and of GET /jobs; their responses and cursors."""

import dataclasses
import difflib
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from flask import Request
from marshmallow import Schema, ValidationError, fields, validate
from werkzeug.datastructures import MultiDict

from app.domain.errors import Fault, InvalidRequest
from app.domain.ids import JOB_NAME_MAX
from app.domain.job import Job
from app.domain.jobfilter import CONDITIONS_MAX, TEXT_MAX, JobFilter, path_fault, text_fault
from app.domain.options import DEFAULTABLE
from app.queries.find import Found, Sought
from app.web.fields import Filter, Fingerprint, MomentText, Text, Texts
from app.web.jobs import new_job, page
from app.web.jobs.page import DATA, PageQuerySchema, PageSchema
from app.wire.job import PlacedJobSchema

_CURSOR = re.compile(r"(\d{1,18})-([0-9a-f]{12})", re.ASCII)
_CURSOR_MAX = 100
PATH_SHOWN = 100
"""So many characters of a parameter's name are in a message."""
_ALL_QUEUES = ""
"""What stands for all queues in the checksum of a cursor: no queue has this name."""
_FILLED = validate.Length(min=1, error="must not be empty")


class Wanted(Text):
    """A text that jobs have."""

    def __init__(self, longest: int, about: str) -> None:
        """Set the limit, and what is said of it in the OpenAPI document."""
        super().__init__(longest, validate=_FILLED, metadata={"description": about})

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        if fault := text_fault(value, longest=self.longest):
            raise ValidationError(fault)
        return str(value)


class WantedTags(Texts):
    """Tags, each a parameter of this name."""

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> list[str]:
        tags = super()._deserialize(value, *args, **options)
        if any("\0" in tag for tag in tags):
            raise ValidationError("must not contain NUL")
        return tags


class FindQuerySchema(PageQuerySchema):
    """The query parameters, with those of a filter: a job is found if it has all of them. Unknown ones are ignored."""

    name = Wanted(JOB_NAME_MAX, "of this name")
    tag = WantedTags(
        CONDITIONS_MAX,
        DEFAULTABLE["tags"].longest,
        allow_none=False,
        metadata={"description": "with this tag; repeatable: with all of them"},
    )
    since = MomentText("added at this time or later")
    until = MomentText("added before this time")
    finishedSince = MomentText("ended at this time or later")
    finishedUntil = MomentText("ended before this time")
    error = Wanted(TEXT_MAX, "whose `failedReason` contains this text; needs the scope `payload`")
    worker = Wanted(JOB_NAME_MAX, "whose `processedBy` is this worker")
    fingerprint = Fingerprint()
    at_path = Filter(
        TEXT_MAX,
        data_key=f"{DATA}<path>",
        metadata={
            "description": "whose data has this value there: `data.customer.id=42`. The value is compared as JSON, as "
            "it was sent, and as a string; keys and indexes of arrays are separated by dots. Needs `payload`.",
        },
    )


class FindAllQuerySchema(FindQuerySchema):
    """The same over all queues. Unknown ones are refused by name: without them more jobs would be found."""

    class Meta:
        """What there is of a queue only."""

        exclude = ("start",)


class FoundSchema(PageSchema):
    """A page, or what was found by a filter: then it says how far it has looked."""

    scanned = fields.Integer(metadata={"description": "With a filter: how many jobs were looked at."})
    isComplete = fields.Boolean(
        metadata={
            "description": "With a filter: false if it stopped at its bound, 20,000 jobs or 250 ms; go on by `next`."
        }
    )
    next = fields.String(
        metadata={
            "description": "The `cursor` of the next page, if the page ended early, or if a filter may find more jobs."
        }
    )


class FoundAllSchema(Schema):
    """What was found over all queues, and how far it has looked."""

    jobs = fields.List(fields.Nested(PlacedJobSchema(queue_prefix="bull")), required=True)
    length = fields.Integer(required=True)
    scanned = fields.Integer(required=True, metadata={"description": "how many jobs were looked at"})
    isComplete = fields.Boolean(
        required=True,
        metadata={"description": "false if it stopped at its bound, 20,000 jobs or 250 ms; go on by `next`"},
    )
    next = fields.String(metadata={"description": "Present if there may be more jobs: the `cursor` of the next page."})


_JOB = {
    "id": "4711",
    "name": "welcome",
    "data": {"customer": {"id": 42}},
    "opts": {"attempts": 3, "tags": ["vip"]},
    "progress": 0,
    "failedReason": "timeout after 30 s",
    "failedCode": "failed",
    "stacktrace": [],
    "attemptsMade": 3,
    "attemptsStarted": 3,
    "stalledCounter": 0,
    "delay": 0,
    "priority": 0,
    "timestamp": 1_780_000_000_000,
    "processedOn": 1_780_000_060_000,
    "finishedOn": 1_780_000_090_000,
    "processedBy": "crane:4711",
    "tags": ["vip"],
    "status": "failed",
    "queueQualifiedName": "bull:mail",
}
_LOOKED = {"length": 1, "scanned": 18_422, "isComplete": True, "next": "4711-5e0c3a9b7d21"}
EXAMPLE = {"counts": {"failed": 1_204}, "start": 0, "jobs": [_JOB]} | _LOOKED
ALL_EXAMPLE = {"jobs": [_JOB | {"queue": "mail"}]} | _LOOKED
"""Example responses, for the OpenAPI document."""
_schema, _all_schema = FindQuerySchema(unknown="exclude"), FindAllQuerySchema(unknown="exclude")


def load(request: Request, queue: str) -> Sought:
    """Read which jobs of a queue are looked for. Raises InvalidRequest with all faults."""
    return _load(_schema, request, queue)


def load_all(request: Request) -> Sought:
    """Read which jobs of all queues are looked for. Raises InvalidRequest with all faults."""
    known = {*page.FILTERS, *_all_schema.fields} - {"at_path"}
    given = page.parameters(request.query_string)
    if unknown := [name for name in given if name not in known and not name.startswith(DATA)]:
        raise InvalidRequest(*(Fault(name[:PATH_SHOWN], _unknown(name, known)) for name in unknown))
    return _load(_all_schema, request, _ALL_QUEUES)


def _unknown(name: str, known: set[str]) -> str:
    if "." in name:
        return f"is not known here: a path into the data begins with {DATA}"
    near = difflib.get_close_matches(name, known, n=1)
    return f"is not known here; did you mean {near[0]}?" if near else "is not known here"


def dump(queue: str, sought: Sought, found: Found, members_of: Callable[[Job], dict[str, Any]]) -> dict[str, Any]:
    """Return the JSON of what was found in a queue."""
    counts = {status.value: number for status, number in found.counts.items()}
    return {"counts": counts, "start": 0} | _dump(queue, sought, found, members_of)


def dump_all(sought: Sought, found: Found, members_of: Callable[[Job], dict[str, Any]]) -> dict[str, Any]:
    """Return the JSON of what was found in all queues."""
    return _dump(_ALL_QUEUES, sought, found, members_of)


def _dump(where: str, sought: Sought, found: Found, members_of: Callable[[Job], dict[str, Any]]) -> dict[str, Any]:
    members = {
        "jobs": [members_of(job) for job in found.jobs],
        "length": len(found.jobs) if found.is_truncated else sought.length,
        "scanned": found.looked_at,
        "isComplete": found.is_complete,
    }
    return members if found.next is None else members | {"next": cursor_of(where, sought, found.next)}


def _load(schema: Schema, request: Request, where: str) -> Sought:
    given = page.parameters(request.query_string)
    single = {*schema.fields, *(name for name in given if name.startswith(DATA))} - {"tag"}
    if twice := [name for name in single if len(given.getlist(name)) > 1]:
        raise InvalidRequest(*(Fault(name[:PATH_SHOWN], "must not be given twice") for name in sorted(twice)))
    tags = {"tag": given.getlist("tag")} if "tag" in given else {}
    loaded, faults = new_job.loaded_or_faults(schema, given.to_dict() | tags)
    faults += _data_faults(given)
    if loaded.get("start"):
        faults.append(Fault("start", "must be 0 with a filter: go on by the cursor"))
    if loaded.get("length") == 0:
        faults.append(Fault("length", "must be over 0 with a filter: a plan says how many match"))
    if faults:
        raise InvalidRequest(*faults)
    wanted = JobFilter(
        statuses=tuple(loaded["statuses"]),
        name=loaded.get("name"),
        tags=tuple(loaded.get("tag", ())),
        since_ms=loaded.get("since"),
        until_ms=loaded.get("until"),
        finished_since_ms=loaded.get("finishedSince"),
        finished_until_ms=loaded.get("finishedUntil"),
        error=loaded.get("error"),
        data=tuple(_data(given)),
        worker=loaded.get("worker"),
        fingerprint=loaded.get("fingerprint"),
    )
    sought = Sought(wanted=wanted, length=loaded["length"], newest_first=loaded["order"] == "desc")
    return _behind(where, sought, loaded["cursor"]) if "cursor" in loaded else sought


def _data(given: MultiDict[str, str]) -> Iterator[tuple[str, str]]:
    """Return the paths into the data, and their values."""
    return ((name.removeprefix(DATA), value) for name, value in given.items() if name.startswith(DATA))


def _data_faults(given: MultiDict[str, str]) -> list[Fault]:
    found = [
        Fault(f"{DATA}{path}"[:PATH_SHOWN], fault)
        for path, value in _data(given)
        if (fault := path_fault(path) or (text_fault(value) if value else None))
    ]
    if sum(1 for _ in _data(given)) > CONDITIONS_MAX:
        found.append(Fault("data", f"must have at most {CONDITIONS_MAX} paths"))
    return found


def _behind(where: str, sought: Sought, cursor: str) -> Sought:
    """Return what a cursor goes on with. Raises InvalidRequest if it is of another queue, filter or order."""
    found = _CURSOR.fullmatch(cursor[:_CURSOR_MAX])
    if found is None or cursor_of(where, sought, int(found[1])) != cursor:
        raise InvalidRequest(
            Fault("cursor", "must be the `next` of a page of this search: same queue, filter and order")
        )
    return dataclasses.replace(sought, after=int(found[1]))


def cursor_of(where: str, sought: Sought, number: int) -> str:
    """Return the cursor of a number: it is of this queue and of what was asked for, as a checksum says."""
    checked = json.dumps([where, sought.wanted.asked, sought.newest_first, number])
    return f"{number}-{hashlib.sha256(checked.encode()).hexdigest()[:12]}"
