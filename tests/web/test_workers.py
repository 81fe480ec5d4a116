"""Endpoints registered, listed and removed over HTTP; and what is refused, each fault by its place."""

import dataclasses
import ipaddress
import json
from typing import Any

import pytest
from werkzeug.test import TestResponse

from app.infra.settings import Settings
from app.postgres.database import Database
from app.web import app
from tests.conftest import TOKEN
from tests.support import answers, databases
from tests.support.client import Client
from tests.support.receivers import SECRET

URL = "https://example.com/jobs"


def post(client: Client, opts: Any = None, queue: Any = "q", **endpoint: Any) -> TestResponse:
    asked: dict[str, Any] = {"queue": queue, "endpoint": {"url": URL, "method": "post"} | endpoint}
    return client.post("/workers", json.dumps(asked | ({} if opts is None else {"opts": opts})))


def faults(answer: TestResponse) -> dict[str, str]:
    return {fault["path"]: fault["message"] for fault in answers.problem(answer, 400)["details"]}


def test_an_endpoint_is_registered_replaced_listed_and_removed(client: Client) -> None:
    answer = post(client, {"concurrency": 5, "limiter": {"max": 1, "duration": 1000}, "maxStalledCount": 2})
    assert (answer.status_code, answer.mimetype, answer.text) == (200, "text/plain", "OK")
    assert post(client, queue="ü/ä".replace("/", ""), url=URL + "2").text == "OK"
    assert post(client, url=URL + "3").text == "OK"
    assert client.get("/workers").json == {"q": URL + "3", "üä": URL + "2"}

    removed = client.flask.delete("/workers/q", headers=client.authorization)
    assert (removed.status_code, removed.mimetype, removed.text) == (200, "text/plain", "OK")
    again = client.flask.delete("/workers/q", headers=client.authorization)
    assert answers.problem(again, 404) | {"requestId": ""} == {
        "error": "Worker not found",
        "code": "worker_not_found",
        "requestId": "",
    }


def test_no_more_queues_have_an_endpoint_than_the_operator_allows(settings: Settings, db: Database) -> None:
    client = Client(app.create(dataclasses.replace(settings, max_endpoints=2), db).test_client(), token=TOKEN)
    assert [post(client, queue=queue).status_code for queue in "ab"] == [200, 200]

    said = answers.problem(post(client, queue="c"), 409)

    assert (said["code"], "ROWLINE_MAX_ENDPOINTS" in said["error"]) == ("too_many_endpoints", True)
    assert post(client, queue="a", url=URL + "2").status_code == 200
    assert client.get("/workers").json == {"a": URL + "2", "b": URL}


def test_a_secret_is_made_up_and_told_once(client: Client, settings: Settings, db: Database) -> None:
    first, second = post(client), post(client)
    assert first.headers["Rowline-Webhook-Secret"].startswith("whsec_")
    assert first.headers["Rowline-Webhook-Secret"] != second.headers["Rowline-Webhook-Secret"]
    assert "Rowline-Webhook-Secret" not in post(client, secrets=[SECRET]).headers
    given = dataclasses.replace(settings, webhook_secrets=(SECRET,))
    assert "Rowline-Webhook-Secret" not in post(Client(app.create(given, db).test_client(), token=TOKEN)).headers
    found = answers.ok(client.get("/audit?action=workers.register&length=4"))["entries"]
    assert [entry["after"]["signedBy"] for entry in found] == ["service", "endpoint", "endpoint", "endpoint"]


def test_no_answer_and_no_dump_shows_headers_or_secrets(client: Client, shared_url: str) -> None:
    answer = post(client, headers={"X-Key": "do-not-tell"}, secrets=[SECRET])
    dumped = databases.ask(shared_url, "select e::text, convert_from(headers, 'utf8') from rowline.endpoints as e")
    shown = answer.text + client.get("/workers").text + str(dumped)
    for secret in ("do-not-tell", "X-Key", SECRET.removeprefix("whsec_")):
        assert secret not in shown
        assert secret.encode().hex() not in shown


@pytest.mark.parametrize(
    ("members", "path", "message"),
    [
        ({"url": None}, "endpoint.url", "must not be null"),
        ({"url": 5}, "endpoint.url", "must be a string"),
        ({"url": ""}, "endpoint.url", "must be printable ASCII"),
        ({"url": "ftp://example.com"}, "endpoint.url", "must begin with http"),
        ({"url": "//example.com"}, "endpoint.url", "must begin with http"),
        ({"url": "http://"}, "endpoint.url", "must begin with http"),
        ({"url": "http://user:pw@example.com/"}, "endpoint.url", "must not contain a user"),
        ({"url": "http://good.com\\@127.0.0.1"}, "endpoint.url", "must not contain a backslash"),
        ({"url": "http://127.0.0.1#@good.com"}, "endpoint.url", "fragment"),
        ({"url": "http://a@b@127.0.0.1"}, "endpoint.url", "must not contain a user"),
        ({"url": "http://example.com:22/"}, "endpoint.url", "must have port 80, 443 or one from 1024"),
        ({"url": "http://example.com:0/"}, "endpoint.url", "must have port"),
        ({"url": "http://example.com:99999/"}, "endpoint.url", "is not a URL"),
        ({"url": "http://exa mple.com/"}, "endpoint.url", "must be printable ASCII"),
        ({"url": "http://a\r\nX: y"}, "endpoint.url", "must be printable ASCII"),
        ({"url": "http://[::1/"}, "endpoint.url", "is not a URL"),
        ({"url": "http://ex%61mple.com/"}, "endpoint.url", "neither a name nor an address"),
        ({"url": "http://1.2.3.4.5/"}, "endpoint.url", "neither a name nor an address"),
        ({"url": "http://[fe80::1%25eth0]/"}, "endpoint.url", "must not name a zone"),
        ({"url": "http://example.com/" + "x" * 2048}, "endpoint.url", "must be at most 2048 characters"),
        ({"method": None}, "endpoint.method", "must not be null"),
        ({"method": "GET"}, "endpoint.method", "must be one of POST, PUT, PATCH"),
        ({"method": "DELETE"}, "endpoint.method", "must be one of POST, PUT, PATCH"),
        ({"method": ["POST"]}, "endpoint.method", "must be one of"),
        ({"timeout": 0}, "endpoint.timeout", "must be between 1 and 600000"),
        ({"timeout": "5"}, "endpoint.timeout", "must be an integer"),
        ({"headers": []}, "endpoint.headers", "must be an object"),
        ({"headers": {"Host": "x"}}, "endpoint.headers.Host", "is a header that Rowline sets itself"),
        ({"headers": {"content-LENGTH": "1"}}, "endpoint.headers.content-LENGTH", "is a header that Rowline sets"),
        ({"headers": {"A": "b\r\nC: d"}}, "endpoint.headers.A", "must be printable ASCII"),
        ({"headers": {"A B": "c"}}, "endpoint.headers.A B", "is not a header's name"),
        ({"headers": {"A": 1}}, "endpoint.headers.A", "must be a string"),
        ({"headers": {f"H{n}": "v" for n in range(51)}}, "endpoint.headers", "must be at most 50"),
        ({"headers": {"A": "x" * 20_000}}, "endpoint.headers", "must be at most 8192 bytes together"),
        ({"headers": {"A": "1", "a": "2"}}, "endpoint.headers", "must not name a header twice"),
        ({"secrets": "whsec_x"}, "endpoint.secrets", "must be an array of at most 2"),
        ({"secrets": [SECRET] * 3}, "endpoint.secrets", "must be an array of at most 2"),
        ({"secrets": ["whsec_c2hvcnQ="]}, "endpoint.secrets[0]", "must be whsec_ and 24 to 64 bytes"),
        ({"flavour": 1}, "endpoint.flavour", "is not known here"),
        ({"queue": "a/b"}, "queue", "must not contain '/'"),
        ({"queue": None}, "queue", "must not be null"),
        ({"queue": "x" * 101}, "queue", "must be at most 100 characters"),
        ({"opts": {"concurrency": -1}}, "opts.concurrency", "must be between 1 and 1000"),
        ({"opts": {"concurrency": 1.5}}, "opts.concurrency", "must be an integer"),
        ({"opts": {"concurrency": "2"}}, "opts.concurrency", "must be an integer"),
        ({"opts": {"concurrency": 10**9}}, "opts.concurrency", "must be between 1 and 1000"),
        ({"opts": {"limiter": {"max": 1}}}, "opts.limiter.duration", "is required"),
        ({"opts": {"limiter": {"duration": 1}}}, "opts.limiter.max", "is required"),
        ({"opts": {"limiter": {"max": 1, "duration": None}}}, "opts.limiter.duration", "must not be null"),
        ({"opts": {"limiter": {"max": 1, "duration": 86_400_001}}}, "opts.limiter.duration", "must be between"),
        ({"opts": {"maxStalledCount": 0}}, "opts.maxStalledCount", "must be between 1 and 1000"),
        ({"opts": {"removeOnComplete": "1"}}, "opts.removeOnComplete", "must be true, false, a number or an object"),
        ({"opts": {"removeOnFail": {"count": -1}}}, "opts.removeOnFail.count", "must be between 0 and 2147483647"),
        ({"opts": {"attempts": 1}}, "opts.attempts", "is not known here"),
        ({"opts": 5}, "opts", "must be an object"),
    ],
)
def test_a_fault_is_refused_by_its_place(client: Client, members: dict[str, Any], path: str, message: str) -> None:
    found = faults(post(client, **members))
    assert list(found) == [path]
    assert message in found[path]
    assert client.get("/workers").json == {}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ("", "body"),
        ("[]", "body"),
        ("{", "body"),
        ("{}", "queue"),
        ('{"queue": "q"}', "endpoint"),
        ('{"queue": "q", "queue": "r"}', "queue"),
        ('{"queue": "q", "endpoint": {"url": "a", "url": "b"}}', "endpoint.url"),
        ('{"queue": "q", "endpoint": 5}', "endpoint"),
    ],
)
def test_what_is_no_worker_is_refused(client: Client, body: str, path: str) -> None:
    assert path in faults(client.post("/workers", body))


def test_all_faults_are_told_at_once(client: Client) -> None:
    answer = post(client, {"concurrency": 0}, queue="", url="http://127.0.0.1/", method="GET")
    assert set(faults(answer)) == {"queue", "endpoint.url", "endpoint.method", "opts.concurrency"}


def test_a_private_host_may_be_registered_where_the_operator_allows_it(settings: Settings, db: Database) -> None:
    allowed = dataclasses.replace(settings, webhook_allow=(ipaddress.ip_network("10.0.0.0/8"),))
    client = Client(app.create(allowed, db).test_client(), token=TOKEN)
    assert post(client, url="http://10.1.2.3:8080/").status_code == 200
    assert set(faults(post(client, url="http://127.0.0.1:8080/"))) == {"endpoint.url"}
