"""The bodies of drain, clean and obliterate."""

from typing import Any

from marshmallow import Schema, fields, validate

from app.domain import removal
from app.domain.removal import CLEANABLE, GRACE_MAX_MS, MOST_MAX, Removal
from app.domain.states import Status
from app.web.fields import Flag, Whole
from app.web.jobs import new_job
from app.wire import objects
from app.wire.demands import Form

_STATUSES = [status.value for status in CLEANABLE]
_REQUIRED: dict[str, Any] = {
    "required": True,
    "allow_none": False,
    "error_messages": {"required": "is required", "null": "must not be null"},
}


class DrainSchema(new_job.KnownOnly):
    """The body of a drain."""

    delayed = Flag(metadata={"description": "Whether delayed jobs are removed too."})


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


class ObliterateSchema(new_job.KnownOnly):
    """The body of an obliterate."""

    force = Flag(metadata={"description": "Whether active jobs are removed too."})


DRAIN_EXAMPLE = {"delayed": True}
CLEAN_EXAMPLE = {"status": "failed", "grace": 86_400_000, "limit": 1000}
OBLITERATE_EXAMPLE = {"force": False}
_drain, _clean, _obliterate = DrainSchema(), CleanSchema(), ObliterateSchema()


def load_drain(raw: bytes) -> Removal:
    """Read the body of a drain, which may be empty. Raises InvalidRequest, UnparsableBody."""
    return removal.drain(delayed=_loaded(_drain, raw).get("delayed") is True)


def load_clean(raw: bytes) -> Removal:
    """Read the body of a clean. Raises InvalidRequest with all faults, UnparsableBody."""
    loaded = _loaded(_clean, raw)
    return removal.clean(status=Status(loaded["status"]), grace_ms=loaded["grace"], limit=loaded.get("limit") or 0)


def load_obliterate(raw: bytes) -> Removal:
    """Read the body of an obliterate, which may be empty. Raises InvalidRequest, UnparsableBody."""
    return removal.obliterate(force=_loaded(_obliterate, raw).get("force") is True)


def _loaded(schema: Schema, raw: bytes) -> dict[str, Any]:
    members, _ = objects.read_object(raw if raw.strip() else b"{}", Form(frozenset(schema.fields)))
    return new_job.loaded(schema, objects.owns(members))
