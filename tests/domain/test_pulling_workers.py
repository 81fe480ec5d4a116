"""The workers over HTTP that a process remembers."""

import time

import pytest

from app.domain.workers import PULLING_MAX, SEEN_S, PullingWorkers, Way


def named(pulling: PullingWorkers) -> list[str]:
    return [one.worker for one in pulling.sightings()]


def test_a_worker_is_remembered_with_the_most_that_it_asked_for() -> None:
    pulling = PullingWorkers()
    for slots in (2, 8, 1):
        pulling.note("q", "crane", slots)
    pulling.note_of_lease("q", "crane")
    pulling.note("other", "crane", 3)
    assert [one._replace(ago_ms=0) for one in pulling.sightings()] == [
        ("q", "crane", Way.PULL, 8, 0, 0),
        ("other", "crane", Way.PULL, 3, 0, 0),
    ]


def test_who_was_not_seen_for_a_minute_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    pulling = PullingWorkers()
    pulling.note("q", "old", 1)
    now_s += SEEN_S - 1
    pulling.note("q", "new", 1)
    assert [(one.worker, one.ago_ms) for one in pulling.sightings()] == [("old", (SEEN_S - 1) * 1000), ("new", 0)]
    now_s += 1
    assert named(pulling) == ["new"]


def test_of_a_million_names_the_newest_are_remembered() -> None:
    pulling = PullingWorkers()
    for n in range(3 * PULLING_MAX):
        pulling.note("q", "regular", 1)
        pulling.note(f"q{n}", f"name-{n}", 1)
    names = named(pulling)
    assert len(names) == PULLING_MAX
    assert "regular" in names
    assert names[-1] == f"name-{3 * PULLING_MAX - 1}"


@pytest.mark.parametrize("worker", [None, "push:crane:7"])
def test_the_receiver_of_a_call_that_extends_its_lease_is_no_worker_over_http(worker: str | None) -> None:
    pulling = PullingWorkers()
    pulling.note_of_lease("q", worker)
    assert named(pulling) == []
