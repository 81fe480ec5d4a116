"""Defaults of a queue for the options of jobs, and which options of a job differ from those that were sent."""

import json
from collections.abc import Mapping
from typing import Any

from app.domain.attempts import LOGS_KEPT, STACKS_KEPT
from app.domain.backoff import JITTER_DIGITS, Backoff
from app.domain.job import JsonText, NewJob
from app.domain.options import DEFAULTABLE, Kind, Option

KNOWN_SINCE = "0027"
"""The first release whose programs add jobs with the defaults of their queue."""
Values = Mapping[str, Any]
"""The values of options as JSON, by name."""


def _service(option: Option) -> Any:
    """Return what holds for a job without the option in a queue without a default; None if nothing does."""
    if option.kind is Kind.TEXTS:
        return []
    kept = {"logs_kept": LOGS_KEPT, "stacks_kept": STACKS_KEPT}
    return kept.get(option.field, NewJob._field_defaults[option.field])


_SERVICE = {name: _service(option) for name, option in DEFAULTABLE.items()}


def of_values(values: Values) -> dict[str, Any]:
    """Return defaults as they are stored and shown, from the values of fields. Absent ones are left out."""
    return {name: _shown(name, values[name]) for name in DEFAULTABLE if values.get(name) is not None}


def _shown(name: str, value: Any) -> Any:
    if isinstance(value, Backoff):
        shown = {"type": value.type.value, "delay": value.delay_ms}
        jitter = round(value.jitter, JITTER_DIGITS)
        return shown | ({"jitter": jitter} if jitter else {})
    return _meant(name, value)


def _meant(name: str, value: Any) -> Any:
    """Return what a sent value means: absent ones, and empty ones where they count as absent, mean the service's."""
    option = DEFAULTABLE[name]
    if value is None or (option.is_empty_absent and not value):
        return _SERVICE[name]
    return int(value) if option.kind is Kind.WHOLE else value


def applied(defaults: Values) -> dict[str, Any]:
    """Return those of the defaults that are others than the service's: only these make a difference to a job."""
    return {name: value for name, value in defaults.items() if value != _SERVICE[name]}


def effective_after(*, opts: JsonText, effective: JsonText | None, changes: Values) -> JsonText | None:
    """Return which options of a job hold instead of those sent, after `changes` to them; None if none do."""
    sent, found = json.loads(opts), json.loads(effective or "{}")
    for name, changed in changes.items():
        value = list(changed) if DEFAULTABLE[name].kind is Kind.TEXTS else changed
        if value == _meant(name, sent.get(name)):
            found.pop(name, None)
        else:
            found[name] = value
    return JsonText(text(found)) if found else None


def text(values: Values) -> str:
    """Return values as JSON text."""
    return json.dumps(values, ensure_ascii=False)
