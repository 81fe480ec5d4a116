"""The query of GET /queues/:queue/series, and an example of a response."""

from typing import Any, NamedTuple

from flask import Request
from marshmallow import Schema, fields, validate

from app.domain.series import POINTS_MAX, USUAL, Step
from app.web.fields import MomentText
from app.web.jobs import page

BUCKETS = "buckets"
_USUAL = ", ".join(f"{number} {step}s" for step, number in USUAL.items())
SeriesQuerySchema = Schema.from_dict(
    {
        "from": MomentText(f"the first period is the one in which this lies. By default {_USUAL}, by the step"),
        "to": MomentText(
            "the last period is the one that ends then, or in which this lies; none is later than the running one, "
            "which is the last one by default"
        ),
        "step": fields.String(
            validate=validate.OneOf([*Step], error=f"must be {', '.join(Step)}"),
            metadata={
                "description": "the length of a period, of UTC. By default minute, or with `from` the shortest that "
                f"gives {POINTS_MAX:,} periods at most"
            },
        ),
        "include": fields.String(
            validate=validate.OneOf([BUCKETS], error=f"must be {BUCKETS}"),
            metadata={"description": f"`{BUCKETS}`: also how many jobs waited and ran how long"},
        ),
    },
    name="SeriesQuerySchema",
)
EXAMPLE = {
    "queue": "mail",
    "step": "minute",
    "from": 1_795_860_000_000,
    "to": 1_795_860_120_000,
    "asOf": 1_795_860_101_000,
    "at": [1_795_860_000_000, 1_795_860_060_000],
    "added": [40, 12],
    "claimed": [38, 14],
    "completed": [36, 13],
    "failed": [1, 0],
    "retried": [2, 0],
    "stalled": [0, 0],
    "wait": {"mean": [210, 35], "p50": [160, 30], "p95": [480, 88], "p99": [496, 98]},
    "run": {"mean": [95, 90], "p50": [80, 78], "p95": [190, 180], "p99": [198, 196]},
    "total": {
        "added": 52,
        "claimed": 52,
        "completed": 49,
        "failed": 1,
        "retried": 2,
        "stalled": 0,
        "wait": {"mean": 163, "p50": 120, "p95": 470, "p99": 494},
        "run": {"mean": 94, "p50": 80, "p95": 189, "p99": 198},
    },
}

_query = SeriesQuerySchema()


class Asked(NamedTuple):
    """Which periods are asked for, None: what is usual; and whether with buckets."""

    from_ms: int | None
    to_ms: int | None
    step: Step | None
    has_buckets: bool


def load(request: Request) -> Asked:
    """Read which periods are asked for. Raises InvalidRequest with all faults."""
    loaded: dict[str, Any] = page.loaded_query(_query, request.query_string)
    step = Step(loaded["step"]) if "step" in loaded else None
    return Asked(loaded.get("from"), loaded.get("to"), step, has_buckets="include" in loaded)
