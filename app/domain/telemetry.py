"""The trace that a job belongs to, as W3C Trace Context writes it: it travels with the job in `opts.telemetry`.

`metadata` is a carrier, a JSON object of strings with `traceparent` and perhaps `tracestate`, as a string: as BullMQ
has it, so that workers and producers of either read those of the other.
"""

import json
import re
from datetime import timedelta
from typing import NamedTuple

METADATA_MAX = 2_048  # characters
TRACESTATE_MAX = 512  # characters; longer ones are left out, as the recommendation allows
LATE = timedelta(minutes=1)
TRACEPARENT, TRACESTATE = "traceparent", "tracestate"
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_PRINTABLE = re.compile(r"[ -~]+")


class Telemetry(NamedTuple):
    """The option of a job."""

    metadata: str | None = None  # the carrier; None: that of the request, if it has one
    omits_context: bool = False  # whether the job belongs to no trace of others


def metadata(*, traceparent: str, tracestate: str = "") -> str | None:
    """Return the carrier of a request's headers; None if they name no trace, or not as the recommendation says."""
    if not _TRACEPARENT.fullmatch(traceparent):
        return None
    has_state = len(tracestate) <= TRACESTATE_MAX and _PRINTABLE.fullmatch(tracestate)
    carrier = {TRACEPARENT: traceparent} | ({TRACESTATE: tracestate} if has_state else {})
    return json.dumps(carrier, separators=(",", ":"))


def headers(opts: str) -> dict[str, str]:
    """Return the headers that name the trace of a job, from its options as JSON; none if it has no valid one."""
    if '"telemetry"' not in opts:
        return {}
    said = json.loads(opts).get("telemetry")
    if not isinstance(said, dict) or said.get("omitContext"):
        return {}
    try:
        carrier = json.loads(said.get("metadata") or "{}")
    except (ValueError, RecursionError):
        return {}
    if not isinstance(carrier, dict):
        return {}
    parent, state = carrier.get(TRACEPARENT), carrier.get(TRACESTATE, "")
    if not isinstance(parent, str) or not isinstance(state, str):
        return {}
    shown = metadata(traceparent=parent, tracestate=state)
    found: dict[str, str] = json.loads(shown) if shown else {}
    return found


def begins_trace(*, attempts_made: int, waited: timedelta) -> bool:
    """Whether an attempt begins a trace of its own: a retry, or one that begins later than LATE after its job came.

    The trace in which the job was added has ended by then: it is linked, not continued.
    """
    return attempts_made > 0 or waited > LATE
