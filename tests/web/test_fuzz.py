"""A slice of `make fuzz`: no request gets a 5xx, and what is refused stores nothing."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.fuzz import cases, client, run
from tests.fuzz.cases import Case
from tests.support.raw import Answer

SEED, CASES = 3, 3_000
GOOD = Case(0, "body: valid", "POST", b"", is_framed=True)


def test_three_thousand_fuzzed_requests_get_no_5xx_and_store_only_what_was_acknowledged(own_url: str) -> None:
    with run.server(own_url) as server, ThreadPoolExecutor(2) as pool:
        result = run.fuzz(server, own_url, pool, seed=SEED, cases=CASES, tell=lambda _line: None)
    assert not result.violations()
    assert result.tally.cases == CASES
    assert result.tally.created > 0
    assert {200, 400, 401, 404, 405, 413, 415} <= set(result.tally.statuses)


def test_a_case_depends_on_its_seed_and_its_number_alone() -> None:
    assert [cases.make(1, number) for number in range(200)] == [cases.make(1, number) for number in range(200)]
    assert cases.make(1, 5).sent != cases.make(2, 5).sent


@pytest.mark.parametrize(
    "answer",
    [
        Answer(
            500, {"x-request-id": "a", "content-type": "application/json"}, b'{"error":"e","code":"c","requestId":"a"}'
        ),
        Answer(400, {"content-type": "application/json"}, b'{"error":"e","code":"c","requestId":"a"}'),
        Answer(400, {"x-request-id": "a", "content-type": "text/html"}, b"<h1>Bad Request</h1>"),
        Answer(
            400, {"x-request-id": "a", "content-type": "application/json"}, b'{"error":"e","code":"c","requestId":"b"}'
        ),
        Answer(
            400, {"x-request-id": "a", "content-type": "application/json"}, b'{"error":"","code":"c","requestId":"a"}'
        ),
        Answer(400, {"x-request-id": "a", "content-type": "application/json"}, b'["error"]'),
    ],
)
def test_a_bad_answer_is_noticed(answer: Answer) -> None:
    assert client.fault(GOOD, answer)


@pytest.mark.parametrize(("rows", "doubtful", "violations"), [(5, 0, 0), (4, 0, 1), (6, 0, 1), (6, 1, 0)])
def test_a_job_too_many_or_too_few_is_noticed(rows: int, doubtful: int, violations: int) -> None:
    result = run.Result(rows=rows)
    result.tally.created, result.tally.doubtful = 5, doubtful
    assert len(result.violations()) == violations


def test_memory_that_grows_is_noticed() -> None:
    result = run.Result(memory_kib={1: [900_000, 50_000], 2: [50_000, 50_000 + run.GROWTH_KIB + 1]})
    assert len(result.violations()) == 1
