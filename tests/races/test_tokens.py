"""Tokens that change tokens, and themselves, at the same moment."""

import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from app.domain import tokens as domain
from app.domain.errors import Unauthorized
from app.domain.tokens import Caller
from app.infra.settings import Settings
from app.operations import tokens as operations
from app.operations.tokens import Issued
from app.postgres.database import Database
from app.store import tokens as store
from tests.support import databases
from tests.support.acting import ACTOR
from tests.support.clusters import until
from tests.support.race import RACERS, race
from tests.support.tokens import issue

WAITING = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"


@pytest.fixture
def once(settings: Settings, own_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A connection for each racer; a deadlock ends an operation, which is not tried again."""
    monkeypatch.setattr("app.operations.TRIES", 1)
    patient = dataclasses.replace(settings, lock_ms=50_000, pool_wait_ms=50_000)
    opened = Database(patient, url=own_url, size=RACERS, name="race")
    yield opened
    opened.close()


def by(issued: Issued) -> dict[str, Any]:
    """Return what an operation is told of the token that asks for it."""
    token = issued.token
    caller = Caller(id=f"token:{token.id}", name=token.name, scopes=token.scopes, key_digest=b"")
    return {"actor": ACTOR, "caller": caller, "secret": domain.digest(issued.secret.encode())}


def test_whoever_acts_without_pause_cannot_keep_its_token_from_being_revoked(once: Database, own_url: str) -> None:
    own, target = issue(once, "tokens:manage"), issue(once, "work").token.id

    def begun(act: Callable[..., Any], waiting: int) -> Any:
        """Let an act begin, and see it wait as the last of so many."""
        said = pool.submit(act, once)
        until(lambda: said.done() or len(databases.ask(own_url, WAITING)) == waiting)
        return said

    with ThreadPoolExecutor(3) as pool:
        with once.begin() as conn:  # an act of the token that has not ended
            store.lock(conn, token_ids=[own.token.id])
            revoked = begun(partial(operations.revoke, actor=ACTOR, token_id=own.token.id), 1)
            acts = [
                begun(partial(operations.rotate, **by(own), token_id=each), 2 + n)
                for n, each in enumerate([target, "absent00"])
            ]
            assert not any(one.done() for one in (revoked, *acts)), "they wait in line"
        assert revoked.result(60).revoked_at
        for act in acts:
            with pytest.raises(Unauthorized):
                act.result(60)


def test_those_who_rotate_their_own_token_at_once_do_so_one_after_the_other(once: Database) -> None:
    own = issue(once, "tokens:manage")

    secrets = race(lambda _: operations.rotate(once, **by(own), token_id=own.token.id).secret)
    assert len(set(secrets)) == RACERS


def test_of_those_who_revoke_each_other_one_does(once: Database) -> None:
    for _ in range(5):
        pair = [issue(once, "tokens:manage") for _ in range(2)]

        def revoke(nth: int, pair: list[Issued] = pair) -> str:
            try:
                return operations.revoke(once, **by(pair[nth % 2]), token_id=pair[(nth + 1) % 2].token.id).id
            except Unauthorized:
                return ""

        assert len({*race(revoke)} - {""}) == 1
