"""Workers and endpoints in the dashboard."""

import json
from collections.abc import Callable

import pytest

from app.operations import endpoints as operations
from app.postgres.database import Database
from app.queries import endpoints
from tests.support import answers
from tests.support.client import Client
from tests.support.visitor import Visitor, tags_of, text_of

XSS = "<script>alert('x')</script>"
URL = "https://example.com/jobs"


def register(client: Client, queue: str = "q", url: str = URL) -> None:
    body = {"queue": queue, "endpoint": {"url": url, "method": "POST", "headers": {"X-Key": "hush-hush"}}}
    assert client.post("/workers", json.dumps(body)).status_code == 200


def switch_off(db: Database, queue: str = "q", reason: str = "it answered 410") -> None:
    assert operations.switch_off(db, queue=queue, revision=endpoints.revisions(db)[queue], reason=reason)


def urls(client: Client) -> dict[str, str]:
    return dict(answers.ok(client.get("/workers")))


def test_who_works_a_queue_is_listed_with_its_share(
    visitor: Visitor, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "No worker was seen within a minute." in text_of(visitor.page("queues/q/workers"))
    client.add({"name": "n", "data": 1})
    assert client.post("/queues/q/jobs/claim", json.dumps({"worker": XSS, "count": 4})).status_code == 200
    page = visitor.page("queues/q/workers")
    assert XSS not in page
    seen = answers.ok(client.get("/queues/q/workers"))["workers"]
    assert [one["worker"] in text_of(page) for one in seen] == [True] * len(seen)


def test_an_endpoint_is_registered_and_its_secret_shown_once(visitor: Visitor, client: Client, db: Database) -> None:
    assert "The queue has none" in text_of(visitor.page("queues/q/workers"))
    sent = {"url": URL, "method": "PUT", "headers": '{"X-Key": "k"}', "timeout": "5000", "concurrency": "3"}
    answer = visitor.post("queues/q/endpoint", **sent, max="10", duration="1000")
    assert answer.status_code == 200
    assert "whsec_" in answer.text
    assert urls(client) == {"q": URL}
    found = endpoints.find(db, queue="q")
    assert found is not None
    assert (found.method, found.timeout_ms, found.concurrency) == ("PUT", 5_000, 3)
    page = visitor.page("queues/q/workers")
    assert URL in page
    assert "whsec_" not in page
    answer = visitor.post("queues/q/endpoint", **sent, secrets=f"whsec_{'A' * 32}")
    assert answer.headers["Location"].endswith("queues/q/workers?done=registered")


def test_an_endpoint_is_changed_as_it_is_typed_and_the_rest_of_it_stays(
    visitor: Visitor, client: Client, db: Database
) -> None:
    left = {"maxStalledCount": 3, "removeOnComplete": {"age": 60}, "removeOnFail": False}
    opts = {"concurrency": 2, "limiter": {"max": 5, "duration": 60_000}, **left}
    body = {"queue": "q", "endpoint": {"url": URL, "method": "POST", "timeout": 1_500}, "opts": opts}
    assert client.post("/workers", json.dumps(body)).status_code == 200
    html = visitor.page("queues/q/endpoint")
    shown = {str(one["name"]): str(one["value"]) for tag, one in tags_of(html) if tag == "input" and one.get("name")}
    assert (shown["timeout"], shown["max"], shown["duration"], shown["concurrency"]) == ("1500ms", "5", "1m", "2")
    fields = {name: shown[name] for name in ("url", "max", "duration", "concurrency")}
    visitor.post("queues/q/endpoint", **fields, method="PUT", timeout="20s")
    found = answers.ok(client.get("/queues/q/endpoint"))
    assert (found["method"], found["timeout"], found["limiter"]) == ("PUT", 20_000, opts["limiter"])
    assert {name: found[name] for name in left} == left


def test_the_form_says_which_secrets_sign_where_none_is_typed(visitor: Visitor) -> None:
    page = text_of(visitor.page("queues/q/endpoint"))
    assert "Empty: Rowline makes one, and shows it once." in page
    assert "type them again" not in page, "there is no endpoint yet"
    assert "410 gives the job back" in page, "it costs no attempt"
    refused = visitor.post("queues/q/endpoint", url="no", method="POST")
    assert "Register an endpoint" in refused.text


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"url": "http://127.0.0.1/"}, "URL: must"),
        ({"url": URL, "headers": "{"}, "Headers: must be one JSON value"),
        ({"url": URL, "timeout": "long"}, "Timeout: must"),
        ({"url": URL, "max": "3"}, "In each: "),
        ({"url": URL, "secrets": "guess"}, "Secrets, number 1: must"),
    ],
)
def test_what_is_wrong_with_an_endpoint_is_told_beside_its_form(
    visitor: Visitor, client: Client, sent: dict[str, str], words: str
) -> None:
    answer = visitor.post("queues/q/endpoint", method="POST", **sent)
    assert answer.status_code == 400
    assert words in text_of(answer.text)
    assert 'role="alert"' in answer.text
    for value in sent.values():
        assert value in answer.text
    assert urls(client) == {}


def test_an_endpoint_that_is_off_says_why_and_is_registered_again(
    visitor: Visitor, client: Client, db: Database
) -> None:
    register(client)
    switch_off(db, reason=XSS)
    client.add({"name": "n", "data": 1})
    page = visitor.page("queues/q/workers")
    assert XSS not in page
    assert XSS in text_of(page)
    listed = text_of(visitor.page("endpoints"))
    assert "switched off" in listed
    assert XSS in listed
    visitor.post("queues/q/endpoint", url=URL, method="POST")
    assert "switched off" not in text_of(visitor.page("endpoints"))
    assert endpoints.find(db, queue="q") is not None


def test_an_endpoint_that_is_off_is_switched_on_as_it_is(visitor: Visitor, client: Client, db: Database) -> None:
    register(client)
    assert "Switch on" not in text_of(visitor.page("queues/q/workers"))
    switch_off(db)
    assert "it answered 410" in text_of(visitor.page("queues/q/workers"))
    answer = visitor.post("queues/q/endpoint/switch-on")
    assert answer.headers["Location"].endswith("queues/q/workers?done=switched_on")
    found = endpoints.find(db, queue="q")
    assert found is not None
    assert found.url == URL
    assert "Switch" not in text_of(visitor.page("queues/q/workers"))
    act = answers.ok(client.get("/audit?action=workers.switch_on"))["entries"][0]
    assert (act["queue"], act["actor"], act["before"]) == ("q", "env:1", {"reason": "it answered 410"})
    assert visitor.post("queues/none/endpoint/switch-on").status_code == 404


def test_registering_again_begins_with_what_can_be_read_back(visitor: Visitor, client: Client) -> None:
    opts = {"concurrency": 7, "limiter": {"max": 5, "duration": 2_000}}
    body = {"queue": "q", "endpoint": {"url": URL, "method": "PUT", "timeout": 9_000}, "opts": opts}
    assert client.post("/workers", json.dumps(body)).status_code == 200
    fields = {
        str(a.get("name")): a.get("value") for tag, a in tags_of(visitor.page("queues/q/endpoint")) if tag == "input"
    }
    expected = {"url": URL, "timeout": "9s", "concurrency": "7", "max": "5", "duration": "2s"}
    assert expected.items() <= fields.items()
    assert "<option selected>PUT</option>" in visitor.page("queues/q/endpoint")


def test_an_endpoint_is_deleted_after_a_question(visitor: Visitor, client: Client) -> None:
    register(client)
    page = visitor.page("queues/q/endpoint/remove")
    assert URL in page
    assert urls(client)
    assert visitor.post("queues/q/endpoint/remove").headers["Location"].endswith("workers?done=deleted")
    assert urls(client) == {}
    assert "The queue has none." in visitor.page("queues/q/endpoint/remove")
    assert visitor.post("queues/q/endpoint/remove").status_code == 404


def test_endpoints_go_on_after_a_name_and_are_found_by_it(visitor: Visitor, client: Client) -> None:
    for nth in range(53):
        register(client, f"q{nth:02}", f"{URL}/{nth}")
    first = visitor.page("endpoints")
    assert "53 endpoints" in text_of(first)
    [following] = [a["href"] for tag, a in tags_of(first) if tag == "a" and a.get("rel") == "next"]
    second = visitor.page(f"endpoints{following}")
    rows = [a["data-row"] for tag, a in tags_of(second) if tag == "tr" and "data-row" in a]
    assert rows == ["q50", "q51", "q52"]
    assert "1 endpoint" in text_of(visitor.page("endpoints?name=q07"))
    assert "No endpoint matches." in visitor.page("endpoints?name=zz")


def test_who_may_not_manage_endpoints_sees_workers_alone(
    client: Client, db: Database, visiting: Callable[..., Visitor]
) -> None:
    register(client)
    register(client, "other", f"{URL}/other")
    visitor = visiting("jobs:read")
    page = visitor.page("queues/q/workers")
    assert URL not in page
    assert "Endpoint" not in text_of(page)
    assert visitor.get("endpoints").status_code == 403
    for path in ("queues/q/endpoint", "queues/q/endpoint/remove"):
        assert visitor.get(path).status_code == 403
        assert visitor.post(path, url=URL, method="POST").status_code == 403
    switch_off(db)
    narrow = visiting("endpoints:manage@q", "jobs:read@q")
    listed = narrow.page("endpoints")
    assert "queues/other" not in listed
    assert "switched off" in text_of(listed), "without the right to read the audit"
    assert "Switch on" in text_of(narrow.page("queues/q/workers"))
    assert narrow.post("queues/other/endpoint/switch-on").status_code == 403
    assert visitor.post("queues/q/endpoint/switch-on").status_code == 403
    assert narrow.post("queues/other/endpoint/remove").status_code == 403
    assert narrow.get("queues/other/workers").status_code == 403
    assert len(urls(client)) == 2
