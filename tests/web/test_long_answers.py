"""Long answers: each ends in time, and together they hold no more than the operator allows."""

import base64
import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from app.infra.room import SMALL
from app.infra.settings import Settings
from app.postgres.database import Database
from app.store import leases, rows
from app.store.statements import Statement
from app.web import app
from tests.conftest import TOKEN
from tests.support import answers, schedules, work
from tests.support.client import Client

BOUND = 300_000
LONG = "x" * 90_000  # three of these are in an answer
ROOM = 1_000_000
PATH = "/queues/q/jobs"


def small(settings: Settings, **more: Any) -> Settings:
    return dataclasses.replace(settings, max_answer_bytes=BOUND, api_connections=1, pool_wait_ms=50, **more)


@pytest.fixture(scope="module")
def bounding(settings: Settings, shared_db: Database) -> Flask:
    """A service whose answers have 300,000 bytes of texts at most."""
    return app.create(small(settings), shared_db)


@pytest.fixture
def bounded(bounding: Flask, db: Database) -> Client:
    """A program that asks it, with the empty database."""
    return Client(bounding.test_client(), token=TOKEN)


@pytest.fixture
def full(settings: Settings, db: Database, client: Client) -> Iterator[Client]:
    """A service with memory for a million bytes of long answers, which a client holds that does not take its own."""
    service = app.create(small(settings, max_answers_bytes=ROOM * settings.api_processes), db)
    full = Client(service.test_client(), token=TOKEN)
    client.add({"name": "n", "data": "x" * (ROOM - SMALL)}, queue="held")
    with full.get("/queues/held/jobs"):
        yield full
    assert len(full.page("held")["jobs"]) == 1, "its memory is free again"


def add(client: Client, count: int, data: str = LONG, **opts: object) -> list[str]:
    """Add jobs in requests that are short enough; return their ids."""
    return [client.add({"name": "n", "data": data, "opts": opts})[0]["id"] for _ in range(count)]


def ids(page: dict[str, Any]) -> list[str]:
    return [job["id"] for job in page["jobs"]]


def followed(client: Client, **asked: Any) -> Iterator[dict[str, Any]]:
    """Get a page, and those that its `next` leads to."""
    page = client.page(**asked)
    yield page
    while "next" in page:
        page = client.page(cursor=page["next"], length=asked["length"])
        yield page


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("statuses", ["all", "waiting,delayed"])
def test_a_page_that_would_be_too_long_ends_early_and_says_how_to_go_on(
    bounded: Client, statuses: str, order: str
) -> None:
    added = add(bounded, 7, delay=60_000) + add(bounded, 3)

    pages = list(followed(bounded, statuses=statuses, order=order, length=10))

    assert [page["length"] for page in pages] == [3, 3, 3, 10]
    assert [page["start"] for page in pages] == [0, 3, 6, 9]
    assert [job_id for page in pages for job_id in ids(page)] == sorted(added, key=int, reverse=order == "desc")
    assert all(page["counts"]["delayed"] == 7 for page in pages)


def test_a_page_that_fits_is_as_long_as_it_was_asked_for(bounded: Client) -> None:
    added = add(bounded, 3)

    page = bounded.page(length=3)

    assert (ids(page), page["length"], "next" in page) == (added[::-1], 3, False)
    assert page["jobs"][0] == bounded.job(added[-1])


def test_new_jobs_do_not_disturb_who_goes_on_by_cursor(bounded: Client) -> None:
    added = add(bounded, 4)
    first = bounded.page()
    add(bounded, 2)

    assert ids(first) + ids(bounded.page(cursor=first["next"])) == added[::-1]


def test_who_goes_on_by_cursor_can_go_on_to_the_end(bounded: Client) -> None:
    added = add(bounded, 4) + add(bounded, 5, "short")

    pages = list(followed(bounded, order="asc", length=4))

    assert [job_id for page in pages for job_id in ids(page)] == added


def test_one_job_always_comes_however_long_it_is(bounded: Client) -> None:
    added = add(bounded, 3, "x" * 3 * BOUND)

    assert [ids(page) for page in followed(bounded, length=2)] == [[job_id] for job_id in reversed(added)]
    claimed = answers.ok(bounded.post(f"{PATH}/claim", '{"count": 2}'))["jobs"]
    assert [lease["job"]["id"] for lease in claimed] == added[:1]
    assert len(bounded.job(added[0])["data"]) == 3 * BOUND


@pytest.mark.parametrize(
    "cursor", ["", "x", "AAAA", "é", "%00", "!", "a" * 3_000, base64.urlsafe_b64encode(b"0000003.4.desc.all").decode()]
)
def test_a_cursor_that_no_page_gave_is_named(bounded: Client, cursor: str) -> None:
    said = answers.problem(bounded.get(f"{PATH}?cursor={cursor}"), 400)

    assert said["details"] == [{"path": "cursor", "message": "is none that a page of this queue gave as next"}]


def test_a_cursor_of_something_else_is_named(bounded: Client) -> None:
    add(bounded, 4)
    given = bounded.page()["next"]

    for query in (f"cursor={given}&statuses=failed", f"cursor={given}&order=asc"):
        said = answers.problem(bounded.get(f"{PATH}?{query}"), 400)
        assert said["error"] == "cursor is of a page with other statuses, or of the other order"
    assert answers.error(bounded.get(f"/queues/other/jobs?cursor={given}"), 400).startswith("cursor is none")
    assert answers.error(bounded.get(f"{PATH}?cursor={given}&start=3"), 400).startswith("start must not be given with")
    assert answers.error(bounded.get(f"{PATH}?cursor={given}&cursor=x"), 400) == "cursor must not be given twice"
    assert ids(bounded.page(cursor=given, statuses="all", order="desc"))


def test_a_claim_that_would_be_too_long_brings_fewer_jobs_and_leases_no_others(bounded: Client) -> None:
    added = add(bounded, 7)
    brought = [answers.ok(bounded.post(f"{PATH}/claim", '{"count": 7}'))["jobs"] for _ in range(4)]

    assert [len(leases) for leases in brought] == [3, 3, 1, 0]
    assert [lease["job"]["id"] for leases in brought for lease in leases] == added
    assert {bounded.job(job_id)["attemptsStarted"] for job_id in added} == {1}


def test_finishing_brings_fewer_jobs_too(bounded: Client) -> None:
    add(bounded, 5)
    [lease] = answers.ok(bounded.post(f"{PATH}/claim", "{}"))["jobs"]

    told = {"jobs": [{"id": lease["job"]["id"], "token": lease["token"]}], "claim": {"count": 4}}
    done = answers.ok(bounded.post(f"{PATH}/finish", json.dumps(told)))

    assert (done["finished"][0]["status"], len(done["jobs"])) == ("completed", 3)
    assert bounded.page(length=0)["counts"]["waiting"] == 1


@pytest.mark.parametrize("statement", ["jobs/find", "leases/claim", "leases/claim_large"])
def test_all_statements_size_a_job_alike(statement: str) -> None:
    assert " ".join(rows.BYTES.split()) in " ".join(Statement(statement).text.split())


def no_room(answer: Any) -> None:
    """See that an answer says that there is no memory for it, and when to ask again."""
    assert answers.problem(answer, 503)["code"] == "no_room"
    assert int(answer.headers["Retry-After"]) >= 0


def test_without_room_long_answers_are_refused_and_short_ones_are_not(client: Client, full: Client) -> None:
    [job_id] = add(client, 1, "x" * BOUND)
    [short] = add(client, 1, "short")

    no_room(full.get(PATH))
    no_room(full.get(f"{PATH}/{job_id}"))
    assert full.job(short)["data"] == "short"
    assert ids(full.page(length=1)) == [short]
    assert full.page(length=0)["counts"]["waiting"] == 2


def test_without_room_an_answer_of_many_short_jobs_is_refused_too(client: Client, full: Client) -> None:
    client.add(*({"name": "n", "data": "x" * 1_000} for _ in range(100)))

    no_room(full.get(f"{PATH}?length=100"))


def test_without_room_nothing_is_claimed(client: Client, full: Client) -> None:
    [job_id] = add(client, 1)

    no_room(full.post(f"{PATH}/claim", "{}"))
    no_room(full.post(f"{PATH}/claim", '{"wait": 20000}'))
    assert client.job(job_id)["attemptsStarted"] == 0


def test_without_room_outcomes_are_recorded_and_nothing_is_claimed(client: Client, full: Client) -> None:
    add(client, 2)
    [lease] = answers.ok(client.post(f"{PATH}/claim", "{}"))["jobs"]

    told = {"jobs": [{"id": lease["job"]["id"], "token": lease["token"]}], "claim": {"count": 1}}
    done = answers.ok(full.post(f"{PATH}/finish", json.dumps(told)))

    assert (done["finished"][0]["status"], done["jobs"]) == ("completed", [])
    assert client.page(length=0)["counts"]["waiting"] == 1


@pytest.mark.parametrize("headers", [{}, {"Idempotency_Key": "k"}])
def test_without_room_nothing_is_added_whose_answer_would_be_long(
    client: Client, full: Client, headers: dict[str, str]
) -> None:
    no_room(full.post(PATH, json.dumps([{"name": "n", "data": "x" * BOUND}]), **headers))
    assert client.page(length=0)["counts"]["waiting"] == 0
    assert add(full, 1, "short")


def test_without_room_what_exists_is_not_repeated_and_nothing_is_added(client: Client, full: Client) -> None:
    add(client, 1, "x" * BOUND, jobId="long")

    no_room(full.post(PATH, json.dumps([{"name": "n", "data": 1, "opts": {"jobId": own}} for own in ("new", "long")])))
    assert client.page(length=0)["counts"]["waiting"] == 1


def test_without_room_a_long_response_is_not_repeated_for_its_key(client: Client, full: Client) -> None:
    long, short = (json.dumps([{"name": "n", "data": data}]) for data in ("x" * BOUND, "short"))
    first = [client.post(PATH, body, Idempotency_Key=key).text for key, body in (("long", long), ("short", short))]
    other = json.dumps([{"name": "n", "data": "y" * BOUND}])

    no_room(full.post(PATH, long, Idempotency_Key="long"))
    assert full.post(PATH, short, Idempotency_Key="short").text == first[1]
    assert client.post(PATH, long, Idempotency_Key="long").text == first[0]
    assert client.post(PATH, other, Idempotency_Key="long").status_code == 422
    assert client.page(length=0)["counts"]["waiting"] == 2


def test_without_room_a_long_job_is_not_cancelled_and_a_short_one_is(client: Client, full: Client) -> None:
    [long] = add(client, 1, "x" * BOUND)
    [short] = add(client, 1, "short")

    no_room(full.post(f"{PATH}/{long}/cancel", ""))
    assert client.job(long)["status"] == "waiting"
    assert answers.ok(full.post(f"{PATH}/{short}/cancel", ""))["status"] == "failed"


@pytest.mark.parametrize(
    ("method", "verb", "opts"), [("DELETE", "", {}), ("POST", "/promote", {"delay": 60_000}), ("PATCH", "", {})]
)
def test_without_room_nothing_is_done_to_a_long_job_by_hand(
    client: Client, full: Client, method: str, verb: str, opts: dict[str, int]
) -> None:
    [long] = add(client, 1, "x" * BOUND, **opts)
    [short] = add(client, 1, "short", **opts)
    before = client.job(long)

    def ask(job_id: str) -> Any:
        body = '{"name": "other"}' if method == "PATCH" else ""
        return full.flask.open(f"{PATH}/{job_id}{verb}", method=method, data=body, headers=full.authorization)

    no_room(ask(long))
    assert client.job(long) == before
    assert answers.ok(ask(short))["id"] == short


def test_without_room_a_long_job_is_not_retried(client: Client, full: Client) -> None:
    [long] = add(client, 1, "x" * BOUND)
    client.post(f"{PATH}/{long}/cancel", "")

    no_room(full.post(f"{PATH}/{long}/retry", ""))
    assert client.job(long)["status"] == "failed"


def test_jobs_that_exist_are_repeated_up_to_an_answer_more_than_was_sent(bounded: Client) -> None:
    sent = [{"name": "n", "data": LONG, "opts": {"jobId": f"own-{nth}"}} for nth in range(9)]
    bounded.add(*sent)

    assert [job["outcome"] for job in bounded.add(*sent)] == ["duplicate"] * 9
    few = [{"name": "n", "data": 1, "opts": {"jobId": f"own-{nth}"}} for nth in range(9)]
    assert answers.problem(bounded.post(PATH, json.dumps(few)), 413)["details"][0]["path"] == "jobs"
    assert len(bounded.add(*few[:3])) == 3


def test_a_log_that_would_be_too_long_ends_early(bounded: Client, full: Client) -> None:
    [job_id] = add(bounded, 1)
    [lease] = answers.ok(bounded.post(f"{PATH}/claim", "{}"))["jobs"]
    by_attempt = {"Authorization": f"Bearer {lease['token']}"}
    for nth in range(12):
        line = json.dumps(f"{nth}" + "x" * 60_000)
        assert bounded.flask.post(f"{PATH}/{job_id}/logs", data=line, headers=by_attempt).status_code == 200

    said = answers.ok(bounded.get(f"{PATH}/{job_id}/logs?start=1&length=12"))

    assert [line.rstrip("x") for line in said["logs"]] == ["1", "2", "3", "4"]
    assert (said["count"], said["length"], said["next"]) == (12, 4, 5)
    assert "next" not in answers.ok(bounded.get(f"{PATH}/{job_id}/logs?start=10"))
    no_room(full.get(f"{PATH}/{job_id}/logs?length=12"))
    assert "next" not in answers.ok(full.get(f"{PATH}/{job_id}/logs?length=1"))


def test_attempts_that_would_be_too_long_end_early(bounded: Client, full: Client, db: Database) -> None:
    [job_id] = add(bounded, 1, "short", attempts=50)
    for nth in range(40):
        work.fail_next(db, reason=f"{nth} " + "x" * 9_000)

    said = answers.ok(bounded.get(f"{PATH}/{job_id}/attempts?length=40"))

    assert [attempt["attempt"] for attempt in said["attempts"]] == list(range(1, 34))
    assert (said["count"], said["length"], said["next"]) == (40, 33, 33)
    no_room(full.get(f"{PATH}/{job_id}/attempts?length=40"))


def test_a_claim_locks_no_more_than_a_few_jobs_that_it_does_not_take(db: Database, bounded: Client) -> None:
    added = add(bounded, 30)

    with db.begin() as conn:
        first = leases.claim(
            conn, queue="q", limit=30, lease_ms=60_000, worker="w", max_bytes=BOUND, are_large=True
        ).taken
        [second] = work.take(db)

    assert len(first) == 3
    assert second.job.id in added[3:8]


def test_what_the_defaults_of_a_queue_add_to_jobs_is_part_of_the_bound(bounded: Client) -> None:
    tags = [f"{nth}{'é' * 99}" for nth in range(10)]
    change = json.dumps({"settings": {"defaults": {"tags": tags}}})
    answers.ok(bounded.flask.patch("/queues/q", data=change, headers=bounded.authorization))
    added = [job["id"] for _ in range(2) for job in bounded.add(*[{"name": "n", "data": 1}] * 50)]

    page = bounded.get(f"{PATH}?length=100&order=asc")
    claimed = [bounded.post(f"{PATH}/claim", '{"count": 100}') for _ in range(3)]

    assert all(len(answer.get_data()) < 1.2 * BOUND for answer in (page, *claimed))
    assert 50 < answers.ok(page)["length"] < 100
    leases = [lease for answer in claimed for lease in answers.ok(answer)["jobs"]]
    assert [lease["job"]["id"] for lease in leases] == added


def test_jobs_that_defaults_make_too_long_for_a_response_are_not_read_before_they_are_refused(
    bounded: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = json.dumps({"settings": {"defaults": {"tags": ["é" * 100] * 10}}})
    answers.ok(bounded.flask.patch("/queues/q", data=change, headers=bounded.authorization))
    read: list[int] = []
    run = Statement.rows

    def counting(statement: Statement, *args: Any, **asked: Any) -> Any:
        found = run(statement, *args, **asked)
        read.append(sum(len(str(row)) for row in found))
        return found

    monkeypatch.setattr(Statement, "rows", counting)
    answer = bounded.post(PATH, json.dumps([{"name": "n", "data": 1}] * 1_000))

    assert answers.problem(answer, 413)["code"] == "too_large"
    assert max(read) < 2 * BOUND
    assert bounded.page()["counts"]["waiting"] == 0


def test_a_long_schedule_is_run_or_changed_only_where_its_data_have_room(client: Client, full: Client) -> None:
    schedules.put(client, template={"data": "x" * 300_000})
    answers.problem(full.post(f"{schedules.PATH}/run"), 503)
    answers.problem(full.put(schedules.PATH, schedules.body()), 503)
    assert answers.ok(full.post(f"{schedules.PATH}/pause"))["hidden"] == ["template.data"]
    assert schedules.job_ids(client) == [schedules.get(client)["lastJobId"]]
