"""The OpenAPI document is valid, whole, and says what the service does."""

import json
import re
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from werkzeug.test import TestResponse

from app.domain import keys
from app.infra.settings import Settings
from app.postgres.database import Database
from app.web import app, describe, openapi, problems
from app.web.endpoints import schemas as worker
from app.web.jobs import new_job
from app.web.leases import routes as work
from app.web.schedules import schemas as schedules
from tests.support import answers
from tests.support.client import Client


@pytest.fixture
def flask(settings: Settings, db: Database) -> Flask:
    return app.create(settings, db)


@pytest.fixture
def document(client: Client) -> dict[str, Any]:
    answer = client.flask.get("/openapi.json")
    assert answer.status_code == 200
    return dict(answer.json or {})


def test_the_document_is_valid_and_not_stored_by_anybody(client: Client, document: dict[str, Any]) -> None:
    validate(document)

    assert document["openapi"] == "3.1.0"
    assert client.flask.get("/openapi.json").headers["Cache-Control"] == "no-store"


def test_the_document_has_every_route_and_no_other(flask: Flask, document: dict[str, Any]) -> None:
    routes = {
        (openapi.path(rule), method.lower())
        for rule in flask.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert routes == {(path, method) for path, methods in document["paths"].items() for method in methods}


def test_every_operation_is_alive(client: Client, document: dict[str, Any]) -> None:
    for nth, (path, methods) in enumerate(document["paths"].items()):
        for method, operation in methods.items():
            answer = called(client, document, path, method, queue=f"demo-{nth}-{method}")
            status = "201" if "201" in operation["responses"] else "200"
            assert str(answer.status_code) == status, f"{method} {path}: {answer.text}"
            [media] = operation["responses"][status]["content"].items()
            assert media[0] in {answer.mimetype, "*/*"}
            if media[0] == "application/json":
                check(answer.json, media[1]["schema"], document)


def called(client: Client, document: dict[str, Any], path: str, method: str, *, queue: str) -> TestResponse:
    """Call an operation with its own examples, on a job that is there, and held where its token is needed."""
    operation = document["paths"][path][method]
    parameters = document["components"]["parameters"] | {"queue": {"example": queue}}
    asked = re.sub(r"{(\w+)}", lambda found: parameters[found[1]]["example"], path)
    body, authorization = "", client.authorization
    if "requestBody" in operation:
        body = json.dumps(operation["requestBody"]["content"]["application/json"]["example"])
    if "{token_id}" in path:  # a token that is being rotated
        made = client.post("/tokens", json.dumps({"name": "n", "scopes": ["work"]})).json or {}
        client.post(f"/tokens/{made['id']}/rotate", "")
        asked = asked.replace(parameters["token_id"]["example"], made["id"])
    if (method, path) != ("delete", "/queues/{queue}"):  # which forgets one without jobs
        client.add(*new_job.EXAMPLE, queue=queue)
    if "{plan_id}" in path:
        made = plan(client, queue, is_applied=path.endswith("/undo"))
        asked = asked.replace(parameters["plan_id"]["example"], made["id"])
        body = json.dumps({"matched": made["matched"]}) if path.endswith("/apply") else body
    if "{dedup_id}" in path:
        held = {"deduplication": {"id": parameters["dedup_id"]["example"]}}
        client.add({"name": "n", "data": 1, "opts": held}, queue=queue)
    if "{schedule_id}" in path and method != "put":
        assert (
            client.put(
                re.sub(r"/(preview|runs|pause|resume|run)$", "", asked), json.dumps(schedules.EXAMPLE)
            ).status_code
            == 201
        )
    client.post("/workers", json.dumps(worker.EXAMPLE | {"queue": queue}))
    if work.TOKEN_EXAMPLE in body or {"attempt": []} in operation.get("security", []):
        [lease] = (client.post(f"/queues/{queue}/jobs/claim", "").json or {})["jobs"]
        body = body.replace(work.TOKEN_EXAMPLE, lease["token"])
    bring_there(client, asked)
    if {"attempt": []} in operation.get("security", []):
        authorization = {"Authorization": f"Bearer {lease['token']}"}
    return client.flask.open(asked, method=method.upper(), data=body, headers=authorization)


def plan(client: Client, queue: str, *, is_applied: bool) -> dict[str, Any]:
    """Plan a removal; one that is applied has been stopped."""
    wanted = {"action": "remove", "filter": {"since": 0}}
    made = dict(client.post(f"/queues/{queue}/plans", json.dumps(wanted)).json or {})
    if is_applied:
        for verb in ("apply", "stop"):
            asked = json.dumps({"matched": made["matched"]})
            assert client.post(f"/queues/{queue}/plans/{made['id']}/{verb}", asked).status_code == 200
    return made


def bring_there(client: Client, path: str) -> None:
    """Bring the job into a status in which it can be retried or promoted."""
    job, _, verb = path.rpartition("/")
    if verb == "retry":
        assert client.post(f"{job}/cancel", "").status_code == 200
    if verb == "promote":
        delayed = client.flask.patch(job, data=json.dumps({"delay": 60_000}), headers=client.authorization)
        assert delayed.status_code == 200


def test_a_path_allows_what_the_document_says(client: Client, document: dict[str, Any]) -> None:
    parameters = document["components"]["parameters"]
    for path, methods in document["paths"].items():
        asked = re.sub(r"{(\w+)}", lambda found: parameters[found[1]]["example"], path)
        wanted = {method.upper() for method in methods} | ({"HEAD"} if "get" in methods else set())
        if path.endswith(("/jobs/claim", "/jobs/finish")):  # a job may be called so
            wanted |= {"GET", "HEAD", "DELETE", "PATCH"}
        if path.endswith("/schedulers/preview"):  # and a schedule so
            wanted |= {"GET", "HEAD", "DELETE", "PUT"}
        answer = client.flask.open(asked, method="TRACE", headers=client.authorization)
        assert answer.status_code == 405, path
        assert set(answer.headers["Allow"].split(", ")) - {"OPTIONS"} == wanted, path


def check(value: object, schema: dict[str, Any], document: dict[str, Any]) -> None:
    """Hold a value to a schema of the document."""
    Draft202012Validator(schema | {"components": document["components"]}).validate(value)


def test_an_error_is_a_problem_as_described(client: Client, document: dict[str, Any]) -> None:
    problem = {"$ref": "#/components/schemas/Problem"}
    for answer in (client.post("/queues/q/jobs", "[{}]"), client.get("/queues/q/jobs/9"), client.get("/nowhere")):
        check(answer.json, problem, document)


def test_reading_is_in_conflict_with_nothing(document: dict[str, Any]) -> None:
    said = {code for methods in document["paths"].values() for code in methods.get("get", {}).get("responses", {})}

    assert said == {"200", "400", "401", "403", "404", "429", "500", "503"}


def test_every_member_of_an_answer_is_described(client: Client, document: dict[str, Any]) -> None:
    client.add({"name": "n", "data": 1})
    schemas = document["components"]["schemas"]

    described, found = set(schemas["Found"]["properties"]), client.page(name="n")
    with_a_filter = {"scanned", "isComplete"}
    assert set(client.page()) == described - with_a_filter - {"next"}, "which only a page has that ends early"
    assert set(found) == described - {"next"}, "which only a search has that may find more"
    assert set(client.page()["jobs"][0]) <= set(schemas["Job"]["properties"])
    [placed] = answers.ok(client.get("/jobs"))["jobs"]
    assert set(placed) == {*client.page()["jobs"][0], "queue"} <= set(schemas["PlacedJob"]["properties"])


def test_every_error_code_is_documented(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    promised = {error.code for error in problems.STATUSES} | {code for code, _, _ in problems.HTTP_CODES}
    said_in_the_introduction = {"method_not_allowed"}
    for code in promised - said_in_the_introduction:
        assert f"`{code}`" in text


def test_every_answer_says_when_to_try_again_or_how_to_get_in(document: dict[str, Any]) -> None:
    answers = document["paths"]["/queues/{queue}/jobs"]["post"]["responses"]
    assert {status for status, said in answers.items() if "Retry-After" in said["headers"]} == {"409", "429", "503"}
    assert {status for status, said in answers.items() if "WWW-Authenticate" in said["headers"]} == {"401"}
    assert answers["408"]["description"] == "`slow_body`"
    assert answers["409"]["description"] == "`idempotency_key_in_use`"


@given(st.from_regex(re.compile(openapi.KEY, re.ASCII), fullmatch=True))
def test_every_key_of_the_documented_form_is_read(header: str) -> None:
    assert 1 <= len(keys.read(header)) <= keys.KEY_MAX


@given(
    st.text(st.sampled_from('"\\ ~!a\té\n'), max_size=9) | st.text(max_size=9) | st.integers(250, 260).map("k".__mul__)
)
def test_a_header_is_read_exactly_if_it_has_the_documented_form(header: str) -> None:
    try:
        keys.read(header)
    except ValueError:
        assert not re.fullmatch(openapi.KEY, header.strip(" \t"))
    else:
        assert re.fullmatch(openapi.KEY, header.strip(" \t"))


def test_a_route_that_says_nothing_of_itself_is_refused(flask: Flask) -> None:
    def silent() -> str:
        return ""

    with pytest.raises(LookupError, match="silent has no description"):
        describe.of(silent)
