"""The judge of `make faults`: whatever is not as promised ends the run with 1."""

import pytest

from tests.chaos import report
from tests.chaos.load import Producer, Reply
from tests.chaos.report import Run
from tests.support.history import History, Stored
from tests.support.raw import Answer

JOB = Stored("1", "mark", 0)


def history(*, acknowledged: bool = True) -> History:
    made = History()
    made.ask("mark", 1)
    if acknowledged:
        made.acknowledge("mark", ["1"])
    return made


def broken(run: Run, *replies: Reply, stored: tuple[Stored, ...] = (JOB,)) -> list[str]:
    return report.judge(run, history().check(stored), replies)


def test_answers_in_time_and_a_whole_database_are_good() -> None:
    run = Run(1, recoveries_s={"kill": [0.5, 4.9]})
    assert not broken(run, Reply(0.0, 4.9, 200), Reply(0.0, 2.8, 503), Reply(0.0, 9.0, 0))


@pytest.mark.parametrize(
    ("run", "reply", "stored"),
    [
        (Run(1), Reply(0.0, 5.1, 503), (JOB,)),
        (Run(1), Reply(0.0, 0.1, 500, "500: b'x'"), (JOB,)),
        (Run(1), Reply(0.0, 10.0, -1, "no answer"), (JOB,)),
        (Run(1, recoveries_s={"kill": [0.1, 5.1]}), Reply(0.0, 0.1, 200), (JOB,)),
        (Run(1, violations=["processes are gone"]), Reply(0.0, 0.1, 200), (JOB,)),
        (Run(1), Reply(0.0, 0.1, 200), ()),
    ],
)
def test_every_promise_that_is_broken_is_told(run: Run, reply: Reply, stored: tuple[Stored, ...]) -> None:
    assert len(broken(run, reply, stored=stored)) == 1


@pytest.mark.parametrize(
    ("status", "headers", "is_keyed", "is_good"),
    [
        (503, {"retry-after": "1"}, False, True),
        (503, {}, False, False),
        (409, {"retry-after": "1"}, True, True),
        (409, {"retry-after": "1"}, False, False),
        (500, {}, True, False),
        (400, {}, True, False),
    ],
)
def test_a_producer_takes_nothing_but_200_and_503_with_retry_after(
    *, status: int, headers: dict[str, str], is_keyed: bool, is_good: bool
) -> None:
    producer = Producer(1, history(acknowledged=False), name="p", seed="1", is_keyed=is_keyed)
    assert (producer.note("mark", Answer(status, headers, b"{}")) == "") == is_good


def test_what_a_503_says_was_not_stored_is_not_unknown() -> None:
    refused, unknown = history(acknowledged=False), history(acknowledged=False)
    answer = Answer(503, {"retry-after": "1"}, b"{}")
    Producer(1, refused, name="p", seed="1", is_keyed=False).note("mark", answer)
    assert refused.check([JOB]).refused_but_stored == 1
    answer = Answer(503, {"retry-after": "1"}, b'{"outcome": "unknown"}')
    Producer(1, unknown, name="p", seed="1", is_keyed=False).note("mark", answer)
    assert unknown.check([JOB]).recovered == 1
