"""Finding jobs: the words that say which, and the way over the responses of the service."""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self, TypedDict, Unpack

from rowline.given import encoded, listed
from rowline.values import JobInfo

PAGE = 100  # jobs in a response
Moment = int | datetime
"""Ms since the epoch, or a time, which is the local one if it has no zone."""


class Filter(TypedDict, total=False):
    """Which jobs are meant: those that have all that is given."""

    statuses: Iterable[str]  # one of these; without it: any; a string is one status
    name: str
    tags: Iterable[str]  # all of these; a string is one tag
    since: Moment  # added then or later
    until: Moment  # added before
    finished_since: Moment  # ended then or later
    finished_until: Moment  # ended before
    error: str  # a text that `failed_reason` contains
    data: Mapping[str, Any]  # values by their paths in the data: {"customer.id": 42}
    worker: str  # `processed_by`
    fingerprint: str  # of a failure, as in `failures`


class Wanted(Filter, total=False):
    """Which jobs are looked for, and in which order."""

    is_oldest_first: bool


_WORDS = {"name": "name", "error": "error", "worker": "worker", "fingerprint": "fingerprint"}
_MOMENTS = {
    "since": "since",
    "until": "until",
    "finished_since": "finishedSince",
    "finished_until": "finishedUntil",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Some jobs that were found, and the cursor of the next ones; None: there are no more."""

    jobs: tuple[JobInfo, ...]
    next: str | None

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        """Return the jobs of a response."""
        return cls(jobs=tuple(map(JobInfo.of, members["jobs"])), next=members.get("next"))


def follow(ask: Callable[[dict[str, Any]], Found], **wanted: Unpack[Wanted]) -> Iterator[JobInfo]:
    """Yield the jobs that are found; a response is requested by `ask` when the jobs of the one before are used up.

    Raises TypeError at once for an unknown word.
    """
    return _follow(ask, query(**wanted))


def _follow(ask: Callable[[dict[str, Any]], Found], asked: dict[str, Any]) -> Iterator[JobInfo]:
    part = ask(asked)
    yield from part.jobs
    while part.next is not None:
        part = ask(asked | {"cursor": part.next})
        yield from part.jobs


def query(**wanted: Unpack[Wanted]) -> dict[str, Any]:
    """Return the parameters of a request, with a filter in any case: it has cursors to the end.

    Raises TypeError, and ValueError for an empty list, which would mean all jobs.
    """
    _require_known(wanted, Wanted.__annotations__)
    asked: dict[str, Any] = {"length": PAGE, "order": "asc" if wanted.get("is_oldest_first") else "desc", "since": 0}
    sent = {"statuses": wanted.get("statuses"), "tags": wanted.get("tags")}
    lists = {name: listed(texts) for name, texts in sent.items() if texts is not None}
    if empty := [name for name, texts in lists.items() if not texts]:
        raise ValueError(f"{empty[0]} must not be empty; without it all jobs are meant")
    asked["statuses"] = ",".join(lists.get("statuses", ["all"]))
    given: Mapping[str, Any] = wanted
    asked |= {word: given[name] for name, word in _WORDS.items() if given.get(name) is not None}
    asked |= {word: _ms(given[name]) for name, word in _MOMENTS.items() if given.get(name) is not None}
    asked |= {"tag": lists["tags"]} if "tags" in lists else {}
    return asked | {f"data.{path}": _text(value) for path, value in _values(wanted.get("data") or {}).items()}


def filter_json(ids: Iterable[str] | None = None, **wanted: Unpack[Filter]) -> dict[str, Any]:
    """Return the JSON of a filter in the body of a request, with empty lists too, which the service refuses.

    Raises TypeError for an unknown word.
    """
    _require_known(wanted, [*Filter.__annotations__, "ids", "change", "timeout_s"])
    given: Mapping[str, Any] = wanted
    lists = {"statuses": wanted.get("statuses"), "ids": ids, "tag": wanted.get("tags")}
    members: dict[str, Any] = {word: given.get(name) for name, word in _WORDS.items()}
    members |= {word: _ms(given[name]) for name, word in _MOMENTS.items() if given.get(name) is not None}
    members |= {word: listed(texts) for word, texts in lists.items() if texts is not None}
    members["data"] = None if wanted.get("data") is None else _values(wanted["data"])
    return {word: value for word, value in members.items() if value is not None}


def _require_known(wanted: Iterable[str], known: Iterable[str]) -> None:
    """Raise TypeError for a word that is unknown: without it more jobs would be meant than were asked for."""
    words = [*known]
    for word in wanted:
        if word not in words:
            near = difflib.get_close_matches(word, words, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(words)}"
            raise TypeError(f"{word!r} is no word to find jobs by; {hint}")


def _ms(moment: Moment) -> int:
    return int(moment.timestamp() * 1000) if isinstance(moment, datetime) else moment


def _values(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return values by their paths; objects and arrays as texts, as the service takes them. Raises TypeError."""
    if not isinstance(data, Mapping):
        raise TypeError(f'data must be a dict of paths and values, such as {{"customer.id": 42}}, not {data!r}')
    return {path: encoded(value) if isinstance(value, dict | list | tuple) else value for path, value in data.items()}


def _text(value: Any) -> str:
    """Return a value as it is compared: a string by itself, any other as JSON."""
    return value if isinstance(value, str) else encoded(value)
