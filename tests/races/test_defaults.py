"""Defaults that change while jobs are added: a job that is added after the answer has what was answered."""

import itertools

from app.domain.job import JsonText
from app.operations import settings
from app.operations.jobs import Submissions, submit_many
from app.postgres.database import Database
from tests.support import databases
from tests.support.acting import ACTOR
from tests.support.jobs import new
from tests.support.race import race

STAGES = 24


def value(stage: int) -> int | None:
    """Return the attempts that are the default in a stage; None: there are no defaults."""
    return stage + 2 if stage % 3 else None


class Stages:
    """Which stage has begun, and of which the change was answered."""

    def __init__(self) -> None:
        self.begun = self.answered = 0

    def pass_all(self, db: Database) -> None:
        for stage in range(1, STAGES):
            self.begun = stage
            attempts = value(stage)
            wanted = {} if attempts is None else {"attempts": attempts}
            settings.change_queue(db, actor=ACTOR, queue="q", wanted=wanted)
            self.answered = stage


class Adders:
    """Add a job in one of the ways; return its id."""

    def __init__(self, db: Database, url: str) -> None:
        self._db, self._url = db, url
        self._submissions = Submissions(db)

    def add(self, nth: int, turn: int) -> str:
        match nth % 4:
            case 0:
                return self._submissions.submit_many(queue="q", new=[new()])[0].job.id
            case 1:
                return submit_many(self._db, queue="q", new=[new(), new()])[1].job.id
            case 2:
                named = new(custom_id=f"{nth} {turn}", opts=JsonText('{"priority": null}'))
                return submit_many(self._db, queue="q", new=[named])[0].job.id
            case _:
                [[job_id]] = databases.ask(self._url, "select (rowline.enqueue('q', 'n', '1')).id")
                return str(job_id)


def test_a_job_that_is_added_after_a_change_was_answered_has_it_by_every_way(crowd: Database, own_url: str) -> None:
    stages, adders = Stages(), Adders(crowd, own_url)

    def racer(nth: int) -> list[tuple[str, int, int]]:
        if nth == 0:
            stages.pass_all(crowd)
        found: list[tuple[str, int, int]] = []
        while nth and (not found or found[-1][1] < STAGES - 1):
            since = stages.answered
            found.append((adders.add(nth, len(found)), since, stages.begun))
        return found

    added = list(itertools.chain(*race(racer)))

    rows = databases.ask(own_url, "select coalesce(custom_id, number::text), attempts, effective from rowline.jobs")
    stored = {job_id: (attempts, effective) for job_id, attempts, effective in rows}
    for job_id, since, until in added:
        attempts, effective = stored[job_id]
        held = effective and effective["attempts"]
        assert held in {value(stage) for stage in range(since, until + 1)}, f"added in stages {since} to {until}"
        assert attempts == held or (held is None and attempts == 1)


def test_two_changes_at_once_leave_one_of_them_whole(crowd: Database, own_url: str) -> None:
    def racer(nth: int) -> None:
        wanted = {} if nth % 4 == 0 else {"attempts": nth + 2, "priority": nth + 2}
        settings.change_queue(crowd, actor=ACTOR, queue="q", wanted=wanted)

    for _ in range(2):
        race(racer)
        rows = databases.ask(own_url, "select defaults, applied_defaults from rowline.queue_settings")
        for shown, applied in rows:
            assert shown == applied
            assert shown["attempts"] == shown["priority"]
