"""The routes of the API, to walk over: none that comes later is forgotten."""

import re
from collections.abc import Iterator
from typing import Any

from flask import Flask

from app.web import app

BODIES: dict[str, Any] = {
    "queues.change_queue": {"settings": {}},
    "queues.clean": {"status": "failed", "grace": 0},
    "settings.change_settings": {},
    "jobs.change": {"priority": 1},
    "jobs.add": [{"name": "n", "data": 1}],
    "work.finish": {"jobs": []},
    "workers.register": {"queue": "mail", "endpoint": {"url": "https://example.com/", "method": "POST"}},
    "plans.create_plan": {"action": "retry", "filter": {"name": "n"}},
    "plans.apply_plan": {"matched": 0},
    "schedules.preview_timing": {"every": 60_000},
    "tokens.create": {"name": "n", "scopes": ["tokens:manage"]},
}
"""Of routes that refuse an empty body: one that they accept. None of a route that requires another right then."""


def routes(flask: Flask) -> Iterator[tuple[str, str, str]]:
    """Yield name, method and path of each route that needs an API token, for the queue `mail`."""
    for rule in flask.url_map.iter_rules():
        if rule.endpoint.split(".")[0] not in app.TOKENLESS:
            [method] = (rule.methods or set()) - {"HEAD", "OPTIONS"}
            path = rule.rule.replace("<segment:queue>", "mail")
            yield rule.endpoint, method, re.sub("<[^>]*>", "absent00", path)
