"""The SQL that notes what a statement changes, made from its first line: its verb, and only those statuses.

Counting all six took a tenth of the CPU of completing ten jobs. Each note exists twice: one tells which jobs changed,
for the streams of events, and one does not, for services with `ROWLINE_EVENTS=off`.
"""

import re
from collections.abc import Collection

from app.domain import durations
from app.domain.events import REMOVALS

STATUSES = ("waiting", "prioritized", "delayed", "active", "completed", "failed")
_EVENT = re.compile(r"\A-- (?P<verb>\w+): (?P<before>.*?) ?-> (?P<after>.*)\n")
_SETTLED = """json_object_agg(number, json_strip_nulls(json_build_object(
        'type', case when outcome = 'cancelled' then 'cancelled' when status = 'failed' then 'failed' end,
        'attempt', attempts_started,
        'delay', case when status = 'delayed' then delay_ms end,
        'reason', left(reason, 200),
        'worker', processed_by
    )))"""
_ENDED_BEFORE = """json_object_agg(number, json_strip_nulls(json_build_object(
        'type', status,
        'attempt', nullif(attempts_started, 0),
        'reason', left(reason, 200),
        'worker', processed_by
    )))"""
_RETRIED = (
    """json_object_agg(number, json_build_object('attempt', attempts_started)) filter (where attempts_started > 1)"""
)
_RETRIED_ONE = """case when attempts_started > 1
        then json_build_object(number, json_build_object('attempt', attempts_started))
    end"""
_GONE = """json_object_agg(number, json_build_object('id', custom_id)) filter (where custom_id is not null)"""
_DONE = """json_object_agg(number, json_strip_nulls(json_build_object(
        'id', custom_id, 'attempt', nullif(attempts_started, 1)
    ))) filter (where custom_id is not null or attempts_started > 1)"""
_MORE = {
    "claim": {"worker": ":worker", "details": _RETRIED},
    "complete": {"details": _RETRIED},
    **{verb: {"details": _SETTLED} for verb in ("fail", "retry_later", "release", "recover_stalled")},
    "fail_unstarted": {"details": "json_object_agg(number, json_build_object('reason', left(reason, 200)))"},
    **{verb: {"details": _GONE} for verb in REMOVALS},
    "complete_and_remove": {"details": _DONE},
    "undo_retry": {"details": _ENDED_BEFORE},
    "append": {"details": "json_object_agg(number, json_build_object('line', line_number))"},
}
"""Verb -> what its note tells besides the numbers of the jobs: columns of `job_deltas`, and their values.

`details`, by number, say only what is not so of most: an attempt that is not the first; of a job that goes the id that
it does not have from its number, since nothing else keeps it.
"""

_OF_ONE: dict[str, dict[str, str]] = {
    "insert": {},
    "claim": {"worker": ":worker", "details": _RETRIED_ONE},
    "complete": {"details": _RETRIED_ONE},
    "complete_and_remove": {},
}
"""Verb -> the same for statements that change at most one job: without aggregates, which take long to prepare."""

_WAITED = "greatest(date_part('epoch', processed_at) - abs(place)::double precision / 1000000, 0)"
_RAN = "greatest(date_part('epoch', statement_timestamp() - processed_at), 0)"
_DURATION = {"claim": _WAITED} | dict.fromkeys(("complete", "complete_and_remove", "fail", "retry_later"), _RAN)
"""Verb -> how long a job waited before its attempt began, since its place says; or how long the attempt ran; in s."""
_GONE_WITH = "uuid_send(lease_token) || int8send(number)"
"""Which attempt completed a job that went with that (`_fragments/unpacked.sql`); those with custom ids have rows."""
MADE = frozenset({"counted", "counted_one", "told", "noted", "noted_values"})
"""The names of the fragments that are made for a statement."""
_BOUNDS = ",".join(f"{bound:g}" for bound in durations.BOUNDS_S)


def fragments(text: str, *, tells: bool) -> dict[str, str]:
    """Return the fragments that are made for a statement that begins with `-- verb: statuses before -> statuses after`.

    `counted` is the insert of the row of `job_deltas` for the jobs of the CTE `changed`, `counted_one` for a statement
    that changes at most one; `told` is the same where no count changes; `noted` and `noted_values` are the columns that
    tell, for a statement that counts in its own way.
    """
    event = _EVENT.match(text)
    before, after = ([*filter(None, event[side].split(", "))] if event else STATUSES for side in ("before", "after"))
    verb = event["verb"] if event else None
    values = _noted(verb, tells=tells) | {"at": "clock_timestamp()"}
    changed = [status for status in STATUSES if status in {*before, *after}]
    counts = {status: _count(status, before, after, "count(*)", "count(*) filter (where {})") for status in changed}
    made = {
        "counted": _insert({"queue": ":queue"} | values | counts, "having count(*) > 0\n"),
        "told": _insert({"queue": ":queue"} | values, "having count(*) > 0\n") if tells else "select\n",
        "noted": ",\n".join(values) + "\n",
        "noted_values": ",\n".join(values.values()) + "\n",
    }
    if verb is None or verb in _OF_ONE:
        one = _noted(verb, tells=tells, of_one=True) | {"at": "clock_timestamp()"}
        counts = {status: _count(status, before, after, "1", "({})::integer") for status in changed}
        made["counted_one"] = _insert({"queue": ":queue"} | one | counts)
    return made


def _noted(verb: str | None, *, tells: bool, of_one: bool = False) -> dict[str, str]:
    if verb is None:
        return {}
    numbers = "array[number]" if of_one else "'{}'::bigint[]" if verb in {"pause", "resume"} else "array_agg(number)"
    told = {"numbers": numbers} | (_OF_ONE if of_one else _MORE).get(verb, {}) if tells else {}
    if verb == "complete_and_remove":
        every = f"string_agg({_GONE_WITH}, '') filter (where custom_id is null)"
        told = {"removed": _GONE_WITH if of_one else every} | told
    return {"verb": f"'{verb}'"} | told | _durations(verb, of_one=of_one)


def _durations(verb: str, *, of_one: bool) -> dict[str, str]:
    """Return what a note tells of how long jobs waited or ran: 2 bytes for one job, a byte for each more, 4 in all."""
    if verb not in _DURATION:
        return {}
    duration = _DURATION[verb]
    letter = f"chr({ord(durations.FIRST)} + width_bucket({duration}, '{{{_BOUNDS}}}'::double precision[]))"
    if of_one:
        return {"durations": letter, "durations_s": f"{duration}::real"}
    return {"durations": f"string_agg({letter}, '')", "durations_s": f"sum({duration})::real"}


def _insert(values: dict[str, str], condition: str = "") -> str:
    listed = ",\n".join(f"    {value}" for value in values.values())
    return f"insert into rowline.job_deltas ({', '.join(values)})\nselect\n{listed}\nfrom changed\n{condition}"


def _count(status: str, before: Collection[str], after: Collection[str], every: str, those: str) -> str:
    """Return by how much the count of a status changes: `every` changed job, or `those` of which a condition is true.

    A statement that leaves one status finds all its jobs there, and one that leads to one leaves all of them there.
    """
    gained = every if [*after] == [status] else those.format(f"status = '{status}'")
    lost = every if [*before] == [status] else those.format(f"was = '{status}'")
    if status not in before:
        return gained
    return f"coalesce({gained}, 0) - coalesce({lost}, 0)" if status in after else f"-{lost}"


IN_PSQL = fragments("", tells=False)
"""For statements that are run in psql: all statuses are counted, without a verb; so the stream tells of a gap."""
