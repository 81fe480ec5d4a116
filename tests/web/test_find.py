"""GET /queues/:queue/jobs with a filter, and GET /jobs."""

import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from werkzeug.test import TestResponse

from app.postgres.database import Database
from tests.support import answers, databases, work
from tests.support.client import Client
from tests.support.tokens import issue

PATH = "/queues/q/jobs"
FILL = """
insert into rowline.jobs (queue, number, name, data, opts, status, priority, lifo, place, run_at, added_at, delay_ms,
    attempts)
select 'q', nextval('rowline.job_numbers'), 'n', '1', '{}', 'waiting', 0, false, n, now(), now(), 0, 1
from generate_series(1, 20005) as n
"""
Query = dict[str, Any]


def asked(client: Client, query: Query, *, path: str = PATH) -> TestResponse:
    return client.get(f"{path}?{urlencode(query, doseq=True)}")


def found(client: Client, query: Query, *, path: str = PATH) -> list[str]:
    """Follow the cursors to the end, two jobs at a time; return the ids of the jobs."""
    ids: list[str] = []
    more: Query = {"length": 2}
    while more:
        page = answers.ok(asked(client, query | more, path=path))
        ids += [job["id"] for job in page["jobs"]]
        more = {"length": 2, "cursor": page["next"]} if "next" in page else {}
    return ids


@pytest.fixture
def jobs(client: Client, db: Database) -> dict[str, str]:
    """Jobs of several kinds, by what they are."""
    data = {"customer": {"id": 42, "name": "Zoë"}, "lines": [{"sku": "a"}]}

    def add(what: str, **opts: Any) -> None:
        ids[what] = client.add({"name": what[:4], "data": data if what == "vip" else 1, "opts": opts})[0]["id"]

    ids: dict[str, str] = {}
    add("done")
    work.complete_next(db)
    add("failed")
    work.fail_next(db, reason="timeout after 30 s: 100% lost")
    add("vip", tags=["vip", "mail"], delay=60_000)
    add("mail", tags=["mail"])
    client.add({"name": "mail", "data": data, "opts": {"tags": ["vip", "mail"]}}, queue="other")
    return ids


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"name": "mail"}, ["mail"]),
        ({"name": "nobody"}, []),
        ({"tag": "mail"}, ["mail", "vip"]),
        ({"tag": ["mail", "vip"]}, ["vip"]),
        ({"tag": ["vip", "vip"]}, ["vip"]),
        ({"tag": "mail", "statuses": "waiting"}, ["mail"]),
        ({"error": "timeout"}, ["failed"]),
        ({"error": "100% lost"}, ["failed"]),
        ({"error": "TIMEOUT"}, []),
        ({"worker": work.WORKER}, ["failed", "done"]),
        ({"data.customer.id": 42}, ["vip"]),
        ({"data.customer.id": 42, "data.customer.name": "Zoë"}, ["vip"]),
        ({"data.customer.id": 42, "name": "mail"}, []),
        ({"data.lines.0.sku": "a"}, ["vip"]),
        ({"data.lines.0.sku": '"a"'}, ["vip"]),
        ({"data.customer.id": ""}, []),
        ({"since": 0}, ["mail", "vip", "failed", "done"]),
        ({"since": 0, "order": "asc"}, ["done", "failed", "vip", "mail"]),
        ({"until": 10**11}, []),
        ({"finishedSince": 10**11, "finishedUntil": 253_402_300_799_999}, ["failed", "done"]),
        ({"finishedUntil": 10**11}, []),
    ],
)
def test_those_are_found_that_have_all_that_is_asked_for(
    client: Client, jobs: dict[str, str], query: Query, expected: list[str]
) -> None:
    assert found(client, query) == [jobs[what] for what in expected]


@pytest.mark.usefixtures("jobs")
def test_an_answer_has_the_counts_of_the_queue_and_says_how_far_it_looked(client: Client) -> None:
    page = answers.ok(asked(client, {"name": "mail", "statuses": "waiting,failed"}))

    assert page["counts"] == {"waiting": 1, "failed": 1}
    assert (page["scanned"], page["isComplete"], page["start"], page["length"]) == (2, True, 0, 10)
    assert "next" not in page
    assert page["jobs"] == [client.job(page["jobs"][0]["id"])]


def test_a_search_stops_at_its_bound_and_goes_on_from_there(client: Client, shared_url: str) -> None:
    [first] = client.add({"name": "first", "data": 1})
    databases.run(shared_url, FILL)

    page = answers.ok(asked(client, {"name": "first"}))
    assert (page["jobs"], page["isComplete"]) == ([], False)
    assert 0 < page["scanned"] <= 20_000
    assert found(client, {"name": "first"}) == [first["id"]] == found(client, {"name": "first"}, path="/jobs")


@pytest.mark.parametrize("path", [PATH, "/jobs"])
def test_a_page_that_is_too_long_goes_on_behind_its_last_job(client: Client, path: str) -> None:
    data = "x" * 900_000
    ids = [client.add({"name": "n", "data": data})[0]["id"] for _ in range(12)]

    page = answers.ok(asked(client, {"name": "n", "length": 12}, path=path))
    assert 1 <= page["length"] == len(page["jobs"]) < 12
    assert page["jobs"][0]["data"] == data
    rest = answers.ok(asked(client, {"name": "n", "length": 12, "cursor": page["next"]}, path=path))
    assert [job["id"] for job in page["jobs"] + rest["jobs"]] == ids[::-1]


@pytest.mark.parametrize(
    "other",
    [
        {"name": "mail"},
        {"tag": ["mail", "vip"]},
        {"tag": "mail", "order": "asc"},
        {"tag": "mail", "statuses": "waiting"},
        {"tag": "mail", "since": 0},
        {"tag": "mail", "data.a": "1"},
        {},
    ],
)
@pytest.mark.usefixtures("jobs")
def test_a_cursor_is_of_its_queue_its_filter_and_its_order(client: Client, other: Query) -> None:
    cursor = answers.ok(asked(client, {"tag": "mail", "length": 1}))["next"]

    assert answers.ok(asked(client, {"tag": "mail", "cursor": cursor}))["jobs"]
    assert answers.error(asked(client, other | {"cursor": cursor}), 400).startswith("cursor ")
    for path in ("/queues/other/jobs", "/jobs"):
        assert answers.error(asked(client, {"tag": "mail", "cursor": cursor}, path=path), 400).startswith("cursor ")
    page = client.page(length=1, statuses="waiting")
    assert "next" not in page
    for word in ("x", "0", f"0{cursor}", cursor[:-1], cursor.replace("-", "-0"), "1-" + "0" * 12, "9" * 30 + "-"):
        assert answers.error(asked(client, {"tag": "mail", "cursor": word}), 400).startswith("cursor ")


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("name=", "name must not be empty"),
        ("name=%00", "name must not contain NUL"),
        (f"name={'n' * 256}", "name must be at most 255 characters, not 256"),
        ("tag=", "tag[0] must not be empty"),
        ("tag=%00", "tag must not contain NUL"),
        ("&".join(f"tag={nth}" for nth in range(11)), "tag must hold at most 10 strings"),
        ("error=", "error must not be empty"),
        ("error=a%00", "error must not contain NUL"),
        ("worker=", "worker must not be empty"),
        ("since=-1", "since must be between 0 and 253402300799999"),
        ("until=soon", "until must be an integer"),
        ("finishedSince=1.5", "finishedSince must be an integer: ms since the epoch"),
        ("finishedUntil=yesterday", "finishedUntil must be an integer: ms since the epoch"),
        ("since=1795855172", "since is in ms since the epoch; this looks like seconds"),
        ("until=1", "until is in ms since the epoch; this looks like seconds"),
        ("finishedUntil=99999999999", "finishedUntil is in ms since the epoch; this looks like seconds"),
        ("finishedUntil=999999999999999999", "finishedUntil must be between 0 and 253402300799999"),
        ("data.=1", "data. must be keys, or indexes of arrays, with dots between them"),
        ("data.a..b=1", "data.a..b must be keys, or indexes of arrays, with dots between them"),
        ("data.a%00=1", "data.a\x00 must not contain NUL"),
        ("data.a=%00", "data.a must not contain NUL"),
        ("&".join(f"data.a{nth}=1" for nth in range(11)), "data must have at most 10 paths"),
        ("name=a&name=b", "name must not be given twice"),
        ("data.a=1&data.a=2", "data.a must not be given twice"),
        ("name=a&start=1", "start must be 0 with a filter: go on by the cursor"),
        ("data.lines[0].sku=1", "data.lines[0].sku has an index in brackets: write lines.0.sku"),
        ("name=a&length=0", "length must be over 0 with a filter"),
        ("name=a&length=101", "length must be between 0 and 100"),
        ("name=a&order=up", "order must be asc or desc"),
        ("name=a&statuses=nope", "statuses must be all or of "),
    ],
)
def test_what_is_wrong_is_named(client: Client, query: str, fault: str) -> None:
    for path in (PATH, "/jobs"):
        if "start" not in query or path == PATH:
            assert answers.error(client.get(f"{path}?{query}"), 400).startswith(fault)


@pytest.mark.parametrize(
    "text", ["'; drop table rowline.jobs; --", "\\", "%_", "\ud7ff\U0010ffff", "{", '"', "\x01", "$1"]
)
def test_any_text_is_only_compared(client: Client, text: str) -> None:
    [job] = client.add({"name": "n", "data": {"a": text}, "opts": {"tags": [text]}})

    assert found(client, {"tag": text}) == found(client, {"data.a": text}) == [job["id"]]
    for word in ("error", "worker", "data.\\", f"data.{text}"):
        assert found(client, {word: text}) == []
    assert answers.ok(client.get(f"{PATH}?name={quote(text, safe='')}"))["jobs"] == []


def test_what_is_no_utf_8_is_a_text_as_it_stands(client: Client) -> None:
    assert answers.ok(client.get(f"{PATH}?name=%ff&tag=%ed%a0%80&data.a=%ff"))["jobs"] == []


@pytest.mark.usefixtures("jobs")
def test_unknown_parameters_are_ignored_and_without_a_filter_all_is_as_it_was(client: Client) -> None:
    plain = client.page()

    assert answers.ok(client.get(f"{PATH}?names=mail&data=1&tags=x")) == plain
    assert set(plain) == {"counts", "jobs", "start", "length"}


@pytest.mark.usefixtures("jobs")
@pytest.mark.parametrize("query", [{"error": "canary"}, {"data.a": "1"}, {"error": "x", "name": "mail"}])
def test_who_may_not_see_contents_may_not_guess_them(client: Client, db: Database, query: Query) -> None:
    for scopes in (["jobs:read"], ["jobs:read", "payload@other"]):
        program = Client(client.flask, token=issue(db, *scopes).secret)
        said = asked(program, query)
        assert answers.error(said, 403) == "the token lacks the scope payload@q"
        assert asked(program, {"name": "mail"}).status_code == 200
    blind = Client(client.flask, token=issue(db, "jobs:read").secret)
    assert answers.error(asked(blind, query, path="/jobs"), 403) == "the token lacks the scope payload"
    seeing = Client(client.flask, token=issue(db, "jobs:read@q", "payload@q").secret)
    assert asked(seeing, query).status_code == asked(seeing, query, path="/jobs").status_code == 200


def test_over_all_queues_the_newest_come_first_and_each_says_its_queue(client: Client) -> None:
    ids = [client.add({"name": "n", "data": nth}, queue=queue)[0]["id"] for nth, queue in enumerate("abcab")]

    page = answers.ok(asked(client, {}, path="/jobs"))
    assert [(job["id"], job["queue"]) for job in page["jobs"]] == list(zip(ids[::-1], "bacba", strict=True))
    assert page["jobs"][0] == client.job(ids[-1], "b") | {"queue": "b"}
    assert (page["length"], page["scanned"], page["isComplete"]) == (10, 5, True)
    assert set(page) == {"jobs", "length", "scanned", "isComplete"}
    assert found(client, {}, path="/jobs") == ids[::-1]
    assert found(client, {"order": "asc", "statuses": "waiting"}, path="/jobs") == ids
    assert found(client, {"statuses": "failed"}, path="/jobs") == []


def test_over_all_queues_a_token_finds_what_it_may_read_and_guesses_what_it_may_see(
    client: Client, db: Database
) -> None:
    ids = {
        queue: client.add({"name": "n", "data": {"a": 1}}, queue=queue)[0]["id"] for queue in ("mail", "mailer", "x")
    }
    program = Client(client.flask, token=issue(db, "jobs:read@mail*", "payload@mail", "payload@x").secret)

    jobs = answers.ok(asked(program, {}, path="/jobs"))["jobs"]
    assert [(job["queue"], "data" in job) for job in jobs] == [("mailer", False), ("mail", True)]
    assert found(program, {"data.a": 1}, path="/jobs") == [ids["mail"]]
    assert found(client, {"data.a": 1}, path="/jobs") == [ids["x"], ids["mailer"], ids["mail"]]
    other = Client(client.flask, token=issue(db, "work").secret)
    assert answers.error(asked(other, {}, path="/jobs"), 403) == "the token lacks the scope jobs:read"


def test_jobs_that_come_and_go_do_not_shift_a_search(client: Client) -> None:
    ids = [job["id"] for job in client.add(*[{"name": "n", "data": 1}] * 6)]
    first = answers.ok(asked(client, {"name": "n", "length": 2}))
    client.add({"name": "n", "data": 1})
    assert client.flask.delete(f"{PATH}/{ids[4]}", headers=client.authorization).status_code == 200

    second = answers.ok(asked(client, {"name": "n", "length": 2, "cursor": first["next"]}))
    assert [job["id"] for job in first["jobs"] + second["jobs"]] == [ids[5], ids[4], ids[3], ids[2]]
    assert json.dumps(second["counts"]) == json.dumps(client.page()["counts"])


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("status=failed", "status is not known here; did you mean statuses?"),
        ("tags=vip", "tags is not known here; did you mean tag?"),
        ("errors=", "errors is not known here; did you mean error?"),
        ("customer.id=7", "customer.id is not known here: a path into the data begins with data."),
        ("at_path=7", "at_path is not known here"),
        ("start=0", "start is not known here"),
    ],
)
def test_what_is_no_filter_is_refused_over_all_queues_and_ignored_over_one(
    client: Client, jobs: dict[str, str], query: str, said: str
) -> None:
    assert answers.error(client.get(f"/jobs?{query}"), 400).startswith(said)
    assert len(answers.ok(client.get(f"{PATH}?{query}"))["jobs"]) == len(jobs)


def test_a_cursor_of_another_search_is_told_what_it_has_to_be_of(client: Client, jobs: dict[str, str]) -> None:
    cursor = answers.ok(asked(client, {"tag": "mail", "length": 1}))["next"]
    said = answers.error(asked(client, {"tag": "vip", "cursor": cursor}), 400)
    assert said == "cursor must be the `next` of a page of this search: same queue, filter and order"
