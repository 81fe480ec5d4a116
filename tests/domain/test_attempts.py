"""What follows a failed attempt, and what a failure may say."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import attempts
from app.domain.attempts import REASON_MAX, STACK_MAX, Tries
from app.domain.backoff import Backoff, BackoffType
from app.domain.job import Failure, LeaseKey

LINEAR = Backoff(type=BackoffType.LINEAR, delay_ms=100)
ANY_TEXT = st.text(st.characters() | st.sampled_from("\x00\ud800\udfff"))  # what Python strings may hold and texts not


def _delay_ms(*, made: int, allowed: int, backoff: Backoff | None = LINEAR, unrecoverable: bool = False) -> int | None:
    failure = Failure(lease=LeaseKey(number=1, token="t"), reason="r", unrecoverable=unrecoverable)
    tries = Tries(allowed=allowed, made=made, backoff=backoff)
    return attempts.retry_delay_ms(tries, failure, Random(1))


def test_each_failure_waits_by_the_number_of_failures_until_the_last_one() -> None:
    assert [_delay_ms(made=made, allowed=4) for made in range(5)] == [100, 200, 300, None, None]


@pytest.mark.parametrize("allowed", [0, 1])
def test_a_job_of_one_attempt_has_no_second(allowed: int) -> None:
    assert _delay_ms(made=0, allowed=allowed) is None


@pytest.mark.parametrize(
    ("chosen", "least", "delay_ms"), [(7, 0, 7), (0, 0, 0), (None, 500, 500), (7, 500, 500), (700, 500, 700)]
)
def test_a_delay_that_the_worker_chose_stands_instead_of_the_backoff_and_a_least_one_is_kept(
    chosen: int | None, least: int, delay_ms: int
) -> None:
    failure = Failure(lease=LeaseKey(number=1, token="t"), reason="r", delay_ms=chosen, least_delay_ms=least)

    assert attempts.retry_delay_ms(Tries(allowed=2, made=0, backoff=LINEAR), failure, Random(1)) == delay_ms
    assert attempts.retry_delay_ms(Tries(allowed=1, made=0, backoff=LINEAR), failure, Random(1)) is None


def test_without_a_backoff_the_next_attempt_is_at_once() -> None:
    assert _delay_ms(made=0, allowed=2, backoff=None) == 0


@given(st.integers(0, 1_000), st.integers(1, 1_000))
def test_an_unrecoverable_failure_is_the_last(made: int, allowed: int) -> None:
    assert _delay_ms(made=made, allowed=allowed, unrecoverable=True) is None


@given(st.integers(0, 1_000), st.integers(1, 1_000))
def test_there_is_a_next_attempt_exactly_while_some_are_left(made: int, allowed: int) -> None:
    assert (_delay_ms(made=made, allowed=allowed) is not None) == (made + 1 < allowed)


def test_as_much_is_kept_as_the_handbook_says() -> None:
    long = "x" * 100_000

    assert len(attempts.clean_reason(long)) == 10_000
    assert len(attempts.clean_stack(long)) == 50_000
    assert len(attempts.clean_line(long)) == 65_536
    assert attempts.LOGS_KEPT == 10_000


@pytest.mark.parametrize("reason", ["it broke", "é\n\t\x1b[31m", "<b>", "x" * REASON_MAX, " "])
def test_an_ordinary_reason_is_kept(reason: str) -> None:
    assert attempts.clean_reason(reason) == reason


def test_an_empty_reason_is_given_words() -> None:
    assert attempts.clean_reason("") == "unknown failure"


def test_a_long_reason_keeps_its_beginning_and_a_long_stack_its_end() -> None:
    assert attempts.clean_reason("a" + "b" * REASON_MAX) == "a" + "b" * (REASON_MAX - 1)
    assert attempts.clean_stack("a" + "b" * STACK_MAX) == "b" * STACK_MAX


@pytest.mark.parametrize(("text", "kept"), [("a\x00b", "a\N{REPLACEMENT CHARACTER}b"), ("a\ud800b", "a?b")])
def test_what_no_text_column_can_hold_is_replaced(text: str, kept: str) -> None:
    assert attempts.clean_reason(text) == attempts.clean_stack(text) == kept


@given(ANY_TEXT)
def test_any_failure_can_be_stored(text: str) -> None:
    for cleaned in (attempts.clean_reason(text), attempts.clean_stack(text)):
        assert "\x00" not in cleaned
        assert cleaned.encode().decode() == cleaned
    assert 1 <= len(attempts.clean_reason(text)) <= REASON_MAX
