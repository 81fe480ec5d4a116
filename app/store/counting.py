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
_RETRIED = (
    """json_object_agg(number, json_build_object('attempt', attempts_started)) filter (where attempts_started > 1)"""
)
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
    "append": {"details": "json_object_agg(number, json_build_object('line', line_number))"},
}
"""Verb -> what its note tells besides the numbers of the jobs: columns of `job_deltas`, and their values.

`details`, by number, say only what is not so of most: an attempt that is not the first; of a job that goes the id that
it does not have from its number, since nothing else keeps it.
"""

_WAITED = "greatest(date_part('epoch', processed_at) - abs(place)::double precision / 1000000, 0)"
_RAN = "greatest(date_part('epoch', statement_timestamp() - processed_at), 0)"
_DURATION = {"claim": _WAITED} | dict.fromkeys(("complete", "complete_and_remove", "fail", "retry_later"), _RAN)
"""Verb -> how long a job waited before its attempt began, since its place says; or how long the attempt ran; in s."""
_BOUNDS = ",".join(f"{bound:g}" for bound in durations.BOUNDS_S)


def fragments(text: str, *, tells: bool) -> dict[str, str]:
    """Return the fragments that are made for a statement that begins with `-- verb: statuses before -> statuses after`.

    `counted` is the insert of the row of `job_deltas` for the jobs of the CTE `changed`; `told` the same where no count
    changes; `noted` and `noted_values` are the columns that tell, for a statement that counts in its own way, and
    `noted_one` the values for one that changes at most one job.
    """
    event = _EVENT.match(text)
    before, after = ([*filter(None, event[side].split(", "))] if event else STATUSES for side in ("before", "after"))
    noted = _noted(event["verb"] if event else None, tells=tells)
    counts = {status: _count(status, before, after) for status in STATUSES if status in {*before, *after}}
    values = noted | {"at": "clock_timestamp()"}
    return {
        "counted": _insert({"queue": ":queue"} | values | counts),
        "told": _insert({"queue": ":queue"} | values) if tells else "select\n",
        "noted": ",\n".join(values) + "\n",
        "noted_values": ",\n".join(values.values()) + "\n",
        "noted_one": ",\n".join((values | ({"numbers": "array[number]"} if tells else {})).values()) + "\n",
    }


def _noted(verb: str | None, *, tells: bool) -> dict[str, str]:
    if verb is None:
        return {}
    numbers = {"numbers": "'{}'::bigint[]" if verb in {"pause", "resume"} else "array_agg(number)"}
    return {"verb": f"'{verb}'"} | (numbers | _MORE.get(verb, {}) if tells else {}) | _durations(verb)


def _durations(verb: str) -> dict[str, str]:
    """Return what a note tells of how long jobs waited or ran: 2 bytes for one job, a byte for each more, 4 in all."""
    if verb not in _DURATION:
        return {}
    duration = _DURATION[verb]
    letter = f"chr({ord(durations.FIRST)} + width_bucket({duration}, '{{{_BOUNDS}}}'::double precision[]))"
    return {"durations": f"string_agg({letter}, '')", "durations_s": f"sum({duration})::real"}


def _insert(values: dict[str, str]) -> str:
    listed = ",\n".join(f"    {value}" for value in values.values())
    return (
        f"insert into rowline.job_deltas ({', '.join(values)})\nselect\n{listed}\nfrom changed\nhaving count(*) > 0\n"
    )


def _count(status: str, before: Collection[str], after: Collection[str]) -> str:
    gained, lost = f"count(*) filter (where status = '{status}')", f"count(*) filter (where was = '{status}')"
    if status not in before:
        return gained
    return f"{gained} - {lost}" if status in after else f"-{lost}"


IN_PSQL = fragments("", tells=False)
"""For statements that are run in psql: all statuses are counted, without a verb; so the stream tells of a gap."""
