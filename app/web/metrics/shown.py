"""What the metrics say of the database, as Prometheus reads it."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

from app.domain.metrics import Figures, QueueFigures, bucketed
from app.domain.series import Durations
from app.infra import metricnames
from app.infra.metricnames import Metric
from app.infra.metrics import labels, written

_OF_QUEUE: Sequence[tuple[Metric, Callable[[QueueFigures], float | None]]] = (
    (metricnames.OLDEST_READY, lambda queue: queue.oldest_ready_s),
    (metricnames.DRAIN, lambda queue: queue.drain_s),
    (metricnames.PAUSED, lambda queue: queue.paused),
    (metricnames.WORKERS, lambda queue: queue.workers),
    (metricnames.ADDED, lambda queue: queue.totals.added),
    (metricnames.CLAIMED, lambda queue: queue.totals.claimed),
    (metricnames.COMPLETED, lambda queue: queue.totals.completed),
    (metricnames.FAILED, lambda queue: queue.totals.failed),
    (metricnames.REMOVED, lambda queue: queue.totals.removed),
)


def database(found: Figures | None) -> str:
    """Return the metrics of the database; None: it could not be read, which is all that is said then."""
    if found is None:
        return written(metricnames.UP, [("", 0)])
    named = [(labels(queue=queue.name), queue) for queue in found.queues]
    snapshot_s = found.oldest_snapshot_s or 0.0
    return "".join(
        (
            written(metricnames.UP, [("", 1)]),
            written(metricnames.JOBS, [sample for queue in found.queues for sample in _by_status(queue)]),
            *(
                written(metric, [(said, value) for said, queue in named if (value := of(queue)) is not None])
                for metric, of in _OF_QUEUE
            ),
            written(metricnames.ATTEMPTS, [sample for queue in found.queues for sample in _by_outcome(queue)]),
            _histogram(metricnames.WAIT, [(said, queue.wait) for said, queue in named]),
            _histogram(metricnames.RUN, [(said, queue.run) for said, queue in named]),
            written(metricnames.UNFOLDED, [("", found.deltas)]),
            written(metricnames.FOLD_AGE, [("", max(found.fold_age_s or 0.0, 0.0))]),
            written(metricnames.SNAPSHOT, [("", max(snapshot_s, 0.0))]),
            written(metricnames.XID_AGE, [("", found.xid_age)]),
            written(metricnames.DEAD_ROWS, [(labels(table=name), rows) for name, rows in found.dead_rows.items()]),
        )
    )


def _by_status(queue: QueueFigures) -> list[tuple[str, float]]:
    said = labels(queue=queue.name)[:-1]  # with the status for each: names are escaped once
    return [(f'{said},status="{status}"}}', count) for status, count in queue.counts.items()]


def _by_outcome(queue: QueueFigures) -> list[tuple[str, float]]:
    said, totals = labels(queue=queue.name)[:-1], queue.totals
    outcomes = {
        "completed": totals.completed,
        "failed": totals.attempts_failed,
        "retried": totals.retried,
        "released": totals.released,
        "stalled": totals.stalled,
    }
    return [(f'{said},outcome="{outcome}"}}', count) for outcome, count in outcomes.items()]


def _histogram(metric: Metric, found: Iterable[tuple[str, Durations]]) -> str:
    """Return a histogram by queue, of those queues of which anything is known."""
    lines = [line for said, took in found if took.counts for line in _buckets(metric.name, said, took)]
    if not lines:
        return ""
    return f"# HELP {metric.name} {metric.about}\n# TYPE {metric.name} {metric.kind}\n{''.join(lines)}"


def _buckets(name: str, said: str, took: Durations) -> Iterator[str]:
    upto = bucketed(took)
    for bound, jobs in upto:
        le = "+Inf" if bound == math.inf else repr(bound)
        yield f'{name}_bucket{said[:-1]},le="{le}"}} {jobs}\n'
    yield f"{name}_sum{said} {took.total_s!r}\n"
    yield f"{name}_count{said} {upto[-1][1]}\n"
