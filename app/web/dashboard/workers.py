"""Who works a queue: its workers, and its endpoint, to which dispatchers send its jobs."""

import json
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, request

from app.domain.endpoint import METHODS
from app.domain.tokens import ALL, Action
from app.infra.settings import Settings
from app.web import names
from app.web.dashboard import api, forms, page, queue, shown, spans
from app.web.dashboard.api import Api, Refused
from app.web.endpoints.routes import SECRET_HEADER

LENGTH = 50
SPANS, NUMBERS = ("timeout", "duration"), ("concurrency", "max")
FIELDS = ("url", "method", "headers", "secrets", *SPANS, *NUMBERS)
LEFT = ("maxStalledCount", "removeOnComplete", "removeOnFail")
"""What the form has no field for: it stays as it is."""
LABELS = {
    "endpoint.url": "URL",
    "endpoint.method": "Method",
    "endpoint.headers": "Headers",
    "headers": "Headers",
    "endpoint.secrets": "Secrets",
    "endpoint.timeout": "Timeout",
    "opts.concurrency": "Calls at a time",
    "opts.limiter.max": "Calls",
    "opts.limiter.duration": "In each",
}
STATES = {"endpoint_off", "endpoint_paused", "rate"}
"""The reasons of an explanation that are about an endpoint."""
_WRONG = (400, 403, 409)


def blueprint(settings: Settings) -> Blueprint:
    """Return the pages of workers and endpoints."""
    routes = Blueprint("workers", __name__)
    _add_workers(routes)
    _add_endpoints(routes)
    has_secrets = bool(settings.webhook_secrets)
    _add_form(routes, has_secrets=has_secrets)
    _add_writes(routes)
    return routes


def _add_workers(routes: Blueprint) -> None:
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
            endpoint=_found(rowline, queue) if may else None,
            reasons=[one for one in explained["reasons"] if one["code"] in STATES],
            stream=f"?queue={shown.segment(name)}",
        )


def _add_endpoints(routes: Blueprint) -> None:
    @routes.get("/endpoints")
    def list_endpoints() -> Response:
        """List the endpoints that the token may manage, by queue."""
        start, text = page.start(), request.args.get("name", "").strip()
        wanted = {"pattern": f"*{text}*", "start": start, "length": LENGTH}
        found = api.of().get("/endpoints", wanted)
        return page.render(
            "endpoints.html",
            endpoints=found["endpoints"],
            count=found["count"],
            name=text,
            start=start,
            next=start + LENGTH if start + LENGTH < found["count"] else None,
        )

    @routes.get("/queues/<segment:queue>/endpoint/remove")
    def ask(queue: str) -> Response:
        """Ask whether the endpoint of a queue is to be deleted."""
        name = names.queue_name(queue)
        return page.render("endpoint_remove.html", name=name, endpoint=_found(api.of(), queue))


def _add_form(routes: Blueprint, *, has_secrets: bool) -> None:
    """Add the form of an endpoint; `has_secrets`: the service has some, which sign where an endpoint has none."""

    @routes.get("/queues/<segment:queue>/endpoint")
    def form(queue: str) -> Response:
        """Ask for the endpoint of a queue."""
        name = names.queue_name(queue)
        found = _found(api.of(), queue)
        sent = {"method": "POST"} if found is None else _fields(found)
        return _form(name, dict.fromkeys(FIELDS, "") | sent, is_there=found is not None, has_secrets=has_secrets)

    @routes.post("/queues/<segment:queue>/endpoint")
    def register(queue: str) -> Response:
        """Register the endpoint of the form; show its secret, once, if one was made."""
        name, sent = names.queue_name(queue), {one: forms.text(one) for one in FIELDS}
        found = _found(api.of(), queue)
        try:
            answer = api.of().call("POST", "/workers", body=_body(name, sent, left=found or {}))
            answer.body()
        except Refused as refused:
            if refused.status not in _WRONG:
                raise
            trouble = forms.in_words(refused.problem, LABELS)
            return _form(
                name,
                sent,
                is_there=found is not None,
                has_secrets=has_secrets,
                trouble=trouble,
                status=refused.status,
            )
        if secret := answer.headers.get(SECRET_HEADER):
            return page.render("endpoint_secret.html", name=name, secret=secret)
        return page.go(f"queues/{queue}/workers", done="registered")


def _add_writes(routes: Blueprint) -> None:
    @routes.post("/queues/<segment:queue>/endpoint/switch-on")
    def switch_on(queue: str) -> Response:
        """Switch the endpoint of a queue on."""
        api.of().send("POST", f"/queues/{queue}/endpoint/switch-on")
        return page.go(f"queues/{queue}/workers", done="switched_on")

    @routes.post("/queues/<segment:queue>/endpoint/remove")
    def remove(queue: str) -> Response:
        """Delete the endpoint of a queue."""
        api.of().call("DELETE", f"/workers/{queue}").body()
        return page.go(f"queues/{queue}/workers", done="deleted")


def _found(rowline: Api, queue: str) -> dict[str, Any] | None:
    """Return the endpoint of a queue; None: it has none. Raises Refused."""
    try:
        found: dict[str, Any] = rowline.get(f"/queues/{queue}/endpoint")
    except Refused as refused:
        if refused.problem["code"] != "worker_not_found":
            raise
        return None
    return found


def _form(
    name: str,
    sent: dict[str, str],
    *,
    is_there: bool,
    has_secrets: bool,
    trouble: dict[str, Any] | None = None,
    status: int = 200,
) -> Response:
    return page.render(
        "endpoint.html",
        status=status,
        name=name,
        sent=sent,
        is_there=is_there,
        # as POST /workers does it
        has_secrets=has_secrets and ALL in api.of().caller.patterns(Action.ENDPOINTS),
        methods=METHODS,
        trouble=trouble,
    )


def _fields(found: dict[str, Any]) -> dict[str, str]:
    """Return the fields of the form for an endpoint, but those that cannot be read back."""
    whole = {one: found[one] for one in ("url", "method", "timeout", "concurrency")} | found.get("limiter", {})
    return {one: spans.written(value) if one in SPANS else str(value) for one, value in whole.items()}


def _body(name: str, sent: dict[str, str], *, left: Mapping[str, Any]) -> bytes:
    """Return the body of the API for the form, with what it has no field for from `left`, the endpoint as it is.

    Raises Refused for headers that are no JSON.
    """
    numbers = {one: forms.whole(sent[one]) for one in NUMBERS if sent[one]}
    numbers |= {one: spans.read(sent[one]) for one in SPANS if sent[one]}
    endpoint: dict[str, Any] = {"url": sent["url"], "method": sent["method"]}
    endpoint |= {"timeout": numbers["timeout"]} if "timeout" in numbers else {}
    if sent["headers"]:
        endpoint["headers"] = json.loads(queue.one_value("headers", sent["headers"]))
    if secrets := sent["secrets"].split():
        endpoint["secrets"] = secrets
    opts = {one: left[one] for one in LEFT if one in left}
    opts |= {"concurrency": numbers["concurrency"]} if "concurrency" in numbers else {}
    limiter = {one: numbers[one] for one in ("max", "duration") if one in numbers}
    opts |= {"limiter": limiter} if limiter else {}
    return json.dumps({"queue": name, "endpoint": endpoint, "opts": opts}).encode()
