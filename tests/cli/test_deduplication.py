"""`rowline deduplication`, as a person calls it."""

import json

from app.domain.deduplication import Deduplication
from app.infra.settings import Settings
from app.operations import jobs
from app.postgres.database import Database
from tests.support import work
from tests.support.commands import said
from tests.support.jobs import new


def test_an_id_is_looked_at_and_let_go(own_url: str) -> None:
    db = Database(Settings(database_url=own_url), url=own_url, size=1, name="test")
    for each in (Deduplication(id="plain"), Deduplication(id="windowed", ttl_ms=60_000)):
        jobs.submit_many(db, queue="mail", new=[new(custom_id=f"j-{each.id}", deduplication=each)])
    following = Deduplication(id="followed", keeps_last=True)
    for nth in range(2):
        jobs.submit_many(db, queue="mail", new=[new(custom_id=f"f{nth}", deduplication=following)])
        work.take(db, queue="mail", limit=10)
    db.close()
    followed = said(own_url, "deduplication", "show", "mail", "followed")
    assert followed == "followed  held by job f0  until it has ended  a job is stored to follow"
    assert said(own_url, "deduplication", "show", "mail", "plain") == "plain  held by job j-plain  until it has ended"
    shown = json.loads(said(own_url, "deduplication", "show", "mail", "windowed", "--json"))
    assert (shown["id"], shown["jobId"], shown["expiresOn"] > 0) == ("windowed", "j-windowed", True)
    assert "windowed  held by job j-windowed  until 20" in said(own_url, "deduplication", "let-go", "mail", "windowed")
    told = said(own_url, "deduplication", "let-go", "mail", "windowed", code=3)
    assert told == "Error: no job of queue 'mail' holds the deduplication id 'windowed'"
    assert "deduplication.let_go" in said(own_url, "audit", "--queue", "mail")
