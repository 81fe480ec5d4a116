"""A job: why it stands where it does, what happened to it, what it holds, and what can be done to it."""

import json
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, request

from app.domain.tokens import Action
from app.infra.settings import Settings
from app.web import names
from app.web.dashboard import api, forms, page, shown
from app.web.dashboard.api import Refused
from app.web.dashboard.queue import one_value

ATTEMPTS, LINES, ACTS = 50, 200, 100
PAYLOADS = ("data", "result", "progress", "opts", "effective")
"""Members whose JSON is shown as it is."""
VERBS = {"retry": "retried", "promote": "promoted", "cancel": "cancelled"}
GONE = (
    "The job was added, and is gone: it may have ended already. What is kept of those, the settings of the queue say."
)
_BAD = 400


def blueprint(_settings: Settings) -> Blueprint:
    """Return the pages of one job."""
    routes = Blueprint("jobs", __name__)
    _add_reads(routes)
    _add_writes(routes)
    return routes


def _add_reads(routes: Blueprint) -> None:
    @routes.get("/queues/<segment:queue>/jobs/<segment:job_id>")
    def show(queue: str, job_id: str) -> Response:
        """Show a job; of one that was just added and is gone, say what may have become of it."""
        try:
            return _page(queue, job_id)
        except Refused as refused:
            if refused.status != HTTPStatus.NOT_FOUND or request.args.get("done") != "added":
                raise
            raise Refused(refused.status, refused.problem | {"error": GONE}, {}) from None

    @routes.get("/queues/<segment:queue>/jobs/<segment:job_id>/remove")
    def ask(queue: str, job_id: str) -> Response:
        """Ask whether a job is to be removed."""
        job = _job(api.of(), f"/queues/{queue}/jobs/{job_id}")
        return page.render("remove.html", name=names.queue_name(queue), job=job)

    @routes.get("/queues/<segment:queue>/jobs/<segment:job_id>/raw")
    def raw(queue: str, job_id: str) -> Response:
        """Get the job as the API has it; with `member`, that member alone, as a file."""
        rowline, path = api.of(), f"/queues/{queue}/jobs/{job_id}"
        if (member := request.args.get("member")) is not None:
            text = rowline.members(path).get(member)
            if text is None:
                raise Refused(404, {"error": f"The job has no {member[:20]}.", "code": "not_found"}, {})
            return _file(text, f"{member}.json")
        return _file(rowline.call("GET", path).body(), "job.json")


def _add_writes(routes: Blueprint) -> None:
    @routes.post("/queues/<segment:queue>/jobs/<segment:job_id>/<any(retry, promote, cancel):verb>")
    def act(queue: str, job_id: str, verb: str) -> Response:
        """Retry, promote or cancel a job."""
        api.of().send("POST", f"/queues/{queue}/jobs/{job_id}/{verb}")
        return page.go(f"queues/{queue}/jobs/{job_id}", done=VERBS[verb])

    @routes.post("/queues/<segment:queue>/jobs/<segment:job_id>/remove")
    def remove(queue: str, job_id: str) -> Response:
        """Remove a job; show its queue."""
        api.of().send("DELETE", f"/queues/{queue}/jobs/{job_id}")
        return page.go(f"queues/{queue}", done="removed")

    @routes.post("/queues/<segment:queue>/jobs/<segment:job_id>/data")
    def change(queue: str, job_id: str) -> Response:
        """Change the data of a job; with `retry`, retry it with them. What is wrong with them is shown beside them."""
        text, path, is_retry = forms.text("data"), f"/queues/{queue}/jobs/{job_id}", "retry" in forms.sent()
        method, path_of_act = ("POST", f"{path}/retry") if is_retry else ("PATCH", path)
        try:
            api.of().send(method, path_of_act, f'{{"data": {one_value("data", text)}}}')
        except Refused as refused:
            if refused.status != _BAD:
                raise
            return _page(queue, job_id, text=text, trouble=forms.in_words(refused.problem, {"data": "Data"}))
        return page.go(f"queues/{queue}/jobs/{job_id}", done="retried_with" if is_retry else "changed")


def _job(rowline: api.Api, path: str) -> dict[str, Any]:
    """Return a job: its payloads as JSON texts, all else as values."""
    members = rowline.members(path)
    return {name: raw.decode() if name in PAYLOADS else json.loads(raw) for name, raw in members.items()}


def _page(segment: str, job_id: str, *, text: str | None = None, trouble: dict[str, Any] | None = None) -> Response:
    rowline, name, path = api.of(), names.queue_name(segment), f"/queues/{segment}/jobs/{job_id}"
    job = _job(rowline, path)
    attempts = rowline.get(f"{path}/attempts", {"length": ATTEMPTS, "start": request.args.get("attempts", "0")})
    lines = rowline.get(f"{path}/logs", {"length": 0})["count"]
    logs = rowline.get(f"{path}/logs", {"length": 100, "start": max(0, lines - 100)}) if lines else {"logs": []}
    return page.render(
        "job.html",
        status=400 if trouble else 200,
        name=name,
        job=job,
        explained=rowline.get(f"{path}/explain"),
        attempts=_attempts(job, attempts["attempts"]),
        attempt_count=attempts["count"],
        moments=_moments(job, attempts["attempts"]),
        logs=logs.get("logs"),
        line_count=lines,
        acts=_acts(rowline, name, job) if rowline.may(Action.AUDIT) else None,
        percent=_percent(job),
        hidden=job.get("hidden", []),
        text=job.get("data", "") if text is None else text,
        trouble=trouble,
        can_manage=rowline.may(Action.MANAGE, name),
        stream=f"?queue={shown.segment(name)}&job={shown.segment(job['id'])}",
    )


def _attempts(job: dict[str, Any], found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the attempts, each with how long it waited and ran."""
    since = job["timestamp"]
    for one in found:
        one["waited"] = one["startedOn"] - since
        one["ran"] = None if one["endedOn"] is None else one["endedOn"] - one["startedOn"]
        since = one["endedOn"] or since
    return found


def _moments(job: dict[str, Any], attempts: list[dict[str, Any]]) -> list[tuple[int, str]]:
    """Return what happened to a job, in its order."""
    found = [(job["timestamp"], "added")]
    for one in attempts:
        found.append((one["startedOn"], f"attempt {one['attempt']} began on {one['worker']}"))
        if one["endedOn"] is not None:
            found.append((one["endedOn"], f"attempt {one['attempt']} ended: {one['outcome']}"))
    if "finishedOn" in job and not (attempts and attempts[-1]["endedOn"] == job["finishedOn"]):
        found.append((job["finishedOn"], job["status"]))
    return sorted(found, key=lambda moment: moment[0])


def _acts(rowline: api.Api, name: str, job: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what people did to a job, as far as the last acts of its queue say."""
    query = {"queue": name, "since": job["timestamp"], "length": ACTS}
    return [act for act in rowline.get("/audit", query)["entries"] if act.get("target") == job["id"]]


def _percent(job: dict[str, Any]) -> float | None:
    """Return the progress if it is a number that says how many of a hundred; None if it is something else, or none."""
    try:
        percent = float(job.get("progress", ""))
    except ValueError:
        return None
    return percent if 0 < percent <= 100 else None  # noqa: PLR2004 - of a hundred


def _file(content: bytes, name: str) -> Response:
    """Return contents of a job as a file: no browser may take it for a page."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(content, mimetype="application/json", headers=headers)
