"""The time during which a measuring process counts; agreed with the one that started it."""

import json
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from tests.bench import sample


@dataclass(frozen=True, kw_only=True)
class Count:
    """What a measuring process says at its end."""

    jobs: int  # that finished within the window
    all_jobs: int  # before and after it too: so many must be in the table
    seconds: float
    cpu_s: float  # of the measuring process, within the window
    all_cpu_s: float  # and since it was ready
    waits: dict[str, float] = field(default_factory=dict)  # what finished within the window took

    @property
    def rate(self) -> float:
        """Jobs a second."""
        return self.jobs / self.seconds

    @property
    def cores(self) -> float:
        """How much of one core the measuring process took."""
        return self.cpu_s / self.seconds


class Window:
    """Counts jobs as they finish; what finishes before it opens warms up. Times are of the monotonic clock."""

    def __init__(self, *, opens_at: float, closes_at: float) -> None:
        """Count from `opens_at` to `closes_at`."""
        self._opens_at, self._closes_at = opens_at, closes_at
        self._jobs = self._all_jobs = 0
        self._took_s: list[float] = []
        self._begun_s = self._cpu_from = self._cpu_to = time.process_time()

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self._closes_at

    def add(self, jobs: int, *, took_s: float | None = None) -> None:
        """Count jobs that have finished now, after `took_s`."""
        now = time.monotonic()
        self._all_jobs += jobs
        if now < self._opens_at:
            self._cpu_from = time.process_time()
        elif now <= self._closes_at:
            self._jobs += jobs
            if took_s is not None:
                self._took_s.append(took_s)
            self._cpu_to = time.process_time()

    def tell(self) -> None:
        """Say what was counted to the process that started this one."""
        told: dict[str, Any] = {
            "jobs": self._jobs,
            "all_jobs": self._all_jobs,
            "seconds": self._closes_at - self._opens_at,
            "cpu_s": self._cpu_to - self._cpu_from,
            "all_cpu_s": time.process_time() - self._begun_s,
            "waits": sample.latencies_ms(self._took_s) if self._took_s else {},
        }
        print(json.dumps(told))


def agreed() -> Window:
    """Tell the process that started this one that we are ready, and hear from it when to count."""
    print("ready", flush=True)
    return Window(**json.loads(sys.stdin.readline()))
