"""Deduplication ids in the model: who holds one, and what is stored to follow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.model.model import OVER, ModelJob

Mode = Mapping[str, Any]  # as in `opts.deduplication`
Spec = tuple[Any, ...]
"""What a job was added with."""
ADDED = {"created", "replaced"}


@dataclass
class Held:
    """An id that was held once. Windows never end while a model runs."""

    job_id: str
    has_window: bool
    stored: Spec | None = None


@dataclass
class Ids:
    """The ids of a queue with these jobs."""

    held: dict[str, Held] = field(default_factory=dict)

    def holder(self, jobs: Mapping[str, ModelJob], dedup_id: str) -> str | None:
        """Return the job that holds an id."""
        held = self.held.get(dedup_id)
        return held.job_id if held and (held.has_window or _lives(jobs, held)) else None

    def outcome(self, jobs: dict[str, ModelJob], mode: Mode, spec: Spec) -> str:
        """Return what becomes of a job, and do it, but for adding it."""
        if self.holder(jobs, mode["id"]) is None:
            return "created"
        held = self.held[mode["id"]]
        status = jobs[held.job_id].status if held.job_id in jobs else None
        if mode.get("replace") and status == "delayed":
            del jobs[held.job_id]
            return "replaced"
        if mode.get("keepLastIfActive") and status == "active":
            held.stored = spec
            return "stored"
        return "deduplicated"

    def hold(self, mode: Mode, outcome: str, job_id: str) -> None:
        """Have a job that was added hold its id."""
        window = bool(mode.get("ttl") and not mode.get("keepLastIfActive"))
        if outcome == "replaced":
            window = self.held[mode["id"]].has_window
        self.held[mode["id"]] = Held(job_id, window)

    def to_follow(self, jobs: Mapping[str, ModelJob]) -> list[tuple[str, Spec]]:
        """Return the jobs that follow now, with their ids, in the order of these."""
        due = [(dedup_id, held.stored) for dedup_id, held in sorted(self.held.items()) if not _lives(jobs, held)]
        return [(dedup_id, stored) for dedup_id, stored in due if stored is not None]


def _lives(jobs: Mapping[str, ModelJob], held: Held) -> bool:
    return held.job_id in jobs and jobs[held.job_id].status not in OVER
