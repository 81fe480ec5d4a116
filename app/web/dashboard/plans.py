"""Many jobs at once: a plan is made, looked at, then applied; it can be stopped, and a removal or a retry undone."""

from typing import Any

from flask import Blueprint, Response, request

from app.domain.errors import Fault, InvalidRequest
from app.domain.plan import RUNNING, PlanStatus
from app.domain.tokens import Action
from app.infra.settings import Settings
from app.web import names
from app.web.dashboard import actors, api, filters, forms, page, shown

LENGTH = 25
SKIPPED = {
    "job_not_found": "are gone",
    "job_differs": "do not match any more",
    "job_active": "are active",
    "job_finished": "have ended",
    "job_not_finished": "have not ended",
    "job_not_delayed": "are not delayed",
}
"""Why jobs are skipped, by the code that the API has for it."""
CHANGEABLE = {
    "retry": (("completed", "failed"), "retried"),
    "promote": (("delayed",), "promoted"),
    "cancel": (("waiting", "prioritized", "delayed", "active"), "cancelled"),
}
"""The statuses of jobs that an action can change, and its participle; a removal, any that is not active."""
MADE = "plans.create"
"""The act whose rows in the audit name who made a plan."""


def blueprint(_settings: Settings) -> Blueprint:
    """Return the pages of plans."""
    routes = Blueprint("plans", __name__)
    _add_reads(routes)
    _add_writes(routes)
    return routes


def _add_reads(routes: Blueprint) -> None:
    @routes.get("/plans")
    def list_all() -> Response:
        """List the plans of all queues, first those that go on."""
        return _list("/plans")

    @routes.get("/queues/<segment:queue>/plans")
    def list_of(queue: str) -> Response:
        """List the plans of a queue."""
        return _list(f"/queues/{queue}/plans", name=names.queue_name(queue))

    @routes.get("/queues/<segment:queue>/plans/<segment:plan_id>")
    def show(queue: str, plan_id: str) -> Response:
        """Show what a plan means before it is applied, and then how far it is."""
        rowline, name = api.of(), names.queue_name(queue)
        plan = rowline.get(f"/queues/{queue}/plans/{plan_id}")
        actors.name(rowline, [plan], "createdBy", act=MADE, queue=name)
        can_manage = rowline.may(Action.MANAGE, name)
        goes_on = plan["status"] in RUNNING
        is_open = goes_on or (plan["status"] == PlanStatus.PLANNED and plan["matched"]) or "undoUntil" in plan
        return page.render(
            "plan.html",
            name=name,
            plan=plan,
            means=filters.in_words(plan["filter"]),
            can_manage=can_manage,
            goes_on=goes_on,
            has_buttons=can_manage and is_open,
            skipped=SKIPPED,
            rate=request.args.get("rate", ""),
            stream=f"?queue={shown.segment(name)}",
        )


def _add_writes(routes: Blueprint) -> None:
    @routes.post("/queues/<segment:queue>/plans")
    def make(queue: str) -> Response:
        """Plan what the form says, for the jobs that are ticked, or for all that match its filter. Changes no job."""
        sent = forms.sent()
        wanted = {"ids": sent.getlist("id")} if sent.get("which") != "all" else filters.of_plan(sent.get("filter", ""))
        if wanted == {"ids": []}:
            raise InvalidRequest(Fault("jobs", "must be ticked, or choose all that match"))
        action = sent.get("action", "")
        made = api.of().send("POST", f"/queues/{queue}/plans", {"action": action, "filter": _narrowed(wanted, action)})
        return page.go(f"queues/{queue}/plans/{made['id']}", done="planned")

    @routes.post("/queues/<segment:queue>/plans/<segment:plan_id>/apply")
    def apply(queue: str, plan_id: str) -> Response:
        """Apply a plan, at the pace of the form if it has one."""
        sent = forms.sent()
        body: dict[str, Any] = {"matched": _number("matched", sent.get("matched", ""))}
        if rate := forms.text("rate"):
            body["ratePerS"] = _number("rate", rate)
        api.of().send("POST", f"/queues/{queue}/plans/{plan_id}/apply", body)
        return page.go(f"queues/{queue}/plans/{plan_id}", done="applied")

    @routes.post("/queues/<segment:queue>/plans/<segment:plan_id>/<any(stop, undo):verb>")
    def change(queue: str, plan_id: str, verb: str) -> Response:
        """Stop a plan, or bring back what it removed or retried."""
        api.of().send("POST", f"/queues/{queue}/plans/{plan_id}/{verb}")
        return page.go(f"queues/{queue}/plans/{plan_id}", done="stopped" if verb == "stop" else "undoing")


def _narrowed(wanted: dict[str, Any], action: str) -> dict[str, Any]:
    """Return a filter of the jobs that an action can change, so that a plan counts no others. Raises InvalidRequest."""
    if action not in CHANGEABLE:
        return wanted
    statuses, participle = CHANGEABLE[action]
    if action == "retry" and not {"ids", "statuses"} & wanted.keys():
        return wanted | {"statuses": ["failed"]}  # who wants completed ones too ticks them, or asks for their status
    left = [status for status in statuses if status in wanted.get("statuses", statuses)]
    if not left:
        raise InvalidRequest(Fault("jobs", f"must be {' or '.join(statuses)} to be {participle}"))
    return wanted | {"statuses": left}


def _list(path: str, *, name: str | None = None) -> Response:
    rowline, start = api.of(), page.start()
    plans = rowline.get(path, {"start": start, "length": LENGTH})["plans"]
    actors.name(rowline, plans, "createdBy", act=MADE, queue=name)
    for plan in plans:
        plan["can_manage"] = rowline.may(Action.MANAGE, plan["queue"])
    following = start + LENGTH if len(plans) == LENGTH else None
    stream = f"?queue={shown.segment(name)}" if name else ""
    return page.render("plans.html", name=name, plans=plans, start=start, next=following, stream=stream)


def _number(name: str, text: str) -> float:
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError:
        raise InvalidRequest(Fault(name, "must be a number")) from None
