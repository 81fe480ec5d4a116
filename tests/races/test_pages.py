"""Pages that many ask for at the same moment."""

import pytest

from app.domain.states import Status
from app.postgres.database import Database
from app.queries.jobs import Page, Pages, Part
from app.queries.permits import NEAR
from tests.support import work
from tests.support.jobs import insert, new
from tests.support.race import RACERS, race

EACH = 20
JOBS = 40
PARTS = [
    *(Part(statuses=tuple(Status), start=start, length=5, newest_first=start % 2 == 0) for start in range(JOBS)),
    Part(statuses=(Status.WAITING,), length=3),
    Part(statuses=(Status.COMPLETED, Status.WAITING), start=1, length=100),
    Part(statuses=(Status.COMPLETED,), length=100, newest_first=False),
    Part(statuses=(Status.FAILED,)),
    Part(statuses=tuple(Status), start=NEAR, length=10),
]


def names(page: Page) -> list[str]:
    return [job.name for job in page.jobs]


def expected(part: Part) -> list[str]:
    """Jobs are named by their order; the first half is completed."""
    all_ = [nth for nth in range(JOBS) if (Status.COMPLETED if nth < JOBS // 2 else Status.WAITING) in part.statuses]
    ordered = all_[::-1] if part.newest_first else all_
    return [str(nth) for nth in ordered[part.start : part.start + part.length]]


@pytest.fixture
def pages(crowd: Database) -> Pages:
    for nth in range(JOBS):
        with crowd.begin() as conn:
            insert(conn, new(str(nth)))
    for _ in range(JOBS // 2):
        work.complete_next(crowd)
    return Pages(crowd)


def test_each_caller_gets_the_page_that_he_asked_for(pages: Pages) -> None:
    def read(nth: int) -> list[tuple[Part, Page]]:
        parts = [PARTS[(nth * 3 + more) % len(PARTS)] for more in range(EACH)]
        return [(part, pages.read(queue="q", part=part)) for part in parts]

    found = [one for read_by_one in race(read) for one in read_by_one]

    assert len(found) == RACERS * EACH
    counts = {Status.WAITING: JOBS // 2, Status.COMPLETED: JOBS // 2}
    for part, page in found:
        assert names(page) == expected(part)
        assert page.counts == {status: counts.get(status, 0) for status in part.statuses}


def test_queues_do_not_mix(pages: Pages) -> None:
    part = Part(statuses=tuple(Status), length=5)

    found = race(lambda nth: [pages.read(queue="q" if nth % 2 else "none", part=part) for _ in range(EACH)])

    for nth, read_by_one in enumerate(found):
        assert {len(page.jobs) for page in read_by_one} == {5 if nth % 2 else 0}


def test_a_page_shows_what_was_there_before_it_was_asked_for(crowd: Database) -> None:
    pages = Pages(crowd)
    part = Part(statuses=(Status.WAITING,), length=100)

    def add_and_look(nth: int) -> bool:
        seen = []
        for more in range(3):
            with crowd.begin() as conn:
                insert(conn, new(f"{nth}-{more}"))
            seen.append(f"{nth}-{more}" in names(pages.read(queue="q", part=part)))
        return all(seen)

    assert all(race(add_and_look))
