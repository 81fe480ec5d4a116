"""The form of a queue's settings: its fields as the API has them, and back. What is wrong is left for the API to name.

A field is changed if its text is another than the page showed: so two people who change different settings at a time
both have theirs.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from app.domain import retention
from app.domain.attempts import LOGS_KEPT, STACKS_KEPT
from app.domain.job import PRIORITY_MAX
from app.domain.options import DEFAULTABLE, Kind, Option
from app.domain.terms import KEYS_MAX
from app.web.dashboard import forms, spans
from app.wire import jsonreader

_DEFAULTS = "defaults."
_WAS = "was "
_INDEX = re.compile(r"\[(\d+)\]")


class Form(NamedTuple):
    """How values look in a field: read raises ValueError; empty is no value."""

    read: Callable[[str], Any]
    written: Callable[[Any], str]
    demand: str  # what is said of a text that cannot be read


class Field(NamedTuple):
    """A setting. `name` is its path below `settings`, in the form and in what the API says of it."""

    name: str
    label: str
    form: Form
    hint: str  # what it is, and how to write it
    empty: str  # what holds if it is empty, unless the service sets that

    @property
    def is_long(self) -> bool:
        """Whether it has several lines."""
        return self.form is LINES

    @property
    def is_flag(self) -> bool:
        """Whether it is true or false."""
        return self.form is FLAG


def _whole(text: str) -> int:
    if not (text.isdecimal() and text.isascii()):
        raise ValueError(text)
    return int(text)


def _span(text: str) -> int:
    return _whole(str(spans.read(text)))


def _backoff(text: str) -> Any:
    found = spans.read(text)
    return json.loads(jsonreader.whole(found.encode())) if isinstance(found, str) else found


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]


def _flag(text: str) -> bool:
    return {"true": True, "false": False}[text]


KEPT = Form(
    lambda text: retention.of_words(text.replace(" ", "")).json,
    lambda value: retention.words(retention.of_json(value) or retention.FOR_EVER),
    "must be as 7d, 1000, 7d,1000, all or none",
)
WHOLE = Form(_whole, str, "must be a number")
SPAN = Form(_span, spans.written, "must be a time as 90s, 5m, 1h, 1d")
FLAG = Form(_flag, lambda value: "true" if value else "false", "must be true or false")
LINES = Form(_lines, "\n".join, "")
BACKOFF = Form(
    _backoff,
    lambda value: json.dumps(value, ensure_ascii=False),
    "must be a time as 5s, or a JSON object",
)
_FORMS = {Kind.WHOLE: WHOLE, Kind.FLAG: FLAG, Kind.TEXTS: LINES, Kind.BACKOFF: BACKOFF}
_LIKE = "such as `90s`, `5m`, `1h` or `1d`."
_SAID = {
    "attempts": (
        "Attempts",
        "How often a job is run until it fails for good, such as `3`.",
        "1, not run again after a failure",
    ),
    "backoff": (
        "Backoff",
        'The wait before the next attempt, such as `5s`; growing, in ms: `{"type": "exponential", "delay": 1000}`.',
        "no wait",
    ),
    "delay": ("Delay", f"The wait before the first attempt, {_LIKE}", "no wait"),
    "priority": (
        "Priority",
        f"From `1`, which runs first, to `{PRIORITY_MAX}`, which runs last.",
        "none, which runs before all that have one",
    ),
    "lifo": ("Front of the queue", "Whether a new job goes to the front, or to the end.", "to the end"),
    "keepLogs": (
        "Log lines",
        "How many lines of its log a job keeps, the newest, such as `500`.",
        f"{LOGS_KEPT:,}",
    ),
    "stackTraceLimit": (
        "Stack traces",
        "How many stack traces a job keeps, the newest, such as `5`.",
        f"{STACKS_KEPT}",
    ),
    "timeout": ("Timeout", f"The longest that an attempt may take, {_LIKE}", "no limit"),
    "tags": ("Tags", "Words to find a job by, one a line, such as `vip`.", "none"),
}
"""Of each default: its label, what it is, and what holds without it."""


def _default(option: Option) -> Field:
    form = SPAN if option.field.endswith("_ms") else _FORMS[option.kind]
    label, hint, empty = _SAID.get(option.name, (option.name, option.meaning, "as the service has it"))
    return Field(_DEFAULTS + option.name, label, form, hint, empty)


OWN = (
    Field(
        "removeOnComplete",
        "Completed jobs that are kept",
        KEPT,
        "`7d`: those of the last 7 days; `1000`: the 1,000 newest; `7d,1000`: both limits hold; `all`; `none`.",
        "all",
    ),
    Field("removeOnFail", "Failed jobs that are kept", KEPT, "Written in the same way.", "all"),
    Field(
        "startWithin",
        "Time to begin",
        SPAN,
        f"A job must begin within this time after it became ready, or it fails: {_LIKE}",
        "no limit",
    ),
    Field(
        "keys",
        "Keys",
        LINES,
        f"Paths into the data of jobs, one a line, {KEYS_MAX} at most, such as `customer.id`. A search by a key "
        "looks at the jobs that have the value, not at all jobs.",
        "none",
    ),
)
DEFAULTS = tuple(_default(option) for option in DEFAULTABLE.values())
FIELDS = (*OWN, *DEFAULTS)
_RETENTION = {"removeOnComplete": "completed jobs", "removeOnFail": "failed jobs"}


def of(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the texts of the fields for the settings of a queue."""
    flat = {**settings, **{_DEFAULTS + name: value for name, value in settings.get("defaults", {}).items()}}
    return {one.name: one.form.written(flat[one.name]) if one.name in flat else "" for one in FIELDS}


def in_force(service: Mapping[str, Any]) -> dict[str, str]:
    """Return what holds where a field is empty, in words, with the settings of the service."""
    kept = {name: _kept(service[name]) for name in _RETENTION if name in service}
    return {one.name: kept.get(one.name, one.empty) for one in FIELDS}


def _kept(value: Any) -> str:
    written = KEPT.written(value)
    return f"{written}, as set for all queues"


def sent() -> dict[str, str]:
    """Return the texts of the fields as they were sent."""
    return {one.name: forms.text(one.name) for one in FIELDS}


def shown() -> dict[str, str]:
    """Return the texts that the page of the form showed first."""
    return {one.name: forms.text(_WAS + one.name) for one in FIELDS}


def changes(texts: Mapping[str, str], before: Mapping[str, str], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings to send: those whose text is not as `before`; of defaults all, as they are in `settings`."""
    changed = [one for one in FIELDS if texts[one.name] != before[one.name]]
    found = {one.name: _value(one, texts[one.name]) for one in changed if one in OWN}
    options = {one.name.removeprefix(_DEFAULTS): _value(one, texts[one.name]) for one in changed if one in DEFAULTS}
    if options:
        merged = {**settings.get("defaults", {}), **options}
        found["defaults"] = {name: value for name, value in merged.items() if value is not None} or None
    return found


def sudden(changed: Mapping[str, Any], *, queue: str) -> list[str]:
    """Return what the changes remove at once, in sentences; nothing of what the API will refuse."""
    found = []
    for name, jobs in _RETENTION.items():
        if isinstance(changed.get(name), dict):
            keep = retention.of_json(changed[name]) or retention.FOR_EVER
            found.append(retention.sudden(keep, jobs=jobs, whose=queue))
    return [one for one in found if one]


def faults(details: list[dict[str, str]], texts: Mapping[str, str]) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Return what is wrong, by field; and what is of no field."""
    placed: dict[str, str] = {}
    rest = []
    for detail in details:
        name, said = _place(detail)
        if name is None:
            rest.append(detail)
        elif name not in placed:
            placed[name] = said
    return placed | {one.name: one.form.demand for one in _unread(texts) if one.name in placed}, rest


def _value(one: Field, text: str) -> Any:
    """Return the value of a text; None of an empty one; one that cannot be read as it is, which the API refuses."""
    if not text:
        return None
    try:
        return one.form.read(text)
    except (ValueError, KeyError):
        return text


def _unread(texts: Mapping[str, str]) -> Iterator[Field]:
    for one in FIELDS:
        try:
            if texts[one.name]:
                one.form.read(texts[one.name])
        except (ValueError, KeyError):
            yield one


def _place(detail: Mapping[str, str]) -> tuple[str | None, str]:
    """Return the field that a fault is of, and what is said there."""
    path = detail["path"].removeprefix("settings.")
    for one in FIELDS:
        if path == one.name or path.startswith((f"{one.name}.", f"{one.name}[")):
            inner = _INDEX.sub(lambda at: f"line {int(at[1]) + 1}", path.removeprefix(one.name)).lstrip(".")
            return one.name, f"{inner} {detail['message']}".strip()
    return None, detail["message"]
