"""Who works a queue: its workers, and its endpoint, to which dispatchers send its jobs."""

import json
from typing import Any

from flask import Blueprint, Response, request

from app.domain.endpoint import METHODS
from app.domain.tokens import Action
from app.web import names
from app.web.dashboard import api, forms, page, queue, shown
from app.web.dashboard.api import Api, Refused
from app.web.endpoints.routes import SECRET_HEADER

LENGTH, ACTS = 50, 100
NUMBERS = ("timeout", "concurrency", "max", "duration")
FIELDS = ("url", "method", "headers", "secrets", *NUMBERS)
STATES = {"endpoint_off", "endpoint_paused", "rate"}
"""The reasons of an explanation that are about an endpoint."""
_WRONG = (400, 403, 409)


def blueprint() -> Blueprint:
    """Return the pages of workers and endpoints."""
    routes = Blueprint("workers", __name__)
    _add_reads(routes)
    _add_writes(routes)
    return routes


def _add_reads(routes: Blueprint) -> None:
    @routes.get("/queues/<segment:queue>/workers")
    def show(queue: str) -> Response:
        """Show the workers of a queue, and its endpoint if the token may manage that."""
        rowline, name = api.of(), names.queue_name(queue)
        found = rowline.get(f"/queues/{queue}/workers")
        explained = rowline.get(f"/queues/{queue}/explain")
        may = rowline.may(Action.ENDPOINTS, name)
        return page.render(
            "workers.html",
            name=name,
            workers=found["workers"],
            count=found["count"],
            slots=sum(one["slots"] for one in found["workers"]),
            busy=sum(one["busy"] for one in found["workers"]),
            may_endpoint=may,
            url=rowline.get("/workers").get(name) if may else None,
            reasons=[one for one in explained["reasons"] if one["code"] in STATES],
            off=_switched_off(rowline, {"queue": name}).get(name) if may else None,
            stream=f"?queue={shown.segment(name)}",
        )

    @routes.get("/endpoints")
    def list_endpoints() -> Response:
        """List the endpoints that the token may manage, by queue."""
        rowline = api.of()
        after, text = request.args.get("after", ""), request.args.get("name", "").strip()
        found = [(name, url) for name, url in rowline.get("/workers").items() if text in name]
        rest = [one for one in sorted(found) if one[0] > after]
        return page.render(
            "endpoints.html",
            endpoints=rest[:LENGTH],
            count=len(found),
            off=_switched_off(rowline, {}),
            name=text,
            after=after,
            last=rest[LENGTH - 1][0] if len(rest) > LENGTH else None,
        )

    @routes.get("/queues/<segment:queue>/endpoint")
    def form(queue: str) -> Response:
        """Ask for the endpoint of a queue."""
        name = names.queue_name(queue)
        url = api.of().get("/workers").get(name, "")
        return _form(name, dict.fromkeys(FIELDS, "") | {"url": url, "method": "POST"}, is_there=bool(url))

    @routes.get("/queues/<segment:queue>/endpoint/remove")
    def ask(queue: str) -> Response:
        """Ask whether the endpoint of a queue is to be deleted."""
        name = names.queue_name(queue)
        return page.render("endpoint_remove.html", name=name, url=api.of().get("/workers").get(name, ""))


def _add_writes(routes: Blueprint) -> None:
    @routes.post("/queues/<segment:queue>/endpoint")
    def register(queue: str) -> Response:
        """Register the endpoint of the form; show its secret, once, if one was made."""
        name, sent = names.queue_name(queue), {one: forms.text(one) for one in FIELDS}
        try:
            answer = api.of().call("POST", "/workers", body=_body(name, sent))
            answer.body()
        except Refused as refused:
            if refused.status not in _WRONG:
                raise
            return _form(name, sent, is_there=True, trouble=refused.problem, status=refused.status)
        if secret := answer.headers.get(SECRET_HEADER):
            return page.render("endpoint_secret.html", name=name, secret=secret)
        return page.go(f"queues/{queue}/workers", done="registered")

    @routes.post("/queues/<segment:queue>/endpoint/remove")
    def remove(queue: str) -> Response:
        """Delete the endpoint of a queue."""
        api.of().call("DELETE", f"/workers/{queue}").body()
        return page.go(f"queues/{queue}/workers", done="deleted")


def _switched_off(rowline: Api, of: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Return the act that switched an endpoint off, by queue, of those that nobody registered again since.

    As far as the last acts in the audit say; without the right to read it, none.
    """
    if not rowline.may(Action.AUDIT):
        return {}
    found = {}
    for act in ("workers.switch_off", "workers.register", "workers.remove"):
        entries = rowline.get("/audit", {**of, "action": act, "length": ACTS})["entries"]
        found[act] = [entry for entry in entries if entry["outcome"] == "done"]
    last: dict[str, int] = {}
    for entry in (*found["workers.register"], *found["workers.remove"]):
        last[entry["queue"]] = max(entry["number"], last.get(entry["queue"], 0))
    off: dict[str, dict[str, Any]] = {}
    for entry in found["workers.switch_off"]:
        if entry["number"] > last.get(entry["queue"], 0):
            off.setdefault(entry["queue"], entry)
    return off


def _form(
    name: str, sent: dict[str, str], *, is_there: bool, trouble: dict[str, Any] | None = None, status: int = 200
) -> Response:
    members = {"name": name, "sent": sent, "is_there": is_there, "methods": METHODS, "trouble": trouble}
    return page.render("endpoint.html", status=status, **members)


def _body(name: str, sent: dict[str, str]) -> bytes:
    """Return the body of the API for the form. Raises Refused for headers that are no JSON."""
    numbers = {one: _number(sent[one]) for one in NUMBERS if sent[one]}
    endpoint: dict[str, Any] = {"url": sent["url"], "method": sent["method"]}
    endpoint |= {"timeout": numbers["timeout"]} if "timeout" in numbers else {}
    if sent["headers"]:
        endpoint["headers"] = json.loads(queue.one_value("headers", sent["headers"]))
    if secrets := sent["secrets"].split():
        endpoint["secrets"] = secrets
    opts: dict[str, Any] = {"concurrency": numbers["concurrency"]} if "concurrency" in numbers else {}
    limiter = {one: numbers[one] for one in ("max", "duration") if one in numbers}
    opts |= {"limiter": limiter} if limiter else {}
    return json.dumps({"queue": name, "endpoint": endpoint, "opts": opts}).encode()


def _number(text: str) -> int | str:
    """Return a number; what is none is left for the API to refuse."""
    return int(text) if text.isdecimal() and text.isascii() else text
