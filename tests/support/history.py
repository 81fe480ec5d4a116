"""What clients asked and were told, and what the database holds: the checker that compares the two.

The definitions are those of Jepsen's total-queue checker, for jobs that are added in arrays: a job is attempted,
acknowledged, unknown (no answer tells), recovered (unknown, and stored). None may be lost, unexpected or doubled, no
array may be there in part, and nothing may be there that the service said it had not stored.
"""

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Stored:
    """A job in the database; `batch` and `index` stand in its data."""

    id: str
    batch: str
    index: int


@dataclass(slots=True)
class _Batch:
    """One array, whose mark is unique; under an Idempotency-Key it may be sent more than once."""

    size: int
    acknowledged: list[tuple[str, ...]] = field(default_factory=list)
    is_open: bool = False
    """Whether an attempt ended without our knowing what it did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Numbers of jobs, except `partial`: of arrays. All but the first four must be 0."""

    attempted: int
    acknowledged: int
    unknown: int
    recovered: int
    lost: int
    unexpected: int
    partial: int
    duplicates: int
    refused_but_stored: int

    @property
    def is_good(self) -> bool:
        return not any((self.lost, self.unexpected, self.partial, self.duplicates, self.refused_but_stored))


class History:
    """What clients asked and were told. Threads may write to it."""

    def __init__(self) -> None:
        self._batches: dict[str, _Batch] = {}
        self._lock = threading.Lock()

    def ask(self, batch: str, size: int) -> None:
        """Note, before the first byte is sent, that an array of `size` jobs is asked for."""
        with self._lock:
            self._batches.setdefault(batch, _Batch(size))

    def acknowledge(self, batch: str, ids: Sequence[str]) -> None:
        """Note a 200 and the ids in it. Each 200 counts: those of one array must agree."""
        with self._lock:
            self._batches[batch].acknowledged.append(tuple(ids))

    def doubt(self, batch: str) -> None:
        """Note that an attempt ended without our knowing whether it stored something."""
        with self._lock:
            self._batches[batch].is_open = True

    @property
    def acknowledged(self) -> int:
        """The jobs acknowledged so far."""
        with self._lock:
            return sum(batch.size for batch in self._batches.values() if batch.acknowledged)

    def check(self, stored: Iterable[Stored]) -> Verdict:
        """Compare with the database, once all is quiet."""
        rows = list(stored)
        with self._lock:
            return _check(self._batches, rows)


def _check(batches: dict[str, _Batch], rows: list[Stored]) -> Verdict:
    known = set(rows)
    of: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for row in rows:
        of[row.batch][row.index] += 1
    sure = [mark for mark, batch in batches.items() if batch.acknowledged]
    open_ = [mark for mark, batch in batches.items() if batch.is_open and not batch.acknowledged]
    refused = [mark for mark, batch in batches.items() if not batch.is_open and not batch.acknowledged]
    return Verdict(
        attempted=sum(batch.size for batch in batches.values()),
        acknowledged=sum(batches[mark].size for mark in sure),
        unknown=sum(batches[mark].size for mark in open_),
        recovered=sum(len(of[mark]) for mark in open_),
        lost=sum(_lost(mark, batches[mark], known) for mark in sure),
        unexpected=sum(row.batch not in batches or not 0 <= row.index < batches[row.batch].size for row in rows),
        partial=sum(0 < len(of[mark]) < batch.size for mark, batch in batches.items()),
        duplicates=sum(count - 1 for indexes in of.values() for count in indexes.values()),
        refused_but_stored=sum(sum(of[mark].values()) for mark in refused),
    )


def _lost(mark: str, batch: _Batch, known: set[Stored]) -> int:
    """Count the jobs that a 200 promised under an id, and that are not there under it."""
    promised = {Stored(job_id, mark, index) for ids in batch.acknowledged for index, job_id in enumerate(ids)}
    unnamed = sum(max(0, batch.size - len(ids)) for ids in batch.acknowledged)
    return len(promised - known) + unnamed
