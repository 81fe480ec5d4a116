"""Terms: what jobs are found by at once, as they are stored. A job has one for each tag and each key of its queue."""

import hashlib
import json
from enum import StrEnum
from typing import NamedTuple

from app.domain.jobfilter import JobFilter, path_fault

KEYS_MAX = 5
"""The most keys of a queue: paths into the data by which its jobs are found at once."""
KNOWN_SINCE = "0031"
"""The first release whose programs store the terms of jobs, and remove them."""
SHORT = 200  # characters of a value that is in its term; of a longer one its hash is
TAGS = ""
"""Instead of a key: the tags of all queues."""
TAGS_RANGE = ("tag:", "tag;")


class FillStatus(StrEnum):
    """How far the terms are of jobs that were there before."""

    WAITING = "waiting"  # for older nodes, and for transactions that know nothing of a key
    FILLING = "filling"
    SETTLING = "settling"  # waits for transactions that may remove jobs without the terms that these have now
    FILLED = "filled"  # all jobs have theirs: searches go by them
    LEAVING = "leaving"  # the key is not wanted any more; waits for transactions that know nothing of that
    CLEARING = "clearing"  # terms are removed


class Key(NamedTuple):
    """A key of a queue: a path into the data. `looked_at`: so many jobs that were there before have been looked at."""

    path: str
    status: FillStatus
    looked_at: int


class Either(NamedTuple):
    """What a search asks for in one place: one of up to two terms."""

    term: str
    other: str | None = None


class TermFill(NamedTuple):
    """How far the terms of a key of a queue are, or, if both are empty, those of the tags of all queues."""

    queue: str
    path: str
    status: FillStatus
    is_wanted: bool
    at: int
    until: int
    waited_s: float
    since: str  # another one each time that it begins anew

    @property
    def range(self) -> tuple[str, str]:
        """The first term that it may have, and what comes behind all of them."""
        if self.path == TAGS:
            return TAGS_RANGE
        begin = _key(self.path)
        return f"{begin}#", f"{begin}>"


def of_tag(tag: str) -> str:
    """Return the term of a tag."""
    return f"tag:{tag}"


def of_value(path: str, value: str) -> str:
    """Return the term of what is at a path: a string as it is, anything else as its JSON."""
    if len(value) > SHORT:
        return f"{_key(path)}#{hashlib.sha256(value.encode()).hexdigest()}"
    return f"{_key(path)}={value}"


def _key(path: str) -> str:
    return f"key:{len(path)}:{path}"


def sought(wanted: JobFilter, filled: set[str]) -> list[Either]:
    """Return the terms that a job has to have to match, of tags and keys that are `filled`; some of what is asked for.

    A job that has them need not match: JSON that is no string has the term of the string that is written as it is.
    """
    tags = [Either(of_tag(tag)) for tag in dict.fromkeys(wanted.tags)] if TAGS in filled else []
    return tags + [_values(path, value) for path, value in wanted.data if path in filled]


def _values(path: str, value: str) -> Either:
    """Return the terms of a value: as the string that it is, and, if it is the JSON of a string, of that one."""
    try:
        found = json.loads(value) if value.startswith('"') else None
    except ValueError:
        found = None
    is_stored = isinstance(found, str) and "\0" not in found and not any("\ud800" <= c <= "\udfff" for c in found)
    return Either(of_value(path, value), of_value(path, found) if is_stored and isinstance(found, str) else None)


def keys_fault(keys: list[str]) -> str | None:
    """Return why these cannot be the keys of a queue, as a predicate; None if they can."""
    if len(keys) > KEYS_MAX:
        return f"must be at most {KEYS_MAX} paths, not {len(keys)}"
    if len({*keys}) < len(keys):
        return "must be different paths"
    faults = (f"{key!r} {fault}" for key in keys if (fault := path_fault(key)))
    return next(faults, None)
