"""Failures: the failed jobs in groups of those that failed alike, and a retry of a group, as a plan at a pace."""

from typing import Any

from flask import Blueprint, Response

from app.domain.tokens import Action
from app.web import names
from app.web.dashboard import api, forms, page, shown

QUEUES, SHOWN, SOME = 50, 5, 3
"""Queues on a page, those of them whose groups are counted, and groups of each: counting has a bound, but costs."""
LENGTH = 25
PACE = "5"
"""Jobs a second that a retry begins with, unless somebody types another pace."""


def blueprint() -> Blueprint:
    """Return the pages of failures."""
    routes = Blueprint("failures", __name__)

    @routes.get("/failures")
    def show_all() -> Response:
        """Show the queues with the most failed jobs, and the largest groups of the first of them."""
        rowline, start = api.of(), page.start()
        listed = rowline.get("/queues", {"order": "attention", "length": QUEUES, "start": start})["queues"]
        failed = sorted((one for one in listed if one["counts"]["failed"]), key=lambda one: -one["counts"]["failed"])
        return page.render(
            "failures.html",
            parts=[_part(rowline, queue["name"], length=SOME) for queue in failed[:SHOWN]],
            others=failed[SHOWN:],
            start=start,
            next=start + QUEUES if len(listed) == QUEUES and listed[-1]["counts"]["failed"] else None,
            pace=PACE,
        )

    @routes.get("/queues/<segment:queue>/failures")
    def show(queue: str) -> Response:
        """Show the groups of one queue, the largest first."""
        start, name = page.start(), names.queue_name(queue)
        part = _part(api.of(), name, length=LENGTH, start=start)
        following = start + LENGTH if part["count"] > start + LENGTH else None
        return page.render("failures_of.html", name=name, part=part, start=start, next=following, pace=PACE)

    @routes.post("/queues/<segment:queue>/failures")
    def plan(queue: str) -> Response:
        """Plan to retry a group; the page of the plan says how many jobs that are, and has the pace."""
        wanted = {"statuses": ["failed"], "fingerprint": forms.text("fingerprint")}
        made = api.of().send("POST", f"/queues/{queue}/plans", {"action": "retry", "filter": wanted})
        return page.go(f"queues/{queue}/plans/{made['id']}?rate={shown.segment(forms.text('rate'))}", done="planned")

    return routes


def _part(rowline: api.Api, name: str, *, length: int, start: int = 0) -> dict[str, Any]:
    """Return groups of a queue, and what may be done to them."""
    found: dict[str, Any] = rowline.get(f"/queues/{shown.segment(name)}/failures", {"length": length, "start": start})
    can_retry = rowline.may(Action.MANAGE, name) and rowline.may(Action.PAYLOAD, name)
    return found | {"name": name, "can_retry": can_retry}
