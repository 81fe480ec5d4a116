"""The first page: what needs attention, and all queues by name."""

from typing import Any

from flask import Blueprint, Response, request

from app.domain.tokens import ALL
from app.web.dashboard import actors, api, charts, page
from app.web.dashboard.api import Api

LENGTH, URGENT = 50, 10


def blueprint() -> Blueprint:
    """Return the page of the queues."""
    routes = Blueprint("queues", __name__)

    @routes.get("/")
    def show() -> Response:
        """List what needs attention first, then all queues by name, page by page."""
        rowline = api.of()
        name, after = request.args.get("name", "").strip(), request.args.get("after", "")
        pattern = name if ALL in name else f"*{name}*" if name else ALL
        query = {"pattern": pattern, "length": LENGTH, "include": "minutes"} | ({"after": after} if after else {})
        listed = rowline.get("/queues", query)
        urgent = [] if name or after else _urgent(rowline)
        found = listed["queues"]
        actors.name_pausers(rowline, [*urgent, *found])
        for queue in (*urgent, *found):
            queue["mini"] = charts.mini(queue["minutes"])
        last = found[-1]["name"] if len(found) == LENGTH else None
        return page.render(
            "queues.html",
            queues=found,
            count=listed["count"],
            urgent=urgent,
            name=name,
            after=after,
            last=last,
            stream="",
        )

    return routes


def _urgent(rowline: Api) -> list[dict[str, Any]]:
    """Return the queues that need attention most."""
    query = {"order": "attention", "length": URGENT, "include": "minutes"}
    return [queue for queue in rowline.get("/queues", query)["queues"] if worries(queue)]


def ready(queue: dict[str, Any]) -> int:
    """Return how many jobs of a queue could begin."""
    return int(queue["counts"]["waiting"] + queue["counts"]["prioritized"])


def worries(queue: dict[str, Any]) -> list[str]:
    """Return why a queue needs a person."""
    found = []
    if queue["paused"]:
        found.append("paused")
    if queue["counts"]["failed"]:
        found.append("failed jobs")
    if ready(queue) and not queue["workers"]:
        found.append("no worker")
    return found
