"""Retention: how long finished jobs are kept."""

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

from app.domain.states import Status

AGE_MAX_S = 10 * 366 * 24 * 3600
COUNT_MAX = 2**31 - 1
SPARED_S = 5
"""A job that ended less than this ago is not removed because there are too many: who waits for it sees the end."""
REMEMBERED_S = 900
"""How long it is remembered that a job was removed when it ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Keep finished jobs for `age_s` seconds, and the `count` newest; None: no such limit. Without limits: for ever."""

    age_s: int | None = None
    count: int | None = None

    @property
    def is_none(self) -> bool:
        """Whether none are kept: they go at once."""
        return 0 in {self.age_s, self.count}

    @property
    def json(self) -> Any:
        """Return it as stored and shown: false for ever, else an object."""
        limits = {"age": self.age_s, "count": self.count}
        return {name: value for name, value in limits.items() if value is not None} or False

    @property
    def text(self) -> str:
        """Return the same as JSON text, as PostgreSQL writes it."""
        return json.dumps(self.json)


FOR_EVER = Keep()


def of_json(value: Any) -> Keep | None:
    """Return what `Keep.json` returned; None for null, which is no setting at all."""
    if value is None:
        return None
    return Keep(age_s=value.get("age"), count=value.get("count")) if value else FOR_EVER


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What holds for completed and for failed jobs; None: it is not set, so that the next setting above holds."""

    on_complete: Keep | None = None
    on_fail: Keep | None = None


UNSET = Retention()
SETTINGS = {"removeOnComplete": "on_complete", "removeOnFail": "on_fail"}
"""The names of the settings, and the fields of `Retention`."""


class Target(NamedTuple):
    """Finished jobs of a queue in one status, of which some may have to be removed."""

    queue: str
    status: Status
    keep: Keep
