"""What runs now: how long, where, until when its lease lasts; and a cancel."""

from urllib.parse import urlencode

from flask import Blueprint, Response, request

from app.domain.tokens import Action
from app.web.dashboard import api, forms, page, shown

LENGTH = 50


def blueprint() -> Blueprint:
    """Return the page of the jobs that run."""
    routes = Blueprint("running", __name__)

    @routes.get("/running")
    def show() -> Response:
        """Show the jobs that run, those that run longest first: of all queues, or of one."""
        rowline, queue, start = api.of(), request.args.get("queue", "").strip(), page.start()
        named = {"queue": queue} if queue else {}
        found = rowline.get("/running", named | {"start": start, "length": LENGTH})
        for job in found["jobs"]:
            job["can_cancel"] = rowline.may(Action.MANAGE, job["queue"])
        return page.render(
            "running.html",
            found=found,
            queue=queue,
            start=start,
            query=urlencode(named),
            next=urlencode(named | {"start": start + LENGTH}) if found["count"] > start + LENGTH else None,
            stream=f"?queue={shown.segment(queue)}" if queue else "",
        )

    @routes.post("/running/cancel")
    def cancel() -> Response:
        """Ask the worker of a job to stop; show what runs."""
        sent, queue = forms.sent(), forms.text("of")
        api.of().send("POST", f"/queues/{shown.segment(sent['queue'])}/jobs/{shown.segment(sent['id'])}/cancel")
        return page.go(f"running?{urlencode({'queue': queue})}" if queue else "running", done="cancelled")

    return routes
