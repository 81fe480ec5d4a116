"""Whether an attempt holds its job: asked for by anybody who can make a token up."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from app.domain.errors import Unauthorized
from app.postgres.database import Connection, Database
from app.postgres.prepared import PreparedConnection
from app.queries.leases import Holders
from app.store import leases
from app.store.leases import PresentedToken
from tests.support.jobs import QUEUE, claim, insert, new

MADE_UP = "00000000-0000-4000-8000-000000000000"


def test_each_of_many_is_told_for_itself(conn: Connection) -> None:
    insert(conn, new(), new(custom_id="own"), new())
    held = claim(conn, 2)
    shown = [PresentedToken(QUEUE, str(lease.job.id), lease.token) for lease in held]
    guessed = [one._replace(token=MADE_UP) for one in shown] + [one._replace(queue="other") for one in shown]
    others = [
        PresentedToken(QUEUE, "own", held[0].token),
        PresentedToken(QUEUE, str(held[1].job.number), held[1].token),
    ]

    assert leases.held(conn, [*guessed, *shown, *others, *shown]) == [False] * 4 + [True] * 2 + [False] * 2 + [True] * 2


def test_all_who_ask_at_the_same_moment_are_answered_by_few_statements(
    db: Database, shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    holders, asked, begun = Holders(db, wait_ms=60_000), [], threading.Semaphore(0)
    wait = PreparedConnection.wait

    def counted(connection: PreparedConnection, *arguments: Any, **options: Any) -> Any:
        asked.append(connection)
        return wait(connection, *arguments, **options)

    def guess(nth: int) -> bool:
        begun.release()
        with pytest.raises(Unauthorized):
            holders.require(queue=QUEUE, job_id=str(nth), token=MADE_UP)
        return True

    monkeypatch.setattr(PreparedConnection, "wait", counted)
    with ThreadPoolExecutor(100) as pool, psycopg.connect(shared_url) as holder:
        holder.execute("lock table rowline.jobs in access exclusive mode")
        answers = [pool.submit(guess, nth) for nth in range(100)]
        for _ in answers:
            begun.acquire()
        holder.rollback()

        assert all(answer.result(60) for answer in answers)
    assert len(asked) < len(answers) / 2
    assert len(set(asked)) == 1
