"""A queue: how it stands, its jobs by status and filter, and what can be done to it and to jobs of it."""

from typing import Any
from urllib.parse import urlencode

import msgspec
from flask import Blueprint, Response, request

from app.domain.jsontext import UnstorableJson
from app.domain.tokens import Action
from app.infra.settings import Settings
from app.web import names
from app.web.dashboard import actors, api, charts, filters, forms, page, queues, shown
from app.web.dashboard.api import Refused
from app.wire import jsonreader
from app.wire.jsonreader import NotJson

LENGTH = 25
_FROM_THE_FIRST = {"since": "0"}
"""A filter that every job passes: pages by it go on by a cursor, whatever their depth."""
LABELS = {
    "jobs[0].name": "Name",
    "jobs[0].data": "Data",
    "jobs[0].opts": "Options",
    "name": "Name",
    "data": "Data",
    "opts": "Options",
}
"""The fields of the form of a job, by their paths in requests."""
BAD = (400, 403)
NOTHING: dict[str, Any] = {"jobs": [], "isComplete": True}
"""What is found by a search that is none."""


def blueprint(_settings: Settings) -> Blueprint:
    """Return the pages of one queue."""
    routes = Blueprint("queue", __name__)
    _add_reads(routes)
    _add_writes(routes)
    return routes


def _add_reads(routes: Blueprint) -> None:
    @routes.get("/queues/<segment:queue>")
    def show(queue: str) -> Response:
        """Show a queue, and a page of its jobs."""
        rowline, name = api.of(), names.queue_name(queue)
        found = rowline.get(f"/queues/{queue}")
        pauser = found.get("pausedBy")
        actors.name_pausers(rowline, [found])
        wanted = filters.asked()
        exact, trouble = filters.exact(wanted)
        jobs, trouble = (NOTHING, trouble) if trouble else jobs_of(rowline, queue, exact, request.args.get("cursor"))
        return page.render(
            "queue.html",
            queue=found,
            name=name,
            spark=charts.spark(rowline.get(f"/queues/{queue}/series")),
            explained=rowline.get(f"/queues/{queue}/explain"),
            names={pauser: found["pausedBy"]} if pauser else {},
            worries=queues.worries(found),
            jobs=jobs,
            trouble=trouble,
            wanted=dict.fromkeys(filters.FIELDS, "") | dict(wanted),
            query=urlencode(wanted),
            next=filters.link(exact, jobs.get("next")),
            is_first="cursor" not in request.args,
            can_manage=rowline.may(Action.MANAGE, name),
            can_pause=rowline.may(Action.QUEUES, name),
            can_add=rowline.may(Action.ADD, name),
            stream=f"?queue={shown.segment(name)}",
        )

    @routes.get("/queues/<segment:queue>/add")
    def form(queue: str) -> Response:
        """Ask for a job to add."""
        return _form(names.queue_name(queue))


def _add_writes(routes: Blueprint) -> None:
    @routes.post("/queues/<segment:queue>/add")
    def add(queue: str) -> Response:
        """Add the job of the form; show it."""
        name, sent = names.queue_name(queue), {one: forms.text(one) for one in ("name", "data", "opts")}
        texts = {"name": msgspec.json.encode(sent["name"]).decode(), "data": sent["data"] or "null"}
        texts["opts"] = sent["opts"] or "{}"
        try:
            body = ", ".join(f'"{member}": {one_value(member, text)}' for member, text in texts.items())
            [added] = api.of().send("POST", f"/queues/{queue}/jobs", f"[{{{body}}}]")
        except Refused as refused:
            if refused.status not in BAD or refused.problem["code"] == "forbidden":
                raise
            return _form(name, sent=sent, trouble=forms.in_words(refused.problem, LABELS))
        return page.go(f"queues/{queue}/jobs/{shown.segment(added['id'])}", done="added")

    @routes.post("/queues/<segment:queue>/pause")
    def pause(queue: str) -> Response:
        """Pause the queue, with the reason of the form."""
        reason = forms.text("reason")
        api.of().send("POST", f"/queues/{queue}/pause", {"reason": reason} if reason else {})
        return page.go(f"queues/{queue}", done="paused")

    @routes.post("/queues/<segment:queue>/resume")
    def resume(queue: str) -> Response:
        """Resume the queue."""
        api.of().send("POST", f"/queues/{queue}/resume")
        return page.go(f"queues/{queue}", done="resumed")


def jobs_of(
    rowline: api.Api, queue: str, wanted: filters.Wanted, cursor: str | None
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return a page of the jobs of a queue; none, and what is wrong with the filter, if that is wrong."""
    try:
        query = filters.as_api(wanted)
        if "since" not in dict(query):
            query += [*_FROM_THE_FIRST.items()]
        return search(rowline, f"/queues/{queue}/jobs", query, cursor), None
    except Refused as refused:
        if refused.status not in BAD:
            raise
        return NOTHING, refused.problem


def search(rowline: api.Api, path: str, query: filters.Wanted, cursor: str | None) -> dict[str, Any]:
    """Return a page of what is found below a path of the API. Raises Refused."""
    behind = [("cursor", cursor)] if cursor else []
    found: dict[str, Any] = rowline.get(path, [*query, *behind, ("length", str(LENGTH))])
    return found


def _form(name: str, *, sent: dict[str, str] | None = None, trouble: dict[str, Any] | None = None) -> Response:
    sent = sent or {"name": "", "data": "{}", "opts": ""}
    return page.render("add.html", status=400 if trouble else 200, name=name, sent=sent, trouble=trouble)


def one_value(member: str, text: str) -> str:
    """Require that a text is one JSON value, so that it cannot end the member it is put into. Raises Refused."""
    try:
        return jsonreader.whole(text.encode())
    except NotJson as error:
        fault = f"must be one JSON value: {error.what} at byte {error.at}"
    except UnstorableJson as error:
        fault = str(error)
    details = [{"path": member, "message": fault}]
    raise Refused(BAD[0], {"error": f"{member} {fault}", "code": "invalid_request", "details": details}, {})
