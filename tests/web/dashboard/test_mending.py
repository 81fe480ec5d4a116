"""Failures in groups, search, plans, what runs, and a retry with new data: pages that lead from a fault to its end."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest

from app.postgres.database import Database
from app.web.dashboard import failures, filters, running
from app.web.dashboard.api import Answer, Api, Query
from tests.support import answers, plans
from tests.support.client import Client
from tests.support.visitor import Visitor, tags_of, text_of
from tests.web.dashboard.test_pages import XSS, assert_safe, claimed, fail

HOSTILE = "<b>'\"%2F& ü"


def failed(client: Client, job_id: str, reason: str, queue: str = "q") -> None:
    """Add a job that fails for good."""
    opts = {"jobId": job_id, "attempts": 1, "removeOnFail": False}
    client.add({"name": "n", "data": {"customer": {"id": 42}}, "opts": opts}, queue=quote(queue, safe=""))
    fail(client, queue, failedReason=reason)


@pytest.fixture
def today(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """The moment at which a test begins, by which all that is typed is read: no day may end within it."""
    moment = datetime.now(UTC)
    still = SimpleNamespace(
        now=lambda _zone: moment, fromisoformat=datetime.fromisoformat, fromtimestamp=datetime.fromtimestamp
    )
    monkeypatch.setattr(filters, "datetime", still)
    return moment


def rows(html: str) -> list[str]:
    return [a["data-row"] or "" for tag, a in tags_of(html) if tag == "tr" and "data-row" in a]


def links(html: str, part: str) -> list[str]:
    return [a["href"] or "" for tag, a in tags_of(html) if tag == "a" and part in (a.get("href") or "")]


def fields(html: str, action: str) -> dict[str, str]:
    """Return the hidden fields of the first form with an action, as a browser would send them."""
    form = html[html.index(f'action="{action}"') :]
    return {
        a["name"] or "": a.get("value") or ""
        for tag, a in tags_of(form[: form.index("</form>")])
        if tag == "input" and a.get("name") != "form"
    }


def below(location: str) -> str:
    return location.replace("../", "").removeprefix("./")


def test_groups_of_a_queue_lead_to_their_jobs_and_are_retried_at_a_pace(
    visitor: Visitor, client: Client, db: Database
) -> None:
    for nth in range(3):
        failed(client, f"t{nth}", f"timeout after {nth} s")
    failed(client, "k", "KeyError: 'a'")

    page = visitor.page("queues/q/failures")
    assert rows(page) == ["q/t2", "q/k"]
    assert "timeout after 2 s" in text_of(page)
    jobs = visitor.page(below(links(page, "fingerprint=")[0]))
    assert rows(jobs) == ["t2", "t1", "t0"]
    assert 'name="fingerprint"' in jobs, "a search within the group stays in it"

    form = fields(page, "../../queues/q/failures")
    assert form["rate"] == "5"
    answer = visitor.post("queues/q/failures", **form)
    path = below(answer.headers["Location"])
    assert path.endswith("?rate=5&done=planned")
    plan = visitor.page(path)
    assert "This would retry 3 jobs" in text_of(plan)
    assert 'name="rate" inputmode="decimal" value="5"' in plan
    assert client.page()["counts"]["failed"] == 4

    path = path.partition("?")[0]
    visitor.post(f"{path}/apply", matched="3", rate="1000")
    plans.run(db)
    assert client.page()["counts"]["failed"] == 1
    page = visitor.page(path)
    assert "Applied: 3 of 3 jobs" in text_of(page)
    assert "What is left of the group" in page


def test_the_queues_with_the_most_failures_come_first_and_some_are_counted(visitor: Visitor, client: Client) -> None:
    for nth in range(7):
        failed(client, f"a{nth}", "boom", queue=f"q{nth}")
    failed(client, "b", "boom", queue="q6")
    client.post("/queues/paused/pause", "")
    page = visitor.page("failures")
    captions = re.findall(r"<caption>(.*?)</caption>", page)
    assert captions == ["q6", *(f"q{nth}" for nth in range(4)), "Other queues with failed jobs"]
    assert rows(page)[5:] == ["q4", "q5"]
    assert "No job has failed for good" in text_of(visitor.page("failures?start=50"))
    assert visitor.get("failures?start=-1").status_code == 200


def test_pages_of_groups_go_on(visitor: Visitor, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "LENGTH", 1)
    monkeypatch.setattr(failures, "QUEUES", 1)
    for reason in ("KeyError: 'a'", "no host"):
        failed(client, reason[:2], reason)
    failed(client, "x", "boom", queue="r")
    page = visitor.page("queues/q/failures")
    [following] = links(page, "start=1")
    second = visitor.page(below(following))
    assert len(rows(page)) == len(rows(second)) == 1
    assert rows(page) != rows(second)
    assert not links(second, "start=2")
    [following] = links(visitor.page("failures"), "start=1")
    assert rows(visitor.page(below(following))) == ["r/x"]


def test_without_payload_groups_have_no_text_and_no_retry(client: Client, visiting: Callable[..., Visitor]) -> None:
    failed(client, "one", "canary-5e1f0c")
    visitor = visiting("jobs:read", "jobs:manage")
    for path in ("failures", "queues/q/failures", "search?statuses=failed", "running", "plans"):
        html = visitor.page(path)
        assert "canary" not in html
        assert "Retry…" not in html
    assert "hidden" in visitor.page("failures")
    assert visitor.post("queues/q/failures", fingerprint="0" * 16, rate="5").status_code == 403
    assert "the token lacks the scope payload" in visitor.page("search?error=x")
    assert "the token lacks the scope payload" in visitor.page("search?error=x&queue=q")


def test_who_may_read_some_queues_sees_those_alone(client: Client, visiting: Callable[..., Visitor]) -> None:
    for queue in ("mine", "theirs"):
        failed(client, "one", "boom", queue=queue)
        client.post(f"/queues/{queue}/plans", json.dumps({"action": "retry", "filter": {"name": "n"}}))
        client.add({"name": "n", "data": 1}, queue=queue)
        claimed(client, queue)
    visitor = visiting("jobs:read@mine", "payload@mine")
    for path in ("failures", "search?statuses=failed", "running", "plans"):
        html = visitor.page(path)
        assert "mine" in html, path
        assert "theirs" not in html, path
        assert not [a for tag, a in tags_of(html) if tag == "button" and a.get("aria-label")]
    for path in ("queues/theirs/failures", "queues/theirs/plans", "running?queue=theirs"):
        assert visitor.get(path).status_code == 403
    assert "lacks the scope" in visitor.page("search?queue=theirs")
    for path in ("queues/mine/failures", "running/cancel"):
        assert visitor.post(path, queue="mine", id="one", fingerprint="0" * 16).status_code == 403


def test_all_names_and_reasons_are_text_on_these_pages(visitor: Visitor, client: Client) -> None:
    queue = quote(HOSTILE, safe="")
    failed(client, XSS.replace("/", ""), XSS, queue=HOSTILE)
    client.add({"name": XSS, "data": 1}, queue=queue)
    answers.ok(client.post(f"/queues/{queue}/jobs/claim", json.dumps({"worker": XSS})))
    made = answers.ok(client.post(f"/queues/{queue}/plans", json.dumps({"action": "retry", "filter": {"error": XSS}})))
    paths = ["failures", f"queues/{queue}/failures", "search?statuses=failed", f"search?queue={queue}", "running"]
    paths += [f"running?queue={queue}", "plans", f"queues/{queue}/plans", f"queues/{queue}/plans/{made['id']}"]
    for path in (*paths, f"search?error={quote(XSS)}&data={quote(XSS)}&since={quote(XSS)}&queue={quote(XSS)}"):
        answer = visitor.get(path)
        assert answer.status_code == 200, path
        assert_safe(answer)
        assert "<script>alert" not in answer.text
        assert "<img src=x" not in answer.text
    for path in paths[:7]:
        html = visitor.page(path)
        for link in {a["href"] for tag, a in tags_of(html) if tag == "a" and "data-open" in a}:
            assert visitor.get(below(link or "")).status_code == 200, (path, link)


@pytest.mark.usefixtures("today")
def test_jobs_are_found_over_all_queues_by_all_words(visitor: Visitor, client: Client) -> None:
    failed(client, "late", "no such host", queue="a")
    client.add({"name": "other", "data": {"customer": {"id": 7}}, "opts": {"jobId": "new", "tags": ["vip"]}}, queue="b")

    def found(query: str) -> list[str]:
        return rows(visitor.page(f"search?{query}"))

    assert found("error=host&statuses=all&order=desc") == found("data=customer.id%3D42") == ["a/late"]
    assert found("tag=vip") == found("name=other") == found("statuses=waiting") == ["b/new"]
    assert found("since=1h") == found("since=today&until=2999-01-01") == ["b/new", "a/late"]
    assert found("since=1h&order=asc") == ["a/late", "b/new"]
    assert found("finishedSince=yesterday&finishedUntil=today") == []
    assert found("error=host&queue=a") == ["late"]
    assert found("queue=b") == ["new"]
    assert "No job matches" in visitor.page("search?error=absent")
    assert "write customer.id=42, without" in visitor.page("search?data=data.customer.id%3D42")
    assert "without “data.”" not in visitor.page("search?data=customer.id%3D43")
    for page in ("search", "queues/a"):
        assert "must be a path and a value, such as customer.id=42" in visitor.page(f"{page}?data=customer.id")
    assert "Looked at 2 jobs : these are all" in text_of(visitor.page("search?since=1h")).replace("jobs:", "jobs :")


def test_a_search_without_words_looks_at_nothing_and_says_what_to_do(visitor: Visitor, client: Client) -> None:
    failed(client, "one", "boom")
    page = visitor.page("search?error=&statuses=all&order=desc&queue=")
    assert rows(page) == []
    assert "Looked at" not in page
    for link in links(page, "search?"):
        assert visitor.get(below(link)).status_code == 200


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("since=soon", "since must be such as 24h"),
        ("finishedUntil=2026-13-01", "finishedUntil must be such as 24h"),
        ("since=999999999d", "since must be such as 24h"),
        ("data=a..b%3D1", "must be keys, or indexes of arrays"),
        ("queue=..", "queue must"),
        ("cursor=odd&error=x", "cursor must be"),
        ("since=1700000000", "since is in ms since the epoch; this looks like seconds"),
        ("since=9999-12-31T23:59-10:00", "since must be such as 24h"),
    ],
)
def test_what_is_no_search_is_told_beside_the_form(visitor: Visitor, query: str, words: str) -> None:
    for path in ("search?", "queues/q?"):
        if path == "queues/q?" and query.startswith("queue="):
            continue
        page = visitor.page(f"{path}{query}")
        assert 'role="alert"' in page
        assert words in text_of(page)


def test_times_are_as_people_write_them(today: datetime) -> None:
    now, today = today, today.replace(hour=0, minute=0, second=0, microsecond=0)
    day = int(datetime(2026, 11, 27, tzinfo=UTC).timestamp() * 1000)
    assert filters.moment("since", "2026-11-27") == filters.moment("since", str(day)) == day
    assert filters.moment("since", "2026-11-27T01:00:00+01:00") == filters.moment("since", "2026-11-27T00:00Z") == day
    assert filters.moment("since", "Today") - filters.moment("since", "yesterday") == 86_400_000
    assert filters.moment("since", "today") == int(today.timestamp() * 1000)
    for text, ago in (("90s", 90), ("5 min", 300), ("5m", 300), ("24h", 86_400), ("7d", 604_800)):
        at = datetime.fromtimestamp(filters.moment("since", text) / 1000, UTC)
        assert abs((now - at - timedelta(seconds=ago)).total_seconds()) < 60, text


def test_pages_of_a_search_go_on_by_a_cursor_though_its_times_pass(visitor: Visitor, client: Client) -> None:
    client.add(*({"name": "n", "data": nth, "opts": {"jobId": f"j{nth}"}} for nth in range(60)))
    for first in ("search?since=1h", "search?since=1h&queue=q", "queues/q?since=1h"):
        seen: list[str] = []
        path: str | None = first
        while path:
            html = visitor.page(path)
            seen += [row.removeprefix("q/") for row in rows(html)]
            following = [a["href"] or "" for tag, a in tags_of(html) if tag == "a" and a.get("rel") == "next"]
            path = (f"search{following[0]}" if following[0][0] == "?" else below(following[0])) if following else None
        assert seen == [f"j{nth}" for nth in reversed(range(60))], first


def test_a_search_says_how_far_it_looked_and_goes_on(
    visitor: Visitor, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.add({"name": "rare", "data": 0}, *({"name": "n", "data": nth} for nth in range(30)))
    monkeypatch.setattr(
        "app.store.search_all.search_all.__kwdefaults__",
        {"limit": 10, "time_ms": 9999, "after": None, "newest_first": True},
    )
    page = visitor.page("search?name=rare")
    assert "None found so far" in page
    assert "and stopped at its bound: there may be more" in text_of(page)
    for _ in range(9):
        following = [a["href"] or "" for tag, a in tags_of(page) if tag == "a" and a.get("rel") == "next"]
        if not following:
            break
        page = visitor.page(f"search{following[0]}")
    assert len(rows(page)) == 1


def test_all_that_match_a_search_in_one_queue_are_planned(visitor: Visitor, client: Client) -> None:
    for job_id in ("a", "b"):
        failed(client, job_id, "no such host")
    failed(client, "c", "other")
    assert 'name="which"' not in visitor.page("search?error=host")
    assert "fill in “Queue”" in visitor.page("search?error=host")
    page = visitor.page("search?error=host&finishedSince=1h&queue=q")
    sent = fields(page, "./queues/q/plans") | {"which": "all", "action": "retry"}
    sent.pop("id")
    answer = visitor.post("queues/q/plans", **sent)
    assert "This would retry 2 jobs" in text_of(visitor.page(below(answer.headers["Location"])))


def test_plans_are_listed_with_what_can_be_done_to_them(visitor: Visitor, client: Client, db: Database) -> None:
    for queue in ("q", "r"):
        client.add(*[{"name": "n", "data": 1}] * 2, queue=queue)
    bodies = {"q": {"action": "remove", "filter": {"name": "n"}}, "r": {"action": "cancel", "filter": {"name": "n"}}}
    q, r = (answers.ok(client.post(f"/queues/{name}/plans", json.dumps(body)))["id"] for name, body in bodies.items())
    assert rows(visitor.page("plans")) == [r, q]
    assert rows(visitor.page("queues/q/plans")) == [q]
    assert "Look, then apply" in visitor.page("plans")

    visitor.post(f"queues/q/plans/{q}/apply", matched="2", rate="0.001")
    page = visitor.page("plans")
    assert rows(page) == [q, r], "what goes on is first"
    assert "0.001 a second" in text_of(page) or "0 a second" in text_of(page)
    assert visitor.post(f"queues/q/plans/{q}/stop").status_code == 303
    made = answers.ok(client.post("/queues/q/plans", json.dumps(bodies["q"])))
    visitor.post(f"queues/q/plans/{made['id']}/apply", matched=str(made["matched"]))
    plans.run(db)
    page = visitor.page("plans")
    assert f'action="./queues/q/plans/{made["id"]}/undo"' in page
    visitor.post(f"queues/q/plans/{made['id']}/undo")
    plans.run(db)
    assert "2 of 2 ; 2 undone" in text_of(visitor.page("plans"))


def test_what_runs_is_shown_and_asked_to_stop(
    visitor: Visitor, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Nothing runs now" in visitor.page("running")
    for queue in ("q", "r"):
        client.add({"name": "n", "data": 1, "opts": {"jobId": "one"}}, queue=queue)
        held = json.loads(claimed(client, queue))
    by = {"Authorization": f"Bearer {held['token']}"}
    assert client.flask.post("/queues/r/jobs/one/progress", data="40", headers=by).status_code == 200
    page = visitor.page("running")
    assert rows(page) == ["q/one", "r/one"]
    assert "40 %" in text_of(page)
    assert 'data-stream="./live"' in page
    assert rows(visitor.page("running?queue=r")) == ["r/one"]
    answer = visitor.post("running/cancel", queue="r", id="one", of="r")
    assert answer.headers["Location"] == "../running?queue=r&done=cancelled"
    assert "asked to stop" in visitor.page("running")
    assert "cancelRequestedOn" in client.get("/running?queue=r").text
    assert visitor.get("running?queue=..").status_code == 400
    monkeypatch.setattr(running, "LENGTH", 1)
    [following] = links(visitor.page("running"), "start=1")
    assert rows(visitor.page(below(following))) == ["r/one"]


def test_a_failed_job_is_retried_with_other_data_in_one_step(visitor: Visitor, client: Client) -> None:
    failed(client, "one", "no such customer")
    page = visitor.page("queues/q/jobs/one")
    assert "Change the data and retry" in text_of(page)
    for wrong in ("{", "null", '1, "resetAttempts": false', ""):
        answer = visitor.post("queues/q/jobs/one/data", data=wrong, retry="1")
        assert answer.status_code == 400, wrong
        assert 'role="alert"' in answer.text
    assert client.job("one")["status"] == "failed"
    answer = visitor.post("queues/q/jobs/one/data", data='{"customer": {"id": 43.0}}', retry="1")
    assert answer.headers["Location"].endswith("jobs/one?done=retried_with")
    assert client.job("one")["status"] == "waiting"
    assert visitor.get("queues/q/jobs/one/raw?member=data").text == '{"customer": {"id": 43.0}}'
    assert "with the new data" in visitor.page("queues/q/jobs/one?done=retried_with")
    assert visitor.post("queues/q/jobs/one/data", data="1", retry="1").status_code == 409


def test_pages_ask_the_api_a_bounded_number_of_times(
    visitor: Visitor, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for nth in range(12):
        failed(client, "x", "boom", queue=f"q{nth}")
    asked: list[str] = []
    call = Api.call

    def counted(api: Api, method: str, path: str, query: Query = (), **named: Any) -> Answer:
        asked.append(path)
        return call(api, method, path, query, **named)

    monkeypatch.setattr(Api, "call", counted)
    for path, most in (("failures", 6), ("queues/q1/failures", 1), ("search?error=b", 1), ("plans", 1), ("running", 1)):
        asked.clear()
        visitor.page(path)
        assert len(asked) == most, (path, asked)
