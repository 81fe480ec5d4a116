"""The form of a schedule: its fields as the API has them, and back. What is wrong is left for the API to name."""

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from app.web.dashboard import forms, queue, spans

FIELDS = (
    *("pattern", "tz", "every", "offset", "startDate", "endDate", "limit", "jitter", "overlap", "misfire"),
    *("name", "data", "opts"),
)
LABELS = {
    "schedule id": "Id",
    "pattern": "Pattern",
    "tz": "Time zone",
    "every": "Interval",
    "offset": "Offset",
    "startDate": "Not before",
    "endDate": "Not after",
    "template.name": "Name",
    "template.data": "Data",
    "template.opts": "Options",
    "data": "Data",
    "opts": "Options",
    "limit": "Limit",
    "jitter": "Jitter",
    "overlap": "If the job before is still there",
    "misfire": "Ticks missed while the service was away",
}
"""The fields of the form, by their paths in requests."""
OVERLAPS = {
    "pending": "no job until that one has begun",
    "skip": "no job until that one has ended",
    "allow": "another job all the same",
    "cancel": "another job, and that one is cancelled",
}
MISFIRES = {"once": "one job for all of them", "skip": "no job", "all": "one job for each"}
_SPANS = ("every", "offset", "jitter")
_MOMENTS = ("startDate", "endDate")
_TIMING = ("pattern", "tz", "every", "offset", *_MOMENTS)


def empty() -> dict[str, str]:
    """Return the fields of a new schedule."""
    return dict.fromkeys(FIELDS, "") | {"data": "{}"}


def sent() -> dict[str, str]:
    """Return the fields as they were sent."""
    return {name: forms.text(name) for name in (*FIELDS, "id", "immediately")}


def of(members: Mapping[str, bytes]) -> dict[str, str]:
    """Return the fields of a schedule, from the JSON texts of its members; data keep their digits."""
    template = msgspec.json.decode(members["template"], type=dict[str, msgspec.Raw])
    texts = {name: bytes(raw).decode() for name, raw in template.items()}
    found = dict.fromkeys(FIELDS, "") | {name: _text(name, members[name]) for name in FIELDS if name in members}
    found |= {"name": msgspec.json.decode(texts["name"]), "data": texts.get("data", "")}
    return found | {"opts": "" if texts["opts"] == "{}" else texts["opts"]}


def body(fields: Mapping[str, str]) -> str:
    """Return the body that makes the schedule of the fields. Raises Refused for data that are no JSON."""
    template = [f'"name": {_json(fields["name"])}'] if fields["name"] else []
    template += [f'"{name}": {queue.one_value(name, fields[name])}' for name in ("data", "opts") if fields[name]]
    members = [f'"{name}": {_json(_value(name, fields[name]))}' for name in FIELDS if _is_plain(name, fields)]
    if fields.get("immediately"):
        members.append('"immediately": true')
    return "{" + ", ".join([*members, f'"template": {{{", ".join(template)}}}']) + "}"


def timing(fields: Mapping[str, str], *, count: int) -> dict[str, int | str]:
    """Return the body that previews the fields."""
    return {name: _value(name, fields[name]) for name in _TIMING if fields[name]} | {"count": count}


def _is_plain(name: str, fields: Mapping[str, str]) -> bool:
    return bool(fields[name]) and name not in {"name", "data", "opts"}


def _json(value: int | str) -> str:
    return msgspec.json.encode(value).decode()


def _value(name: str, text: str) -> int | str:
    if name in _SPANS:
        return spans.read(text)
    found = forms.whole(text) if name == "limit" or name in _MOMENTS else text
    return _moment(found) if name in _MOMENTS and isinstance(found, str) else found


def _moment(text: str) -> int | str:
    """Return ms since the epoch of a time as ISO 8601 has it, of UTC if it names no zone; what is none as it is."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return text
    return round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)


def _text(name: str, raw: bytes) -> str:
    value = msgspec.json.decode(raw)
    if name in _SPANS:
        return spans.written(value)
    if name in _MOMENTS:
        try:
            return datetime.fromtimestamp(value / 1000, UTC).isoformat().replace("+00:00", "Z")
        except (ValueError, OverflowError, OSError):
            return str(value)
    return str(value)
