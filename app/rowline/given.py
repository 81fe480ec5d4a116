"""What the calls of the client are given, in the shape that requests need."""

import json
from collections.abc import Iterable
from typing import Any, Protocol


class HasId(Protocol):
    """A job: a `JobInfo`, a `Lease`, or the `Job` of a handler."""

    @property
    def id(self) -> str:
        """The job's id."""


def job_id(job: str | HasId) -> str:
    """Return the id of a job that is given by itself or by its id. Raises TypeError."""
    found = getattr(job, "id", job)
    if not isinstance(found, str):
        raise TypeError(f"a job or its id, a string, is needed, not {job!r}")
    return found


def listed(texts: Iterable[str] | None) -> list[str]:
    """Return texts as a list; a string is one text."""
    return [texts] if isinstance(texts, str) else [*(texts or ())]


def strings(texts: Iterable[str], name: str) -> list[str]:
    """Return texts that are stored as a list. Raises TypeError for a single string, which would be its letters."""
    if isinstance(texts, str | bytes):
        raise TypeError(f"{name} must be a list of strings, not {texts!r}")
    return [*texts]


def encoded(value: Any) -> str:
    """Return JSON, as it is sent and stored. Raises TypeError or ValueError for values that are not JSON."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
