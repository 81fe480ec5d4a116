"""Ids of jobs: the service's own and the client's."""

import json

import pytest

from app.postgres.database import Database
from tests.support import answers, work
from tests.support.client import Client

NO_STRINGS: tuple[object, ...] = (123, 1.5, [], {}, True, False)


def _custom(job_id: object, data: object = 0) -> dict[str, object]:
    return {"name": "n", "data": data, "opts": {"jobId": job_id}}


def test_the_service_gives_growing_integers_over_all_queues(client: Client) -> None:
    added = [job["id"] for queue in ("a", "b", "a") for job in client.add(*[{"name": "n", "data": 0}] * 3, queue=queue)]

    assert all(isinstance(job_id, str) and job_id.isdigit() and job_id[0] != "0" for job_id in added)
    assert [int(job_id) for job_id in added] == sorted({int(job_id) for job_id in added})


@pytest.mark.parametrize(
    "custom_id", ["a", "a:b", "a b", "-1", "1.0", "1e3", "\uff11\uff12", "é", "x" * 255, "é" * 255, "%", "+"]
)
def test_any_other_text_is_a_custom_id(client: Client, custom_id: str) -> None:
    [added] = client.add(_custom(custom_id))

    assert (added["id"], added["outcome"]) == (custom_id, "created")


@pytest.mark.parametrize("none", [None, ""])
def test_a_null_or_empty_custom_id_is_none(client: Client, none: str | None) -> None:
    added = client.add(_custom(none), _custom(none))

    assert [job["outcome"] for job in added] == ["created", "created"]
    assert all(job["id"].isdigit() for job in added)
    assert [job["opts"] for job in added] == [{"jobId": none}] * 2


@pytest.mark.parametrize(
    ("custom_id", "fault"),
    [
        *((digits, "Custom Id cannot be integers") for digits in ("0", "1", "007", "9" * 300)),
        *((other, "must be a string") for other in NO_STRINGS),
        *((dots, f"must not be '{dots}'") for dots in (".", "..")),
        ("a/b", "must not contain '/'"),
        ("a\tb", "must not contain control characters"),
        ("a\x7f", "must not contain control characters"),
        ("a\x85", "must not contain control characters"),
        ("x" * 256, "must be at most 255 characters, not 256"),
    ],
)
def test_what_could_not_stand_in_a_path_is_no_custom_id(client: Client, custom_id: object, fault: str) -> None:
    error = answers.error(client.post("/queues/q/jobs", json.dumps([_custom(custom_id)])), 400)

    assert error.startswith("jobs[0].opts.jobId must")
    assert fault in error


def test_adding_an_id_again_changes_nothing_and_returns_the_job_that_is_there(client: Client) -> None:
    [first] = client.add({"name": "a", "data": {"b": 1, "a": 2}, "opts": {"jobId": "x", "priority": 3, "delay": 5000}})

    [again] = client.add({"name": "b", "data": "other", "opts": {"jobId": "x", "priority": 7}})

    assert (first.pop("outcome"), again.pop("outcome")) == ("created", "duplicate")
    assert again == first == client.job("x")
    assert client.page()["counts"]["delayed"] == 1


def test_an_id_stays_taken_after_its_job_ended(client: Client, db: Database) -> None:
    client.add(_custom("x"))
    work.complete_next(db, result='"done"')

    [again] = client.add(_custom("x"))

    assert (again["outcome"], again["status"], again["result"]) == ("duplicate", "completed", "done")
    assert client.page()["counts"]["waiting"] == 0


def test_an_id_is_unique_within_its_queue_only(client: Client) -> None:
    outcomes = [client.add(_custom("x", queue), queue=queue)[0]["outcome"] for queue in ("a", "b")]

    assert outcomes == ["created", "created"]
    assert [client.job("x", queue=queue)["data"] for queue in ("a", "b")] == ["a", "b"]


def test_of_one_id_twice_in_an_array_the_first_is_created(client: Client) -> None:
    added = client.add(_custom("x", 1), {"name": "n", "data": 2}, _custom("x", 3), _custom("a", 4), _custom("x", 5))

    assert [job["outcome"] for job in added] == ["created", "created", "duplicate", "created", "duplicate"]
    assert [job["data"] for job in added] == [1, 2, 1, 4, 1]


def test_ids_that_differ_in_case_or_composition_are_different(client: Client) -> None:
    ids = ["x", "X", "x ", "caf\u00e9", "cafe\u0301", "\uff11"]

    assert [job["outcome"] for job in client.add(*map(_custom, ids))] == ["created"] * len(ids)


def test_an_array_cannot_ask_for_more_than_an_answer_holds(client: Client) -> None:
    """Ten thousand short duplicates of a job of 1 MiB would be an answer of 10 GiB."""
    client.add(_custom("big", "x" * 1_000_000))

    asked = json.dumps([{"name": "new", "data": 0}, *[_custom("big")] * 68])
    refused = answers.problem(client.post("/queues/q/jobs", asked), 413)

    assert refused["code"] == "too_large"
    assert client.page()["counts"]["waiting"] == 1
    assert {job["outcome"] for job in client.add(*[_custom("big")] * 5)} == {"duplicate"}
