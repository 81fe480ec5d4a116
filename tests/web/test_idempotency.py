"""Idempotency-Key: a POST that is safe to repeat."""

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.infra.settings import Settings
from app.operations import maintenance
from app.postgres.database import Database
from app.web import app
from tests.conftest import TOKEN
from tests.support import answers, databases, raw
from tests.support.client import Client
from tests.support.clusters import until
from tests.support.raw import Server

PATH = "/queues/q/jobs"
BODY = '[{"name":"n","data":1},{"name":"n","data":2,"opts":{"jobId":"mine"}}]'
OLD = "update rowline.idempotency_keys set answered_at = answered_at - interval '24 hours'"
RACERS = 16


def total(client: Client, queue: str = "q") -> int:
    return sum(client.page(queue)["counts"].values())


@pytest.fixture
def own_db(settings: Settings, own_url: str) -> Iterator[Database]:
    """A database whose keys a test may let grow old."""
    opened = Database(settings, url=own_url, size=2, name="rowline-test-own")
    yield opened
    opened.close()


@pytest.fixture
def own_client(settings: Settings, own_db: Database) -> Client:
    return Client(app.create(settings, own_db).test_client(), token=TOKEN)


def test_the_first_answer_is_given_again_to_the_letter_and_says_so(client: Client) -> None:
    first = client.post(PATH, BODY, Idempotency_Key="k")
    again = client.post(PATH, BODY, Idempotency_Key="k")

    assert (first.status_code, again.status_code) == (200, 200)
    assert again.data == first.data
    assert [job["outcome"] for job in json.loads(again.data)] == ["created", "created"]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert total(client) == 2


def test_another_body_under_the_key_is_refused_even_if_it_means_the_same(client: Client) -> None:
    assert client.post(PATH, BODY, Idempotency_Key="k").status_code == 200

    for other in ('[{"name":"n","data":2}]', BODY + " ", BODY.replace(":1", ": 1"), "[]"):
        answer = client.post(PATH, other, Idempotency_Key="k")
        assert answers.error(answer, 422) == "Idempotency-Key was used for a request with another body"
    assert total(client) == 2


def test_an_empty_array_is_answered_once_too(client: Client) -> None:
    assert client.post(PATH, "[]", Idempotency_Key="k").json == []
    assert client.post(PATH, "[]", Idempotency_Key="k").headers["Idempotency-Replayed"] == "true"
    assert client.post(PATH, BODY, Idempotency_Key="k").status_code == 422


def test_a_refused_request_does_not_use_up_its_key(client: Client) -> None:
    assert client.post(PATH, '[{"name":"n"}]', Idempotency_Key="k").status_code == 400
    assert client.post(PATH, BODY, Idempotency_Key="k").status_code == 200


def test_keys_are_apart_for_each_queue_and_each_token(settings: Settings, db: Database) -> None:
    flask = app.create(dataclasses.replace(settings, tokens=("one", "two")), db).test_client()
    one, two = Client(flask, token="one"), Client(flask, token="two")

    for client, queue in ((one, "a"), (one, "b"), (two, "a")):
        answer = client.post(f"/queues/{queue}/jobs", '[{"name":"n","data":1}]', Idempotency_Key="k")
        assert (answer.status_code, "Idempotency-Replayed" in answer.headers) == (200, False)
    assert (total(one, "a"), total(one, "b")) == (2, 1)


def test_a_key_that_is_in_use_is_a_conflict_to_be_repeated(client: Client, db: Database, shared_url: str) -> None:
    """While the first request waits for a job id that another transaction holds, the second is not kept waiting."""
    with ThreadPoolExecutor() as pool:
        with db.begin() as conn:
            conn.exec_driver_sql(
                "insert into rowline.jobs (queue, number, custom_id, name, status, priority, lifo, place, run_at, "
                "added_at, delay_ms, attempts, data, opts) values ('q', 0, 'mine', 'n', 'waiting', 0, false, 1, now(), "
                "now(), 0, 1, '1', '{}')"
            )
            first = pool.submit(client.post, PATH, BODY, Idempotency_Key="k")
            wait_until_held(shared_url)
            second = client.post(PATH, BODY, Idempotency_Key="k")
        assert (second.status_code, second.headers["Retry-After"]) == (409, "1")
        assert answers.error(second, 409).startswith("the first request with this Idempotency-Key is still running")
        assert first.result().status_code == 200
    assert client.post(PATH, BODY, Idempotency_Key="k").data == first.result().data


def wait_until_held(url: str) -> None:
    """Wait until some transaction waits for another: then it holds its key."""
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    until(lambda: databases.ask(url, waiting)[0][0])


def test_a_request_that_ended_badly_leaves_its_key_free(own_client: Client, own_url: str) -> None:
    databases.run(own_url, "alter table rowline.jobs rename to gone")
    assert own_client.post(PATH, BODY, Idempotency_Key="k").status_code == 503
    databases.run(own_url, "alter table rowline.gone rename to jobs")

    answer = own_client.post(PATH, BODY, Idempotency_Key="k")

    assert (answer.status_code, "Idempotency-Replayed" in answer.headers) == (200, False)


def test_of_many_at_once_one_adds_and_the_others_repeat_or_are_told_to_wait(
    client: Client, settings: Settings, shared_url: str
) -> None:
    opened = Database(settings, url=shared_url, size=RACERS, name="rowline-test")  # nobody waits for a connection
    flask = app.create(settings, opened)
    racers = [Client(flask.test_client(), token=TOKEN) for _ in range(RACERS)]
    with contextlib.closing(opened), ThreadPoolExecutor(RACERS) as pool:
        sent = [pool.submit(racer.post, PATH, BODY, Idempotency_Key="k") for racer in racers]
    found = [future.result() for future in sent]

    assert {answer.status_code for answer in found} <= {200, 409}
    assert len({answer.data for answer in found if answer.status_code == 200}) == 1
    assert total(client) == 2


def test_after_a_day_a_key_is_new_again(own_client: Client, own_url: str) -> None:
    body = '[{"name":"n","data":1}]'
    first = own_client.post(PATH, body, Idempotency_Key="k")
    databases.run(own_url, OLD)

    second = own_client.post(PATH, '[{"name":"n","data":2}]', Idempotency_Key="k")

    assert (second.status_code, "Idempotency-Replayed" in second.headers) == (200, False)
    assert second.data != first.data
    assert own_client.post(PATH, body, Idempotency_Key="k").status_code == 422
    assert total(own_client) == 2


def test_old_keys_are_removed_and_young_ones_stay(own_client: Client, own_db: Database, own_url: str) -> None:
    for number in range(3):
        own_client.post(PATH, BODY, Idempotency_Key=f"old-{number}")
    databases.run(own_url, OLD)
    own_client.post(PATH, BODY, Idempotency_Key="young")

    assert maintenance.forget_keys(own_db, keep_ms=24 * 3600 * 1000) == 3
    assert maintenance.forget_keys(own_db, keep_ms=24 * 3600 * 1000) == 0
    assert own_client.post(PATH, BODY, Idempotency_Key="young").headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("abc", '"abc"'),
        ("abc", " abc "),
        ('"a\\"b\\\\c"', 'a"b\\c'),
        ("a b", '"a b"'),
        ("a,b", '"a,b"'),
        ("x" * 255, '"' + "x" * 255 + '"'),
    ],
)
def test_one_key_bare_and_quoted(client: Client, one: str, other: str) -> None:
    assert client.post(PATH, BODY, Idempotency_Key=one).status_code == 200
    assert client.post(PATH, BODY, Idempotency_Key=other).headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize(
    "key",
    [
        "",
        " ",
        '""',
        "x" * 256,
        '"' + "x" * 256 + '"',
        '"',
        '"a',
        '"a"b"',
        '"a\\b"',
        '"a\\"',
        "a\tb",
        "a\x7fb",
        "caf\xe9",
        '"\xff"',
        "x" * 8_000,
    ],
    ids=lambda key: repr(key[:10]),
)
def test_any_other_key_is_refused_and_nothing_is_added(client: Client, key: str) -> None:
    answer = client.post(PATH, BODY, Idempotency_Key=key)
    assert answers.error(answer, 400).startswith("Idempotency-Key must ")
    assert len(answer.data) < 400
    assert total(client) == 0


def test_keys_that_differ_in_case_or_space_are_two(client: Client) -> None:
    body = '[{"name":"n","data":1}]'
    for key in ("a b", "a  b", "A b", '" a b"', "1", "01"):
        assert "Idempotency-Replayed" not in client.post(PATH, body, Idempotency_Key=key).headers
    assert total(client) == 6


def test_two_keys_in_one_request_are_refused_but_a_comma_in_one_is_good(server: Server, client: Client) -> None:
    sent = BODY.encode()
    twice = raw.request("POST", PATH, "Idempotency-Key: a", "Idempotency-Key: b", body=sent)
    comma = raw.request("POST", PATH, "Idempotency-Key: a,b", body=sent)

    [refused], [taken] = server.ask(twice, wanted=1), server.ask(comma, wanted=1)

    assert (refused.status, taken.status) == (400, 200)
    assert refused.json()["error"] == "Idempotency-Key must be printable ASCII, in one header"
    assert total(client) == 2


def test_the_table_of_keys_holds_no_token(own_client: Client, own_db: Database) -> None:
    own_client.post(PATH, BODY, Idempotency_Key="k")
    with own_db.read() as conn:
        rows = conn.exec_driver_sql("select keys::text from rowline.idempotency_keys as keys").scalars().all()
    assert rows
    assert TOKEN not in str(rows)
