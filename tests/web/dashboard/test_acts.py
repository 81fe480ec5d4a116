"""What buttons do is what the API does: with its rights, its faults and its audit."""

import json
from collections.abc import Callable

import pytest

from app.postgres.database import Database
from tests.support import answers, work
from tests.support.client import Client
from tests.support.tokens import issue
from tests.support.visitor import Visitor, faults_of, tags_of, text_of

JOB = "queues/q/jobs/one"
POSTS = [
    *(f"{JOB}/{verb}" for verb in ("retry", "promote", "cancel", "remove")),
    *("queues/q/pause", "queues/q/resume"),
]


@pytest.fixture
def failed(client: Client) -> Client:
    """The API with a job that has failed, `one`."""
    client.add({"name": "n", "data": {"a": 1}, "opts": {"jobId": "one", "removeOnFail": False}})
    answers.ok(client.post("/queues/q/jobs/one/cancel", ""))
    return client


def test_a_failed_job_is_retried(visitor: Visitor, failed: Client) -> None:
    answer = visitor.post(f"{JOB}/retry")
    assert answer.headers["Location"] == "../../../../queues/q/jobs/one?done=retried"
    assert "The job is ready again." in visitor.page(f"{JOB}?done=retried")
    assert failed.job("one")["status"] == "waiting"


def test_a_delayed_job_is_promoted_and_a_waiting_one_cancelled(visitor: Visitor, client: Client) -> None:
    client.add({"name": "n", "data": 1, "opts": {"jobId": "one", "delay": 60_000, "removeOnFail": False}})
    assert visitor.post(f"{JOB}/promote").status_code == 303
    assert client.job("one")["status"] == "waiting"
    assert visitor.post(f"{JOB}/cancel").status_code == 303
    assert client.job("one")["status"] == "failed"


def test_a_removal_is_asked_for_first(visitor: Visitor, failed: Client) -> None:
    assert "Remove job one?" in visitor.page(f"{JOB}/remove")
    assert failed.job("one")
    assert visitor.post(f"{JOB}/remove").headers["Location"].endswith("queues/q?done=removed")
    assert failed.get("/queues/q/jobs/one").status_code == 404


def test_what_the_state_of_a_job_forbids_is_told_in_the_words_of_the_api(visitor: Visitor, failed: Client) -> None:
    answer = visitor.post(f"{JOB}/promote")
    assert answer.status_code == 409
    assert answers.problem(failed.post("/queues/q/jobs/one/promote", ""), 409)["error"] in text_of(answer.text)


def test_a_queue_is_paused_with_a_reason_and_resumed(visitor: Visitor, client: Client) -> None:
    visitor.post("queues/q/pause", reason="a test")
    text = text_of(visitor.page("queues/q"))
    assert "a test" in text
    assert "token 1 of AUTH_TOKENS" in text
    visitor.post("queues/q/resume")
    assert not answers.ok(client.get("/queues/q"))["paused"]


def test_what_was_done_and_what_was_refused_has_the_focus(visitor: Visitor, client: Client) -> None:
    def focused(html: str) -> list[tuple[str | None, str | None]]:
        return [(a.get("role"), a.get("tabindex")) for _, a in tags_of(html) if "autofocus" in a]

    assert focused(visitor.page("queues/q")) == []
    done = visitor.post("queues/q/pause").headers["Location"].removeprefix("../../")
    assert focused(visitor.page(done)) == [("status", "-1")]
    kept = visitor.post("preferences", theme="dark", next="queues/q?statuses=failed").headers["Location"]
    assert kept == "./queues/q?statuses=failed&done=kept"
    assert "Your choice is saved" in visitor.page(kept.removeprefix("./"))
    assert 'name="next" value="queues/q?statuses=failed"' in visitor.page(kept.removeprefix("./"))
    refused = [
        visitor.post("queues/q/add", name="n", data="{"),
        visitor.post("queues/q/new-schedule", id="x", every="odd"),
        visitor.post("queues/q/jobs/absent/retry"),
    ]
    for answer in refused:
        assert focused(answer.text) == [("alert", "-1")]
    preview = visitor.post("queues/q/new-schedule", id="x", every="1h", do="preview")
    assert focused(preview.text) == [("status", "-1")]


def test_what_is_wrong_is_said_once(visitor: Visitor) -> None:
    one = visitor.post("queues/q/add", name="n", data="1", opts='{"attempt": 3}').text
    assert (text_of(one).count("Options, attempt: is not known here"), "<ul><li><code>" in one) == (1, False)
    two = visitor.post("queues/q/add", name="n", data="1", opts='{"attempt": 3, "prio": 1}').text
    assert "Options, prio:</code> is not known here" in two
    assert text_of(two).count("Options, attempt: is not known here") == 1


def test_what_is_wrong_stands_at_its_field_in_every_form(visitor: Visitor, client: Client) -> None:
    added = visitor.post("queues/q/add", name="n", data="{", opts="").text
    assert faults_of(added)["data"].startswith("must be one JSON value")
    endpoint = visitor.post("queues/q/endpoint", url="nowhere", method="POST", headers="", concurrency="0").text
    assert faults_of(endpoint).keys() == {"url", "concurrency"}
    token = visitor.post("tokens/make", name="", scopes="odd", requestsPerS="x").text
    assert faults_of(token).keys() == {"name", "scopes", "requestsPerS"}
    client.add({"name": "n", "data": 1, "opts": {"jobId": "one"}})
    assert faults_of(visitor.post(f"{JOB}/data", data="{").text)["data"].startswith("must be one JSON value")


def test_a_job_is_added_by_hand_as_it_is_written(visitor: Visitor, client: Client) -> None:
    answer = visitor.post("queues/q/add", name='say "hi"', data='{"n": 1.10}', opts='{"jobId": "mine", "attempts": 3}')
    assert answer.headers["Location"] == "../../queues/q/jobs/mine?done=added"
    assert client.job("mine")["name"] == 'say "hi"'
    assert visitor.get("queues/q/jobs/mine/raw?member=data").text == '{"n": 1.10}'


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "n", "data": "{"}, "Data: must be one JSON value"),
        ({"name": "n", "data": '1}, {"name": "x", "data": 1'}, "Data: must be one JSON value"),
        ({"name": "n", "data": "1", "opts": '{"attempts": -1}'}, "Options, attempts: must"),
        ({"name": "", "data": "1"}, "Name: must"),
        ({"name": "n", "data": "1", "opts": '{"odd": 1}'}, "Options, odd:"),
    ],
)
def test_a_job_that_is_wrong_is_told_beside_the_form(
    visitor: Visitor, client: Client, fields: dict[str, str], words: str
) -> None:
    answer = visitor.post("queues/q/add", **fields)
    assert answer.status_code == 400
    assert words in text_of(answer.text)
    assert sum(client.page()["counts"].values()) == 0
    if fields["data"] != "1":
        assert fields["data"].split('"')[0] in answer.text


def test_the_data_of_a_job_is_changed_and_what_is_wrong_is_told(visitor: Visitor, client: Client) -> None:
    client.add({"name": "n", "data": 1, "opts": {"jobId": "one"}})
    assert visitor.post(f"{JOB}/data", data="[1.0, 2]").status_code == 303
    assert visitor.get(f"{JOB}/raw?member=data").text == "[1.0, 2]"
    for wrong in ("{", "null", '1, "priority": 1', ""):
        answer = visitor.post(f"{JOB}/data", data=wrong)
        assert answer.status_code == 400, wrong
        assert 'role="alert"' in answer.text
    assert visitor.get(f"{JOB}/raw?member=data").text == "[1.0, 2]"


def test_ticked_jobs_are_looked_at_and_then_retried(visitor: Visitor, client: Client) -> None:
    for job_id in ("a", "b", "c"):
        client.add({"name": "n", "data": 1, "opts": {"jobId": job_id, "removeOnFail": False}})
        client.post(f"/queues/q/jobs/{job_id}/cancel", "")
    answer = visitor.post("queues/q/plans", id=["a", "c"], which="ticked", action="retry")
    path = answer.headers["Location"].removeprefix("../../").removesuffix("?done=planned")
    page = visitor.page(path)
    assert "This would retry 2 jobs" in text_of(page)
    assert client.page()["counts"]["failed"] == 3

    matched = next(a["value"] for tag, a in tags_of(page) if tag == "input" and a.get("name") == "matched")
    answer = visitor.post(f"{path}/apply", matched=matched or "", rate="100")
    assert answer.status_code == 303
    assert "of 2 jobs" in text_of(visitor.page(path))


def test_all_that_match_are_meant_and_nobody_else(visitor: Visitor, client: Client) -> None:
    for job_id, name in (("a", "x"), ("b", "x"), ("c", "y")):
        client.add({"name": name, "data": {"n": 1}, "opts": {"jobId": job_id, "tags": ["t"]}})
    for query, number in (("name=x", 2), ("", 3), ("tag=t&data=n%3D1&name=y", 1), ("statuses=failed,delayed", 0)):
        answer = visitor.post("queues/q/plans", which="all", action="cancel", filter=query)
        assert answer.status_code == 303, answer.text
        plan = answer.headers["Location"].rpartition("/")[2].removesuffix("?done=planned")
        assert answers.ok(client.get(f"/queues/q/plans/{plan}"))["matched"] == number, query


@pytest.mark.parametrize(("action", "number"), [("promote", 1), ("cancel", 2), ("retry", 1), ("remove", 3)])
def test_a_plan_counts_only_jobs_that_its_action_can_change(
    visitor: Visitor, client: Client, action: str, number: int
) -> None:
    for job_id, opts in (("a", {}), ("b", {"delay": 60_000}), ("c", {"removeOnFail": False})):
        client.add({"name": "n", "data": 1, "opts": {"jobId": job_id} | opts})
    client.post("/queues/q/jobs/c/cancel", "")
    for sent in ({"which": "all"}, {"which": "ticked", "id": ["a", "b", "c"]}):
        answer = visitor.post("queues/q/plans", action=action, **sent)
        page = visitor.page(answer.headers["Location"].removeprefix("../../"))
        assert f"This would {action} {number} job" in text_of(page)


def test_all_that_are_retried_are_those_that_failed_unless_somebody_asks_for_completed_ones(
    visitor: Visitor, client: Client, db: Database
) -> None:
    for job_id in ("a", "b"):
        client.add(
            {"name": "n", "data": 1, "opts": {"jobId": job_id, "removeOnComplete": False, "removeOnFail": False}}
        )
    work.complete_next(db)
    work.fail_next(db)
    for sent, number in (
        ({"which": "all"}, 1),
        ({"which": "all", "filter": "name=n"}, 1),
        ({"which": "all", "filter": "statuses=completed"}, 1),
        ({"which": "all", "filter": "statuses=completed,failed"}, 2),
        ({"which": "ticked", "id": ["a", "b"]}, 2),
    ):
        answer = visitor.post("queues/q/plans", action="retry", **sent)
        page = visitor.page(answer.headers["Location"].removeprefix("../../"))
        assert f"This would retry {number} job" in text_of(page), sent


def test_a_job_that_is_gone_when_it_was_just_added_is_not_told_as_one_that_never_was(visitor: Visitor) -> None:
    gone = visitor.get("queues/q/jobs/9?done=added")
    assert gone.status_code == 404
    assert "The job was added, and is gone" in text_of(gone.text)
    assert "was added" not in text_of(visitor.get("queues/q/jobs/9").text)


def test_what_no_action_can_change_is_refused_in_words(visitor: Visitor, failed: Client) -> None:
    for action, words in (("promote", "must be delayed to be promoted"), ("cancel", "to be cancelled")):
        refused = visitor.post("queues/q/plans", which="all", action=action, filter="statuses=failed")
        assert refused.status_code == 400
        assert words in text_of(refused.text)
    assert answers.ok(failed.get("/queues/q/plans"))["plans"] == []


def test_an_attempt_that_was_given_back_is_told_apart_from_those_that_ended(visitor: Visitor, client: Client) -> None:
    client.add({"name": "n", "data": 1, "opts": {"jobId": "one"}})
    words = "does not count those that a worker gave back"
    [claim] = answers.ok(client.post("/queues/q/jobs/claim", "{}"))["jobs"]
    assert words not in visitor.page("queues/q/jobs/one")
    released = client.post("/queues/q/jobs/one/release", json.dumps({"token": claim["token"]}))
    assert released.status_code == 200, released.text
    assert words in visitor.page("queues/q/jobs/one")


def test_a_cancel_from_before_the_attempt_that_runs_asked_no_worker(visitor: Visitor, client: Client) -> None:
    client.add({"name": "n", "data": 1, "opts": {"jobId": "one"}})
    for verb in ("cancel", "retry"):
        answers.ok(client.post(f"/queues/q/jobs/one/{verb}", ""))
    answers.ok(client.post("/queues/q/jobs/claim", "{}"))
    assert "its worker is asked" not in visitor.page("queues/q/jobs/one")
    answers.ok(client.post("/queues/q/jobs/one/cancel", ""))
    assert visitor.page("queues/q/jobs/one").count("its worker is asked") == 1


def test_a_plan_of_nothing_or_by_a_wrong_number_is_refused(visitor: Visitor, failed: Client) -> None:
    assert visitor.post("queues/q/plans", which="ticked", action="retry").status_code == 400
    assert visitor.post("queues/q/plans", which="all", action="explode").status_code == 400
    made = visitor.post("queues/q/plans", which="all", action="remove").headers["Location"]
    path = made.removeprefix("../../").removesuffix("?done=planned")
    assert visitor.post(f"{path}/apply", matched="7").status_code == 409
    assert visitor.post(f"{path}/apply", matched="x").status_code == 400
    assert visitor.post(f"{path}/apply", matched="1", rate="x").status_code == 400
    assert visitor.post(f"{path}/stop").status_code == 303


def test_who_only_reads_has_no_buttons_and_is_refused(failed: Client, visiting: Callable[..., Visitor]) -> None:
    visitor = visiting("jobs:read", "payload")
    plan = answers.ok(failed.post("/queues/q/plans", json.dumps({"action": "retry", "filter": {"since": 0}})))["id"]
    for path in ("", "queues/q", JOB, f"queues/q/plans/{plan}"):
        actions = {
            a.get("action") for tag, a in tags_of(visitor.page(path)) if tag == "form" and a.get("method") == "post"
        }
        assert all((action or "").endswith(("logout", "preferences", "/plans")) for action in actions), actions
    sent = {"name": "n", "data": "1", "which": "all", "action": "retry", "matched": "1"}
    posts = [*POSTS, f"{JOB}/data", "queues/q/add", "queues/q/plans"]
    for path in [*posts, *(f"queues/q/plans/{plan}/{verb}" for verb in ("apply", "stop", "undo"))]:
        answer = visitor.post(path, **sent)
        assert answer.status_code == 403, path
        assert "the token lacks the scope" in answer.text
    assert failed.job("one")["status"] == "failed"


def test_acts_are_in_the_audit_by_who_did_them_and_refusals_too(
    failed: Client, visitor: Visitor, visiting: Callable[..., Visitor]
) -> None:
    visitor.post(f"{JOB}/retry")
    visiting("jobs:read").post("queues/q/pause")
    acts = answers.ok(failed.get("/audit?length=20"))["entries"]
    found = {(act["action"], act["outcome"]): act for act in acts}
    assert found["jobs.retry", "done"]["address"] == visitor.http.environ_base["REMOTE_ADDR"]
    assert found["queues.pause", "refused"]["actorName"] == "test"


def test_limits_of_a_token_hold_for_its_pages(client: Client, visitor: Visitor) -> None:
    body = {"name": "slow", "scopes": ["dashboard", "jobs:read"], "limits": {"requestsPerS": 1}}
    token = answers.ok(client.post("/tokens", json.dumps(body)))["token"]
    visitor.sign_in(token)
    found = {visitor.get("queues/q").status_code for _ in range(3)}
    assert 429 in found


def test_a_pause_is_shown_with_the_name_of_its_token_to_who_may_read_the_audit(
    visitor: Visitor, visiting: Callable[..., Visitor], client: Client, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.web.dashboard.shown._NOW_S", 3_600)
    client.add({"name": "n", "data": 1})
    ada = issue(db, "queues:manage", name="ada")
    paused = visitor.http.post("/queues/q/pause", headers={"Authorization": f"Bearer {ada.secret}"})
    assert paused.status_code == 200
    for path in ("", "queues/q"):
        assert "by ada, now" in text_of(visitor.page(path))
        assert f"by token {ada.token.id}, now" in text_of(visiting("jobs:read").page(path))


def test_what_failed_before_a_job_completed_is_not_told_as_its_end(
    visitor: Visitor, client: Client, db: Database
) -> None:
    client.add({"name": "n", "data": 1, "opts": {"jobId": "one", "attempts": 2}})
    work.fail_next(db, reason="no such host")
    assert "An attempt before failed : no such host" in text_of(visitor.page("queues/q/jobs/one"))
    work.complete_next(db)
    assert "An attempt before failed : no such host" in text_of(visitor.page("queues/q/jobs/one"))


def test_the_help_of_the_keys_names_each_page_with_its_letter(visitor: Visitor) -> None:
    for letter, title in (("q", "queues"), ("c", "schedules"), ("a", "audit")):
        assert f"<kbd>{letter}</kbd> {title}" in visitor.page("")
