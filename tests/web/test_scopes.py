"""What each scope allows: every route, every action, on the queue and beside it."""

import json

import pytest
from flask import Flask

from app.domain.tokens import OF_NO_QUEUE, Action
from app.infra.settings import Settings
from app.postgres.database import Database
from app.web import app, describe
from tests.support import answers
from tests.support.client import Client
from tests.support.routes import BODIES, routes
from tests.support.tokens import issue

DECLARED = {
    "jobs:add": {"jobs.add"},
    "jobs:read": {
        "jobs.list_page",
        "jobs.list_all",
        "jobs.get",
        "history.attempts",
        "history.logs",
        "queues.list_queues",
        "queues.get_queue",
        "queues.list_workers",
        *("explain.explain_job", "explain.explain_queue", "explain.scale"),
        "series.get_series",
        *("plans.list_plans", "plans.list_all_plans", "plans.get_plan", "running.list_running"),
        *("jobs.get_deduplication", "jobs.list_failures"),
        *(f"schedules.{verb}" for verb in ("list_schedules", "list_all_schedules", "get_schedule", "list_runs")),
        *("schedules.preview_schedule", "schedules.preview_timing"),
        "settings.get_settings",
    },
    "queues:manage": {
        *("queues.pause", "queues.resume", "queues.change_queue", "queues.forget_queue", "queues.obliterate"),
        "settings.change_settings",
    },
    "jobs:manage": {
        *(f"jobs.{verb}" for verb in ("cancel", "change", "promote", "remove_job", "retry", "let_go")),
        *("queues.drain", "queues.clean"),
        *(f"plans.{verb}_plan" for verb in ("create", "apply", "stop", "undo")),
        *(f"schedules.{verb}_schedule" for verb in ("put", "remove", "pause", "resume", "run")),
    },
    "events": {f"events.{verb}" for verb in ("stream_all", "stream_queue", "stream_job", "page_all", "page_queue")},
    "work": {"work.claim", "work.complete", "work.fail", "work.release", "work.extend", "work.finish"},
    "endpoints:manage": {
        *("workers.register", "workers.list_urls", "workers.remove"),
        *("workers.list_states", "workers.get_state", "workers.switch_on"),
    },
    "tokens:manage": {f"tokens.{verb}" for verb in ("create", "list_tokens", "revoke", "rotate", "finish_rotation")},
    "audit": {"audit.list_acts"},
    "metrics": {"doctor.get_report", "metrics.get_metrics"},
}


@pytest.fixture(scope="module")
def made(settings: Settings, shared_db: Database) -> Flask:
    return app.create(settings, shared_db)


@pytest.fixture
def flask(made: Flask, db: Database) -> Flask:
    """The application of all tests here, which takes a tenth of a second to make, on the empty database."""
    return made


def allowed(flask: Flask, secret: str) -> set[str]:
    """Return the routes that a token is not refused for want of a scope."""
    program = Client(flask.test_client(), token=secret)
    found = set()
    for name, method, path in routes(flask):
        body = json.dumps(BODIES[name]) if name in BODIES else None
        answer = program.flask.open(path, method=method, data=body, headers=program.authorization)
        assert answer.status_code not in {401, 429, 500, 503}, answer.text
        if answer.status_code != 403:
            found.add(name)
        else:
            assert answers.problem(answer, 403)["code"] == "forbidden"
    return found


def test_every_route_says_what_it_is_for(flask: Flask) -> None:
    found: dict[str, set[str]] = {}
    for name, _, _ in routes(flask):
        action = describe.of(flask.view_functions[name]).action
        assert action is not None, name
        found.setdefault(action, set()).add(name)
    assert found == DECLARED


def test_an_application_with_a_route_that_says_nothing_is_none(settings: Settings, db: Database) -> None:
    flask = app.create(settings, db)

    @describe.route(gives="text/plain")
    def silent() -> str:
        return ""

    flask.view_functions["jobs.silent"] = silent
    with pytest.raises(LookupError, match="silent has no action"):
        describe.actions(flask, besides=app.TOKENLESS)


@pytest.mark.parametrize("action", Action)
def test_an_action_allows_its_routes_and_no_other(flask: Flask, db: Database, action: Action) -> None:
    assert allowed(flask, issue(db, action).secret) == DECLARED.get(action, set())


@pytest.mark.parametrize("action", [action for action in Action if action not in OF_NO_QUEUE])
@pytest.mark.parametrize(
    ("pattern", "is_mine"),
    [("mail", True), ("mai*", True), ("*", True), ("mai", False), ("mail2", False), ("x*", False)],
)
def test_an_action_is_allowed_on_the_queues_of_its_pattern(
    flask: Flask,
    db: Database,
    action: Action,
    pattern: str,
    is_mine: bool,  # noqa: FBT001 - a case
) -> None:
    found = allowed(flask, issue(db, f"{action}@{pattern}").secret)

    of_no_queue = {
        "workers.list_urls",
        "workers.list_states",
        "queues.list_queues",
        "jobs.list_all",
        "settings.get_settings",
    }
    of_no_queue |= {"plans.list_all_plans", "schedules.list_all_schedules", "running.list_running"}
    of_no_queue = (of_no_queue | {"events.stream_all", "events.page_all"}) & DECLARED.get(action, set())
    of_all_queues = set() if pattern == "*" else {"settings.change_settings"}
    assert found == (DECLARED.get(action, set()) - of_all_queues if is_mine else of_no_queue)


def test_everything_allows_everything(flask: Flask, db: Database) -> None:
    assert allowed(flask, issue(db, "*").secret) == set.union(*DECLARED.values())


def test_a_missing_scope_is_named_whether_the_queue_exists_or_not(client: Client, db: Database) -> None:
    client.add({"name": "n", "data": 1}, queue="there")
    program = Client(client.flask, token=issue(db, "jobs:read@mine").secret)

    said = [answers.error(program.get(f"/queues/{queue}/jobs"), 403) for queue in ("there", "absent")]
    assert said == [f"the token lacks the scope jobs:read@{queue}" for queue in ("there", "absent")]
    assert answers.ok(program.get("/queues/mine/jobs"))["counts"]["waiting"] == 0


def test_a_name_is_compared_as_it_is_after_decoding(client: Client, db: Database) -> None:
    program = Client(client.flask, token=issue(db, "jobs:read@a@b").secret)

    assert program.get("/queues/a%40b/jobs").status_code == program.get("/queues/%61@b/jobs").status_code == 200
    assert program.get("/queues/a%2540b/jobs").status_code == 403
    assert program.get("/queues/%ff/jobs").status_code == 400


def test_a_list_of_endpoints_shows_those_that_the_token_may_manage(client: Client, db: Database) -> None:
    for queue in ("mail", "mailer", "other"):
        body = {"queue": queue, "endpoint": {"url": f"https://example.com/{queue}", "method": "POST"}}
        assert client.post("/workers", json.dumps(body)).status_code == 200
    program = Client(client.flask, token=issue(db, "endpoints:manage@mail*").secret)

    assert set(answers.ok(program.get("/workers"))) == {"mail", "mailer"}


def test_a_scope_needs_no_body_to_be_refused(client: Client, db: Database) -> None:
    program = Client(client.flask, token=issue(db, "jobs:read").secret)

    assert program.post("/queues/q/jobs", "[").status_code == 403
    assert client.page()["counts"]["waiting"] == 0
