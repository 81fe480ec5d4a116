"""Who did something, by the name that the audit has: the id of a token says nothing to a person."""

from collections.abc import Sequence
from typing import Any

from app.domain.tokens import Action
from app.web.dashboard.api import Api

_ACTS = 100


def name_pausers(rowline: Api, queues: Sequence[dict[str, Any]]) -> None:
    """Put names for the ids in `pausedBy`, as far as the last pauses in the audit say and the token may read it."""
    paused = [queue for queue in queues if queue["paused"]]
    if not paused or not rowline.may(Action.AUDIT):
        return
    acts = rowline.get("/audit", {"action": "queues.pause", "length": _ACTS})["entries"]
    names = {act["actor"]: act["actorName"] for act in acts if act.get("actorName")}
    for queue in paused:
        queue["pausedBy"] = names.get(queue["pausedBy"], queue["pausedBy"])
