"""What jobs are looked for: the fields of forms, the words of the API for them, and times as people write them."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

from flask import request

from app.domain.errors import InvalidRequest
from app.domain.jobfilter import TIME_MAX
from app.web import names
from app.web.dashboard.api import Refused

MOMENTS = ("since", "until", "finishedSince", "finishedUntil")
FIELDS = ("statuses", "name", "tag", "error", "worker", "data", *MOMENTS, "fingerprint", "order")
"""What can be looked for, as the API has it; `data` is `path=value` here, one field of a form."""
LABELS = {
    "statuses": "Status",
    "ids": "Id",
    "name": "Name",
    "tag": "Tag",
    "error": "Error contains",
    "worker": "Worker",
    "data": "Data",
    "since": "Added since",
    "until": "Added until",
    "finishedSince": "Ended since",
    "finishedUntil": "Ended until",
    "fingerprint": "Group of failures",
    "order": "Order",
}
"""What forms, and sentences, call them."""
IDS = 10
"""So many ids of a plan are named; the others are counted."""
SHOWN = 200
"""So many characters of a value are shown of what a plan means."""
FILTER_MAX, CONDITIONS = 16 * 1024, 2 * len(FIELDS)
"""The longest filter of a plan, in characters, and its most conditions: the page that made it has each field once, and
had them in its own query."""
Wanted = list[tuple[str, str]]
_UNITS = {"s": "seconds", "min": "minutes", "m": "minutes", "h": "hours", "d": "days"}
_AGO = re.compile(r"(\d{1,9}) ?(s|min|m|h|d)", re.ASCII)
_MS = re.compile(r"\d{1,15}", re.ASCII)
_DEFAULTS = {("statuses", "all"), ("order", "desc")}
_BAD = 400


def asked() -> Wanted:
    """Return what the query of this page looks for, as it was typed, without what is empty."""
    found = [(name, request.args[name].strip()) for name in FIELDS if request.args.get(name, "").strip()]
    return [(name, value) for name, value in found if (name, value) not in _DEFAULTS]


def as_api(wanted: Wanted) -> Wanted:
    """Return the same as the API has it: times in ms, `data` a path and a value. Raises Refused for what is neither."""
    found = []
    for name, value in wanted:
        path, is_given, text = value.partition("=")
        if name == "data" and not is_given:
            raise wrong(name, "must be a path and a value, such as customer.id=42")
        if name == "data":
            found.append((f"data.{path.strip()}", text.strip()))
        else:
            found.append((name, str(moment(name, value))) if name in MOMENTS else (name, value))
    return found


def fixed(wanted: Wanted) -> Wanted:
    """Return the same with times that stay, such as 2026-11-27T08:00:00.000Z for 24h: a cursor is of its filter."""
    return [(name, _fixed(name, value) if name in MOMENTS else value) for name, value in wanted]


def exact(wanted: Wanted) -> tuple[Wanted, dict[str, Any] | None]:
    """Return what `fixed` returns, or nothing and what is wrong with it."""
    try:
        return fixed(wanted), None
    except Refused as refused:
        return [], refused.problem


def moment(name: str, text: str) -> int:
    """Return a time in ms since the epoch: `24h` ago, a day, or a date, of UTC if it has no zone. Raises Refused."""
    now = datetime.now(UTC)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    days = {"now": now, "today": today, "yesterday": today - timedelta(days=1)}
    try:
        if ago := _AGO.fullmatch(text):
            at = now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        elif _MS.fullmatch(text):
            return int(text)
        else:
            at = days.get(text.lower()) or datetime.fromisoformat(text)
        at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
        return min(max(0, round(at.timestamp() * 1000)), TIME_MAX)
    except (ValueError, OverflowError):
        raise wrong(name, "must be such as 24h, yesterday, 2026-11-27 or 2026-11-27T08:00:00Z") from None


def queue_name(text: str) -> str:
    """Return the name of a queue that was typed. Raises Refused."""
    try:
        return names.require_queue(text)
    except InvalidRequest as error:
        raise wrong("queue", error.faults[0].message) from None


def wrong(name: str, message: str) -> Refused:
    """Return the error for a field, as the API would word it."""
    problem = {"error": "Invalid request", "code": "invalid_request", "details": [{"path": name, "message": message}]}
    return Refused(_BAD, problem, {})


def of_plan(query: str) -> dict[str, Any]:
    """Return the filter of a plan for what a list of jobs looked for, as its query has it. Raises Refused."""
    found: dict[str, Any] = {}
    try:
        asked = parse_qsl(query[: FILTER_MAX + 1], max_num_fields=CONDITIONS)
    except ValueError:
        raise wrong("filter", f"must hold at most {CONDITIONS} conditions") from None
    if len(query) > FILTER_MAX:
        raise wrong("filter", f"must be at most {FILTER_MAX} characters")
    for name, value in as_api(asked):
        if name == "statuses":
            found["statuses"] = value.split(",")
        elif name == "tag":
            found.setdefault("tag", []).append(value)
        elif name.startswith("data."):
            found.setdefault("data", {})[name.removeprefix("data.")] = value
        elif name != "order":
            found[name] = int(value) if name in MOMENTS else value
    return found or {"since": 0}


def in_words(wanted: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the filter of a plan as labels and values; nothing of one that every job passes."""
    found = []
    for name, label in LABELS.items():
        value = wanted.get(name)
        if name == "ids" and value:
            more = f" and {len(value) - IDS} more" if len(value) > IDS else ""
            found.append((label, ", ".join(value[:IDS]) + more))
        elif name == "data" and value:
            found += [(label, f"{path} = {text}") for path, text in value.items()]
        elif name == "tag" and value:
            found += [(label, text) for text in value]
        elif name in MOMENTS and (value or (name != "since" and value == 0)):  # since 0: since the beginning of time
            found.append((label, _written(value).replace("T", " ").replace(".000", "").replace("Z", " UTC")))
        elif value:
            found.append((label, ", ".join(value) if name == "statuses" else value))
    return [(label, value if len(value) <= SHOWN else f"{value[:SHOWN]}…") for label, value in found]


def link(wanted: Wanted, cursor: str | None) -> str | None:
    """Return the query that goes on behind a page of what was looked for, with fixed times; None at the end."""
    return None if cursor is None else urlencode([*wanted, ("cursor", cursor)])


def _fixed(name: str, text: str) -> str:
    ms = moment(name, text)
    if _MS.fullmatch(text):
        return text
    return _written(ms)


def _written(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
