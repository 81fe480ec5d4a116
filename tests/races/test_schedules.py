"""Ticks against one another, against what people do to their schedules, and against the death of who makes them."""

import itertools
import subprocess
import sys
from random import Random

import pytest

from app.domain.errors import ScheduleNotFound
from app.domain.schedule import Misfire, Overlap
from app.maintenance.schedules import Ticker
from app.operations import schedules
from app.postgres.database import Database
from tests.races.test_manage import complete, take
from tests.support import databases
from tests.support.acting import ACTOR
from tests.support.race import RACERS, race
from tests.support.schedules import made, tick, wrong

ROUNDS, ENOUGH = 25, 12
IDS = ("a", "b", "c", "d", "e")
JOBS = "select count(*) from rowline.jobs where custom_id like 'repeat:s:%'"


def count(url: str) -> int:
    [(number,)] = databases.ask(url, JOBS)
    return int(number)


def test_of_those_who_make_a_schedule_at_once_one_makes_it(crowd: Database, own_url: str) -> None:
    told = race(lambda _: made(crowd, every_ms=3_600_000).is_new)
    assert told.count(True) == 1
    assert count(own_url) == 1
    assert wrong(own_url) == []


def test_each_tick_is_made_once_whoever_makes_it(crowd: Database, own_url: str) -> None:
    for one in IDS:
        made(crowd, one)

    def racer(nth: int) -> None:
        random, ticker = Random(nth), Ticker(crowd)
        for n in range(ROUNDS):
            if nth % 4:
                ticker.tick()
            elif n % 2:
                made(crowd, random.choice(IDS), name=f"{nth}.{n}")
            else:
                schedules.run(crowd, actor=ACTOR, queue="q", schedule_id=random.choice(IDS))

    race(racer)
    assert wrong(own_url) == []
    besides = databases.ask(own_url, "select count(*) from rowline.jobs where custom_id like '%:now'")
    assert besides[0][0] > 0


def test_after_a_pause_and_after_a_removal_there_are_no_ticks(crowd: Database, own_url: str) -> None:
    left = iter(range(RACERS * ROUNDS))

    def racer(nth: int) -> None:
        ticker = Ticker(crowd)
        for n in range(ROUNDS):
            if nth:
                ticker.tick()
                next(left)
                continue
            made(crowd, "s", is_paused=False)
            tick(crowd)
            end = schedules.remove if n % 2 else schedules.pause
            end(crowd, actor=ACTOR, queue="q", schedule_id="s")
            before = count(own_url)
            tick(crowd)
            assert count(own_url) == before

    race(racer)
    assert count(own_url) > 0


def test_a_change_of_the_interval_doubles_no_tick_and_loses_none_that_was_due(crowd: Database, own_url: str) -> None:
    """What was due is made; what a new interval brings is later than all of it, and once."""
    made(crowd, "s")

    def racer(nth: int) -> None:
        random, ticker = Random(nth), Ticker(crowd)
        for _ in range(ROUNDS):
            if nth % 4:
                ticker.tick()
            else:
                made(crowd, "s", every_ms=random.choice((10, 20, 30)))

    race(racer)
    tick(crowd)
    [(ticks, skipped)] = databases.ask(own_url, "select ticks, skipped from rowline.schedules")
    assert (ticks, skipped) == (count(own_url), 0)
    gaps = """
        select max(at - before) from (
            select at, lag(at) over (order by at) as before
            from (select substr(custom_id, length('repeat:s:') + 1)::bigint as at from rowline.jobs) as tick
        ) as pair
    """
    assert databases.ask(own_url, gaps)[0][0] <= 30


@pytest.mark.parametrize("verb", ["pause", "resume", "run", "remove"])
def test_what_is_done_to_a_schedule_waits_for_its_tick(crowd: Database, own_url: str, verb: str) -> None:
    made(crowd, "s")

    def racer(nth: int) -> int:
        ticker, done = Ticker(crowd), 0
        for _ in range(ROUNDS):
            if nth % 2:
                ticker.tick()
                continue
            try:
                getattr(schedules, verb)(crowd, actor=ACTOR, queue="q", schedule_id="s")
            except ScheduleNotFound:
                assert verb == "remove"
                continue
            done += 1
        return done

    told = race(racer)
    assert sum(told) == (1 if verb == "remove" else ROUNDS * RACERS // 2)
    if verb in {"run", "resume"}:
        tick(crowd)
        assert wrong(own_url) == []


@pytest.mark.parametrize(
    ("overlap", "until"),
    [(Overlap.PENDING, "processed_at"), (Overlap.SKIP, "finished_at")],
)
def test_no_job_is_added_while_the_last_one_is_as_the_overlap_says(
    crowd: Database, own_url: str, overlap: Overlap, until: str
) -> None:
    made(crowd, "s", overlap=overlap, misfire=Misfire.ONCE)
    ended: list[str] = []

    def racer(nth: int) -> None:
        ticker = Ticker(crowd)
        while len(ended) < ENOUGH:
            if nth % 4:
                ticker.tick()
            else:
                leases = take(crowd, 2)
                complete(crowd, leases)
                ended.extend(lease.job.id for lease in leases)

    race(racer)
    lives = f"select added_at, coalesce({until}, '9999-01-01') from rowline.jobs order by number"
    pairs = [*itertools.pairwise(databases.ask(own_url, lives))]
    assert len(pairs) >= ENOUGH - 1
    assert [one for one, following in pairs if following[0] < one[1]] == []


DYING = """
import itertools, os, signal, sys
from random import Random
from app.infra.settings import Settings
from app.maintenance.schedules import Ticker
from app.postgres import database
from app.store.statements import Statement

url = sys.argv[1]
steps = itertools.count(1)

def step():
    if next(steps) == last:
        os.kill(os.getpid(), signal.SIGKILL)

def dying(call):
    def called(*args, **options):
        step()
        result = call(*args, **options)
        step()
        return result
    return called

Statement.rows = dying(Statement.rows)
database._commit = dying(database._commit)
for line in sys.stdin:
    last = int(line)
    if child := os.fork():
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        continue
    db = database.Database(Settings(database_url=url), url=url, size=2, name="rowline-worker")
    Ticker(db).tick()
    os._exit(0)
"""


def test_who_dies_between_any_two_steps_loses_no_tick_and_doubles_none(crowd: Database, own_url: str) -> None:
    """By SIGKILL before and after each statement and each commit of a round, until a round lives to its end.

    Each round has a process of its own, a fork of one that has imported all, which takes half a second.
    """
    for one in IDS:
        made(crowd, one)
    deaths = 0
    with subprocess.Popen(
        [sys.executable, "-c", DYING, own_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as imported:
        assert imported.stdin
        assert imported.stdout
        while True:
            print(deaths + 1, file=imported.stdin, flush=True)
            ended = imported.stdout.readline()
            assert ended in {"0\n", "-9\n"}, ended
            assert wrong(own_url) == []
            if ended == "0\n":
                break
            deaths += 1
    assert deaths >= 12
    tick(crowd)
    assert wrong(own_url) == []
