"""How long a failed job waits."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import backoff
from app.domain.backoff import LONGEST_MS, Backoff, BackoffType

TYPES = st.sampled_from(BackoffType)
DELAYS = st.integers(0, LONGEST_MS)
FAILURES = st.integers(1, 1_000)


def _wait(kind: BackoffType, delay_ms: int, failures: int, *, jitter: float = 0.0, seed: int = 1) -> int:
    rule = Backoff(type=kind, delay_ms=delay_ms, jitter=jitter)
    return backoff.delay_ms(rule, failures=failures, random=Random(seed))


@pytest.mark.parametrize(
    ("kind", "waits"),
    [
        (BackoffType.FIXED, [100, 100, 100, 100, 100]),
        (BackoffType.LINEAR, [100, 200, 300, 400, 500]),
        (BackoffType.EXPONENTIAL, [100, 200, 400, 800, 1_600]),
    ],
)
def test_each_curve_grows_as_it_is_called(kind: BackoffType, waits: list[int]) -> None:
    assert [_wait(kind, 100, failures) for failures in range(1, 6)] == waits


def test_without_a_backoff_a_job_waits_for_nothing() -> None:
    assert backoff.delay_ms(None, failures=3, random=Random(1)) == 0


@given(TYPES, DELAYS)
def test_every_curve_begins_with_the_delay_itself(kind: BackoffType, delay_ms: int) -> None:
    assert _wait(kind, delay_ms, 1) == delay_ms


@given(TYPES, FAILURES)
def test_no_delay_stays_no_delay(kind: BackoffType, failures: int) -> None:
    assert _wait(kind, 0, failures) == 0


@given(TYPES, DELAYS, FAILURES)
def test_a_wait_never_shrinks_and_never_passes_ten_years(kind: BackoffType, delay_ms: int, failures: int) -> None:
    assert _wait(kind, delay_ms, failures) <= _wait(kind, delay_ms, failures + 1) <= LONGEST_MS


@given(st.integers(1, LONGEST_MS))
def test_an_exponential_wait_ends_at_ten_years_however_often_a_job_fails(delay_ms: int) -> None:
    assert _wait(BackoffType.EXPONENTIAL, delay_ms, 1_000) == LONGEST_MS


@given(TYPES, DELAYS, FAILURES, st.floats(0, 1), st.integers())
def test_jitter_takes_at_most_its_share_and_adds_nothing(
    kind: BackoffType, delay_ms: int, failures: int, jitter: float, seed: int
) -> None:
    whole = _wait(kind, delay_ms, failures)

    wait = _wait(kind, delay_ms, failures, jitter=jitter, seed=seed)

    assert whole * (1 - jitter) - 1 <= wait <= whole
    assert wait == _wait(kind, delay_ms, failures, jitter=jitter, seed=seed)


def test_jitter_spreads_waits_over_its_whole_share() -> None:
    waits = [_wait(BackoffType.FIXED, 1_000, 1, jitter=0.5, seed=seed) for seed in range(1_000)]

    assert 500 <= min(waits) < 510
    assert 990 < max(waits) <= 1_000
    assert 730 < sum(waits) / len(waits) < 770
