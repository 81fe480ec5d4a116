"""The schedules of a queue: when each ticks, what it added, and pausing, running, making and changing them."""

import json
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, request

from app.domain.tokens import Action
from app.web import names
from app.web.dashboard import actors, api, forms, page, scheduleform, shown
from app.web.dashboard.api import Api, Refused

LENGTH, RUNS, TICKS = 25, 20, 5
PAUSED = "schedules.pause"
VERBS = {"pause": "schedule_paused", "resume": "schedule_resumed"}
_WRONG = (400, 403, 409)
_BAD = 400
_DATA = "template.data"


def blueprint() -> Blueprint:
    """Return the pages of schedules."""
    routes = Blueprint("schedules", __name__)
    _add_lists(routes)
    _add_one(routes)
    _add_forms(routes)
    _add_verbs(routes)
    return routes


def _add_lists(routes: Blueprint) -> None:
    @routes.get("/schedules")
    def list_all() -> Response:
        """List the schedules of all queues, by queue and id."""
        text = request.args.get("name", "").strip()
        found = api.of().get("/schedulers", {"pattern": f"*{text}*", "start": page.start(), "length": LENGTH})
        return _list(found, name=None, text=text)

    @routes.get("/queues/<segment:queue>/schedules")
    def list_schedules(queue: str) -> Response:
        """List the schedules of a queue, by id."""
        start = request.args.get("start", "0")
        found = api.of().get(f"/queues/{queue}/schedulers", {"start": start, "length": LENGTH})
        return _list(found, name=names.queue_name(queue))


def _add_one(routes: Blueprint) -> None:
    @routes.get("/queues/<segment:queue>/schedules/<segment:schedule_id>")
    def show(queue: str, schedule_id: str) -> Response:
        """Show a schedule, its next ticks and its jobs."""
        rowline, name, path = api.of(), names.queue_name(queue), _path(queue, schedule_id)
        members = rowline.members(path)
        schedule = _values(members)
        actors.name(rowline, [schedule], "createdBy", act="schedules.create", queue=name)
        actors.name(rowline, [schedule], "pausedBy", act=PAUSED, queue=name)
        start = request.args.get("start", "0")
        ticks, trouble = _ticks(rowline, path)
        return page.render(
            "schedule.html",
            name=name,
            schedule=schedule,
            fields=scheduleform.of(members),
            overlap=scheduleform.OVERLAPS[schedule["overlap"]],
            misfire=scheduleform.MISFIRES[schedule["misfire"]],
            ticks=ticks,
            trouble=trouble,
            runs=rowline.get(f"{path}/runs", {"start": start, "length": RUNS}),
            can_manage=rowline.may(Action.MANAGE, name),
            can_change=_can_make(rowline, name) and _is_whole(members),
            stream=f"?queue={shown.segment(name)}",
        )

    @routes.get("/queues/<segment:queue>/schedules/<segment:schedule_id>/remove")
    def ask(queue: str, schedule_id: str) -> Response:
        """Ask whether a schedule is to be removed."""
        schedule = _values(api.of().members(_path(queue, schedule_id)))
        return page.render("schedule_remove.html", name=names.queue_name(queue), schedule=schedule)


def _add_forms(routes: Blueprint) -> None:
    @routes.get("/queues/<segment:queue>/new-schedule")
    def new(queue: str) -> Response:
        """Ask what a new schedule is to be."""
        return _form(queue, scheduleform.empty())

    @routes.post("/queues/<segment:queue>/new-schedule")
    def make(queue: str) -> Response:
        """Make the schedule of the form, or preview it."""
        sent = scheduleform.sent()
        return _put(queue, shown.segment(sent["id"]), sent, is_new=True)

    @routes.get("/queues/<segment:queue>/schedules/<segment:schedule_id>/change")
    def ask_change(queue: str, schedule_id: str) -> Response:
        """Ask what is to be different."""
        members = api.of().members(_path(queue, schedule_id))
        if not _is_whole(members):
            problem = {
                "error": "The data of its jobs are hidden from this token, or too long for a page: a change would lose "
                "them. It can be changed where it was made.",
                "code": "hidden",
            }
            raise Refused(_WRONG[1], problem, {})
        return _form(queue, scheduleform.of(members), schedule_id=schedule_id)

    @routes.post("/queues/<segment:queue>/schedules/<segment:schedule_id>/change")
    def change(queue: str, schedule_id: str) -> Response:
        """Change a schedule to what the form says, or preview that."""
        return _put(queue, schedule_id, scheduleform.sent(), is_new=False)


def _add_verbs(routes: Blueprint) -> None:
    @routes.post("/queues/<segment:queue>/schedules/<segment:schedule_id>/<any(pause, resume):verb>")
    def act(queue: str, schedule_id: str, verb: str) -> Response:
        """Pause or resume a schedule."""
        api.of().send("POST", f"{_path(queue, schedule_id)}/{verb}")
        return page.go(f"queues/{queue}/schedules/{schedule_id}", done=VERBS[verb])

    @routes.post("/queues/<segment:queue>/schedules/<segment:schedule_id>/run")
    def run(queue: str, schedule_id: str) -> Response:
        """Add a job of a schedule now; show it."""
        added = api.of().send("POST", f"{_path(queue, schedule_id)}/run")
        return page.go(f"queues/{queue}/jobs/{shown.segment(added['id'])}", done="added")

    @routes.post("/queues/<segment:queue>/schedules/<segment:schedule_id>/remove")
    def remove(queue: str, schedule_id: str) -> Response:
        """Remove a schedule; show those that are left."""
        api.of().send("DELETE", _path(queue, schedule_id))
        return page.go(f"queues/{queue}/schedules", done="schedule_removed")


def _list(found: dict[str, Any], *, name: str | None, text: str = "") -> Response:
    """Show schedules: of a queue, or, for None, of all whose names contain a text."""
    actors.name(api.of(), found["schedulers"], "pausedBy", act=PAUSED, queue=name)
    return page.render(
        "schedules.html",
        name=name,
        text=text,
        schedules=found["schedulers"],
        count=found["count"],
        start=found["start"],
        length=LENGTH,
        can_make=name is not None and _can_make(api.of(), name),
    )


def _path(queue: str, schedule_id: str) -> str:
    return f"/queues/{queue}/schedulers/{schedule_id}"


def _can_make(rowline: Api, name: str) -> bool:
    return rowline.may(Action.MANAGE, name) and rowline.may(Action.ADD, name)


def _values(members: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the members of a schedule without the job of each tick."""
    return {name: json.loads(raw) for name, raw in members.items() if name != "template"}


def _is_whole(members: Mapping[str, bytes]) -> bool:
    """Whether a form can hold all of a schedule; else a change by it would lose data."""
    return _DATA not in json.loads(members.get("hidden", b"[]")) and len(members["template"]) <= shown.LIMIT


def _ticks(rowline: Api, path: str) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """Return the ticks to come; none, and why, if they cannot be told."""
    try:
        return rowline.get(f"{path}/preview", {"count": TICKS})["runs"], None
    except Refused as refused:
        if refused.status != _BAD:
            raise
        return [], refused.problem


def _put(queue: str, schedule_id: str, sent: dict[str, str], *, is_new: bool) -> Response:
    rowline = api.of()
    known = None if is_new else schedule_id
    try:
        if forms.text("do") == "preview":
            ticks = rowline.send("POST", f"/queues/{queue}/schedulers/preview", scheduleform.timing(sent, count=TICKS))
            return _form(queue, sent, schedule_id=known, ticks=ticks["runs"])
        if is_new:
            _require_new(rowline, queue, schedule_id)
        rowline.send("PUT", _path(queue, schedule_id), scheduleform.body(sent))
    except Refused as refused:
        if refused.status not in _WRONG:
            raise
        trouble = forms.in_words(refused.problem, scheduleform.LABELS, fields={"schedule id": "id"})
        return _form(queue, sent, schedule_id=known, trouble=trouble, status=refused.status)
    return page.go(f"queues/{queue}/schedules/{schedule_id}", done="scheduled" if is_new else "schedule_changed")


def _require_new(rowline: Api, queue: str, schedule_id: str) -> None:
    """Require that a schedule is not there, which the form of a new one would replace. Raises Refused."""
    try:
        rowline.get(_path(queue, schedule_id))
    except Refused as refused:
        if refused.problem["code"] == "schedule_not_found":
            return
        raise
    error = "There is a schedule with this id: change that one, or choose another id."
    raise Refused(_WRONG[2], {"error": error, "code": "exists", "faults": {"id": "is the id of another schedule"}}, {})


def _form(
    queue: str,
    fields: dict[str, str],
    *,
    schedule_id: str | None = None,
    ticks: list[dict[str, Any]] | None = None,
    trouble: dict[str, Any] | None = None,
    status: int = 200,
) -> Response:
    return page.render(
        "schedule_form.html",
        status=status,
        name=names.queue_name(queue),
        schedule_id=names.schedule_id(schedule_id) if schedule_id is not None else None,
        sent=fields,
        ticks=ticks,
        trouble=trouble,
        overlaps=scheduleform.OVERLAPS,
        misfires=scheduleform.MISFIRES,
    )
