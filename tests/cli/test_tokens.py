"""`rowline tokens` and `rowline audit`, as a person calls them."""

import re

import pytest

from tests.support import raw
from tests.support.commands import said
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


def test_the_audit_says_how_many_and_what_was_before_or_after(own_url: str) -> None:
    said(own_url, "queues", "pause", "mail", "--reason", "lunch")
    said(own_url, "queues", "pause", "mail")
    said(own_url, "queues", "resume", "mail")
    resumed, again, paused = [re.split("  +", line) for line in said(own_url, "audit", "--queue", "mail").splitlines()]
    assert "lunch" in resumed[-1]
    assert resumed[-1].endswith("} ->")
    assert again[-2] == "0"
    assert paused[-1].startswith("-> {")


@pytest.mark.parametrize(
    ("words", "code", "fault"),
    [
        (("create", "--scopes", "nothing"), 2, "'nothing' must begin with one of jobs:add"),
        (("create", "--scopes", "jobs:read@demo,payload@demo"), 2, "has several scopes: give --scopes once for each"),
        (("create",), 2, "Missing option '--scopes'"),
        (("create", "--scopes", "*", "--name", ""), 2, "must have 1 to 100 characters"),
        (("create", "--scopes", "*", "--expires", "soon"), 2, "'soon' is not a length of time"),
        (("revoke", "absent00"), 1, "there is no token 'absent00'"),
        (("rotate", "absent00"), 1, "there is no token 'absent00'"),
        (("finish-rotation", "absent00"), 1, "there is no token 'absent00'"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(own_url: str, words: tuple[str, ...], code: int, fault: str) -> None:
    output = said(own_url, "tokens", *words, code=code)

    assert fault in output
    assert "Traceback" not in output
