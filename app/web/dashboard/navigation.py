"""The menu: a later page is one line here."""

from typing import NamedTuple

from app.domain.tokens import Action


class Entry(NamedTuple):
    """A page of the menu: its path below the dashboard, its title, the letter after `g`, and who may see it."""

    path: str
    title: str
    key: str
    action: Action


PAGES = (
    Entry("", "Queues", "q", Action.READ),
    Entry("failures", "Failures", "f", Action.READ),
    Entry("running", "Running", "r", Action.READ),
    Entry("plans", "Plans", "p", Action.READ),
    Entry("schedules", "Schedules", "c", Action.READ),
    Entry("search", "Search", "s", Action.READ),
    Entry("endpoints", "Endpoints", "w", Action.ENDPOINTS),
    Entry("doctor", "Doctor", "d", Action.METRICS),
    Entry("tokens", "Tokens", "t", Action.TOKENS),
    Entry("audit", "Audit", "a", Action.AUDIT),
)
