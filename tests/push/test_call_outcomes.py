"""What an answer means, where no socket is needed to tell: above all how long Retry-After asks to wait."""

from datetime import UTC, datetime

import pytest

from app.net.outbound import Answer
from app.push import call_outcomes

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def outcome_of(status: int, **headers: str) -> call_outcomes.CallOutcome:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return call_outcomes.judge(Answer(status=status, reason="", headers=named, body=b""), max_bytes=100, now=NOW)


@pytest.mark.parametrize(
    ("status", "said", "pause_ms"),
    [
        (429, "5", 5_000),
        (503, " 7 ", 7_000),
        (429, "999999999999999999999", 3_600_000),
        (429, "Thu, 01 Jan 2026 12:00:09 GMT", 9_000),
        (503, "Thu, 01 Jan 2026 11:00:00 GMT", 0),
        (503, "Sat, 01 Jan 2050 11:00:00 GMT", 3_600_000),
        (429, "Thu, 01 Jan 2026 13:00:04 +0100", 4_000),
        (429, "1 Jan 99999999999999999999 00:00:00", 0),
        (429, "Thu, 01 Jan 2026 12:00:09 +99999999999999", 0),
        (503, "1 Jan 2026 00:00:" + "9" * 4_000, 0),
        (429, "-5", 0),
        (429, "1.5", 0),
        (429, "soon", 0),
        (429, "", 0),
        (429, "\u0665", 0),
        (500, "5", 0),
        (302, "5", 0),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date_and_bounded(status: int, said: str, pause_ms: int) -> None:
    outcome = outcome_of(status, retry_after=said)
    assert outcome.pause_ms == pause_ms
    assert outcome.ending is not None
    assert outcome.ending["leastDelayMs"] == pause_ms


def test_only_410_gives_the_job_back() -> None:
    assert [status for status in range(200, 600) if outcome_of(status).ending is None] == [410]


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_an_empty_body_is_an_empty_string_whatever_its_type(kind: str) -> None:
    assert outcome_of(200, content_type=kind).ending == {"result": '""'}
