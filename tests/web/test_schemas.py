"""What is read and written past marshmallow is what marshmallow would read and write."""

import json
from datetime import UTC, datetime
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from app.domain.attempts import FailedCode
from app.domain.errors import InvalidRequest
from app.domain.job import Job, JsonText, LeaseKey
from app.domain.states import Status
from app.operations.settle import Settlement
from app.web.jobs import new_job
from app.web.leases import schemas
from app.wire import demands, objects
from app.wire.job import JobSchema

LIMIT = 60  # bytes of data
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=3), children, max_size=3),
    max_leaves=6,
)
BACKOFF = st.integers(-1, 5) | st.fixed_dictionaries(
    {"type": st.sampled_from(["fixed", "linear", "exponential", "odd", 1])},
    optional={"delay": st.integers(-1, 5) | st.just(2.0), "jitter": st.sampled_from([0, 0.5, 1, 2]), "more": JSON},
)
KEPT: st.SearchStrategy[Any] = (
    st.booleans()
    | st.integers(-1, 5)
    | st.sampled_from([None, 2.0, 0.5, "1", []])
    | st.fixed_dictionaries({}, optional={"age": st.integers(-1, 5), "count": st.integers(0, 5) | JSON, "more": JSON})
)
OPTS = st.fixed_dictionaries(
    {},
    optional={
        "attempts": st.integers(-1, 5) | st.sampled_from([3.0, "3", True, None]),
        "backoff": BACKOFF | st.none(),
        "delay": st.integers(-1, 9) | st.none(),
        "priority": st.integers(0, 9) | st.none(),
        "lifo": st.booleans() | st.sampled_from([None, 1]),
        "jobId": st.text(max_size=5) | st.sampled_from([None, 5]),
        "timeout": st.integers(0, 9),
        "keepLogs": st.integers(-1, 9),
        "tags": st.lists(st.text(max_size=2), max_size=11),
        "stackTraceLimit": st.integers(-1, 11),
        "removeOnComplete": KEPT,
        "removeOnFail": KEPT,
        "startBy": st.integers(-1, 9) | st.sampled_from([253_402_300_799_999, 253_402_300_800_000, 1.5, "5", None]),
        "group": JSON,
        "unknown": JSON,
    },
)
JOB = st.fixed_dictionaries(
    {"name": st.text(max_size=4) | st.just("welcome"), "data": JSON},
    optional={"opts": OPTS | st.none() | JSON, "more": JSON},
)


def outcome(read: Any) -> Any:
    try:
        return read()
    except InvalidRequest as error:
        return type(error), [(fault.path, fault.message) for fault in error.faults]


@given(st.lists(JOB | JOB.map(lambda job: dict(list(job.items())[1:])), max_size=4), st.booleans())
def test_jobs_are_read_as_marshmallow_reads_them(jobs: list[Any], has_twins: bool) -> None:  # noqa: FBT001 - drawn
    raw = json.dumps(jobs).encode()
    if has_twins:
        raw = raw.replace(b'"lifo"', b'"delay"').replace(b'"more"', b'"unknown"')

    def by_marshmallow() -> object:
        asked = objects.read_objects(
            raw, demands.Array("jobs", 10, demands.Form(new_job.NAMES, limits={"data": LIMIT}))
        )
        return [new_job.by_schema(members, f"jobs[{nth}]", LIMIT) for nth, members in enumerate(asked)]

    plainly = outcome(lambda: new_job.load(raw, max_jobs=10, max_data_bytes=LIMIT))
    expected = outcome(by_marshmallow)  # which ends with the faults of the first job that has any
    if isinstance(expected, tuple):
        assert plainly[0] == expected[0]
        assert plainly[1][: len(expected[1])] == expected[1]
    else:
        assert plainly == expected


ENDING = st.fixed_dictionaries(
    {"id": st.sampled_from(["1", "a", 5]), "token": st.text(max_size=3) | st.just(5)},
    optional={
        "returnvalue": JSON,
        "failedReason": st.text(max_size=3) | st.none(),
        "unrecoverable": st.booleans() | st.none(),
        "delay": st.sampled_from([0, 5, 5.0, -1, None]),
        "more": JSON,
    },
)
NEXT = st.none() | st.fixed_dictionaries(
    {}, optional={"count": st.integers(0, 5) | st.none(), "worker": st.text(max_size=3)}
)


@given(st.fixed_dictionaries({"jobs": st.lists(ENDING, max_size=3)}, optional={"claim": NEXT, "more": JSON}))
def test_what_ended_is_read_as_marshmallow_reads_it(finish: dict[str, Any]) -> None:
    finish["jobs"] = [
        ending | ({"id": f"{nth}"} if ending["id"] != 5 else {}) for nth, ending in enumerate(finish["jobs"])
    ]
    raw = json.dumps(finish).encode()

    def by_marshmallow() -> object:
        form = demands.Form(frozenset(schemas.EndingSchema().fields), schemas.LOOSE, limits={"returnvalue": LIMIT})
        names = frozenset(schemas.FinishSchema().fields)
        members, endings = objects.read_object(raw, demands.Form(names), array=demands.Array("jobs", 10, form))
        return said(*schemas.finish_by_schema(members, endings, LIMIT))

    def plainly() -> object:
        told, ask = schemas.load_finish(raw, lease_ms=5, worker="w", max_data_bytes=LIMIT, max_body_bytes=10**6)
        return said(told, None if ask is None else {"count": ask.limit, "worker": ask.worker})

    assert outcome(plainly) == outcome(by_marshmallow)


def said(told: list[Settlement], asked: dict[str, Any] | None) -> object:
    words = [(word.job_id, word.token, word.of_lease(LeaseKey(number=1, token=word.token))) for word in told]
    return words, None if asked is None else (asked.get("count") or 1, asked.get("worker") or "w")


MOMENT = st.datetimes(datetime(1971, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - has to be naive
TEXT = JSON.map(lambda value: JsonText(json.dumps(value)))
WHOLE = st.integers(0, 2**53)
MEMBERS: dict[str, st.SearchStrategy[Any]] = {
    "queue": st.text(min_size=1, max_size=5),
    "number": WHOLE,
    "custom_id": st.none() | st.text(min_size=1, max_size=5),
    "name": st.text(min_size=1, max_size=5),
    "data": TEXT,
    "opts": TEXT,
    "status": st.sampled_from(Status),
    "priority": WHOLE,
    "lifo": st.booleans(),
    "delay_ms": WHOLE,
    "run_at": MOMENT,
    "timeout_ms": st.none() | WHOLE,
    "attempts_made": WHOLE,
    "attempts_started": WHOLE,
    "stalled_count": WHOLE,
    "progress": TEXT,
    "result": st.none() | TEXT,
    "failed_reason": st.none() | st.text(max_size=5),
    "stacktrace": st.lists(st.text(max_size=5), max_size=3),
    "added_at": MOMENT,
    "processed_at": st.none() | MOMENT,
    "finished_at": st.none() | MOMENT,
    "processed_by": st.none() | st.text(max_size=5),
    "tags": st.none() | st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=3),
    "failed_code": st.none() | st.sampled_from(FailedCode).map(str),
    "start_by": st.none() | WHOLE,
    "effective": st.none() | TEXT,
}


def test_every_member_of_a_job_is_drawn_from_what_can_be_stored() -> None:
    # What is not named here would be drawn from its type alone: an integer of 65 bits, a text that is no JSON.
    assert set(MEMBERS) == set(Job._fields)


@given(st.builds(Job, **MEMBERS))
def test_a_job_is_written_as_marshmallow_writes_it(job: Job) -> None:
    schema = JobSchema(queue_prefix="bull")
    assert orjson.dumps(schema.members(job)) == orjson.dumps(schema.dump(job))
