"""Retention: how long finished jobs are kept."""

import json
import re
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
WORDS = {"all": FOR_EVER, "none": Keep(count=0)}
_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
_SPOKEN = re.compile(r"(?:(\d{1,10})([smhdw]))?(?:(?(1),)(\d{1,10}))?", re.ASCII)


def of_words(text: str) -> Keep:
    """Return what people write as 7d, 1000, 7d,1000, all, none; of any size. Raises ValueError for all else."""
    if text in WORDS:
        return WORDS[text]
    found = _SPOKEN.fullmatch(text)
    if not found or not text:
        raise ValueError(f"{text!r} is not as 7d, 1000, 7d,1000, all or none")
    age_s = int(found[1]) * _UNITS_S[found[2]] if found[1] else None
    return Keep(age_s=age_s, count=int(found[3]) if found[3] else None)


def words(keep: Keep) -> str:
    """Return it as `of_words` reads it: an age in days at most, in the largest unit in which it is whole."""
    if keep == FOR_EVER:
        return "all"
    if keep == WORDS["none"]:
        return "none"
    parts = [] if keep.age_s is None else [_age(keep.age_s)]
    return ",".join([*parts, *([] if keep.count is None else [str(keep.count)])])


def _age(age_s: int) -> str:
    unit = next(unit for unit in ("d", "h", "m", "s") if age_s % _UNITS_S[unit] == 0 and (age_s or unit == "s"))
    return f"{age_s // _UNITS_S[unit]}{unit}"


def sudden(keep: Keep, *, jobs: str, whose: str) -> str | None:
    """Return what goes at once and is not told by an age, which may be a slip: `3` for `3d`; else None."""
    if keep.is_none:
        return f"No {jobs} of {whose} are kept: all go now, for good."
    if keep.count is not None and keep.age_s is None:
        return f"The {keep.count} newest {jobs} of {whose} are kept, all others go now, for good."
    return None


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
