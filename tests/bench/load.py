"""The load client where there is no wrk: raw sockets, bytes made beforehand, one select loop. Its own process.

    python -m tests.bench.load CONNECTIONS FILE

Sends the requests of FILE in turn, a line each: METHOD PATH BODY. Any answer but 200 ends it.
"""

import itertools
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from app.infra import settings
from app.infra.settings import Settings
from tests.bench import exchange, window
from tests.bench.exchange import Exchange
from tests.bench.window import Window


class Cycle(Exchange):
    """A connection that sends what `requests`, shared with others, gives."""

    def __init__(self, chosen: Settings, requests: Iterator[bytes], counting: Window) -> None:
        """Connect."""
        super().__init__(chosen)
        self._requests, self._counting = requests, counting
        self._begun_at = 0.0

    def following(self, answer: bytes | None) -> bytes | None:
        """Count the answer, and send the next until the time is up."""
        now = time.monotonic()
        if answer is not None:
            self._counting.add(1, took_s=now - self._begun_at)
        self._begun_at = now
        return None if self._counting.is_over else next(self._requests)


def main(connections: int, file: Path) -> None:
    """Measure once."""
    chosen = settings.from_env(os.environ)
    lines = [line.split(" ", 2) for line in file.read_text().splitlines()]
    requests = itertools.cycle([exchange.request(chosen, method, path, *body) for method, path, *body in lines])
    counting = window.agreed()
    exchange.drive([Cycle(chosen, requests, counting) for _ in range(connections)])
    counting.tell()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
