"""The audit: who did what, the newest first, by filters that are in the address."""

import json
import time
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from app.web.dashboard import api, page, shown
from app.web.dashboard.api import Refused

LENGTH = 50
FILTERS = ("actor", "action", "queue", "target", "since")
SPANS = {"1h": "the last hour", "24h": "the last 24 hours", "7d": "the last 7 days", "30d": "the last 30 days"}
_MS = {"1h": 3_600_000, "24h": 86_400_000, "7d": 604_800_000, "30d": 2_592_000_000}
_BAD = 400
_PLACES = {"jobs": "jobs", "plans": "plans", "schedules": "schedules", "queues": "plans"}
"""The pages of what an act was about, by the noun of the act: a drain and the like are plans."""
_TARGETS = {
    "jobs": "job",
    "plans": "plan",
    "queues": "plan",
    "schedules": "schedule",
    "tokens": "token",
    "deduplication": "deduplication id",
    "db": "schema",
}
"""What an act was about, by its noun."""
_COUNTED = {
    "jobs": "job",
    "plans": "job",
    "queues": "queue",
    "schedules": "schedule",
    "tokens": "token",
    "workers": "endpoint",
    "deduplication": "deduplication id",
}
"""What `affected` counts, by the noun of an act; of others it says nothing."""
_UNCOUNTED = {"plans.create", "plans.apply", "plans.stop", "queues.drain", "queues.clean", "queues.obliterate"}
"""Acts that change nothing at once: what a plan has changed when it ends is in a row of its own, `plans.applied`."""
_COUNTED_OF = {
    "schedules.run": "job",
    "db.recount": "queue",
}


def blueprint() -> Blueprint:
    """Return the page of the audit."""
    routes = Blueprint("audit", __name__)

    @routes.get("/audit")
    def show() -> Response:
        """List acts, the newest first."""
        wanted = {name: text for name in FILTERS if (text := request.args.get(name, "").strip())}
        found, trouble = _found(wanted)
        tokens = _tokens(found["entries"])
        return page.render(
            "audit.html",
            acts=[_shown(act, tokens) for act in found["entries"]],
            wanted=dict.fromkeys(FILTERS, "") | wanted,
            spans=SPANS,
            query=urlencode(wanted),
            next=urlencode([*wanted.items(), ("before", found["next"])]) if "next" in found else None,
            is_first="before" not in request.args,
            trouble=trouble,
        )

    return routes


def _found(wanted: dict[str, str]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return a page of acts; none, and what is wrong with the filter, if that is wrong."""
    query: dict[str, Any] = wanted | {"length": LENGTH}
    if (span := wanted.get("since")) in _MS:
        query["since"] = int(time.time() * 1000) - _MS[span]
    if before := request.args.get("before"):
        query["before"] = before
    try:
        return api.of().get("/audit", query), None
    except Refused as refused:
        if refused.status != _BAD:
            raise
        return {"entries": []}, refused.problem


def _tokens(acts: list[dict[str, Any]]) -> dict[str, str]:
    """Return the names of tokens by their ids, as far as acts tell them."""
    told = [(act["target"], act.get("after") or act.get("before") or {}) for act in acts if _is_of_token(act)]
    return {token: str(members["name"]) for token, members in told if "name" in members}


def _is_of_token(act: dict[str, Any]) -> bool:
    return act["action"].startswith("tokens.") and "target" in act


def _shown(act: dict[str, Any], tokens: dict[str, str]) -> dict[str, Any]:
    """Return an act with what its row says of it; `tokens` are names."""
    noun = act["action"].partition(".")[0]
    counted = _COUNTED_OF.get(act["action"]) or _COUNTED.get(noun)
    many = "" if act["affected"] == 1 else "s"
    return act | {
        "place": _place(act),
        "change": _change(act),
        "kind": _TARGETS.get(noun, ""),
        "called": tokens.get(act["target"]) if _is_of_token(act) else None,
        "count": f"{shown.number(act['affected'])} {counted}{many}"
        if counted and act["action"] not in _UNCOUNTED
        else "",
    }


def _place(act: dict[str, Any]) -> str | None:
    """Return where the page of what an act was about is, below the root; None: there is none."""
    noun, _, verb = act["action"].partition(".")
    if noun not in _PLACES or "queue" not in act or "target" not in act or verb == "remove":
        return None
    return f"queues/{shown.segment(act['queue'])}/{_PLACES[noun]}/{shown.segment(act['target'])}"


def _change(act: dict[str, Any]) -> str:
    """Return what an act changed, as JSON in a line: what it was, and what it is."""
    parts = {name: json.dumps(act[name], ensure_ascii=False) for name in ("before", "after") if name in act}
    if len(parts) == 1:
        [(name, part)] = parts.items()
        return f"{name}: {part}"
    return " → ".join(parts.values())
