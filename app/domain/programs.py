"""The programs that serve, by what their connections are called: `rowline-worker 0010`, the name and the release."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

SERVING = ("rowline-api", "rowline-worker", "rowline-dispatcher")
_RELEASE = re.compile("[0-9]{4}")


@dataclass(frozen=True, kw_only=True, order=True)
class Program:
    """One of `SERVING`, of one release, with all its processes together."""

    name: str
    release: str
    """The newest revision that its code knows; empty: it names none, and is older than all that do."""
    connections: int

    def is_older_than(self, revision: str) -> bool:
        """Say whether its code may know nothing of what `revision` brought."""
        return self.release < revision


def connected(called: Iterable[tuple[str, int]]) -> list[Program]:
    """Return who `called` themselves so, with so many connections each, in order; names of others do not count."""
    counted = Counter[tuple[str, str]]()
    for application_name, connections in called:
        name, *words = application_name.split(" ")
        if name in SERVING:
            # A pooler may add words: ` - 10.0.0.7:41234`.
            release = words[0] if words and _RELEASE.fullmatch(words[0]) else ""
            counted[name, release] += connections
    return sorted(
        Program(name=name, release=release, connections=connections) for (name, release), connections in counted.items()
    )
