"""Who did something, in words for people: ids such as `env:1` are words of the API."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from jinja2 import Undefined
from markupsafe import Markup, escape

from app.domain.tokens import Action
from app.web.dashboard import shown
from app.web.dashboard.api import Api

_ACTS = 100
_TOKEN = "token:"  # noqa: S105 - how ids of actors begin, no secret
_UNKNOWN = "cli:unknown"
_DISPATCHER = "dispatcher"
_PLAN = re.compile(shown.UUID, re.ASCII)
_LINK = Markup('<a href="{0}/plans/{1}">plan {2}</a>')


def in_words(actor: str, name: str | Undefined | None = None) -> str:
    """Return who an actor of the audit is; `name` is that of its token, where it is known."""
    if name:
        return str(name)
    kind, _, rest = actor.partition(":")
    if actor == _UNKNOWN:
        return "somebody at the command line"
    if actor == _DISPATCHER:
        return "a dispatcher"
    words = {"env": "token {} of AUTH_TOKENS", "cli": "{} at the command line", "token": "token {}"}
    return words[kind].format(rest) if rest and kind in words else actor


def name(rowline: Api, rows: Iterable[dict[str, Any]], member: str, *, act: str, queue: str | None = None) -> None:
    """Put words for the ids in a member of rows, with the names of tokens as far as the token may read the audit.

    The last acts called `act` say the names; of one queue, or of all.
    """
    wanted = [row for row in rows if row.get(member)]
    names: Mapping[str, str] = {}
    if any(row[member].startswith(_TOKEN) for row in wanted) and rowline.may(Action.AUDIT):
        query = {"action": act, "length": _ACTS} | ({"queue": queue} if queue else {})
        acts = rowline.get("/audit", query)["entries"]
        names = {one["actor"]: one["actorName"] for one in acts if one.get("actorName")}
    for row in wanted:
        row[member] = in_words(row[member], names.get(row[member]))


def name_pausers(rowline: Api, queues: Sequence[dict[str, Any]]) -> None:
    """Put words for the ids in `pausedBy` of queues."""
    name(rowline, queues, "pausedBy", act="queues.pause")


def told(explained: Mapping[str, Any], base: str, names: Mapping[str, str] | None = None) -> Markup:
    """Return the sentence of an explanation with words for ids, and links to plans; `base` is that of the queue.

    `names` are words for some ids.
    """
    text, plans = explained["sentence"], set()
    for reason in explained.get("reasons", ()):
        by = reason.get("by")
        if reason["code"] == "plan":
            text = text.replace(f"a plan of {by} ", "a plan ", 1)
            plans |= {found[0] for found in _PLAN.finditer(reason["text"])}
        elif by:
            text = text.replace(f" by {by}", f" by {(names or {}).get(by) or in_words(by)}", 1)
    return shown.codes(text, partial(_linked, plans=plans, base=base))


def _linked(text: str, plans: Iterable[str], base: str) -> Markup:
    found = escape(text)
    for plan in plans:
        found = found.replace(plan, _LINK.format(base, plan, plan[:8]))
    return found
