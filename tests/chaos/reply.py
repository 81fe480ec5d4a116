"""What a client met."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    """What one request met. Times are of the monotonic clock; status 0: the connection broke, -1: silence."""

    asked_at: float
    ended_at: float
    status: int
    fault: str = ""

    @property
    def took_s(self) -> float:
        return self.ended_at - self.asked_at
