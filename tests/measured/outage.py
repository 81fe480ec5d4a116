"""P23: after PostgreSQL was away, all is as fast as before within half a minute, and nobody was restarted."""

import statistics
import time
from collections.abc import Iterator

from tests.chaos import pullers
from tests.chaos.load import Load, Pace
from tests.chaos.reply import Reply
from tests.checker.record import Recorder
from tests.measured.figure import Figure, at_least
from tests.support import clusters, databases, raw
from tests.support.family import children

ROUNDS = 3
BEFORE_S, AWAY_S, LATER_S, AFTER_S = 12.0, 8.0, 20.0, 10.0
SHARE = 0.95
FIRST_S = 5.0


def measure() -> Iterator[Figure]:
    """Load a node, take its database away at once, give it back, and count."""
    shares, firsts = [], []
    with clusters.cluster() as cluster, clusters.folder() as folder:
        url = databases.prepare(cluster.url)
        history = Recorder(folder / "history.jsonl")
        with raw.server(url, ROWLINE_API_PROCESSES="2") as server:
            pids = [server.program.pid, *children(server.program.pid)]
            pace = Pace(queues=(pullers.QUEUE,), pause_s=0.02, lease_ms=30_000, is_steady=True)
            with Load([server.port], history, seed=1, producers=8, pullers=2, pace=pace) as load:
                for _ in range(ROUNDS):
                    time.sleep(BEFORE_S)
                    before = _rate(load, time.monotonic() - BEFORE_S + 2, time.monotonic())
                    cluster.stop_immediately()
                    time.sleep(AWAY_S)
                    cluster.start()
                    back_at = time.monotonic()
                    time.sleep(LATER_S + AFTER_S)
                    shares.append(_rate(load, back_at + LATER_S, back_at + LATER_S + AFTER_S) / before)
                    firsts.append(min(reply.ended_at for reply in load.replies if _is_after(reply, back_at)) - back_at)
            same = pids == [server.program.pid, *children(server.program.pid)]
        history.close()
    yield at_least(
        f"P23: answers of 200 from {LATER_S:.0f} s after an outage of {AWAY_S:.0f} s",
        statistics.median(shares),
        SHARE,
        f"of before ({', '.join(f'{share:.1%}' for share in sorted(shares))})",
    )
    yield Figure(
        promise=f"P23: first 200 within {FIRST_S:g} s, no process restarted",
        seen=f"{max(firsts):.2f} s at most, {'the same' if same else 'other'} processes",
        is_kept=max(firsts) <= FIRST_S and same,
    )


def _rate(load: Load, since: float, until: float) -> float:
    """Count the answers of 200 a second."""
    return sum(reply.status == 200 and since <= reply.ended_at <= until for reply in load.replies) / (until - since)


def _is_after(reply: Reply, moment: float) -> bool:
    return reply.status == 200 and reply.ended_at > moment
