"""What an API token looks like, and what its scopes allow."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import tokens
from app.domain.tokens import OF_NO_QUEUE, Action, Caller, Limits, Scope

QUEUES = st.text(alphabet="ab*@.é", min_size=1, max_size=4)
PATTERNS = st.one_of(
    QUEUES.filter(lambda name: "*" not in name and name not in {".", ".."}),
    st.text(alphabet="ab", max_size=3).map(lambda text: f"{text}*"),
)


def caller(*scopes: str) -> Caller:
    return Caller(id="token:x", name="x", scopes=tuple(map(Scope.read, scopes)), key_digest=b"")


def test_a_thousand_tokens_have_the_form_and_none_is_like_another() -> None:
    made = [tokens.create() for _ in range(1_000)]

    assert all(re.fullmatch(r"rl_[0-9A-Za-z]{8}_[0-9A-Za-z]{38}", token) for token, _ in made)
    assert all(tokens.id_of(token) == token_id for token, token_id in made)
    assert len({token[12:44] for token, _ in made}) == len({token_id for _, token_id in made}) == 1_000


def test_another_secret_of_a_token_has_its_id() -> None:
    token, token_id = tokens.create()
    other = tokens.another(token_id)

    assert tokens.id_of(other) == token_id
    assert other != token


@pytest.mark.parametrize(
    "change",
    [
        *(lambda token: token[:-1], lambda token: token + "x", lambda token: token.lower(), lambda token: f" {token}"),
        *(lambda token: f"{token}\n", lambda token: token.replace("rl_", "rl-"), lambda token: token[3:]),
        *(lambda _: "", lambda token: token[:20] + ("a" if token[20] != "a" else "b") + token[21:]),
    ],
)
def test_a_typing_error_is_known_without_asking_anybody(change: object) -> None:
    token, _ = tokens.create()
    assert callable(change)

    assert tokens.id_of(change(token.replace(token[-1], "Z", 0))) is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("jobs:add@", "has an invalid queue after @, which must not be empty"),
        ("jobs:add@a*b", "must have '*' at its end only"),
        ("jobs:add@**", "must have '*' at its end only"),
        ("jobs:add@a/b", "has an invalid queue after @, which must not contain '/'"),
        ("jobs:add@..", "has an invalid queue after @, which must not be '..'"),
        ("audit@mail", "must be without @: audit concerns no queue"),
        ("*@mail", "must begin with one of jobs:add"),
        ("jobs", "must begin with one of jobs:add"),
        ("JOBS:ADD", "must begin with one of jobs:add"),
        ("", "must begin with one of jobs:add"),
    ],
)
def test_what_is_no_scope_is_refused_by_what_is_wrong_with_it(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=re.escape(fault)):
        Scope.read(text)


@pytest.mark.parametrize(
    "text",
    [
        "*",
        *sorted(OF_NO_QUEUE),
        "work",
        "work@a",
        "work@a*",
        "work@a@b",
        "work@é",
        "payload@x.y",
        "work@.*",
        "work@..*",
    ],
)
def test_a_scope_is_written_as_it_is_read(text: str) -> None:
    assert str(Scope.read(text)) == text
    assert Scope.stored(text) == Scope.read(text)


def test_a_pattern_for_every_queue_is_written_as_none() -> None:
    assert str(Scope.read("work@*")) == "work"


@pytest.mark.parametrize(
    ("pattern", "allowed", "refused"),
    [
        ("mail", ["mail"], ["mai", "mail2", "Mail", "", "mail "]),
        ("mail*", ["mail", "mail2", "mail.eu", "mail*"], ["mai", "Mail", "xmail"]),
        ("a@b", ["a@b"], ["a", "b"]),
        ("caf\u00e9", ["caf\u00e9"], ["cafe\u0301"]),
    ],
)
def test_a_pattern_is_the_bytes_of_a_name_or_of_the_beginning_of_names(
    pattern: str, allowed: list[str], refused: list[str]
) -> None:
    mine = caller(f"work@{pattern}")

    assert all(mine.may(Action.WORK, queue) for queue in allowed)
    assert not any(mine.may(Action.WORK, queue) for queue in refused)
    assert not any(mine.may(Action.READ, queue) for queue in allowed)
    assert mine.may(Action.WORK, None)
    assert not mine.may(Action.READ, None)


@given(mine=PATTERNS, other=PATTERNS, queue=QUEUES)
def test_who_holds_what_includes_another_scope_may_all_that_it_allows(mine: str, other: str, queue: str) -> None:
    holds, wanted = Scope.read(f"work@{mine}"), Scope.read(f"work@{other}")

    if holds.includes(wanted) and wanted.allows(Action.WORK, queue):
        assert holds.allows(Action.WORK, queue)


def test_nobody_holds_more_than_they_were_given() -> None:
    mine = caller("jobs:read@mail*", "audit")
    wanted = [Scope.read(text) for text in ("jobs:read@mail", "jobs:read@ma*", "jobs:read", "work@mail", "audit", "*")]

    assert [str(one) for one in mine.lacking(wanted)] == ["jobs:read@ma*", "jobs:read", "work@mail", "*"]
    assert caller("*").lacking(wanted) == []


def test_a_scope_of_a_later_release_allows_nothing_and_is_granted_by_none_but_everything() -> None:
    later = Scope.stored("batches:close@mail")

    assert not any(Caller(id="", name="", scopes=(later,), key_digest=b"").may(action, "mail") for action in Action)
    assert caller("jobs:read", "work").lacking([later]) == [later]
    assert caller("*").lacking([later]) == []


@pytest.mark.parametrize(
    ("mine", "other", "is_within"),
    [
        (Limits(), Limits(), True),
        (Limits(), Limits(jobs_per_s=5), False),
        (Limits(jobs_per_s=5), Limits(jobs_per_s=5), True),
        (Limits(jobs_per_s=6), Limits(jobs_per_s=5), False),
        (Limits(jobs_per_s=5, waiting_jobs=1), Limits(), True),
        (Limits(streams=100), Limits(), True),
        (Limits(), Limits(streams=10), True),
        (Limits(), Limits(streams=9), False),
        (Limits(streams=11), Limits(streams=10), False),
    ],
)
def test_limits_are_within_others_if_none_is_above(mine: Limits, other: Limits, is_within: bool) -> None:  # noqa: FBT001 - a case
    assert mine.within(other) is is_within
