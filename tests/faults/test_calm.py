"""In peace each job runs exactly once."""

from tests.chaos import calm


def test_five_thousand_jobs_run_exactly_once_with_sixteen_pullers(own_url: str) -> None:
    ran, refused = calm.run(own_url, jobs=5_000, pullers=16)

    assert len(ran) == 5_000
    assert set(ran.values()) == {1}
    assert refused == 0
