"""Tokens in the dashboard: made, rotated and revoked; a secret is shown once, and nobody grants what they lack."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.support import answers
from tests.support.client import Client
from tests.support.visitor import Visitor, tags_of, text_of

XSS = "<script>alert(1)</script>"


def make(client: Client, name: str = "mailer", *scopes: str, **members: Any) -> dict[str, Any]:
    body = {"name": name, "scopes": [*scopes] or ["jobs:add@mail"]} | members
    return dict(answers.ok(client.post("/tokens", json.dumps(body))))


def status_with(client: Client, secret: str) -> int:
    return client.flask.get("/queues", headers={"Authorization": f"Bearer {secret}"}).status_code


def secret_of(html: str) -> str:
    """Return the secret that a page shows."""
    [found] = [a["value"] for tag, a in tags_of(html) if tag == "input" and a.get("id") == "secret"]
    return str(found)


def listed(client: Client) -> list[dict[str, Any]]:
    return list(answers.ok(client.get("/tokens?length=100"))["tokens"])


def test_a_token_is_made_by_ticks_and_its_secret_is_shown_once(visitor: Visitor, client: Client) -> None:
    ticks: dict[str, str | list[str]] = {
        "scope": ["jobs:read", "jobs:add", "audit"],
        "on jobs:add": "mail*",
        "on audit": "ignored",
    }
    answer = visitor.post("tokens/make", name=XSS, scopes="work@a\r\n\r\nwork@b", days="7", jobsPerS="1000", **ticks)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert XSS not in answer.text
    secret = secret_of(answer.text)
    assert status_with(client, secret) == 200
    [token] = listed(client)
    assert token["name"] == XSS
    assert set(token["scopes"]) == {"jobs:read", "jobs:add@mail*", "audit", "work@a", "work@b"}
    assert token["limits"] == {"jobsPerS": 1_000}
    assert round((token["expiresOn"] - token["createdOn"]) / 86_400_000) == 7
    for path in ("tokens", f"tokens/{token['id']}/revoke", "audit"):
        page = visitor.page(path)
        assert secret not in page
        assert XSS not in page


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"name": "n"}, "Scopes: must not be empty"),
        ({"name": "", "scope": "audit"}, "Name: must"),
        ({"name": "n", "scopes": "jobs:eat"}, "must begin with one of"),
        ({"name": "n", "scope": "audit", "requestsPerS": "many"}, "Requests a second: must"),
        ({"name": "n", "scope": "jobs:add", "on jobs:add": "a*b"}, "at its end only"),
    ],
)
def test_what_is_wrong_with_a_token_is_told_beside_its_form(
    visitor: Visitor, client: Client, sent: dict[str, str], words: str
) -> None:
    answer = visitor.post("tokens/make", **sent)
    assert answer.status_code == 400
    assert words in text_of(answer.text)
    for value in {*sent.values()} - {"", "n", "audit", "jobs:add"}:
        assert value in answer.text, "what was typed stays"
    ticked = [a["value"] for tag, a in tags_of(answer.text) if tag == "input" and "checked" in a]
    assert ticked == ([sent["scope"]] if "scope" in sent else [])
    assert listed(client) == []


def test_nobody_grants_what_they_lack(client: Client, visiting: Callable[..., Visitor]) -> None:
    visitor = visiting("tokens:manage", "jobs:read@mail")
    assert "jobs:add add jobs; with jobs:manage, make and change schedules you lack it" in re.sub(
        r"\s+", " ", text_of(visitor.page("tokens/make"))
    )
    count = len(listed(client))
    answer = visitor.post("tokens/make", name="more", scope=["jobs:read", "jobs:add"])
    assert answer.status_code == 403
    page = text_of(answer.text)
    assert "Make a token" in page
    assert "jobs:add" in str([a for tag, a in tags_of(answer.text) if "checked" in a])
    assert 'role="alert"' in answer.text
    assert len(listed(client)) == count
    other = make(client, "strong", "*")
    answer = visitor.post(f"tokens/{other['id']}/rotate")
    assert answer.status_code == 403
    assert not listed(client)[0]["rotating"]


def test_a_token_is_rotated_and_the_rotation_finished(visitor: Visitor, client: Client) -> None:
    token = make(client, "mailer", "jobs:read")
    answer = visitor.post(f"tokens/{token['id']}/rotate")
    second = secret_of(answer.text)
    assert second != token["token"]
    assert "has a second secret" in text_of(answer.text)
    assert status_with(client, second) == status_with(client, token["token"]) == 200
    assert "rotating" in text_of(visitor.page("tokens"))
    answer = visitor.post(f"tokens/{token['id']}/finish-rotation")
    assert answer.headers["Location"].endswith("tokens?done=finished")
    assert (status_with(client, token["token"]), status_with(client, second)) == (401, 200)
    assert visitor.post(f"tokens/{token['id']}/finish-rotation").status_code == 409


def test_a_token_is_revoked_after_a_question(visitor: Visitor, client: Client) -> None:
    token = make(client, "mailer", "jobs:read")
    page = visitor.page(f"tokens/{token['id']}/revoke?start=0")
    assert "Revoke token mailer?" in page
    assert "jobs:read" in page
    assert status_with(client, token["token"]) == 200
    assert visitor.post(f"tokens/{token['id']}/revoke").status_code == 303
    assert status_with(client, token["token"]) == 401
    page = visitor.page("tokens")
    assert "revoked" in text_of(page)
    assert f"{token['id']}/rotate" not in page
    assert visitor.post(f"tokens/{token['id']}/rotate").status_code == 409
    assert visitor.post("tokens/absent00/revoke").status_code == 404


def test_who_revokes_the_token_of_the_session_is_signed_out(client: Client, visiting: Callable[..., Visitor]) -> None:
    visitor = visiting("tokens:manage")
    [own] = listed(client)
    assert visitor.post(f"tokens/{own['id']}/revoke").status_code == 303
    assert visitor.get("tokens?done=revoked").status_code == 303
    assert not visitor.is_in()


def test_the_list_shows_states_and_goes_on(visitor: Visitor, client: Client) -> None:
    for nth in range(27):
        make(client, f"t{nth:02}")
    first = visitor.page("tokens")
    assert "t26" in first
    assert "t01" not in first
    assert "27 in all" in text_of(first)
    [following] = [a["href"] for tag, a in tags_of(first) if tag == "a" and a.get("rel") == "next"]
    second = visitor.page(str(following).removeprefix("./"))
    assert "t01" in second
    [revoke] = [a["href"] for tag, a in tags_of(second) if tag == "a" and a.get("aria-label") == "Revoke t00"]
    assert "Revoke token t00?" in visitor.page(str(revoke).removeprefix("./"))
    assert "No token is so far down." in visitor.page("tokens?start=100")
    assert visitor.get("tokens?start=x").status_code == 400


def test_the_list_says_limits_and_the_scope_of_everything_in_words(visitor: Visitor, client: Client) -> None:
    wanted = {"name": "t", "scopes": ["*"], "limits": {"requestsPerS": 2_000, "streams": 3}}
    answers.ok(client.post("/tokens", json.dumps(wanted)))
    page = text_of(visitor.page("tokens"))
    assert "* everything Requests a second: 2,000 at most; Streams of events at a time: 3 at most" in page
    assert "requestsPerS" not in page
    assert "Rotate makes a second secret at once" in page


def test_who_may_not_manage_tokens_has_no_page_of_them(visiting: Callable[..., Visitor], client: Client) -> None:
    visitor, token = visiting("jobs:read", "audit"), make(client)
    home = visitor.page("")
    assert 'href="./audit"' in home
    assert 'href="./tokens"' not in home
    assert visitor.get("tokens").status_code == 403
    for verb in ("rotate", "finish-rotation", "revoke"):
        assert visitor.post(f"tokens/{token['id']}/{verb}").status_code == 403
    assert visitor.post("tokens/make", name="x", scope="audit").status_code == 403
    assert not any("revokedOn" in one or one["rotating"] for one in listed(client))


def test_a_token_that_is_rotated_says_what_another_rotation_ends(visitor: Visitor, client: Client) -> None:
    token = make(client)["id"]
    assert ">Rotate</button>" in visitor.page("tokens")
    second = secret_of(visitor.post(f"tokens/{token}/rotate").text)
    page = visitor.page("tokens")
    assert ">Replace the second secret</button>" in page
    assert "ends the second one that was handed out" in text_of(page)
    again = visitor.post(f"tokens/{token}/rotate")
    assert "A second secret that was made before this one is valid no more" in text_of(again.text)
    assert status_with(client, second) == 401
