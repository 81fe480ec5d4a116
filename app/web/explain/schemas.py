"""The query of GET /queues/:queue/scaling, and examples of responses."""

from flask import Request
from marshmallow import Schema

from app.domain.scaling import PER_WORKER, PER_WORKER_MAX, TARGET_MAX_S, TARGET_S
from app.web.fields import WholeText
from app.web.jobs import page

EXAMPLE = {
    "status": "waiting",
    "sentence": "Job welcome-ada is waiting: the queue is paused since 2026-11-28 10:02:11 UTC by token:Ab3dEf9h "
    "(the mail provider is down). Resume it: `rowline queues resume mail`, or POST /queues/mail/resume.",
    "reasons": [
        {
            "code": "paused",
            "text": "the queue is paused since 2026-11-28 10:02:11 UTC by token:Ab3dEf9h (the mail provider is down)",
            "since": 1_795_860_131_000,
            "by": "token:Ab3dEf9h",
            "hint": "Resume it: `rowline queues resume mail`, or POST /queues/mail/resume.",
        }
    ],
    "ahead": {"jobs": 12, "isExact": True},
    "asOf": 1_795_860_200_000,
}
SCALING_EXAMPLE = {
    "wanted": 3,
    "ready": 1200,
    "active": 20,
    "dueSoon": 0,
    "oldestReadyS": 71.2,
    "arrivalPerS": 9.5,
    "servicePerS": 8.1,
    "drainS": 148.1,
    "workers": 2,
}


class ScalingQuerySchema(Schema):
    """What the workers are to be scaled for. Unknown parameters are ignored."""

    target = WholeText(
        1,
        TARGET_MAX_S,
        load_default=TARGET_S,
        metadata={"description": "in s: what is ready, or due by then, begins within it"},
    )
    perWorker = WholeText(
        1, PER_WORKER_MAX, load_default=PER_WORKER, metadata={"description": "jobs that a worker runs at a time"}
    )


_query = ScalingQuerySchema()


def load(request: Request) -> tuple[int, int]:
    """Read the target, in s, and the slots of a worker. Raises InvalidRequest with all faults."""
    loaded = page.loaded_query(_query, request.query_string)
    return loaded["target"], loaded["perWorker"]
