"""Search over all queues, or in one: then all that match can be planned."""

from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from app.domain.tokens import Action
from app.web.dashboard import api, filters, page, shown
from app.web.dashboard.api import Refused
from app.web.dashboard.queue import BAD, NOTHING, jobs_of, search

QUEUE = "queue"


def blueprint() -> Blueprint:
    """Return the page of the search."""
    routes = Blueprint("search", __name__)

    @routes.get("/search")
    def show() -> Response:
        """Show the form, and, if it looks for something, a page of what is found, and how far it looked."""
        rowline, wanted, queue = api.of(), filters.asked(), request.args.get(QUEUE, "").strip()
        has_asked = bool(wanted or queue)
        exact, trouble = filters.exact(wanted)
        found, trouble = _found(rowline, exact, queue) if has_asked and not trouble else (NOTHING, trouble)
        in_queue = [(QUEUE, queue)] if queue else []
        return page.render(
            "search.html",
            has_asked=has_asked,
            queue=queue,
            found=found,
            trouble=trouble,
            wanted=dict.fromkeys(filters.FIELDS, "") | dict(wanted),
            query=urlencode(exact),
            first=urlencode(in_queue + wanted),
            next=filters.link(in_queue + exact, found.get("next")),
            is_first="cursor" not in request.args,
            can_manage=bool(queue) and not trouble and rowline.may(Action.MANAGE, queue),
        )

    return routes


def _found(rowline: api.Api, wanted: filters.Wanted, queue: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return a page of jobs; none, and what is wrong with the filter, if that is wrong."""
    cursor = request.args.get("cursor")
    try:
        if queue:
            return jobs_of(rowline, shown.segment(filters.queue_name(queue)), wanted, cursor)
        return search(rowline, "/jobs", filters.as_api(wanted), cursor), None
    except Refused as refused:
        if refused.status not in BAD:
            raise
        return NOTHING, refused.problem
