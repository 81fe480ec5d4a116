"""Works a queue over HTTP: each request ends the jobs that the answer before it brought and claims the next.

python -m tests.bench.pull CONNECTIONS COUNT     until a claim brings none
"""

import os
import re
import sys

from app.infra import settings
from app.infra.settings import Settings
from tests.bench import exchange, jobs, window
from tests.bench.exchange import Exchange
from tests.bench.window import Window

_LEASE = re.compile(rb'\{"job":\{"id":"(\d+)".*?\},"token":"([0-9a-f-]{36})","lockedUntil"')


class Pull(Exchange):
    """A connection that claims, finishes and claims."""

    def __init__(self, chosen: Settings, count: int, counting: Window) -> None:
        """Connect."""
        super().__init__(chosen)
        self._chosen, self._count, self._counting = chosen, count, counting

    def following(self, answer: bytes | None) -> bytes | None:
        """Finish what was claimed. What is claimed is taken from the text: reading all of it takes a client longer."""
        leases = _LEASE.findall(answer or b"")
        self._counting.add(len(leases))
        if answer is not None and not leases:
            return None
        done = ",".join(
            f'{{"id":"{number.decode()}","token":"{token.decode()}","returnvalue":null}}' for number, token in leases
        )
        body = f'{{"jobs":[{done}],"claim":{{"count":{self._count}}}}}'
        return exchange.request(self._chosen, "POST", f"{jobs.POST}/finish", body)


def main(connections: int, count: int) -> None:
    """Work once."""
    chosen = settings.from_env(os.environ)
    counting = window.agreed()
    exchange.drive([Pull(chosen, count, counting) for _ in range(connections)])
    counting.tell()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
