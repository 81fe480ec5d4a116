"""Tokens in the database: made, listed, rotated, revoked over HTTP, by those who hold what they grant."""

import dataclasses
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from app.domain.tokens import Limits
from app.infra.settings import Settings
from app.operations import tokens as operations
from app.postgres.database import Database
from app.web import app
from tests.support import answers, databases
from tests.support.acting import ACTOR
from tests.support.client import Client
from tests.support.clusters import until
from tests.support.tokens import issue

JOBS = "/queues/q/jobs"


@pytest.fixture
def as_token(client: Client) -> Callable[[str], Client]:
    """Return a program with another token, that talks to the same application."""
    return lambda token: Client(client.flask, token=token)


def created(client: Client, *scopes: str, **members: Any) -> dict[str, Any]:
    """Create a token that must be granted."""
    made = answers.ok(client.post("/tokens", json.dumps({"name": "n", "scopes": scopes} | members)))
    return dict(made)


def test_a_token_lets_in_and_its_secret_is_shown_once(client: Client, shared_url: str) -> None:
    made = created(client, "jobs:read@q", "jobs:add@q*", limits={"jobsPerS": 5}, expiresOn=4_000_000_000_000)
    secret = made.pop("token")

    assert answers.ok(client.get("/tokens")) == {"tokens": [made], "count": 1}
    assert made["scopes"] == ["jobs:read@q", "jobs:add@q*"]
    assert (made["limits"], made["expiresOn"], made["rotating"]) == ({"jobsPerS": 5}, 4_000_000_000_000, False)
    assert Client(client.flask, token=secret).page("q")["counts"]["waiting"] == 0
    stored = databases.ask(
        shared_url,
        "select token::text, (select string_agg(a::text, '') from rowline.audit a) from rowline.tokens token",
    )
    assert secret[12:] not in str(stored)


@pytest.mark.parametrize(
    ("change", "path", "fault"),
    [
        ({"name": ""}, "name", "must not be empty"),
        ({"name": None}, "name", "must be a string"),
        ({"name": "x" * 101}, "name", "must be at most 100 characters, not 101"),
        ({"scopes": []}, "scopes", "must not be empty"),
        ({"scopes": None}, "scopes", "must not be null"),
        ({"scopes": "*"}, "scopes", "must be an array of strings"),
        ({"scopes": ["work", "nothing"]}, "scopes[1]", "must begin with one of jobs:add"),
        ({"scopes": ["work@a*b"]}, "scopes[0]", "must have '*' at its end only"),
        ({"scopes": ["work"] * 101}, "scopes", "must hold at most 100 strings"),
        ({"expiresOn": 1}, "expiresOn", "must be in the future"),
        ({"expiresOn": 10**15}, "expiresOn", "must be between 1 and"),
        ({"expiresOn": "2030"}, "expiresOn", "must be an integer"),
        ({"limits": {"jobsPerS": 0}}, "limits.jobsPerS", "must be between 1 and"),
        ({"limits": {"streams": 0}}, "limits.streams", "must be between 1 and"),
        ({"limits": {"more": 1}}, "limits.more", "is not known here"),
        ({"more": 1}, "more", "is not known here"),
    ],
)
def test_a_bad_token_is_refused_by_name(client: Client, change: dict[str, Any], path: str, fault: str) -> None:
    body = json.dumps({"name": "n", "scopes": ["work"]} | change)

    [said] = answers.problem(client.post("/tokens", body), 400)["details"]
    assert said["path"] == path
    assert said["message"].startswith(fault)
    assert answers.ok(client.get("/tokens"))["count"] == 0


def test_a_rotated_token_lets_in_with_both_secrets_until_that_is_finished(
    client: Client, as_token: Callable[[str], Client]
) -> None:
    made = created(client, "jobs:read")
    second = answers.ok(client.post(f"/tokens/{made['id']}/rotate", ""))

    assert second["rotating"] is True
    assert [as_token(token).get(JOBS).status_code for token in (made["token"], second["token"])] == [200, 200]

    assert answers.ok(client.post(f"/tokens/{made['id']}/finish-rotation", ""))["rotating"] is False
    assert [as_token(token).get(JOBS).status_code for token in (made["token"], second["token"])] == [401, 200]
    said = answers.problem(client.post(f"/tokens/{made['id']}/finish-rotation", ""), 409)
    assert said["code"] == "not_rotating"


def test_rotating_again_replaces_the_second_secret(client: Client, as_token: Callable[[str], Client]) -> None:
    made = created(client, "jobs:read")
    secrets = [answers.ok(client.post(f"/tokens/{made['id']}/rotate", ""))["token"] for _ in range(2)]

    assert [as_token(token).get(JOBS).status_code for token in (made["token"], *secrets)] == [200, 401, 200]


def test_a_revoked_token_lets_nobody_in_and_cannot_be_rotated(
    client: Client, as_token: Callable[[str], Client]
) -> None:
    made = created(client, "jobs:read")
    path = f"/tokens/{made['id']}"

    first = answers.ok(client.flask.delete(path, headers=client.authorization))
    assert first["revokedOn"]
    assert answers.ok(client.flask.delete(path, headers=client.authorization)) == first
    assert as_token(made["token"]).get(JOBS).status_code == 401
    assert answers.problem(client.post(f"{path}/rotate", ""), 409)["code"] == "token_ended"
    assert answers.problem(client.post(f"{path}/finish-rotation", ""), 409)["code"] == "token_ended"


def test_an_expired_token_lets_nobody_in_even_if_it_was_remembered(
    settings: Settings, db: Database, shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead_s = [0.0]
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + ahead_s[0])
    monkeypatch.setattr("app.queries.tokens.time", clock)
    soon = issue(db, "jobs:read", expires_at=datetime.now(UTC) + timedelta(hours=1))
    flask = app.create(settings, db).test_client()
    program, owner = Client(flask, token=soon.secret), Client(flask, token=settings.tokens[0])
    assert program.get(JOBS).status_code == 200

    databases.run(shared_url, "update rowline.tokens set expires_at = now()")
    assert program.get(JOBS).status_code == 200, "it is remembered, by the clock of this process"
    ahead_s[0] = 3_600.0
    assert program.get(JOBS).status_code == 401
    assert answers.problem(owner.post(f"/tokens/{soon.token.id}/rotate", ""), 409)["code"] == "token_ended"


def test_what_is_no_token_is_not_found(client: Client) -> None:
    for path in ("/tokens/absent00/rotate", "/tokens/absent00/finish-rotation"):
        assert answers.problem(client.post(path, ""), 404)["code"] == "token_not_found"
    answer = client.flask.delete("/tokens/absent00", headers=client.authorization)
    assert answers.problem(answer, 404)["code"] == "token_not_found"


@pytest.mark.parametrize(
    "wanted",
    [
        *({"scopes": ["work@mail"]}, {"scopes": ["jobs:read"]}, {"scopes": ["jobs:read@ma*"]}, {"scopes": ["*"]}),
        *({"expiresOn": None}, {"expiresOn": 4_000_000_000_001}),
        *({"limits": {}}, {"limits": {"requestsPerS": 101, "jobsPerS": 1}}, {"limits": {"jobsPerS": 1}}),
    ],
)
def test_nobody_grants_more_than_they_hold(client: Client, db: Database, wanted: dict[str, Any]) -> None:
    issued = issue(
        db,
        *("tokens:manage", "jobs:read@mail*"),
        limits=Limits(requests_per_s=100),
        expires_at=datetime.fromtimestamp(4_000_000_000, UTC),
    )
    manager = Client(client.flask, token=issued.secret)
    least = {"name": "n", "scopes": ["jobs:read@mail"], "expiresOn": 4_000_000_000_000, "limits": {"requestsPerS": 9}}

    answers.ok(manager.post("/tokens", json.dumps(least)))
    assert answers.problem(manager.post("/tokens", json.dumps(least | wanted)), 403)["code"] == "forbidden"
    assert answers.ok(client.get("/tokens"))["count"] == 2


def test_nobody_rotates_a_token_that_may_do_more_but_revoking_needs_no_more(client: Client, db: Database) -> None:
    manager = Client(client.flask, token=issue(db, "tokens:manage").secret)
    strong = issue(db, "jobs:read@mail").token.id

    assert answers.problem(manager.post(f"/tokens/{strong}/rotate", ""), 403)["code"] == "forbidden"
    assert answers.problem(manager.post(f"/tokens/{strong}/finish-rotation", ""), 403)["code"] == "forbidden"
    assert answers.ok(manager.flask.delete(f"/tokens/{strong}", headers=manager.authorization))["revokedOn"]


def test_an_idempotency_key_belongs_to_the_token_and_survives_its_rotation(
    client: Client, as_token: Callable[[str], Client]
) -> None:
    made, other = created(client, "jobs:add"), created(client, "jobs:add")
    second = answers.ok(client.post(f"/tokens/{made['id']}/rotate", ""))
    body = json.dumps([{"name": "n", "data": 1}])

    said = [as_token(one["token"]).post(JOBS, body, Idempotency_Key="k") for one in (made, second, other)]
    assert [answer.headers.get("Idempotency-Replayed") for answer in said] == [None, "true", None]
    assert said[0].text == said[1].text != said[2].text


def test_a_token_that_is_taken_for_its_id_is_not_logged(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[dict[str, Any]] = []
    monkeypatch.setattr("app.infra.log.write", lambda _event, members: logged.append(members))
    token = created(client, "work")["token"]
    for shown in (token, token[:-1]):
        answer = client.flask.delete(f"/tokens/{shown}", headers=client.authorization)
        assert answers.problem(answer, 404)["error"] == f"there is no token {token[:8]!r}"

    assert [members["path"] for members in logged[-2:]] == [f"/tokens/{token[:12]}***"] * 2


def test_tokens_are_listed_page_by_page_the_newest_first(client: Client) -> None:
    ids = [created(client, "work")["id"] for _ in range(3)][::-1]

    pages = [answers.ok(client.get(f"/tokens?start={start}&length=2")) for start in (0, 2)]
    assert [token["id"] for page in pages for token in page["tokens"]] == ids
    assert [page["count"] for page in pages] == [3, 3]


def test_no_more_tokens_are_made_than_are_allowed(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.operations.tokens.TOKENS_MAX", 1)
    first = created(client, "work")["id"]

    answer = client.post("/tokens", json.dumps({"name": "n", "scopes": ["work"]}))
    assert answers.problem(answer, 409)["code"] == "too_many_tokens"
    answers.ok(client.flask.delete(f"/tokens/{first}", headers=client.authorization))
    assert created(client, "work")["id"] != first, "what has ended keeps nobody out"


def test_while_the_database_is_away_a_token_of_it_is_a_503_and_one_of_the_settings_is_known(
    settings: Settings, db: Database
) -> None:
    secret = issue(db, "jobs:read").secret
    away = Database(settings, url="postgresql://127.0.0.1:1/none", size=1, name="rowline-test")
    flask = app.create(settings, away).test_client()

    assert answers.problem(Client(flask, token=secret).get(JOBS), 503)["code"] == "database_unavailable"
    assert Client(flask, token="rl_wrong").get(JOBS).status_code == 401
    assert Client(flask, token=secret).get("/openapi.json").status_code == 200
    away.close()


def test_a_claim_that_waits_gets_nothing_once_its_token_is_revoked(
    settings: Settings, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.queries.tokens.TRUST_S", 0.0)
    issued = issue(db, "work")
    flask = app.create(settings, db).test_client()
    program, owner = (
        Client(flask, token=issued.secret),
        Client(app.create(settings, db).test_client(), token=settings.tokens[0]),
    )
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(program.post, f"{JOBS}/claim", json.dumps({"wait": 30_000}))
        until(lambda: "q" in flask.application.extensions["rowline-waiting"]._lines)  # noqa: SLF001
        answers.ok(owner.flask.delete(f"/tokens/{issued.token.id}", headers=owner.authorization))
        owner.add({"name": "n", "data": 1})

        assert answers.problem(waiting.result(60), 401)["code"] == "unauthorized"
    assert owner.page()["counts"]["waiting"] == 1


def test_a_claim_that_waits_ends_when_its_token_is_revoked_though_no_job_comes(
    settings: Settings, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.queries.tokens.TRUST_S", 0.0)
    monkeypatch.setattr("app.operations.longpoll.CHECK_S", 0.01)
    flask = app.create(dataclasses.replace(settings, max_wait_ms=600_000), db).test_client()
    owner, issued = Client(flask, token=settings.tokens[0]), issue(db, "work")
    with ThreadPoolExecutor(1) as pool:
        body = json.dumps({"wait": 600_000})
        waiting = pool.submit(Client(flask, token=issued.secret).post, f"{JOBS}/claim", body)
        until(lambda: "q" in flask.application.extensions["rowline-waiting"]._lines)  # noqa: SLF001
        answers.ok(owner.flask.delete(f"/tokens/{issued.token.id}", headers=owner.authorization))

        assert answers.problem(waiting.result(60), 401)["code"] == "unauthorized"


def test_a_token_that_was_revoked_elsewhere_makes_none_in_the_seconds_in_which_it_is_trusted(
    settings: Settings, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TRUST_S", "KEPT_S"):
        monkeypatch.setattr(f"app.queries.tokens.{name}", 3_600.0)  # seconds that last however slow the machine is
    here, there = app.create(settings, db).test_client(), app.create(settings, db).test_client()
    owner, issued = Client(there, token=settings.tokens[0]), issue(db, "tokens:manage")
    program, body = Client(here, token=issued.secret), json.dumps({"name": "n", "scopes": ["tokens:manage"]})
    other = answers.ok(program.post("/tokens", body))["id"]
    answers.ok(owner.flask.delete(f"/tokens/{issued.token.id}", headers=owner.authorization))

    assert program.get("/tokens").status_code == 200, "it is trusted for a while"
    for path in ("/tokens", f"/tokens/{other}/rotate", f"/tokens/{other}/finish-rotation"):
        assert program.post(path, body).status_code == 401
    assert program.flask.delete(f"/tokens/{other}", headers=program.authorization).status_code == 401
    assert answers.ok(owner.get("/tokens"))["count"] == 2


def test_a_secret_that_was_replaced_elsewhere_makes_no_token(settings: Settings, db: Database) -> None:
    here, issued = app.create(settings, db).test_client(), issue(db, "tokens:manage")
    program, body = Client(here, token=issued.secret), json.dumps({"name": "n", "scopes": ["tokens:manage"]})
    assert program.get("/tokens").status_code == 200
    operations.rotate(db, actor=ACTOR, caller=None, token_id=issued.token.id)
    operations.finish_rotation(db, actor=ACTOR, caller=None, token_id=issued.token.id)

    assert program.post("/tokens", body).status_code == 401


def test_a_token_that_rotates_itself_can_go_on(client: Client, db: Database) -> None:
    issued = issue(db, "tokens:manage")
    program, path = Client(client.flask, token=issued.secret), f"/tokens/{issued.token.id}"
    second = Client(client.flask, token=answers.ok(program.post(f"{path}/rotate", ""))["token"])

    answers.ok(second.post(f"{path}/finish-rotation", ""))
    assert [one.get("/tokens").status_code for one in (program, second)] == [401, 200]


def test_tokens_that_ended_400_days_ago_are_forgotten(client: Client, db: Database, shared_url: str) -> None:
    kept, revoked, expired = (issue(db, "work").token.id for _ in range(3))
    databases.run(
        shared_url,
        "update rowline.tokens set "
        f"revoked_at = case id when '{revoked}' then now() - interval '401 days' when '{kept}' then now() end, "
        f"expires_at = case id when '{expired}' then now() - interval '401 days' end",
    )

    assert operations.forget(db) == 2
    assert [token["id"] for token in answers.ok(client.get("/tokens"))["tokens"]] == [kept]


def test_asking_what_a_path_allows_needs_no_scope(client: Client, db: Database) -> None:
    program = Client(client.flask, token=issue(db, "audit").secret)

    answer = program.flask.options(JOBS, headers=program.authorization)
    assert (answer.status_code, set(answer.headers["Allow"].split(", "))) == (200, {"GET", "HEAD", "OPTIONS", "POST"})
