"""A bare loop of the dispatcher's HTTP client, urllib3 under gevent: the bodies of real jobs, and nothing else.

python -m gevent.monkey --module tests.bench.bare CONCURRENCY URL FILE     a body a line
"""

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import gevent
import urllib3

from tests.bench import window
from tests.bench.window import Window


def _loop(pool: urllib3.HTTPConnectionPool, path: str, bodies: Iterator[bytes], counting: Window) -> None:
    while not counting.is_over:
        headers = {"Accept-Encoding": "identity", "User-Agent": "rowline", "Content-Type": "application/json"}
        response = pool.urlopen("POST", path, body=next(bodies), headers=headers, retries=False)
        assert response.status == 200
        counting.add(1)


def main(concurrency: int, url: str, file: Path) -> None:
    """Measure once."""
    place = urllib3.util.parse_url(url)
    pool = urllib3.HTTPConnectionPool(place.host or "", place.port, maxsize=concurrency, block=False)
    bodies = itertools.cycle(file.read_bytes().splitlines())
    counting = window.agreed()
    gevent.joinall([gevent.spawn(_loop, pool, "/jobs", bodies, counting) for _ in range(concurrency)], raise_error=True)
    counting.tell()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
