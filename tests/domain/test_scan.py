"""A cursor may let a job be overtaken, but only where looking from the head costs much, and only for so long."""

from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.domain import scan
from app.domain.scan import HEAD, Place, ScanCursor, ScanCursors, ScanResult

QUICK_S, SLOW_S = 0.000_3, 0.08
FROZEN_S, BACK_S = 3_600.0, -5.0
"""What the server's clock may say of a look when it is set, or the machine stood still."""


@dataclass(frozen=True)
class Waits:
    """A job in line, and after how many looks from the head it joined."""

    place: Place
    looks: int


class Line:
    """Jobs in line, a worker with a cursor, and a clock of our own."""

    def __init__(self) -> None:
        self.cursor, self.now_s, self.waiting = ScanCursor(), 1.0, list[Waits]()
        self.looks, self.looked_at_s, self.pause_s = 0, 0.0, 0.0

    def join(self, place: Place) -> None:
        self.waiting.append(Waits(place, self.looks))

    def take(self, limit: int, took_s: float) -> list[Waits]:
        """Look once, as the statement does: in order, from the cursor on."""
        start = self.cursor.start(now_s=self.now_s)
        found = sorted((job for job in self.waiting if job.place >= start), key=lambda job: job.place)[:limit]
        if start == HEAD:
            self.looks, self.looked_at_s = self.looks + 1, self.now_s
            self.pause_s = 0.0 if took_s <= QUICK_S else min(2.0, max(0.1, 20 * took_s))
        assert self.now_s - self.looked_at_s <= self.pause_s
        last = found[-1].place if found else None
        self.cursor.note(ScanResult(start, limit, len(found), last, took_s), now_s=self.now_s)
        self.waiting = [job for job in self.waiting if job not in found]
        return found

    def overtaken(self, taken: list[Waits]) -> list[Waits]:
        """Name those who should have come before the last one taken."""
        return [job for job in self.waiting if taken and job.place < taken[-1].place]


places = st.builds(Place, st.integers(0, 3), st.integers(-50, 50))
tooks = st.sampled_from([QUICK_S, 0.002, SLOW_S, FROZEN_S, BACK_S])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("join"), places),
        st.tuples(st.just("take"), st.integers(1, 5), tooks),
        st.tuples(st.just("wait"), st.floats(0.001, 3.0)),
    ),
    max_size=60,
)


def play(line: Line, step: tuple[Any, ...]) -> list[Waits]:
    """Do what a step says; return what was taken."""
    match step:
        case "join", place:
            line.join(place)
        case "wait", seconds:
            line.now_s += seconds
        case "take", limit, took_s:
            return line.take(limit, took_s)
    return []


@given(steps)
def test_while_looking_is_quick_nobody_is_overtaken(steps: list[tuple[Any, ...]]) -> None:
    line = Line()
    for step in steps:
        assert not line.overtaken(play(line, (*step[:2], QUICK_S) if step[0] == "take" else step))


@given(steps)
def test_only_who_joined_after_the_last_look_from_the_head_is_overtaken(steps: list[tuple[Any, ...]]) -> None:
    line = Line()
    for step in steps:
        for job in line.overtaken(play(line, step)):
            assert job.looks == line.looks


@given(steps)
def test_nobody_is_left_behind(steps: list[tuple[Any, ...]]) -> None:
    line = Line()
    for step in steps:
        play(line, step)
    for _ in range(len(line.waiting) + 1):
        line.now_s += line.cursor.look_in_s(now_s=line.now_s)
        line.take(5, SLOW_S)
    assert not line.waiting


def test_what_is_behind_is_looked_for_at_once_when_the_end_is_reached_and_looking_costs_little() -> None:
    line = Line()
    line.join(Place(0, 5))
    line.take(1, 0.002)
    line.join(Place(0, 4))
    assert line.take(1, QUICK_S) == []
    assert [job.place for job in line.take(1, QUICK_S)] == [(0, 4)]


def test_looking_from_the_head_takes_a_small_share_of_the_time() -> None:
    line, looking_s, began_s = Line(), 0.0, 1.0
    for _ in range(20_000):
        is_look = line.cursor.start(now_s=line.now_s) == HEAD
        took_s = SLOW_S if is_look else QUICK_S
        line.now_s += took_s
        line.join(Place(0, 0))
        line.take(1, took_s)
        looking_s += took_s * is_look
    assert 0 < looking_s / (line.now_s - began_s) <= 1.1 / scan.SHARE


def test_a_clock_that_was_set_or_a_machine_that_stood_still_puts_off_no_look_for_longer_than_two_seconds() -> None:
    line = Line()
    line.join(Place(0, 5))
    line.take(1, FROZEN_S)
    assert line.cursor.look_in_s(now_s=line.now_s) == 2.0


def test_calls_are_counted_past_what_is_dead_for_a_while_after_a_slow_count_and_never_for_its_own_sake() -> None:
    known = ScanCursor()
    known.note_count(QUICK_S, now_s=1.0)
    assert not known.skips_dead(now_s=1.0)
    known.note_count(SLOW_S, now_s=1.0)
    assert known.skips_dead(now_s=1.0)
    known.note_count(SLOW_S, now_s=5.0)  # however long it took past what is dead
    assert known.skips_dead(now_s=60.9)
    assert not known.skips_dead(now_s=61.1)


def test_counting_all_takes_a_small_share_of_the_time() -> None:
    known = ScanCursor()
    known.note_count(5.0, now_s=1.0)
    assert known.skips_dead(now_s=100.0)
    assert not known.skips_dead(now_s=102.0)


def test_who_comes_to_the_end_of_the_line_looks_from_the_head_at_once_unless_that_is_slow() -> None:
    for took_s, found, look_in_s in ((0.002, 0, 0.0), (0.002, 1, 0.05), (0.05, 0, 0.95), (0.05, 1, 0.95)):
        known = ScanCursor()
        known.note(ScanResult(HEAD, 1, 1, Place(0, 5), took_s), now_s=1.0)
        known.note(ScanResult(Place(0, 5), 1, found, Place(0, 5 + found), 0.0), now_s=1.05)
        assert abs(known.look_in_s(now_s=1.05) - look_in_s) < 0.001


def test_of_too_many_queues_those_that_were_used_last_are_remembered() -> None:
    marks = ScanCursors(max_queues=2)
    first, second = marks.of("first"), marks.of("second")
    assert marks.of("first") is first
    third = marks.of("third")

    assert (marks.of("third"), marks.of("first")) == (third, first)
    assert marks.of("second") is not second
