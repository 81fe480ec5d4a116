"""`rowline tokens` and `rowline audit`, as a person calls them."""

import re
from typing import Any

import pytest

from tests.support import raw
from tests.support.commands import lines, said
from tests.support.raw import request

FORM = re.compile(r"rl_([0-9A-Za-z]{8})_[0-9A-Za-z]{38}")


def told(url: str, *words: str) -> tuple[str, str]:
    """Return the token that the command prints: its id and the whole."""
    found = FORM.search(said(url, "tokens", *words))
    assert found
    return found[1], found[0]


def created(url: str, *words: str) -> tuple[str, str]:
    return told(url, "create", *words)


def test_the_first_token_comes_from_the_machine_and_lets_in_at_once(own_url: str) -> None:
    with raw.server(own_url) as server:
        token_id, token = created(own_url, "--scopes", "*")
        [answer] = server.ask(request("GET", "/tokens", token=token), end=True)
        assert [one["id"] for one in answer.json()["tokens"]] == [token_id]
        said(own_url, "tokens", "revoke", token_id)
        assert said(own_url, "tokens", "list").startswith(f"{token_id}  *  revoked")


def test_a_token_is_rotated_and_revoked_and_the_audit_says_by_whom(own_url: str) -> None:
    token_id, first = created(
        own_url,
        *("--scopes", "jobs:add@mail", "--scopes", "work@mail*", "--name", "mailer", "--expires", "90d"),
        "--jobs-per-s",
        "50",
    )
    _, second = told(own_url, "rotate", token_id)
    assert second != first
    line = said(own_url, "tokens", "list")
    assert re.fullmatch(
        rf"{token_id}  jobs:add@mail,work@mail\*  jobsPerS 50  expires \S+ \S+Z  rotating  mailer", line
    )
    said(own_url, "tokens", "finish-rotation", token_id)
    said(own_url, "tokens", "revoke", token_id)

    lines = said(own_url, "audit", "--since", "1h").splitlines()
    acts = [re.split("  +", line)[2] for line in lines]
    assert acts[:4] == ["tokens.revoke", "tokens.finish_rotation", "tokens.rotate", "tokens.create"]
    assert set(acts[4:]) == {"db.roles", "db.migrate"}
    assert all(re.split("  +", line)[1].startswith("cli:") for line in lines)
    assert "mailer" in said(own_url, "audit", "--action", "tokens.create")


def test_a_token_is_named_by_its_id_or_by_a_name_that_is_its_own(own_url: str) -> None:
    token_id, _ = created(own_url, "--scopes", "jobs:read", "--name", "colleague")
    assert said(own_url, "tokens", "show", "colleague").startswith(token_id)
    created(own_url, "--scopes", "jobs:read", "--name", "colleague")
    told = said(own_url, "tokens", "rotate", "colleague", code=2)
    assert told == "Error: 2 tokens have the name 'colleague'; ids are in `rowline tokens list`"
    said(own_url, "tokens", "revoke", token_id)
    assert token_id not in said(own_url, "tokens", "show", "colleague")
    assert "there is no token 'colleagues'" in said(own_url, "tokens", "revoke", "colleagues", code=3)
    assert said(own_url, "audit", "--action", "nope") == "no acts"
    assert said(own_url, "audit", "--target", "nope") == "no acts"
    made = said(own_url, "audit", "--action", "tokens.create", "--target", token_id).splitlines()
    assert (len(made), token_id in made[0]) == (1, True), "of two"


def test_a_token_of_the_environment_is_said_to_be_of_no_use(own_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "ROWLINE_TOKEN" not in said(own_url, "queues", "pause", "shop", "--reason", "first")
    monkeypatch.setenv("ROWLINE_TOKEN", "rl_x")
    assert "ROWLINE_TOKEN is not used: ROWLINE_URL is not set, and this acts on the database itself" in said(
        own_url, "queues", "list"
    )
    told = said(own_url, "queues", "pause", "shop", "--reason", "second")
    assert re.search("paused already since .* by cli:.*: first", told)


def test_the_audit_says_how_many_and_what_was_before_or_after(own_url: str) -> None:
    said(own_url, "queues", "pause", "mail", "--reason", "lunch")
    said(own_url, "queues", "pause", "mail")
    said(own_url, "queues", "resume", "mail")
    resumed, again, paused = [re.split("  +", line) for line in said(own_url, "audit", "--queue", "mail").splitlines()]
    assert "lunch" in resumed[-1]
    assert resumed[-1].endswith("} ->")
    assert again[-2] == "0"
    assert paused[-1].startswith("-> {")


def test_as_json_they_are_what_the_api_shows(own_url: str) -> None:
    def shown(*words: str) -> Any:
        found = lines(own_url, *words)
        return found if words in {("tokens", "list"), ("audit", "--action", "tokens.create")} else found[0]

    issued = shown("tokens", "create", "--scopes", "jobs:add@mail", "--name", "mailer", "--jobs-per-s", "50")
    assert FORM.fullmatch(issued["token"])
    token = {name: value for name, value in issued.items() if name != "token"}
    assert token["scopes"] == ["jobs:add@mail"]
    assert (token["limits"], token["rotating"]) == ({"jobsPerS": 50}, False)
    assert shown("tokens", "list") == [token]
    assert shown("tokens", "show", token["id"]) == token
    assert said(own_url, "tokens", "show", token["id"]) == said(own_url, "tokens", "list")
    [act] = shown("audit", "--action", "tokens.create")
    assert (act["action"], act["target"], act["outcome"]) == ("tokens.create", token["id"], "done")
    with raw.server(own_url) as server:
        _, secret = created(own_url, "--scopes", "*")
        asked = (request("GET", path, token=secret) for path in ("/audit?action=tokens.create", "/tokens"))
        audit, tokens = (server.ask(one, wanted=1)[0] for one in asked)
        assert audit.json()["entries"][-1] == act
        assert tokens.json()["tokens"][-1] == token


@pytest.mark.parametrize(
    ("words", "code", "fault"),
    [
        (("create", "--scopes", "nothing"), 2, "'nothing' must begin with one of jobs:add"),
        (("create", "--scopes", "jobs:read@demo,payload@demo"), 2, "has several scopes: give --scopes once for each"),
        (("create",), 2, "Missing option '--scopes'"),
        (("create", "--scopes", "*", "--name", ""), 2, "must have 1 to 100 characters"),
        (("create", "--scopes", "*", "--expires", "soon"), 2, "'soon' is not a length of time"),
        (("revoke", "absent00"), 3, "there is no token 'absent00'"),
        (("show", "absent00"), 3, "there is no token 'absent00'"),
        (("rotate", "absent00"), 3, "there is no token 'absent00'"),
        (("finish-rotation", "absent00"), 3, "there is no token 'absent00'"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(own_url: str, words: tuple[str, ...], code: int, fault: str) -> None:
    output = said(own_url, "tokens", *words, code=code)

    assert fault in output
    assert "Traceback" not in output
