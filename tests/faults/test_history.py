"""The checker of histories: a broken queue must be caught, whatever it breaks."""

import pytest

from tests.support.history import History, Stored


def asked(**sizes: int) -> History:
    history = History()
    for batch, size in sizes.items():
        history.ask(batch, size)
    return history


def rows(batch: str, *ids: int) -> list[Stored]:
    return [Stored(str(job_id), batch, index) for index, job_id in enumerate(ids)]


@pytest.fixture
def history() -> History:
    """Two arrays acknowledged, one of them twice with the same ids, one unknown, one refused."""
    history = asked(a=2, b=3, open=2, refused=2)
    history.acknowledge("a", ["1", "2"])
    history.acknowledge("b", ["3", "4", "5"])
    history.acknowledge("b", ["3", "4", "5"])
    history.doubt("b")
    history.doubt("open")
    return history


GOOD = [*rows("a", 1, 2), *rows("b", 3, 4, 5)]


def test_a_queue_that_keeps_its_word_passes(history: History) -> None:
    verdict = history.check(GOOD)
    assert verdict.is_good
    assert (verdict.attempted, verdict.acknowledged, verdict.unknown, verdict.recovered) == (9, 5, 2, 0)


def test_an_unknown_array_that_was_stored_counts_as_recovered(history: History) -> None:
    verdict = history.check([*GOOD, *rows("open", 8, 9)])
    assert verdict.is_good
    assert verdict.recovered == 2


@pytest.mark.parametrize(
    ("fault", "stored"),
    [
        ("lost", GOOD[1:]),  # a job
        ("lost", rows("b", 3, 4, 5)),  # an array
        ("lost", [*rows("a", 1, 7), *rows("b", 3, 4, 5)]),  # the job is there under another id than was told
        ("lost", [*rows("a", 2, 1), *rows("b", 3, 4, 5)]),  # ids in another order than was told
        ("partial", GOOD[:-1]),
        ("partial", [*GOOD, *rows("open", 8)]),
        ("unexpected", [*GOOD, *rows("never", 9)]),
        ("unexpected", [*GOOD, Stored("9", "a", 2)]),  # one more than the array had
        ("unexpected", [*GOOD, Stored("9", "a", -1)]),
        ("duplicates", [*GOOD, *rows("b", 7, 8, 9)]),  # the whole array under new ids
        ("duplicates", [*GOOD, *rows("a", 9)]),
        ("duplicates", [*GOOD, *rows("open", 8, 9), *rows("open", 10, 11)]),
        ("refused_but_stored", [*GOOD, *rows("refused", 8, 9)]),
    ],
)
def test_a_broken_queue_is_caught(history: History, fault: str, stored: list[Stored]) -> None:
    verdict = history.check(stored)
    assert getattr(verdict, fault) > 0
    assert not verdict.is_good


def test_two_answers_that_differ_are_caught(history: History) -> None:
    history.acknowledge("a", ["11", "12"])
    assert history.check(GOOD).lost == 2


def test_an_answer_that_names_too_few_jobs_is_caught() -> None:
    history = asked(a=2)
    history.acknowledge("a", ["1"])
    assert history.check(rows("a", 1, 2)).lost == 1
