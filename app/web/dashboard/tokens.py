"""Tokens: listing, making, rotating and revoking them. A secret is shown once, in the response that made it."""

import time
from typing import Any

from flask import Blueprint, Response, request

from app.domain.tokens import ALL, OF_NO_QUEUE, Action
from app.infra.settings import Settings
from app.web.dashboard import api, forms, page
from app.web.dashboard.api import Refused

LENGTH = 25
LIMITS = ("requestsPerS", "jobsPerS", "waitingJobs", "streams")
LABELS = {
    "name": "Name",
    "scopes": "Scopes",
    "expiresOn": "It ends",
    "limits.requestsPerS": "Requests a second",
    "limits.jobsPerS": "Jobs that it adds a second",
    "limits.waitingJobs": "Jobs of a queue that have not started",
    "limits.streams": "Streams of events at a time",
}
MEANINGS = {
    Action.ADD: "add jobs; with jobs:manage, make and change schedules",
    Action.READ: "see queues and jobs, and why they do not run, without what jobs contain",
    Action.MANAGE: "remove, retry, promote, change and cancel jobs; pause, run and remove schedules",
    Action.PAYLOAD: "see what jobs contain: data, results, reasons, logs",
    Action.WORK: "claim and end jobs, as workers do",
    Action.QUEUES: "pause queues, change their settings, remove them with all their jobs",
    Action.ENDPOINTS: "register, switch on and delete endpoints",
    Action.EVENTS: "hear of changes at once, as programs do; the pages here need it not",
    Action.METRICS: "see metrics and the doctor",
    Action.DASHBOARD: "sign in here",
    Action.TOKENS: "make, rotate and revoke tokens",
    Action.AUDIT: "see who did what, on all queues",
}
"""What a token with each may do, in a few words; `app/docs/tokens.md` has more."""
DAYS = ("1", "7", "30", "90", "365")
"""After how many days a token may end, as the form has it."""
_DAY_MS = 86_400_000
_WRONG = (400, 403, 409)


def blueprint(_settings: Settings) -> Blueprint:
    """Return the pages of tokens."""
    routes = Blueprint("tokens", __name__)
    _add_reads(routes)
    _add_writes(routes)
    return routes


def _add_reads(routes: Blueprint) -> None:
    @routes.get("/tokens")
    def show() -> Response:
        """List the tokens, the newest first."""
        start = _start()
        found = api.of().get("/tokens", {"start": start, "length": LENGTH})
        for token in found["tokens"]:
            token["state"] = _state(token)
        return page.render(
            "tokens.html",
            tokens=found["tokens"],
            count=found["count"],
            start=start,
            length=LENGTH,
            labels=_limits(),
            everything=ALL,
        )

    @routes.get("/tokens/make")
    def form() -> Response:
        """Ask what a new token is to be."""
        return _form()

    @routes.get("/tokens/<segment:token_id>/revoke")
    def ask(token_id: str) -> Response:
        """Ask whether a token is to be revoked."""
        return page.render("token_revoke.html", token=_listed(token_id), start=_start())


def _add_writes(routes: Blueprint) -> None:
    @routes.post("/tokens/make")
    def make() -> Response:
        """Make the token of the form; show its secret, once."""
        try:
            issued = api.of().send("POST", "/tokens", _wanted())
        except Refused as refused:
            if refused.status not in _WRONG:
                raise
            trouble = forms.in_words(refused.problem, LABELS, fields={"expiresOn": "days"})
            return _form(trouble=trouble, status=refused.status)
        return page.render("token_secret.html", token=issued, is_new=True)

    @routes.post("/tokens/<segment:token_id>/rotate")
    def rotate(token_id: str) -> Response:
        """Give a token a second secret; show it, once."""
        issued = api.of().send("POST", f"/tokens/{token_id}/rotate")
        return page.render("token_secret.html", token=issued, is_new=False)

    @routes.post("/tokens/<segment:token_id>/finish-rotation")
    def finish(token_id: str) -> Response:
        """End the first secret of a token."""
        api.of().send("POST", f"/tokens/{token_id}/finish-rotation")
        return page.go("tokens", done="finished")

    @routes.post("/tokens/<segment:token_id>/revoke")
    def revoke(token_id: str) -> Response:
        """Revoke a token."""
        api.of().send("DELETE", f"/tokens/{token_id}")
        return page.go("tokens", done="revoked")


def _start() -> str:
    return request.args.get("start", "0")


def _state(token: dict[str, Any]) -> str:
    if "revokedOn" in token:
        return "revoked"
    if token.get("expiresOn", float("inf")) <= time.time() * 1000:
        return "expired"
    return "rotating" if token["rotating"] else "valid"


def _listed(token_id: str) -> dict[str, Any]:
    """Return a token as the page of the list has it that the query names; of one that is not there its id alone."""
    found = api.of().get("/tokens", {"start": _start(), "length": LENGTH})["tokens"]
    return next((token for token in found if token["id"] == token_id), {"id": token_id})


def _form(*, trouble: dict[str, Any] | None = None, status: int = 200) -> Response:
    sent = forms.sent() if trouble else {}
    return page.render(
        "token_make.html",
        status=status,
        trouble=trouble,
        sent=sent,
        ticked=set(forms.sent().getlist("scope")) if trouble else set(),
        actions={action: MEANINGS[action] for action in Action},
        of_no_queue=OF_NO_QUEUE,
        everything=ALL,
        limits=_limits(),
        has_limits=any(sent.get(name) for name in LIMITS),
        days=DAYS,
    )


def _limits() -> dict[str, str]:
    """Return what limits are called, by their names."""
    return {name: LABELS[f"limits.{name}"] for name in LIMITS}


def _wanted() -> dict[str, Any]:
    """Return the body of the API for the form. What is wrong with it the API says."""
    sent = forms.sent()
    scopes = [_scope(action, forms.text(f"on {action}")) for action in sent.getlist("scope")]
    scopes += [line.strip() for line in forms.text("scopes").split("\n") if line.strip()]
    limits = {name: forms.whole(forms.text(name)) for name in LIMITS if forms.text(name)}
    wanted: dict[str, Any] = {"name": forms.text("name"), "scopes": scopes}
    if (days := forms.text("days")) in DAYS:
        wanted["expiresOn"] = int(time.time() * 1000) + int(days) * _DAY_MS
    return wanted | ({"limits": limits} if limits else {})


def _scope(action: str, pattern: str) -> str:
    return f"{action}@{pattern}" if pattern and action not in OF_NO_QUEUE else action
