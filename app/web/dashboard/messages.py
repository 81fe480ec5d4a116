"""What a page says after something was done: fixed words, so that a link cannot put its own there."""

from collections.abc import Mapping

DONE = {
    "retried": "The job is ready again.",
    "promoted": "The job is ready now.",
    "cancelled": "The job is cancelled, or its worker is asked to stop.",
    "removed": "The job is removed.",
    "retried_with": "The job is ready again, with the new data.",
    "changed": "The data is changed.",
    "added": "The job is added.",
    "paused": "The queue is paused: no job of it begins.",
    "resumed": "The queue is resumed.",
    "settings_changed": "The settings are changed.",
    "settings_same": "Nothing was different: the settings stay as they are.",
    "planned": "The plan is made.",
    "applied": "The plan is applied, in the background.",
    "stopped": "The plan is stopped.",
    "undoing": "The plan is undone, in the background.",
    "scheduled": "The schedule is made.",
    "schedule_changed": "The schedule is changed.",
    "schedule_paused": "The schedule is paused: it makes no ticks.",
    "schedule_resumed": "The schedule goes on with the next tick from now on.",
    "schedule_removed": "The schedule is removed; its jobs stay.",
    "registered": "The endpoint is registered, and switched on.",
    "switched_on": "The endpoint is switched on: dispatchers send it jobs again.",
    "deleted": "The endpoint is deleted.",
    "finished": "The rotation is finished: the first secret is valid no more.",
    "revoked": "The token is revoked: every node refuses it within 5 s.",
    "kept": "Your choice is saved in this browser.",
}


def done(query: Mapping[str, str]) -> str | None:
    """Return the sentence for what was done, if the query says so."""
    return DONE.get(query.get("done", ""))
