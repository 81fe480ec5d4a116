"""POST /queues/:queue/jobs."""

import json

from tests.support.client import Client


def test_jobs_come_back_in_the_order_sent_with_what_became_of_each(client: Client) -> None:
    added = client.add({"name": "a", "data": {"x": 1}}, {"name": "b", "data": None, "opts": {"jobId": "mine"}})

    assert [(job["name"], job["outcome"]) for job in added] == [("a", "created"), ("b", "created")]
    assert added[0]["id"].isdigit()
    assert added[1]["id"] == "mine"


def test_ten_thousand_jobs_come_back_in_the_order_sent(client: Client) -> None:
    sent = [{"name": "n", "data": number} for number in range(10_000)]

    added = client.add(*sent)

    assert [job["data"] for job in added] == list(range(10_000))
    assert [int(job["id"]) for job in added] == sorted(int(job["id"]) for job in added)


def test_one_bad_job_among_ten_thousand_adds_none_and_is_named(client: Client) -> None:
    sent = [{"name": "n", "data": 1, "opts": {}} for _ in range(10_000)]
    sent[9_998]["opts"] = {"priority": 2_097_153}

    answer = client.post("/queues/q/jobs", json.dumps(sent))

    assert answer.status_code == 400
    assert answer.json["error"] == "jobs[9998].opts.priority must be between 1 and 2097152"
    assert sum(client.page()["counts"].values()) == 0
