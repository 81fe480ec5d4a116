"""What several ask for at the same moment is done at once, and nobody pays for another."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import psycopg
import pytest

from app.infra import callers
from app.postgres.coalescer import RequestCoalescer
from app.postgres.database import DatabaseError, OutcomeUnknown
from tests.support.clusters import until

MAX_BATCH = 4
Gathered = RequestCoalescer[str, str]


class Slow:
    """Does everything in capitals, the first round when it is let go, and remembers the rounds."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.rounds: list[list[str]] = []
        self.begun, self.let_go = threading.Event(), threading.Event()
        self._error = error

    def do(self, topic: str, asked: Sequence[str]) -> list[str]:
        self.rounds.append([f"{topic}/{one}" for one in asked])
        if len(self.rounds) == 1:
            self.begun.set()
            assert self.let_go.wait(60)
        elif self._error and "bad" in asked:
            raise self._error
        return [one.upper() for one in asked]


def asked_while_busy(slow: Slow, gathering: Gathered, pool: ThreadPoolExecutor, words: str) -> list[Future[str]]:
    """Ask for the words while the database is busy with a first one, so that they gather."""
    first = pool.submit(gathering.submit, "q", "first")
    assert slow.begun.wait(60)
    answers = []
    for nth, word in enumerate(words.split(), 1):
        answers.append(pool.submit(gathering.submit, "q", word))
        until(lambda nth=nth: len(waiting(gathering)) >= nth)  # type: ignore[misc]
    slow.let_go.set()
    assert first.result(60) == "FIRST"
    return answers


def waiting(gathering: Gathered) -> list[str]:
    found = gathering._open.get(("q", ""))  # noqa: SLF001
    return found.asked if found else []


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever gathers waits as long as the test needs."""
    monkeypatch.setattr("app.postgres.coalescer.MAX_WAIT_S", 10)


@pytest.fixture
def pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(8)


def test_who_comes_alone_is_served_alone() -> None:
    slow = Slow()
    slow.let_go.set()
    gathering = RequestCoalescer(slow.do, max_batch=MAX_BATCH)

    assert [gathering.submit("q", "a"), gathering.submit("q", "b")] == ["A", "B"]
    assert slow.rounds == [["q/a"], ["q/b"]]


def test_who_asks_for_another_caller_is_served_apart(pool: ThreadPoolExecutor) -> None:
    """It must not wait for a connection in the line of a caller that has had its share, nor get its errors."""
    slow = Slow()
    gathering = RequestCoalescer(slow.do, max_batch=MAX_BATCH)

    def ask(caller: str, word: str) -> str:
        callers.current.set(caller)
        return gathering.submit("q", word)

    first = pool.submit(ask, "a", "first")
    assert slow.begun.wait(60)
    assert pool.submit(ask, "b", "second").result(60) == "SECOND"
    slow.let_go.set()
    assert first.result(60) == "FIRST"


def test_those_who_come_meanwhile_are_served_together_each_with_his_own(pool: ThreadPoolExecutor) -> None:
    slow = Slow()

    answers = asked_while_busy(slow, RequestCoalescer(slow.do, max_batch=MAX_BATCH), pool, "a b c")

    assert [answer.result(60) for answer in answers] == ["A", "B", "C"]
    assert slow.rounds == [["q/first"], ["q/a", "q/b", "q/c"]]


def test_no_more_than_the_most_are_served_together(pool: ThreadPoolExecutor) -> None:
    slow = Slow()
    gathering = RequestCoalescer(slow.do, max_batch=2)
    first = pool.submit(gathering.submit, "q", "first")
    assert slow.begun.wait(60)

    answers = [pool.submit(gathering.submit, "q", word) for word in "abcde"]
    slow.let_go.set()

    assert sorted(answer.result(60) for answer in [first, *answers]) == ["A", "B", "C", "D", "E", "FIRST"]
    assert max(map(len, slow.rounds)) <= 2


def test_other_topics_do_not_wait(pool: ThreadPoolExecutor) -> None:
    slow = Slow()
    gathering = RequestCoalescer(slow.do, max_batch=MAX_BATCH)
    pool.submit(gathering.submit, "q", "first")
    assert slow.begun.wait(60)

    assert gathering.submit("other", "a") == "A"
    slow.let_go.set()


def test_nobody_waits_long_for_a_slow_database(monkeypatch: pytest.MonkeyPatch, pool: ThreadPoolExecutor) -> None:
    monkeypatch.setattr("app.postgres.coalescer.MAX_WAIT_S", 0.01)
    slow = Slow()
    gathering = RequestCoalescer(slow.do, max_batch=MAX_BATCH)
    pool.submit(gathering.submit, "q", "first")
    assert slow.begun.wait(60)

    assert gathering.submit("q", "a") == "A", "though the first is not done"
    slow.let_go.set()


def test_what_is_refused_is_refused_to_its_own_caller_alone(pool: ThreadPoolExecutor) -> None:
    slow = Slow(error=psycopg.errors.CheckViolation("no"))

    good, bad, late = asked_while_busy(slow, RequestCoalescer(slow.do, max_batch=MAX_BATCH), pool, "good bad late")

    assert [good.result(60), late.result(60)] == ["GOOD", "LATE"]
    with pytest.raises(psycopg.errors.CheckViolation):
        bad.result(60)


def test_trouble_with_the_database_is_told_to_all_and_tried_no_more(pool: ThreadPoolExecutor) -> None:
    slow = Slow(error=OutcomeUnknown("away"))

    for answer in asked_while_busy(slow, RequestCoalescer(slow.do, max_batch=MAX_BATCH), pool, "good bad"):
        with pytest.raises(OutcomeUnknown, match="away"):
            answer.result(60)
    assert len(slow.rounds) == 2


@pytest.mark.parametrize("kind", [OutcomeUnknown, DatabaseError])
def test_those_served_by_one_who_is_broken_off_hear_of_it(kind: type[DatabaseError], pool: ThreadPoolExecutor) -> None:
    slow = Slow(error=SystemExit())
    gathering = RequestCoalescer(slow.do, max_batch=MAX_BATCH, abort_error=kind)

    leader, other = asked_while_busy(slow, gathering, pool, "bad other")

    assert isinstance(leader.exception(10), SystemExit)
    assert type(other.exception(10)) is kind
    assert gathering.submit("q", "next") == "NEXT"
