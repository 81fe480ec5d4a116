"""The JSON of what happened in a queue over time. Times are in ms."""

from collections.abc import Sequence
from typing import Any

from marshmallow import Schema, fields, validate

from app.domain.durations import BOUNDS_S, SHARES
from app.domain.series import COUNTS, Durations, Point, Series, Step

_EACH = "for each period"


def _numbers(about: str) -> fields.List[int]:
    return fields.List(fields.Integer(), required=True, metadata={"description": f"{about}, {_EACH}"})


def _times(about: str) -> fields.List[int]:
    described = {"description": f"in ms, {_EACH}: {about}; null if there were none"}
    return fields.List(fields.Integer(allow_none=True), required=True, metadata=described)


class DurationsSchema(Schema):
    """How long jobs waited, or ran."""

    mean = _times("the mean")
    p50 = _times("half of them took at most so long")
    p95 = _times("95 of 100 did")
    p99 = _times("99 of 100 did")
    buckets = fields.List(
        fields.List(fields.Integer()),
        metadata={"description": f"{_EACH} how many took how long, by `bounds`; empty if there were none"},
    )


class DurationSchema(Schema):
    """How long jobs waited, or ran, in all periods together."""

    mean = fields.Integer(required=True, allow_none=True)
    p50 = fields.Integer(required=True, allow_none=True)
    p95 = fields.Integer(required=True, allow_none=True)
    p99 = fields.Integer(required=True, allow_none=True)


class TotalSchema(Schema):
    """What happened in all periods together."""

    added = fields.Integer(required=True)
    claimed = fields.Integer(required=True)
    completed = fields.Integer(required=True)
    failed = fields.Integer(required=True)
    retried = fields.Integer(required=True)
    stalled = fields.Integer(required=True)
    wait = fields.Nested(DurationSchema, required=True)
    run = fields.Nested(DurationSchema, required=True)


class SeriesSchema(Schema):
    """What happened in a queue over time: arrays, with a value for each period."""

    queue = fields.String(required=True)
    step = fields.String(required=True, validate=validate.OneOf([*Step]), metadata={"description": "of UTC"})
    from_ = fields.Integer(
        data_key="from", required=True, metadata={"description": "where the first period begins, in ms since the epoch"}
    )
    to = fields.Integer(required=True, metadata={"description": "where the last period ends, in ms since the epoch"})
    asOf = fields.Integer(
        required=True, metadata={"description": "the database's clock: a period that ends later is not over"}
    )
    at = _numbers("its begin, in ms since the epoch")
    added = _numbers("jobs added")
    claimed = _numbers("attempts that began")
    completed = _numbers("jobs that completed")
    failed = _numbers("jobs that failed for good, or were cancelled")
    retried = _numbers("attempts that failed, of jobs that are tried again")
    stalled = _numbers("attempts whose leases ran out")
    wait = fields.Nested(
        DurationsSchema, required=True, metadata={"description": "how long jobs had been ready, of attempts that began"}
    )
    run = fields.Nested(
        DurationsSchema, required=True, metadata={"description": "how long attempts ran that completed or failed"}
    )
    total = fields.Nested(TotalSchema, required=True)
    bounds = fields.List(
        fields.Integer(),
        metadata={
            "description": "Of `buckets`, in ms: each ends before its bound, the last one after them has no end."
        },
    )


def dump(found: Series, *, has_buckets: bool = False) -> dict[str, Any]:
    """Return the JSON of a series; `has_buckets`: with how many jobs waited and ran how long."""
    points, total = found.all, found.total
    members: dict[str, Any] = {
        "queue": found.queue,
        "step": found.periods.step,
        "from": found.periods.from_ms,
        "to": found.periods.to_ms,
        "asOf": found.now_ms,
        "at": [*found.periods.begins],
        **{name: [getattr(point, name) for point in points] for name in COUNTS},
        "wait": _each([point.wait for point in points], has_buckets=has_buckets),
        "run": _each([point.run for point in points], has_buckets=has_buckets),
        "total": _total(total),
    }
    return members | ({"bounds": [*map(_ms, BOUNDS_S)]} if has_buckets else {})


def _each(told: Sequence[Durations], *, has_buckets: bool) -> dict[str, Any]:
    parts = [*map(_of_one, told)]
    members: dict[str, Any] = {name: [part[name] for part in parts] for name in ("mean", *SHARES)}
    return members | ({"buckets": [[*durations.counts] for durations in told]} if has_buckets else {})


def _total(total: Point) -> dict[str, Any]:
    counts = {name: getattr(total, name) for name in COUNTS}
    return counts | {"wait": _of_one(total.wait), "run": _of_one(total.run)}


def _of_one(durations: Durations) -> dict[str, int | None]:
    return {"mean": _ms(durations.mean_s)} | {name: _ms(durations.percentile(share)) for name, share in SHARES.items()}


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1_000)
