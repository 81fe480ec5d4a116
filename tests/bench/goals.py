"""The goals: which side is held against which, and what is enough."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.bench.sample import Sample, percentile

Results = Mapping[str, Sequence[Sample]]


@dataclass(frozen=True, kw_only=True)
class Goal:
    """One line of the table. `least`: the ratio to `base` that is enough; `stretch`: what would be better yet."""

    side: str
    base: str
    least: float
    stretch: float | None = None

    @property
    def words(self) -> str:
        """Say the goal."""
        return f">= {self.least:g} x" + (f" ({self.stretch:g})" if self.stretch else "")

    def mark(self, value: float, base: float) -> str:
        """Say whether it is met."""
        if self.stretch and value >= self.stretch * base:
            return "met, stretch too"
        return "met" if value >= self.least * base else "NOT MET"


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A line with a limit instead of a ratio. `most`: from the base, or from 0.0 where there is none."""

    side: str
    base: str = ""
    words: str
    most: Callable[[float], float]
    of: Callable[[Sequence[Sample]], float]

    def mark(self, value: float, base: float) -> str:
        """Say whether it is met."""
        return "met" if value <= self.most(base) else "NOT MET"


def _longest_ms(samples: Sequence[Sample]) -> float:
    return max(sample.more["max_ms"] for sample in samples)


def _median(samples: Sequence[Sample]) -> float:
    return percentile([sample.value for sample in samples], 0.5)


CONSTANT = "constant answer, beside reads"
GOALS: tuple[Goal | Limit, ...] = (
    Goal(side="POST of 100, 4 connections", base="raw psycopg, batches of 100", least=0.5, stretch=0.6),
    Goal(side="POST of 1,000, 4 connections", base="raw psycopg, batches of 1,000", least=0.5, stretch=0.6),
    Goal(side="POST of 1, 16 connections", base="constant answer, 16 connections", least=0.35, stretch=0.45),
    Goal(side="POST of 1, 64 connections", base="constant answer, 64 connections", least=0.35, stretch=0.45),
    Goal(side="GET one job", base=CONSTANT, least=0.5),
    Goal(side="GET a page of 10, with counts", base=CONSTANT, least=0.3),
    Goal(side="GET a page of 100, with counts", base=CONSTANT, least=0.15),
    Goal(side="Python worker, 2 processes", base="pgbench, claim and complete", least=0.85),
    Goal(side="two Python workers, 1 process each", base="pgbench, claim and complete", least=0.85),
    Goal(side="pull over HTTP, 4 connections", base="Python worker, 1 process", least=0.5),
    Goal(side="push, concurrency 50", base="bare HTTP client, concurrency 50", least=0.6),
    Goal(side="writers of 1, with counts", base="writers of 1, without counts", least=0.95),
    Goal(side="writers of 100, with counts", base="writers of 100, without counts", least=0.95),
    Limit(
        side="counts of a big queue",
        base="select 1",
        words="<= 2 x + 3 ms",
        most=lambda base: 2 * base + 3,
        of=_median,
    ),
    Limit(side="add to start, 20/s", words="no sample over 100 ms", most=lambda _: 100.0, of=_longest_ms),
)
