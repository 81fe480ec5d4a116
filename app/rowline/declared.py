"""Schedules that a handlers file declares beside its handlers."""

from collections.abc import Callable
from typing import Any, TypeVar, Unpack

from rowline import handlers
from rowline.given import encoded
from rowline.schedules import Wanted, json_of
from rowline.transport import quoted

H = TypeVar("H", bound=handlers.Handler)


def scheduled(
    schedule_id: str, *, name: str | None = None, data: Any = None, **wanted: Unpack[Wanted]
) -> Callable[[H], H]:
    """Register a function for the jobs of a schedule, which the worker makes in its queue when it starts.

    The words are those of `Queue.schedule`; `name` is that of the jobs, by default the id of the schedule. A worker
    that starts makes the schedule, or changes it to these words, as that does; it removes none. Raises TypeError for an
    unknown word or data that are not JSON, ValueError for two schedules
    with the same id.
    """
    if not isinstance(schedule_id, str):
        raise TypeError("the id of the schedule is missing: @rowline.scheduled('nightly', cron='0 3 * * *')")
    quoted(schedule_id)
    body = json_of(wanted, name=name or schedule_id, data=data)
    encoded(body).encode()

    def register(function: H) -> H:
        if schedule_id in handlers.schedules:
            raise ValueError(f"two schedules with the id {schedule_id!r}")
        handlers.register(name or schedule_id, function)
        handlers.schedules[schedule_id] = body
        return function

    return register
