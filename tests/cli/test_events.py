"""`rowline events`, as a person calls it."""

import json
import threading

from app.infra.settings import Settings
from app.operations import jobs
from app.postgres.database import Database
from tests.support import databases, work
from tests.support.clusters import PYTHON, Program
from tests.support.commands import said
from tests.support.jobs import new


def test_events_are_printed_in_their_order(own_url: str) -> None:
    db = Database(Settings(database_url=own_url), url=own_url, size=2, name="rowline-test")
    jobs.submit_many(db, queue="mail", new=[new(custom_id="mine")])
    work.fail_next(db, queue="mail", reason="no such\x07 \x9b31mhost\u202e")
    lines = said(own_url, "events", "--json")
    assert lines.replace("\n", "").isprintable()
    found = [json.loads(line) for line in lines.splitlines()]
    assert "no such\x07 \x9b31mhost\u202e" in [one.get("reason") for one in found]
    assert [(one["type"], one.get("id")) for one in found if one["type"] != "drained"] == [
        *(("added", "mine"), ("active", "mine"), ("failed", "mine"))
    ]
    shown = said(own_url, "events", "--type", "failed", "--queue", "ma*")
    assert "mail/mine" in shown
    assert said(own_url, "events", "--queue", "other") == ""
    assert "no such" in shown
    assert "\x07" not in shown
    assert said(own_url, "events", "--after", str(found[-1]["eventId"])) == ""
    db.close()


def test_what_is_not_kept_any_more_is_told(own_url: str) -> None:
    db = Database(Settings(database_url=own_url), url=own_url, size=2, name="rowline-test")
    jobs.submit_many(db, queue="mail", new=[new(), new()])
    work.fold(db)
    databases.run(own_url, "delete from rowline.events")
    jobs.submit_many(db, queue="mail", new=[new()])
    gap, added = (json.loads(line) for line in said(own_url, "events", "--after", "1", "--json").splitlines())
    assert (gap["type"], gap["from"], gap["to"], added["type"]) == ("gap", 2, 2, "added")
    assert "of 2 to 2: not kept any more" in said(own_url, "events", "--after", "1")
    [reset] = (json.loads(line) for line in said(own_url, "events", "--after", "1000", "--json").splitlines())
    assert (reset["type"], reset["cursor"]) == ("reset", 3)
    db.close()


def test_events_are_followed_until_the_command_is_ended(own_url: str) -> None:
    db = Database(Settings(database_url=own_url), url=own_url, size=2, name="rowline-test")
    is_over = threading.Event()

    def add() -> None:
        while not is_over.wait(0.1):
            jobs.submit_many(db, queue="mail", new=[new()])

    adding = threading.Thread(target=add)
    adding.start()
    try:
        with Program([*PYTHON, "-m", "app", "events", "-f", "--json"], env={"DATABASE_URL": own_url}) as program:
            program.expect('"added"')
    finally:
        is_over.set()
        adding.join()
        db.close()
