"""Events over HTTP: the pages of those that are kept, or the stream of those that happen."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import click

from app.cli import columns, jsontext, service
from app.cli.service import Service

PAGE_MAX = 1_000
MEMBERS = ("queue", "id", "at", "attempt", "delay", "reason", "worker", "name")


def show(asked: Mapping[str, Any], *, is_endless: bool, as_json: bool) -> None:
    """Print events as they come. `asked`: queues, types, and after which event, None for the default."""
    with service.opened() as api:
        for event in _stream(api, asked) if is_endless else _pages(api, asked):
            click.echo(jsontext.line(json.dumps(event, ensure_ascii=False)) if as_json else line(event))


def _stream(api: Service, asked: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    with api.events(**asked, with_names=True) as stream:
        for event in stream:
            told = {name: value for name in MEMBERS if (value := getattr(event, name)) is not None}
            yield {"eventId": event.event_id, "type": event.type} | told


def _pages(api: Service, asked: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    query: dict[str, Any] = {
        "queue": [*asked["queues"]],
        "type": [*asked["types"]],
        "include": "name",
        "limit": PAGE_MAX,
    }
    after = "start" if asked["after"] is None else asked["after"]
    while True:
        page = api.get("/events/page", **query, after=after).members
        yield from page["events"]
        if page["next"] == after:
            return
        after = page["next"]


def line(event: Mapping[str, Any]) -> str:
    """Return an event as a line; what programs sent can imitate none."""
    where = "/".join(part for part in (event.get("queue"), event.get("id")) if part)
    attempt = f"attempt {event['attempt']}" if "attempt" in event else ""
    delay = f"again in {event['delay']} ms" if "delay" in event else ""
    at = f"{datetime.fromtimestamp(event['at'] / 1000, UTC):%H:%M:%S.%f}"[:-3] + "Z" if "at" in event else ""
    lost = f"of {event['from']} to {event['to']}: not kept any more" if "from" in event else ""
    worker, reason = event.get("worker"), event.get("reason")
    return columns.line([at, event["type"], where, event.get("name"), lost, attempt, delay, worker, reason])
