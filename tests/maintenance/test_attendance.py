"""Since when somebody has made the rounds, as far as a process knows."""

from app.maintenance.attendance import GAP_S, Attendance

START_MS = 1_000_000


class Clocks:
    """The monotonic clock of a process, and that of PostgreSQL."""

    def __init__(self) -> None:
        self.now_s = 50.0
        self.ahead_ms = START_MS - 50_000

    def look(self, attendance: Attendance, *, is_beside: bool = False) -> int | None:
        """Make a round; return how many s after the start somebody has been there."""
        attendance.look(round(self.now_s * 1000) + self.ahead_ms, is_beside=is_beside)
        assert attendance.since_ms is not None
        return attendance.since_ms - START_MS

    def attendance(self) -> Attendance:
        return Attendance(clock=lambda: self.now_s)


def test_somebody_is_there_as_long_as_rounds_are_made_by_whatever_process() -> None:
    clocks = Clocks()
    attendance = clocks.attendance()
    for _ in range(20):
        clocks.now_s += 0.9
        attendance.hear()
    clocks.now_s += 0.9
    assert clocks.look(attendance) == 0
    clocks.now_s += 0.5
    assert clocks.look(attendance) == 0


def test_nobody_was_there_in_a_gap_without_rounds() -> None:
    clocks = Clocks()
    attendance = clocks.attendance()
    clocks.now_s += 0.5
    assert clocks.look(attendance) == 0
    clocks.now_s += GAP_S + 1
    assert clocks.look(attendance) == 500 + GAP_S * 1000 + 1000


def test_a_process_that_rests_trusts_the_others_until_it_takes_over() -> None:
    clocks = Clocks()
    attendance = clocks.attendance()
    clocks.now_s += 30
    assert clocks.look(attendance, is_beside=True) == 0
    clocks.now_s += 30
    assert clocks.look(attendance) == 60_000


def test_nobody_was_there_while_the_machine_slept() -> None:
    clocks = Clocks()
    attendance = clocks.attendance()
    clocks.look(attendance)
    clocks.now_s += 0.5
    clocks.ahead_ms += 3_600_000
    assert clocks.look(attendance) == 3_600_500
