"""What a measurement gives, and how it is shown."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One promise, what was seen, and whether that keeps it."""

    promise: str
    seen: str
    is_kept: bool

    def line(self) -> str:
        """Say it in one line of the table."""
        return f"{'kept  ' if self.is_kept else 'BROKEN'} {self.promise:<62} {self.seen}"


def at_least(promise: str, share: float, wanted: float, of_what: str) -> Figure:
    """Judge a share."""
    return Figure(promise=f"{promise}: >= {wanted:.0%}", seen=f"{share:.1%} {of_what}", is_kept=share >= wanted)
