"""The settings of a queue: shown to whoever may read it, a form for whoever may change them."""

from typing import Any

from flask import Blueprint, Response

from app.domain.tokens import Action
from app.web import names
from app.web.dashboard import api, forms, page, settingsform
from app.web.dashboard.api import Refused

_WRONG = (400, 409)


def blueprint() -> Blueprint:
    """Return the page of settings."""
    routes = Blueprint("settings", __name__)

    @routes.get("/queues/<segment:queue>/settings")
    def show(queue: str) -> Response:
        """Show what a queue sets itself."""
        found = api.of().get(f"/queues/{queue}")
        texts = settingsform.of(found["settings"])
        return _page(found, texts, texts)

    @routes.post("/queues/<segment:queue>/settings")
    def change(queue: str) -> Response:
        """Change what the form says otherwise; ask first if jobs would go at once."""
        rowline = api.of()
        found, texts, before = rowline.get(f"/queues/{queue}"), settingsform.sent(), settingsform.shown()
        changed = settingsform.changes(texts, before, found["settings"])
        if not changed:
            return page.go(f"queues/{queue}/settings", done="settings_same")
        sudden = settingsform.sudden(changed, queue=names.queue_name(queue))
        if sudden and forms.text("sure") != " ".join(sudden):
            return _page(found, texts, before, sudden=sudden)
        try:
            rowline.send("PATCH", f"/queues/{queue}", {"settings": changed})
        except Refused as refused:
            if refused.status not in _WRONG:
                raise
            return _page(found, texts, before, trouble=refused.problem, status=refused.status)
        return page.go(f"queues/{queue}/settings", done="settings_changed")

    return routes


def _service() -> dict[str, Any]:
    """Return the settings of the service; none, if the token may not read them."""
    try:
        found: dict[str, Any] = api.of().get("/settings")
    except Refused:
        return {}
    return found


def _page(
    queue: dict[str, Any],
    texts: dict[str, str],
    before: dict[str, str],
    *,
    sudden: list[str] | None = None,
    trouble: dict[str, Any] | None = None,
    status: int = 200,
) -> Response:
    placed, rest = settingsform.faults((trouble or {}).get("details", []), texts)
    if trouble and placed:
        trouble = {"error": "Nothing is changed: not all of it is right.", "details": rest}
    return page.render(
        "settings.html",
        status=status,
        name=queue["name"],
        keys=queue.get("keys", []),
        parts={
            "": settingsform.OWN,
            "Defaults: the options of jobs that are added without them": settingsform.DEFAULTS,
        },
        in_force=settingsform.in_force(_service()),
        sent=texts,
        before=before,
        faults=placed,
        trouble=trouble,
        sudden=sudden,
        can_change=api.of().may(Action.QUEUES, queue["name"]),
    )
