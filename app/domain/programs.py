"""The service's programs, by the names of their connections: `rowline-worker 0010` is the program and its release."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

SERVING = ("rowline-api", "rowline-worker", "rowline-dispatcher")
_RELEASE = re.compile("[0-9]{4}")


@dataclass(frozen=True, kw_only=True, order=True)
class Program:
    """All processes of one program of `SERVING` and of one release."""

    name: str
    release: str
    """The newest schema revision its code knows; empty if it names none: such a program is older than all others."""
    connections: int

    def is_older_than(self, revision: str) -> bool:
        """Return whether its code may be older than the schema `revision`."""
        return self.release < revision


def connected(called: Iterable[tuple[str, int]]) -> list[Program]:
    """Group connections by program and release, sorted; names of other programs are ignored.

    `called` are pairs of an `application_name` and the number of connections with it.
    """
    counted = Counter[tuple[str, str]]()
    for application_name, connections in called:
        name, *words = application_name.split(" ")
        if name in SERVING:
            # A pooler may append its own text: ` - 10.0.0.7:41234`.
            release = words[0] if words and _RELEASE.fullmatch(words[0]) else ""
            counted[name, release] += connections
    return sorted(
        Program(name=name, release=release, connections=connections) for (name, release), connections in counted.items()
    )
