"""The table of options (`app/domain/options.py`) for the statements: SQL fragments and their parameters."""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from app.domain.backoff import JITTER_DIGITS, Backoff
from app.domain.job import Change, Job, NewJob
from app.domain.options import BACKOFF_COLUMNS, COLUMNS, STORED, Kind, Option
from app.store import counting, sums, tables

_ODD = re.compile(r'[\\"]')


def _rows(parts: Sequence[str]) -> str:
    return ",\n".join(", ".join(parts[at : at + 6]) for at in range(0, len(parts), 6)) + "\n"


_AS_TEXT = ("text[]", "json")
"""Types whose values are sent as text and cast: nested arrays must be rectangular, and JSON in an array is escaped."""


def _bulk(column: str, kind: str) -> str:
    """Return the parameter for the values of a column."""
    return f":{column}::{'text' if kind in _AS_TEXT else kind}[]"


def _single(column: str, kind: str) -> str:
    return f":{column}::text::{kind}" if kind in _AS_TEXT else f":{column}::{kind}"


_STORED = {"start_by": "least(start_by, first_start_by)"}
"""What is stored of options of which the settings of a queue say more (`_fragments/added.sql`)."""


def _cast(column: str, kind: str) -> str:
    return f"{column}::{kind}" if kind in _AS_TEXT else _STORED.get(column, column)


def _meaning(option: Option) -> list[str]:
    """Return the columns of an option, from `effective` where it is there."""
    held = f"meant.effective -> '{option.name}'"
    if not option.is_defaultable:
        return [f"meant.{column}" for column in option.columns]
    if option.kind is Kind.BACKOFF:
        parts = ("->> 'type'", "->> 'delay'", "->> 'jitter'")
        found = zip(option.columns.items(), parts, strict=True)
        values = [(column, kind, f"({held} {part})::{kind}") for (column, kind), part in found]
        values[-1] = (*values[-1][:2], f"coalesce({values[-1][2]}, 0)")
        return [f"case when {held} is null then meant.{at} else {value} end as {at}" for at, _, value in values]
    [(column, kind)] = option.columns.items()
    if option.kind is Kind.TEXTS:
        own = f"meant.{column}::{kind}"
        return [
            f"case when {held} is null then {own} else array(select jsonb_array_elements_text({held})) end as {column}"
        ]
    return [f"coalesce((meant.effective ->> '{option.name}')::{kind}, meant.{column}) as {column}"]


_DEFAULTS = {column: value for column in COLUMNS if (value := NewJob._field_defaults.get(column)) is not None}


def _filled(column: str) -> str:
    """Return the value of a column of new jobs: a list of many that has only the default is empty (`of_many`)."""
    if column not in _DEFAULTS:
        return f"a.{column}"
    return f"coalesce(a.{column}, {str(_DEFAULTS[column]).lower()}) as {column}"


FRAGMENTS = {
    **counting.IN_PSQL,
    **sums.FRAGMENTS,
    "job": _rows(Job._fields),
    "row": _rows([column.name for column in tables.jobs.columns]),
    "plan": _rows([column.name for column in tables.plans.columns]),
    "schedule": _rows([f"schedule.{column.name}" for column in tables.schedules.columns if column.name != "data"]),
    "option_columns": _rows(tuple(COLUMNS)),
    "option_arrays": _rows([_bulk(column, kind) for column, kind in COLUMNS.items()]),
    "option_filled": _rows([_filled(column) for column in COLUMNS]),
    "option_values": _rows([f"{_single(column, kind)} as {column}" for column, kind in COLUMNS.items()]),
    "option_meanings": _rows([part for option in STORED for part in _meaning(option)]),
    "option_casts": _rows([_cast(column, kind) for column, kind in COLUMNS.items()]),
}
"""Generated fragments, used like the files in `app/store/sql/_fragments`: what a change counts, sums, the columns of a
job that are read, all of its table, those of a plan, those of a schedule without its data, those of options, their
parameters as arrays and as single values, and their casts. `rowline docs` writes them into `sql/psql.sql`."""


SET = ("name", "data", "opts", *COLUMNS)
"""The columns of a job that its request sets."""


def of_one(new: NewJob) -> dict[str, Any]:
    """Return the values of the columns that a new job sets, by column name."""
    values = new._asdict()
    del values["deduplication"]  # the queue's ids know it, not the job
    values |= _backoff(values.pop("backoff"))
    for field, write in _TEXTS.items():
        values[field] = None if values[field] is None else write(values[field])
    return values


def of_many(new: Sequence[NewJob]) -> dict[str, Sequence[Any]]:
    """Return the same for many jobs: a list for each column, in the order of the jobs.

    It is empty for a column that has its default in all of them: unnest() fills up with nulls, and most jobs set few.
    """
    values: dict[str, Sequence[Any]] = dict(zip(NewJob._fields, zip(*new, strict=True), strict=True))
    del values["deduplication"]
    backoffs = values.pop("backoff")
    parts = [*map(_backoff, backoffs)] if any(backoffs) else []
    values |= {column: [part[column] for part in parts] for column in BACKOFF_COLUMNS}
    for field, write in _TEXTS.items():
        if any(values[field]):
            values[field] = [None if value is None else write(value) for value in values[field]]
    return {column: [] if _are_all(_DEFAULTS.get(column), each) else each for column, each in values.items()}


def _are_all(default: Any, values: Sequence[Any]) -> bool:
    return bool(values) and values[0] == default and values.count(default) == len(values)


def of_change(change: Change) -> dict[str, Any]:
    """Return the values of the columns that a change by hand sets, by column name; None for those that stay."""
    values = {each.name: getattr(change, each.name) for each in dataclasses.fields(change)}
    for field in _LISTS:
        values[field] = values[field] if values[field] is None else _text(values[field]) or "{}"
    return values


_NO_BACKOFF: Mapping[str, Any] = dict.fromkeys(BACKOFF_COLUMNS)


def _backoff(backoff: Backoff | None) -> Mapping[str, Any]:
    if backoff is None:
        return _NO_BACKOFF
    return {
        "backoff_type": backoff.type,
        "backoff_delay_ms": backoff.delay_ms,
        "backoff_jitter": round(backoff.jitter, JITTER_DIGITS),
    }


def _text(texts: Sequence[str] | None) -> str | None:
    """Return a list as the text of a PostgreSQL array; None if it is empty."""
    if not texts:
        return None
    if _ODD.search("".join(texts)):
        texts = [_ODD.sub(r"\\\g<0>", text) for text in texts]
    return '{"' + '","'.join(texts) + '"}'


_LISTS = tuple(option.field for option in STORED if option.kind is Kind.TEXTS)
_WRITERS: Mapping[Kind, Callable[[Any], str | None]] = {Kind.TEXTS: _text, Kind.KEPT: attrgetter("text")}
_TEXTS = {option.field: _WRITERS[option.kind] for option in STORED if option.kind in _WRITERS}
"""How values that are sent as text are written, by field."""
