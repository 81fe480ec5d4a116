"""The bodies of drain, clean and obliterate, their response, and the cursor by which a call goes on."""

import hashlib
import json
import re
from typing import Any, NamedTuple

from marshmallow import Schema, fields, validate

from app.domain import removal
from app.domain.errors import Fault, InvalidRequest
from app.domain.removal import CLEANABLE, GRACE_MAX_MS, MOST_MAX, Position, Removal, Removed
from app.domain.states import Status
from app.web.fields import Flag, Text, Whole
from app.web.jobs import new_job
from app.wire import objects
from app.wire.demands import Form

_CURSOR = re.compile(r"(\d{1,18})-(\d)-(\d{1,18})-(\d{1,18})-([0-9a-f]{12})", re.ASCII)
_CURSOR_MAX = 100
_STATUSES = [status.value for status in CLEANABLE]
_REQUIRED: dict[str, Any] = {
    "required": True,
    "allow_none": False,
    "error_messages": {"required": "is required", "null": "must not be null"},
}


class Asked(NamedTuple):
    """What is to be removed, and where an earlier call got to; None: it begins."""

    removal: Removal
    begin: Position | None


def _cursor() -> Text:
    return Text(
        _CURSOR_MAX,
        allow_none=True,
        metadata={"description": "The `next` of a response: goes on there. The other members must be the same."},
    )


class DrainSchema(new_job.KnownOnly):
    """The body of a drain."""

    delayed = Flag(metadata={"description": "Whether delayed jobs are removed too."})
    cursor = _cursor()


class CleanSchema(new_job.KnownOnly):
    """The body of a clean."""

    status = fields.String(
        validate=validate.OneOf(_STATUSES, error=f"must be one of {', '.join(_STATUSES)}"),
        **_REQUIRED | {"error_messages": _REQUIRED["error_messages"] | {"invalid": "must be a string"}},
    )
    grace = Whole(
        0,
        GRACE_MAX_MS,
        metadata={"description": "In ms: those that ended, or were added if they have not, at least so long ago."},
        **_REQUIRED,
    )
    limit = Whole(0, MOST_MAX, metadata={"description": "So many at most, the first added; 0: all."})
    cursor = _cursor()


class ObliterateSchema(new_job.KnownOnly):
    """The body of an obliterate."""

    force = Flag(metadata={"description": "Whether active jobs are removed too."})
    cursor = _cursor()


class RemovedSchema(Schema):
    """What a call removed."""

    removed = fields.Integer(required=True, metadata={"description": "jobs, by this call"})
    isComplete = fields.Boolean(
        required=True, metadata={"description": "false: the time of a request was over; send it again with the cursor"}
    )
    next = fields.String(metadata={"description": "Present if it is not complete: the `cursor` of the next request."})


DRAIN_EXAMPLE = {"delayed": True}
CLEAN_EXAMPLE = {"status": "failed", "grace": 86_400_000, "limit": 1000}
OBLITERATE_EXAMPLE = {"force": False}
ANSWER_EXAMPLE = {"removed": 250_000, "isComplete": False, "next": "4711002-1-310022-250000-5e0c3a9b7d21"}
_drain, _clean, _obliterate = DrainSchema(), CleanSchema(), ObliterateSchema()


def load_drain(raw: bytes, queue: str) -> Asked:
    """Read the body of a drain, which may be empty. Raises InvalidRequest, UnparsableBody."""
    loaded = _loaded(_drain, raw)
    return _asked(queue, removal.drain(delayed=loaded.get("delayed") is True), loaded)


def load_clean(raw: bytes, queue: str) -> Asked:
    """Read the body of a clean. Raises InvalidRequest with all faults, UnparsableBody."""
    loaded = _loaded(_clean, raw or b"{}")
    status, grace_ms, limit = Status(loaded["status"]), loaded["grace"], loaded.get("limit") or 0
    return _asked(queue, removal.clean(status=status, grace_ms=grace_ms, limit=limit), loaded)


def load_obliterate(raw: bytes, queue: str) -> Asked:
    """Read the body of an obliterate, which may be empty. Raises InvalidRequest, UnparsableBody."""
    loaded = _loaded(_obliterate, raw)
    return _asked(queue, removal.obliterate(force=loaded.get("force") is True), loaded)


def dump(queue: str, asked: Removal, done: Removed) -> dict[str, Any]:
    """Return the JSON of what a call removed."""
    members: dict[str, Any] = {"removed": done.removed, "isComplete": done.left is None}
    return members if done.left is None else members | {"next": cursor_of(queue, asked, done.left)}


def _loaded(schema: Schema, raw: bytes) -> dict[str, Any]:
    members, _ = objects.read_object(raw if raw.strip() else b"{}", Form(frozenset(schema.fields)))
    return new_job.loaded(schema, objects.owns(members))


def _asked(queue: str, asked: Removal, loaded: dict[str, Any]) -> Asked:
    cursor = loaded.get("cursor")
    if cursor is None:
        return Asked(asked, None)
    found = _CURSOR.fullmatch(cursor)
    begin = Position(*map(int, found.groups()[:4])) if found else None
    if begin is None or cursor_of(queue, asked, begin) != cursor or not _is_within(begin, asked):
        raise InvalidRequest(Fault("cursor", f"is none that the same {asked.verb} of this queue gave as next"))
    return Asked(asked, begin)


def _is_within(begin: Position, asked: Removal) -> bool:
    return begin.nth < len(asked.statuses) and (asked.most is None or begin.removed <= asked.most)


def cursor_of(queue: str, asked: Removal, at: Position) -> str:
    """Return the cursor of a position: it is of this queue and of what was asked for, as a checksum says."""
    text = f"{at.until}-{at.nth}-{at.after}-{at.removed}"
    checked = f"{queue}\0{asked.verb}\0{json.dumps(asked.options)}\0{text}"
    return f"{text}-{hashlib.sha256(checked.encode()).hexdigest()[:12]}"
