"""Sign in and out: a cookie stands for a token as long as that is valid, and for nothing else."""

import dataclasses
import re
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.domain import sessions as domain
from app.infra.settings import Settings
from app.operations import sessions, tokens
from app.postgres.database import Database
from app.queries import tokens as callers
from app.web import app
from tests.conftest import TOKEN
from tests.support import databases
from tests.support.acting import ACTOR
from tests.support.client import Client
from tests.support.clusters import until
from tests.support.tokens import issue
from tests.support.visitor import SAME, Visitor, text_of


def cookie(answer: TestResponse) -> str:
    [found] = answer.headers.getlist("Set-Cookie")
    return found


def secret(answer: TestResponse) -> str:
    found = re.match(r"(?:__Host-)?rowline=([^;]*)", cookie(answer))
    assert found
    return found[1]


def test_a_page_leads_to_the_sign_in_and_back(stranger: Visitor) -> None:
    answer = stranger.get("queues/mail?statuses=failed")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "../login?next=queues%2Fmail%3Fstatuses%3Dfailed"

    assert 'value="queues/mail?statuses=failed"' in stranger.page("login?next=queues%2Fmail%3Fstatuses%3Dfailed")
    sent = {"token": TOKEN, "next": "queues/mail?statuses=failed"}
    answer = stranger.http.post("/dashboard/login", data=sent, headers=SAME)
    assert answer.headers["Location"] == "./queues/mail?statuses=failed"
    assert stranger.is_in()


@pytest.mark.parametrize("wanted", ["//evil.example/", "https://evil.example/", "/x", "\\\\evil", "a\r\nb", "login/x"])
def test_signing_in_leads_to_no_other_site(stranger: Visitor, wanted: str) -> None:
    answer = stranger.http.post("/dashboard/login", data={"token": TOKEN, "next": wanted}, headers=SAME)
    assert answer.status_code == 303
    assert answer.headers["Location"] in {"./?in=", f"./{wanted}"}
    assert answer.headers["Location"].startswith("./")
    assert not answer.headers["Location"].startswith((".//", "./\\"))


def test_on_this_machine_the_cookie_is_plain_and_of_the_folder_of_the_dashboard(stranger: Visitor) -> None:
    said = cookie(stranger.sign_in(TOKEN))
    assert re.fullmatch(r"rowline=[\w-]{43}; Expires=[^;]+; Max-Age=43200; HttpOnly; SameSite=Strict", said)


def test_over_https_the_cookie_is_secure_and_of_this_host_alone(stranger: Visitor) -> None:
    said = cookie(stranger.sign_in(TOKEN, Origin="https://jobs.example", Host="127.0.0.1:8080"))
    assert re.fullmatch(
        r"__Host-rowline=[\w-]{43}; Expires=[^;]+; Max-Age=43200; Secure; HttpOnly; Path=/; SameSite=Strict", said
    )


def test_over_plain_http_another_machine_is_told_to_use_https(stranger: Visitor) -> None:
    answer = stranger.sign_in(TOKEN, Origin="http://jobs.example", Host="jobs.example")
    assert answer.status_code == 400
    assert "https" in text_of(answer.text)
    assert "Set-Cookie" not in answer.headers


def test_a_cookie_without_secure_is_none_from_another_machine(visitor: Visitor) -> None:
    kept = visitor.http.get_cookie("rowline", path="/dashboard")
    assert kept
    assert visitor.status_with(f"rowline={kept.value}") == 200
    assert visitor.status_with(f"rowline={kept.value}", host="jobs.example") == 303
    assert visitor.status_with(f"__Host-rowline={kept.value}", host="jobs.example") == 200


@pytest.mark.parametrize("wrong", ["", "wrong", "rl_Ab3dEf9h_0123", "ü" * 50, "x" * 5_000])
def test_a_wrong_token_signs_nobody_in(stranger: Visitor, wrong: str) -> None:
    answer = stranger.sign_in(wrong)
    assert answer.status_code == 401
    assert "no valid token" in answer.text
    assert "Set-Cookie" not in answer.headers
    assert not stranger.is_in()
    assert not wrong or wrong not in answer.text


def test_wrong_tokens_are_counted_with_those_of_the_api_and_a_right_one_is_let_in(stranger: Visitor) -> None:
    program = Client(stranger.http, token="wrong")
    for _ in range(10):
        assert stranger.sign_in("wrong").status_code == 401
        assert program.get("/queues").status_code == 401
    answer = stranger.sign_in("wrong")
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert stranger.sign_in(TOKEN).status_code == 303


def test_a_token_without_the_scope_is_told_so(stranger: Visitor, db: Database) -> None:
    answer = stranger.sign_in(issue(db, "jobs:read").secret)
    assert answer.status_code == 403
    assert "the token lacks the scope dashboard" in answer.text
    assert not stranger.is_in()


def test_a_session_has_a_new_cookie_and_the_one_before_ends(stranger: Visitor) -> None:
    first, second = secret(stranger.sign_in(TOKEN)), secret(stranger.sign_in(TOKEN))
    assert first != second
    assert stranger.is_in()
    assert stranger.status_with(f"rowline={first}") == 303
    assert stranger.status_with(f"rowline={second}") == 200


def test_a_cookie_that_somebody_has_made_up_is_none(stranger: Visitor, db: Database) -> None:
    for made_up in ("", "x", "x" * 43, "x" * 1000, '"\\000"', "\xff", "ü"):
        assert stranger.status_with(f"rowline={made_up}") == 303


def test_signing_out_ends_the_session_and_takes_the_cookie_away(visitor: Visitor) -> None:
    kept = visitor.http.get_cookie("rowline", path="/dashboard")
    assert kept
    answer = visitor.post("logout")
    assert answer.status_code == 303
    assert "Max-Age=0" in cookie(answer)
    assert visitor.status_with(f"rowline={kept.value}") == 303


def test_a_session_ends_when_its_token_is_revoked(stranger: Visitor, db: Database) -> None:
    issued = issue(db, "dashboard", "jobs:read")
    assert stranger.sign_in(issued.secret).status_code == 303
    assert stranger.is_in()

    tokens.revoke(db, actor=ACTOR, token_id=issued.token.id)
    until(lambda: not stranger.is_in())


def test_a_rotated_secret_has_sessions_until_the_rotation_is_finished(
    stranger: Visitor, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callers, "TRUST_S", 0.0)
    issued = issue(db, "dashboard", "jobs:read")
    stranger.sign_in(issued.secret)
    tokens.rotate(db, actor=ACTOR, caller=None, token_id=issued.token.id)
    assert stranger.is_in()
    tokens.finish_rotation(db, actor=ACTOR, caller=None, token_id=issued.token.id)
    assert not stranger.is_in()


def test_a_session_of_a_token_of_the_settings_ends_when_the_settings_have_it_no_more(
    stranger: Visitor, settings: Settings, db: Database
) -> None:
    value = secret(stranger.sign_in(TOKEN))
    other = Visitor(app.create(dataclasses.replace(settings, tokens=("another-token",)), db).test_client())
    assert other.status_with(f"rowline={value}") == 303
    same = Visitor(app.create(settings, db).test_client())
    assert same.status_with(f"rowline={value}") == 200


@pytest.mark.parametrize(("column", "limit_s"), [("began_at", domain.LONGEST_S), ("seen_at", domain.IDLE_S)])
def test_a_session_ends_after_its_time(visitor: Visitor, shared_url: str, column: str, limit_s: int) -> None:
    databases.run(shared_url, f"update rowline.sessions set {column} = now() - interval '{limit_s - 60} s'")
    assert visitor.is_in()
    databases.run(shared_url, f"update rowline.sessions set {column} = now() - interval '{limit_s} s'")
    assert not visitor.is_in()


def test_a_session_that_is_used_is_not_idle_and_reading_writes_once_a_minute(visitor: Visitor, shared_url: str) -> None:
    def seen_s() -> float:
        [(found,)] = databases.ask(shared_url, "select extract(epoch from now() - seen_at) from rowline.sessions")
        return float(found)

    databases.run(shared_url, "update rowline.sessions set seen_at = now() - interval '30 s'")
    assert visitor.is_in()
    assert seen_s() >= 30
    databases.run(shared_url, "update rowline.sessions set seen_at = now() - interval '3000 s'")
    assert visitor.is_in()
    assert seen_s() < 30


def test_what_has_ended_is_forgotten_and_the_rest_stays(visitor: Visitor, db: Database, shared_url: str) -> None:
    databases.run(
        shared_url,
        "insert into rowline.sessions (digest, token_id, token_digest, seen_at) "
        f"select sha256(n::text::bytea), '', sha256('x'), now() - interval '{domain.IDLE_S} s' "
        "from generate_series(1, 2500) as n",
    )
    sessions.make_code(db)
    databases.run(shared_url, "update rowline.sign_in_codes set made_at = now() - interval '1 hour'")
    sessions.make_code(db)
    assert sessions.forget(db) == 2_501
    assert visitor.is_in()
    assert databases.ask(shared_url, "select count(*) from rowline.sign_in_codes") == [(1,)]


def test_neither_cookie_nor_token_is_stored(stranger: Visitor, shared_url: str) -> None:
    value = secret(stranger.sign_in(TOKEN))
    stored = str(databases.ask(shared_url, "select json_agg(s)::text from rowline.sessions as s"))
    assert value not in stored
    assert value.encode().hex() not in stored
    assert TOKEN not in stored


def test_who_signs_in_and_out_is_in_the_audit(visitor: Visitor, client: Client) -> None:
    visitor.post("logout")
    acts = (client.get("/audit").json or {})["entries"]
    assert [act["action"] for act in acts] == ["dashboard.sign_out", "dashboard.sign_in"]
    assert {act["address"] for act in acts} == {visitor.http.environ_base["REMOTE_ADDR"]}


class TestLinks:
    """Links sign in on the machine of the service."""

    @pytest.fixture
    def here(self, application: Flask, db: Database) -> Visitor:  # noqa: ARG002 - it empties the database
        http = application.test_client()
        http.environ_base["REMOTE_ADDR"] = "127.0.0.1"
        return Visitor(http)

    def test_a_link_signs_in_once(self, here: Visitor, db: Database) -> None:
        code = sessions.make_code(db)
        assert f'value="{code}"' in here.page(f"login/{code}")
        assert not here.is_in(), "looking at it uses nothing up"

        answer = here.post("link", code=code)
        assert answer.headers["Location"] == "./?in="
        assert here.is_in()
        assert here.post("link", code=code).status_code == 401

    @pytest.mark.parametrize(
        "path", ["/dashboard/login/kept", "//dashboard/login/kept", "/Dashboard/./Login/kept", "/x/login%2fkept"]
    )
    def test_its_code_is_not_logged(self, here: Visitor, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        logged: list[dict[str, Any]] = []
        monkeypatch.setattr("app.infra.log.write", lambda _event, members: logged.append(members))
        here.http.get(path)

        assert logged[-1]["path"].endswith("login***")

    def test_a_link_is_good_for_a_minute(self, here: Visitor, db: Database, shared_url: str) -> None:
        code = sessions.make_code(db)
        databases.run(shared_url, f"update rowline.sign_in_codes set made_at = now() - interval '{domain.CODE_S} s'")
        assert here.post("link", code=code).status_code == 401
        assert not here.is_in()

    @pytest.mark.parametrize("code", ["", "x", "x" * 43, "ü", "\0"])
    def test_no_other_code_signs_in(self, here: Visitor, db: Database, code: str) -> None:
        sessions.make_code(db)
        assert here.post("link", code=code).status_code == 401
        assert not here.is_in()

    def test_a_link_signs_in_nobody_at_another_machine(self, stranger: Visitor, here: Visitor, db: Database) -> None:
        code = sessions.make_code(db)
        assert stranger.post("link", code=code).status_code == 401
        forged = here.http.post("/dashboard/link", data={"code": code}, headers=SAME | {"Host": "evil.example"})
        assert forged.status_code == 401
        assert here.post("link", code=code).status_code == 303, "who may not use it does not use it up"

    def test_a_link_signs_in_only_where_the_service_listens_on_loopback(self, settings: Settings, db: Database) -> None:
        http = app.create(dataclasses.replace(settings, host="0.0.0.0"), db).test_client()
        http.environ_base["REMOTE_ADDR"] = "127.0.0.1"
        assert Visitor(http).post("link", code=sessions.make_code(db)).status_code == 401
