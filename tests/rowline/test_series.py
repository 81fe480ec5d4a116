"""The client says what happened in a queue over time."""

import pytest
import rowline

from app.postgres.database import Database
from tests.support import work

pytestmark = pytest.mark.usefixtures("early_in_a_minute")


def test_what_happened_is_told_by_periods(queue: rowline.Queue, db: Database) -> None:
    queue.add("n", 1)
    queue.add("n", 2)
    work.complete_next(db)
    work.fold(db)
    found = queue.series()
    assert (found.step, len(found.at), found.begins_on) == ("minute", 60, found.at[0])
    assert found.at[-1] <= found.as_of < found.ends_on
    assert (found.added[-1], found.claimed[-1], found.completed[-1]) == (2, 1, 1)
    assert (found.failed[-1], found.retried[-1], found.stalled[-1]) == (0, 0, 0)
    assert found.run.p95[0] is None
    assert found.run.p95[-1] == found.total.run.p95 is not None
    assert (found.total.added, found.bounds, found.wait.buckets) == (2, None, None)

    few = queue.series(since=found.at[-2], until=found.ends_on, step="minute", has_buckets=True)
    assert few.at == found.at[-2:]
    assert few.bounds is not None
    assert few.wait.buckets is not None
    assert [sum(counts) for counts in few.wait.buckets] == [0, 1]
    assert queue.series(step="day").total.completed == 1


def test_what_is_not_known_is_an_invalid_request(queue: rowline.Queue) -> None:
    with pytest.raises(rowline.InvalidRequest, match="ask for less"):
        queue.series(since=0)
