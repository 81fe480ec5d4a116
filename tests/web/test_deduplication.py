"""Deduplication, as a client sees it: what becomes of a job with an id that another one holds."""

import json
from typing import Any

import pytest

from app.operations import deduplication, maintenance
from app.postgres.database import Database
from tests.support import answers, databases, work
from tests.support.client import Client
from tests.support.plans import run
from tests.support.tokens import issue

PATH = "/queues/q/jobs"
HELD = "/queues/q/deduplication/d"
LONG_MS = 3_600_000


def job(data: Any = None, *, dedup_id: str = "d", opts: dict[str, Any] | None = None, **mode: Any) -> dict[str, Any]:
    return {"name": "n", "data": data, "opts": {"deduplication": {"id": dedup_id} | mode} | (opts or {})}


def post(client: Client, *new: dict[str, Any]) -> list[dict[str, Any]]:
    return list(answers.ok(client.post(PATH, json.dumps(new))))


def add(client: Client, data: Any = None, **asked: Any) -> dict[str, Any]:
    [added] = post(client, job(data, **asked))
    return added


def outcomes(added: list[dict[str, Any]]) -> list[str]:
    return [str(one["outcome"]) for one in added]


def listed(client: Client) -> list[tuple[str, Any]]:
    found = answers.ok(client.get(f"{PATH}?order=asc&length=100"))["jobs"]
    return [(one["id"], one["data"]) for one in found]


def counts(client: Client) -> dict[str, int]:
    return {status: n for status, n in answers.ok(client.get("/queues/q"))["counts"].items() if n}


def holder_in(client: Client, db: Database, status: str, **mode: Any) -> str:
    """Add the holder of the id and bring it to a status; return its id."""
    held = add(client, "first", opts={"delay": LONG_MS} if status == "delayed" else {}, **mode)
    if status == "active":
        work.take(db)
    elif status == "completed":
        work.complete_next(db)
    elif status == "failed":
        work.fail_next(db)
    elif status == "removed":
        answers.ok(client.delete(f"{PATH}/{held['id']}"))
    return str(held["id"])


SIMPLE: dict[str, Any] = {}
TTL: dict[str, Any] = {"ttl": LONG_MS}
EXTEND = TTL | {"extend": True}
REPLACE = TTL | {"replace": True}
DEBOUNCE = REPLACE | {"extend": True}
LAST = {"keepLastIfActive": True}
ENDED = ("completed", "failed", "removed")


@pytest.mark.parametrize(
    ("mode", "status", "outcome"),
    [
        *(
            (mode, status, "deduplicated")
            for mode in (SIMPLE, TTL, EXTEND)
            for status in ("waiting", "delayed", "active")
        ),
        *((SIMPLE, status, "created") for status in ENDED),
        *((mode, status, "deduplicated") for mode in (TTL, EXTEND, REPLACE, DEBOUNCE) for status in ENDED),
        *((mode, "waiting", "deduplicated") for mode in (REPLACE, DEBOUNCE, LAST)),
        *((mode, "active", "deduplicated") for mode in (REPLACE, DEBOUNCE)),
        *((mode, "delayed", "replaced") for mode in (REPLACE, DEBOUNCE, {"replace": True})),
        (LAST, "delayed", "deduplicated"),
        (LAST, "active", "stored"),
        *((LAST, status, "created") for status in ENDED),
    ],
)
def test_what_becomes_of_a_job_whose_id_another_one_had_or_has(
    client: Client, db: Database, mode: dict[str, Any], status: str, outcome: str
) -> None:
    holder = holder_in(client, db, status, **mode)
    before = listed(client)
    told = add(client, "second", **mode)
    assert told["outcome"] == outcome
    if outcome in {"created", "replaced"}:
        assert (told["id"] != holder, told["data"]) == (True, "second")
        gone = [] if outcome == "created" else [(holder, "first")]
        assert listed(client) == [one for one in before if one not in gone] + [(told["id"], "second")]
        assert answers.ok(client.get(HELD))["jobId"] == told["id"]
    else:
        assert told["id"] == holder
        assert listed(client) == before
        assert told["data"] == ("second" if status == "removed" else "first")


@pytest.mark.parametrize("mode", [TTL, EXTEND, REPLACE, DEBOUNCE])
@pytest.mark.parametrize("status", ["waiting", "delayed", "active", "completed"])
def test_after_its_window_an_id_is_free_even_if_its_holder_lives(
    client: Client, db: Database, shared_url: str, mode: dict[str, Any], status: str
) -> None:
    holder = holder_in(client, db, status, **mode)
    databases.run(shared_url, "update rowline.deduplications set expires_at = now()")
    assert client.get(HELD).status_code == 404
    told = add(client, "second", **mode)
    assert (told["outcome"], told["id"] != holder, len(listed(client))) == ("created", True, 2)


@pytest.mark.parametrize(
    ("mode", "status", "is_moved"),
    [
        (TTL, "waiting", False),
        (EXTEND, "waiting", True),
        (EXTEND, "completed", True),
        (REPLACE, "waiting", False),
        (REPLACE, "delayed", False),
        (DEBOUNCE, "delayed", True),
        (DEBOUNCE, "waiting", False),  # else a steady stream would never be added again
        (DEBOUNCE, "active", False),
    ],
)
def test_the_window_begins_anew_only_where_extend_says_so_and_something_can_be_replaced(
    client: Client,
    db: Database,
    shared_url: str,
    mode: dict[str, Any],
    status: str,
    is_moved: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    holder_in(client, db, status, **mode)
    databases.run(shared_url, "update rowline.deduplications set expires_at = now() + interval '1 minute'")
    before = answers.ok(client.get(HELD))["expiresOn"]
    add(client, "second", **mode)
    assert (answers.ok(client.get(HELD))["expiresOn"] > before) is is_moved


def test_a_repeated_word_does_not_hold_without_a_window_what_was_held_with_one(client: Client, db: Database) -> None:
    first = add(client, 1, ttl=LONG_MS)
    assert add(client, 2)["outcome"] == "deduplicated"
    work.complete_next(db)
    assert (add(client, 3)["outcome"], answers.ok(client.get(HELD))["jobId"]) == ("deduplicated", first["id"])


def test_ids_are_apart_by_queue_and_may_be_digits(client: Client) -> None:
    assert add(client, dedup_id="1")["outcome"] == "created"
    assert add(client, dedup_id="2")["outcome"] == "created"
    other = answers.ok(client.post("/queues/other/jobs", json.dumps([job(dedup_id="1")])))
    assert outcomes(other) == ["created"]
    assert add(client, dedup_id="1")["outcome"] == "deduplicated"


def test_in_one_array_the_second_is_deduplicated_by_the_first(client: Client) -> None:
    told = post(client, job(1), job(2), {"name": "plain", "data": 3}, job(4), job(5, dedup_id="e"))
    assert outcomes(told) == ["created", "deduplicated", "created", "deduplicated", "created"]
    assert [one["id"] for one in told[:2]] == [told[0]["id"]] * 2
    assert told[3]["data"] == 1
    assert [data for _, data in listed(client)] == [1, 3, 5]
    assert counts(client) == {"waiting": 3}


def test_in_one_array_the_last_delayed_one_replaces_those_before(client: Client) -> None:
    new = [job(nth, opts={"delay": LONG_MS}, **DEBOUNCE) for nth in range(3)]
    told = post(client, *new)
    assert outcomes(told) == ["created", "replaced", "replaced"]
    assert [one["data"] for one in told] == [0, 1, 2]
    assert listed(client) == [(told[2]["id"], 2)]
    assert counts(client) == {"delayed": 1}


def test_a_default_delay_counts_when_an_array_replaces(client: Client) -> None:
    answers.ok(client.patch("/queues/q", json.dumps({"settings": {"defaults": {"delay": LONG_MS}}})))
    assert outcomes(post(client, job(1, replace=True), job(2, replace=True))) == ["created", "replaced"]
    assert [data for _, data in listed(client)] == [2]


def test_who_is_deduplicated_by_a_job_that_its_array_replaces_then_still_hears_of_it(client: Client) -> None:
    held = add(client, 1, opts={"delay": LONG_MS})
    told = post(client, job(2), job(3, replace=True))
    assert outcomes(told) == ["deduplicated", "replaced"]
    assert told[0]["id"] == held["id"]


def test_a_custom_id_that_exists_is_looked_at_first(client: Client) -> None:
    first = add(client, 1, opts={"jobId": "mine"})
    again = add(client, 2, dedup_id="other", opts={"jobId": "mine"})
    assert (again["outcome"], again["id"], again["data"]) == ("duplicate", "mine", 1)
    assert client.get("/queues/q/deduplication/other").status_code == 404
    told = post(client, job(3, dedup_id="x", opts={"jobId": "new"}), job(4, dedup_id="y", opts={"jobId": "new"}))
    assert outcomes(told) == ["created", "duplicate"]
    assert client.get("/queues/q/deduplication/y").status_code == 404
    assert answers.ok(client.get(HELD))["jobId"] == first["id"]


def test_a_job_that_is_not_added_does_not_take_its_custom_id(client: Client) -> None:
    add(client, 1)
    told = post(client, job(2, opts={"jobId": "mine"}), {"name": "n", "data": 3, "opts": {"jobId": "mine"}})
    assert outcomes(told) == ["deduplicated", "created"]


def test_the_last_word_of_an_active_id_follows_when_its_holder_has_ended(client: Client, db: Database) -> None:
    holder = holder_in(client, db, "waiting", **LAST)
    [lease] = work.take(db)
    told = [add(client, nth, opts={"priority": 3, "jobId": f"j{nth}", "tags": ["t"]}, **LAST) for nth in (1, 2)]
    assert [(one["outcome"], one["id"], one["data"]) for one in told] == [("stored", holder, "first")] * 2
    assert deduplication.follow(db) == set()
    work.complete(db, lease)
    assert deduplication.follow(db) == {"q"}
    followed = answers.ok(client.get(f"{PATH}/j2"))
    assert (followed["data"], followed["priority"], followed["tags"]) == (2, 3, ["t"])
    assert followed["status"] == "prioritized"
    assert [one["id"] for one in answers.ok(client.get(f"{PATH}?tag=t"))["jobs"]] == ["j2"]
    assert answers.ok(client.get(HELD)) == {"id": "d", "jobId": "j2"}
    assert counts(client) == {"prioritized": 1, "completed": 1}
    assert deduplication.follow(db) == set()


@pytest.mark.parametrize("end", ["retry", "fail", "cancel", "stall", "let go", "removed at once"])
def test_what_is_stored_follows_whatever_becomes_of_the_holder_but_not_while_it_is_retried(
    client: Client, db: Database, end: str
) -> None:
    opts = {"attempts": 2} if end == "retry" else {"removeOnComplete": True} if end == "removed at once" else {}
    held = add(client, "first", opts=opts, **LAST)
    [lease] = work.take(db, lease_ms=0 if end == "stall" else work.LEASE_MS)
    assert add(client, "last", **LAST)["outcome"] == "stored"
    if end == "retry":
        work.fail(db, lease)
        assert deduplication.follow(db) == set()
        work.complete_next(db)
    elif end == "fail":
        work.fail(db, lease)
    elif end == "cancel":
        answers.ok(client.post(f"{PATH}/{held['id']}/cancel"))
        work.fail(db, lease)
    elif end == "stall":
        assert maintenance.recover_stalled(db, max_stalled_count=0) == {"q": 1}
    elif end == "let go":
        assert answers.ok(client.delete(HELD))["jobId"] == held["id"]
    else:
        work.complete(db, lease)
    assert deduplication.follow(db) == {"q"}
    assert [data for _, data in listed(client)][-1] == "last"
    assert answers.ok(client.get(HELD))["jobId"] == listed(client)[-1][0]


def test_a_stored_job_whose_custom_id_exists_by_then_is_dropped(
    client: Client, db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    add(client, 1, **LAST)
    [lease] = work.take(db)
    assert add(client, 2, opts={"jobId": "taken"}, **LAST)["outcome"] == "stored"
    post(client, {"name": "n", "data": 3, "opts": {"jobId": "taken"}})
    work.complete(db, lease)
    assert deduplication.follow(db) == set()
    assert [data for _, data in listed(client)] == [1, 3]
    assert client.get(HELD).status_code == 404
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == ["stored_job_dropped"]


def test_a_new_holder_has_nothing_stored_that_would_run_after_it(client: Client, db: Database) -> None:
    add(client, 1, **LAST)
    [lease] = work.take(db)
    add(client, 2, **LAST)
    work.complete(db, lease)
    assert add(client, 3, **LAST)["outcome"] == "created"  # before anything follows
    assert deduplication.follow(db) == set()
    work.complete_next(db)
    assert deduplication.follow(db) == set()
    assert [data for _, data in listed(client)] == [1, 3]


def test_an_id_is_let_go_by_hand(client: Client) -> None:
    held = add(client, 1, ttl=LONG_MS)
    shown = answers.ok(client.get(HELD))
    assert (shown["id"], shown["jobId"]) == ("d", held["id"])
    assert 0 < shown["expiresOn"] - held["timestamp"] <= LONG_MS
    assert answers.ok(client.delete(HELD)) == shown
    assert answers.problem(client.delete(HELD), 404)["code"] == "deduplication_not_found"
    assert answers.problem(client.get(HELD), 404)["code"] == "deduplication_not_found"
    [act] = answers.ok(client.get("/audit?action=deduplication.let_go"))["entries"]
    assert (act["queue"], act["target"], act["before"]) == ("q", "d", {"jobId": held["id"]})
    assert add(client, 2)["outcome"] == "created"


def test_a_removed_or_drained_holder_lets_its_id_go_and_an_obliterated_queue_all(client: Client, db: Database) -> None:
    held = add(client, 1)
    answers.ok(client.delete(f"{PATH}/{held['id']}"))
    assert add(client, 2)["outcome"] == "created"
    answers.ok(client.post("/queues/q/drain", ""))
    assert add(client, 3)["outcome"] == "created"
    add(client, 4, dedup_id="window", ttl=LONG_MS)
    answers.ok(client.post("/queues/q/obliterate", json.dumps({"force": True})))
    run(db)
    assert [add(client, 5)["outcome"], add(client, 6, dedup_id="window")["outcome"]] == ["created"] * 2


def test_ids_that_nobody_holds_and_whose_jobs_are_gone_are_forgotten(
    client: Client, db: Database, shared_url: str
) -> None:
    kept = [add(client, dedup_id=f"kept-{nth}", **mode)["id"] for nth, mode in enumerate((SIMPLE, TTL))]
    gone = add(client, dedup_id="gone")
    windowed = add(client, dedup_id="windowed", ttl=LONG_MS)
    ended = add(client, dedup_id="over", ttl=LONG_MS)
    for one in (gone, windowed, ended):
        answers.ok(client.delete(f"{PATH}/{one['id']}"))
    databases.run(shared_url, "update rowline.deduplications set expires_at = now() where dedup_id = 'over'")
    deduplication.forget_idle(db)
    assert databases.ask(shared_url, "select dedup_id, number from rowline.deduplications order by 1") == [
        ("kept-0", int(kept[0])),
        ("kept-1", int(kept[1])),
        ("windowed", int(windowed["id"])),
    ]


def test_who_lacks_payload_does_not_see_the_holder(client: Client, db: Database) -> None:
    add(client, {"secret": 1})
    one = Client(client.flask, token=issue(db, "jobs:add@q").secret)
    [told] = answers.ok(one.post(PATH, json.dumps([job({"mine": 1})])))
    assert (told["outcome"], "data" in told, "data" in told["hidden"]) == ("deduplicated", False, True)
    replaced = Client(client.flask, token=issue(db, "jobs:add@q").secret)
    add(client, {"secret": 2}, dedup_id="e", opts={"delay": LONG_MS})
    [told] = answers.ok(replaced.post(PATH, json.dumps([job({"mine": 1}, dedup_id="e", replace=True)])))
    assert (told["outcome"], told["data"]) == ("replaced", {"mine": 1})


@pytest.mark.parametrize(
    ("sent", "fault"),
    [
        ("d", "jobs[0].opts.deduplication must be an object"),
        ([], "jobs[0].opts.deduplication must be an object"),
        ({}, "jobs[0].opts.deduplication.id is required"),
        ({"id": None}, "jobs[0].opts.deduplication.id must not be null"),
        ({"id": 1}, "jobs[0].opts.deduplication.id must be a string"),
        ({"id": ""}, "jobs[0].opts.deduplication.id must not be empty"),
        ({"id": "a/b"}, "jobs[0].opts.deduplication.id must not contain '/'"),
        ({"id": "x" * 256}, "jobs[0].opts.deduplication.id must be at most 255 characters, not 256"),
        ({"id": "d", "ttl": 0}, "jobs[0].opts.deduplication.ttl must be between 1 and 316224000000"),
        ({"id": "d", "ttl": "1"}, "jobs[0].opts.deduplication.ttl must be an integer"),
        ({"id": "d", "extend": 1}, "jobs[0].opts.deduplication.extend must be true or false"),
        ({"id": "d", "keep": True}, "jobs[0].opts.deduplication.keep is not known here"),
    ],
)
def test_a_bad_deduplication_is_refused_by_name(client: Client, sent: Any, fault: str) -> None:
    new = [{"name": "n", "data": 1, "opts": {"deduplication": sent}}]
    assert answers.error(client.post(PATH, json.dumps(new)), 400) == fault


def test_null_counts_as_absent(client: Client) -> None:
    nulls: dict[str, Any] = {"ttl": None, "extend": None, "replace": None, "keepLastIfActive": None}
    assert outcomes(post(client, job(1, **nulls), job(2, **nulls))) == ["created", "deduplicated"]
    plain = {"name": "n", "data": 1, "opts": {"deduplication": None}}
    assert outcomes(post(client, plain, plain)) == ["created", "created"]


def test_a_request_with_a_key_gives_its_answer_again(client: Client) -> None:
    first = client.post(PATH, json.dumps([job(1), job(2)]), Idempotency_Key="k")
    again = client.post(PATH, json.dumps([job(1), job(2)]), Idempotency_Key="k")
    assert outcomes(answers.ok(first)) == ["created", "deduplicated"]
    assert answers.ok(again) == answers.ok(first)


def test_rowline_enqueue_refuses_it_by_name(shared_url: str, db: Database) -> None:
    with pytest.raises(Exception, match="deduplication"):
        databases.run(shared_url, """select * from rowline.enqueue('q', 'n', '1', '{"deduplication": {"id": "d"}}')""")


def test_a_retried_job_holds_its_id_again_if_nobody_has_taken_it(client: Client, db: Database) -> None:
    first = holder_in(client, db, "completed")
    answers.ok(client.post(f"{PATH}/{first}/retry"))
    assert add(client)["id"] == first
    work.complete_next(db)
    second = add(client, 2)
    answers.ok(client.post(f"{PATH}/{first}/retry"))
    assert (second["outcome"], add(client)["id"]) == ("created", second["id"])


def test_the_report_shows_who_holds_what(client: Client, db: Database, shared_url: str) -> None:
    held = add(client, 1, **LAST)
    work.take(db)
    add(client, 2, **LAST)
    ended = add(client, 3, dedup_id="w", ttl=LONG_MS)
    add(client, 4, dedup_id="over")
    for _ in range(2):
        work.complete_next(db)
    rows = databases.ask(
        shared_url, "select id, job_id, status, expires_at is null, has_stored from report.deduplications order by id"
    )
    assert rows == [("d", held["id"], "active", True, True), ("w", ended["id"], "completed", False, False)]
