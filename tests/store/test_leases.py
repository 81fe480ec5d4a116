"""What is told of many jobs at once, and how long their leases are."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from app.domain.attempts import TIMEOUT_GRACE_MS
from app.domain.job import Completion, JsonText, LeaseKey
from app.domain.states import Status
from app.postgres.database import Connection
from app.store import leases
from app.store.statements import Statement
from tests.support.jobs import QUEUE, claim, claim_by, insert, new, row

TEXT = some.text(some.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
TEXTS = some.lists(some.none() | TEXT)
NUMBERS = some.lists(some.none() | some.integers(-(2**63), 2**63 - 1))
MS = timedelta(milliseconds=1)
ARRAYS = Statement("arrays", "select :texts::text[] as texts, :numbers::bigint[] as numbers")


def test_arrays_come_out_of_the_database_as_they_went_in(conn: Connection) -> None:
    @given(texts=TEXTS, numbers=NUMBERS)
    def same(texts: list[str | None], numbers: list[int | None]) -> None:
        assert ARRAYS.rows(conn, texts=texts, numbers=numbers) == [(texts, numbers)]

    same()


def test_each_job_gets_its_own_result_in_whatever_order_they_are_told(conn: Connection) -> None:
    insert(conn, *(new() for _ in range(50)))
    keys = [lease.key for lease in claim(conn, 50)]
    told = [Completion(lease=key, result=JsonText(f'["{key.number}", "\\\\ \\" {{,}}"]')) for key in reversed(keys)]

    assert leases.complete(conn, queue=QUEUE, completions=told) == {key.number for key in keys}
    assert [row(conn, one.lease.number).result for one in told] == [one.result for one in told]


def test_of_two_words_on_one_job_the_one_that_holds_the_lease_counts(conn: Connection) -> None:
    first, second = insert(conn, new(), new())
    keys = [lease.key for lease in claim(conn, 2)]
    lost = [LeaseKey(number=number, token="00000000-0000-4000-8000-000000000000") for number in (first, second)]
    words = [keys[0], lost[0], lost[1], keys[1], keys[1]]
    told = [Completion(lease=key, result=JsonText(str(nth))) for nth, key in enumerate(words)]

    assert leases.complete(conn, queue=QUEUE, completions=told) == {first, second}
    assert row(conn, first).result == "0"
    assert row(conn, second).result in {"3", "4"}


@pytest.mark.parametrize("way", ["claim", "claim_large", "claim_next", "claim_calls"])
def test_a_lease_ends_with_the_time_of_its_job_from_the_claim_on(conn: Connection, way: str) -> None:
    short, long, endless = insert(conn, new(timeout_ms=1_000), new(timeout_ms=500_000), new())
    claim_by(conn, way, limit=3, lease_ms=60_000)

    found = {number: row(conn, number) for number in (short, long, endless)}
    assert {job.status for job in found.values()} == {Status.ACTIVE}
    assert {number: (job.leased_until - job.processed_at) / MS for number, job in found.items()} == {
        short: 1_000 + TIMEOUT_GRACE_MS,
        long: 60_000,
        endless: 60_000,
    }


def test_a_lease_is_extended_from_now_on_but_not_beyond_the_time_of_its_job(conn: Connection) -> None:
    short, long, endless = insert(conn, new(timeout_ms=50_000), new(timeout_ms=500_000), new())
    keys = [lease.key for lease in claim(conn, 3)]

    extended = leases.extend(conn, queue=QUEUE, leases=keys, lease_ms=90_000)

    found = {number: row(conn, number) for number in (short, long, endless)}
    assert {number: each.until for number, each in extended.items()} == {
        number: job.leased_until for number, job in found.items()
    }
    assert (found[short].leased_until - found[short].processed_at) / MS == 50_000 + TIMEOUT_GRACE_MS
    assert found[long].leased_until == found[endless].leased_until
    assert found[long].leased_until - found[long].processed_at >= 90_000 * MS
