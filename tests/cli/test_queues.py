"""`rowline queues`, as a person calls it."""

import json
from pathlib import Path

import psycopg

from app.infra.settings import Settings
from app.operations import claim
from app.postgres.database import Database
from tests.support import databases
from tests.support.clusters import PYTHON, Program
from tests.support.commands import lines, said


def test_queues_are_listed_paused_and_resumed_and_the_audit_says_by_whom(own_url: str) -> None:
    databases.run(own_url, "select rowline.enqueue('mail', 'n', '1'), rowline.enqueue('other', 'n', '1')")

    assert [one["name"] for one in lines(own_url, "queues", "list")] == ["mail", "other"]
    assert lines(own_url, "queues", "list", "--pattern", "m*")[0]["counts"]["waiting"] == 1
    table = said(own_url, "queues", "pause", "mail", "--reason", "provider \x1b[31mdown")
    assert "mail" in table
    assert "cli:" in table
    assert "provider" in table
    assert "\x1b" not in table
    shown = json.loads(said(own_url, "queues", "show", "mail", "--json"))
    assert (shown["paused"], shown["pauseReason"]) == (True, "provider \x1b[31mdown")
    assert json.loads(said(own_url, "queues", "resume", "mail", "--json"))["paused"] is False
    acts = [line.split("  ")[2] for line in said(own_url, "audit", "--queue", "mail").splitlines()]
    assert acts == ["queues.resume", "queues.pause"]


def test_a_queue_shows_its_rates_and_drain_time(own_url: str) -> None:
    databases.run(
        own_url,
        "select rowline.enqueue('mail', 'n', '1'); insert into rowline.job_minutes "
        "select date_trunc('minute', now()) - interval '3 minutes', 'mail', 6000, 3000, 30",
    )
    shown = json.loads(said(own_url, "queues", "show", "mail", "--json"))
    assert shown["rates"]["5m"] == {"added": 20, "completed": 10, "failed": 0.1}
    assert shown["drainMs"] == 99
    header, _, row = said(own_url, "queues", "list").splitlines()[-3:]
    assert header.split()[10:13] == ["added/s", "completed/s", "failed/s"]
    assert row.split()[-5:] == ["20.000", "10.000", "0.100", "0.099", "0"]


def test_who_works_a_queue_is_listed(own_url: str) -> None:
    assert said(own_url, "workers", "mail") == "workers of mail: no rows"
    databases.run(
        own_url,
        "insert into rowline.queue_workers select 'mail', worker, gen_random_uuid(), way, 8, 3, now() "
        "from (values ('crane\x1b[31m', 'python'), ('push:crane', 'push')) as one (worker, way)",
    )
    found = lines(own_url, "workers", "mail")
    assert [(one["worker"], one["way"], one["slots"], one["busy"]) for one in found] == [
        ("crane\x1b[31m", "python", 8, 3),
        ("push:crane", "push", 8, 3),
    ]
    table = said(own_url, "workers", "mail")
    assert table.splitlines()[-1].split()[:4] == ["push:crane", "push", "8", "3"]
    assert "\x1b" not in table
    assert json.loads(said(own_url, "queues", "show", "mail", "--json"))["workers"] == 2
    assert "must not contain '/'" in said(own_url, "workers", "a/b", code=2)


def test_a_fault_is_a_line(own_url: str) -> None:
    assert "must not contain '/'" in said(own_url, "queues", "show", "a/b", code=2)
    assert "at most 500" in said(own_url, "queues", "pause", "q", "--reason", "x" * 501, code=2)
    assert said(own_url, "queues", "list") == "queues: no rows"


def test_a_pause_is_refused_in_a_line_while_older_programs_are_connected(own_url: str) -> None:
    with psycopg.connect(own_url, application_name="rowline-worker 0016"):
        line = said(own_url, "queues", "pause", "q", code=5)
    assert line.startswith("Error: programs of older releases are connected")
    assert line.endswith("rowline-worker 0016: 1")


def test_retention_is_set_for_a_queue_and_for_the_service(own_url: str) -> None:
    def settings(*words: str) -> object:
        found = json.loads(said(own_url, *words))
        return found.get("settings", found)

    set_queue = ("queues", "set", "mail", "--json")
    assert settings(*set_queue, "--remove-on-complete", "7d") == {"removeOnComplete": {"age": 604_800}}
    assert settings(*set_queue, "--remove-on-fail", "12h,500", "--remove-on-complete", "unset") == {
        "removeOnFail": {"age": 43_200, "count": 500}
    }
    assert settings(*set_queue, "--remove-on-fail", "all") == {"removeOnFail": False}
    assert settings(*set_queue, "--start-within", "90s") == {"removeOnFail": False, "startWithin": 90_000}
    assert settings(*set_queue, "--start-within", "unset") == {"removeOnFail": False}
    assert settings("queues", "forget", "mail", "--json") == {}
    week, month = {"age": 7 * 86_400}, {"age": 30 * 86_400}
    assert settings("settings", "show") == {"removeOnComplete": week, "removeOnFail": month}
    assert settings("settings", "set", "--remove-on-complete", "none", "--remove-on-fail", "1000") == {
        "removeOnComplete": {"count": 0},
        "removeOnFail": {"count": 1000},
    }
    for wrong in ("7", "7x", "1d,", ",5", "", "99999d", "9999999999"):
        code = 0 if wrong == "7" else 2
        said(own_url, *set_queue, "--remove-on-complete", wrong, code=code)
    for wrong in ("7", "9999w"):
        said(own_url, *set_queue, "--start-within", wrong, code=2)
    assert "give one of" in said(own_url, *set_queue, code=2)


def test_defaults_are_set_for_a_queue_and_taken_away(own_url: str) -> None:
    set_queue = ("queues", "set", "mail")
    wanted = {"attempts": 5, "backoff": {"type": "fixed", "delay": 50}, "tags": ["a"]}
    shown = json.loads(said(own_url, *set_queue, "--json", "--defaults", json.dumps(wanted)))
    assert shown["settings"] == {"defaults": wanted}
    assert 'defaults {"attempts":5' in said(own_url, "queues", "list")
    both = said(own_url, *set_queue, "--json", "--defaults", '{"delay": 1}', "--remove-on-fail", "5")
    assert json.loads(both)["settings"] == {"removeOnFail": {"count": 5}, "defaults": {"delay": 1}}

    assert said(own_url, *set_queue, "--defaults", '{"attempts": 1001}', code=2).endswith(
        "settings.defaults.attempts must be between 0 and 1000"
    )
    assert "is not known here" in said(own_url, *set_queue, "--defaults", '{"jobId": "a"}', code=2)
    for wrong in ("", "{", '{}, "removeOnFail": 1', '{"tags": ["\\u0000"]}'):
        said(own_url, *set_queue, "--defaults", wrong, code=2)
    assert "must be an object" in said(own_url, *set_queue, "--defaults", "5", code=2)

    left = said(own_url, *set_queue, "--json", "--defaults", "unset")
    assert json.loads(left)["settings"] == {"removeOnFail": {"count": 5}}
    assert said(own_url, "audit", "--queue", "mail").count("queues.change") == 3


def test_keys_are_set_for_a_queue_and_taken_away(own_url: str) -> None:
    set_queue = ("queues", "set", "mail")
    shown = json.loads(said(own_url, *set_queue, "--json", "--key", "customer.id", "--key", "order"))
    assert shown["settings"] == {"keys": ["customer.id", "order"]}
    assert [key["status"] for key in shown["keys"]] == ["waiting", "waiting"]
    assert 'keys ["customer.id","order"]' in said(own_url, "queues", "list")
    assert "'a..b' must be keys" in said(own_url, *set_queue, "--key", "a..b", code=2)
    assert "exclude each other" in said(own_url, *set_queue, "--key", "a", "--no-keys", code=2)
    assert json.loads(said(own_url, *set_queue, "--json", "--no-keys"))["settings"] == {}
    assert said(own_url, "audit", "--queue", "mail").count("queues.change") == 2


def test_a_queue_is_drained_cleaned_and_obliterated(own_url: str) -> None:
    add = "select rowline.enqueue('mail', 'n', '1'), rowline.enqueue('mail', 'n', '1', '{\"delay\": 3600000}')"
    databases.run(own_url, add)
    assert said(own_url, "queues", "drain", "mail", "--yes").startswith("1 jobs removed")
    spared = json.loads(
        said(own_url, "queues", "clean", "mail", "--status", "delayed", "--grace", "1h", "--yes", "--json")
    )
    assert (spared["status"], spared["done"]) == ("applied", 0)
    assert said(own_url, "queues", "drain", "mail", "--delayed", "--yes").startswith("1 jobs removed")
    databases.run(own_url, ";".join([add] * 3))
    cleaned = said(own_url, "queues", "clean", "mail", "--status", "waiting", "--limit", "2", "--yes")
    assert cleaned.startswith("2 jobs removed")

    obliterate: list[str | Path] = [Path(PYTHON[0]).with_name("rowline"), "queues", "obliterate", "mail"]
    with Program(obliterate, env={"DATABASE_URL": own_url}, terminal=True) as program:
        program.type("n\n")
        assert program.end() == 1
        assert "Remove all 4 jobs of 'mail', and its settings? There is no undo. [y/N]:" in program.output
    assert said(own_url, "queues", "obliterate", "mail", code=1) == "Error: Not a terminal: give --yes"
    assert json.loads(said(own_url, "queues", "show", "mail", "--json"))["counts"]["delayed"] == 3
    databases.run(own_url, "update rowline.jobs set priority = 1, status = 'prioritized' where status = 'waiting'")
    assert json.loads(said(own_url, "queues", "obliterate", "mail", "--yes", "--json"))["done"] == 4
    acts = [line.split("  ")[2] for line in said(own_url, "audit", "--queue", "mail").splitlines()]
    assert acts[:4] == ["plans.applied", "queues.forget", "queues.obliterate", "queues.pause"]
    assert acts[4::2] == ["plans.applied"] * 4
    assert acts[5::2] == ["queues.clean", "queues.drain", "queues.clean", "queues.drain"]


def test_an_obliterate_is_refused_in_a_line_while_jobs_are_active_unless_it_is_forced(own_url: str) -> None:
    databases.run(own_url, "select rowline.enqueue('mail', 'n', '1')")
    db = Database(Settings(database_url=own_url), url=own_url, size=1, name="test")
    claim.claim(db, queue="mail", limit=1, lease_ms=60_000, worker="w")
    db.close()
    line = said(own_url, "queues", "obliterate", "mail", "--yes", code=5)
    assert line.startswith("Error: queue 'mail' has active jobs: 1. It is paused now")
    assert said(own_url, "queues", "obliterate", "mail", "--yes", "--force").startswith("1 jobs removed")
    assert said(own_url, "queues", "list") == "queues: no rows"


def test_a_faulty_clean_is_a_line(own_url: str) -> None:
    for words in (["--status", "active"], ["--status", "failed", "--grace", "5"], ["--grace", "5m"]):
        said(own_url, "queues", "clean", "mail", *words, code=2)
    assert "ten years" in said(own_url, "queues", "clean", "mail", "--status", "failed", "--grace", "999w", code=2)
