"""Groups of jobs that are failed now and failed alike."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Self

EXAMPLE_MAX = 1_000  # characters of a reason
NEWEST = 3  # jobs of a group that are named


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """The failed jobs with one fingerprint, or a part of them. Times are aware, by the clock of the database."""

    fingerprint: str
    jobs: int
    first_at: datetime
    last_at: datetime

    def with_part(self, other: Self) -> Self:
        """Return both as one."""
        return type(self)(
            self.fingerprint,
            self.jobs + other.jobs,
            min(self.first_at, other.first_at),
            max(self.last_at, other.last_at),
        )


class Newest(NamedTuple):
    """The ids of the NEWEST jobs of a group, and the reason of the newest one, cut to EXAMPLE_MAX."""

    ids: list[str]
    example: str
