"""Values of failures: jobs that failed alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGroup:
    """Jobs that are failed now and failed alike. Times are ms since the epoch."""

    fingerprint: str | None  # what `jobs` and `plan` take; None: the token may not see it, nor the example
    example: str | None  # the `failed_reason` of the newest job, cut
    count: int  # jobs
    first_on: int
    last_on: int
    jobs: tuple[str, ...]  # the ids of the newest, up to three


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """Groups of failures, the largest first."""

    groups: tuple[FailureGroup, ...]
    count: int  # how many groups there are
    is_complete: bool  # False: counting stopped at its bound; there may be more groups, and more jobs in one
    ungrouped: int | None  # failed jobs that are in no group yet; None: it is not known

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        """Return the groups of a response. Unknown members are ignored."""
        groups = tuple(
            FailureGroup(
                fingerprint=one.get("fingerprint"),
                example=one.get("example"),
                count=one["count"],
                first_on=one["firstOn"],
                last_on=one["lastOn"],
                jobs=tuple(one["jobs"]),
            )
            for one in members["groups"]
        )
        return cls(
            groups=groups,
            count=members["count"],
            is_complete=members["isComplete"],
            ungrouped=members.get("ungrouped"),
        )
