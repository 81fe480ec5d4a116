"""The exit codes, each for what it is for."""

import re
from pathlib import Path

import pytest
from rowline import errors

from app.cli import exits
from app.cli.exits import Code
from app.postgres.database import Database
from tests.support.clusters import PYTHON, Program
from tests.support.commands import said
from tests.support.raw import TOKEN
from tests.support.tokens import issue

PAGE = Path(__file__).parents[2] / "app" / "docs" / "cli.md"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("queues", "list"), Code.DONE),
        (("wait", "mail", "failed"), Code.FAILED),
        (("queues", "lisst"), Code.USAGE),
        (("jobs", "add", "mail", "n", "--priority", "0"), Code.USAGE),
        (("jobs", "show", "mail", "absent"), Code.NOT_FOUND),
        (("plans", "show", "mail", "absent"), Code.NOT_FOUND),
        (("schedulers", "show", "mail", "absent"), Code.NOT_FOUND),
        (("tokens", "show", "absent"), Code.NOT_FOUND),
        (("endpoints", "remove", "absent"), Code.NOT_FOUND),
        (("jobs", "promote", "mail", "failed"), Code.CONFLICT),
        (("queues", "forget", "mail"), Code.CONFLICT),
        (("wait", "mail", "waiting", "--timeout", "0.1"), Code.UNAVAILABLE),
    ],
)
def test_a_command_ends_with_the_code_of_what_happened(api: str, words: tuple[str, ...], code: Code) -> None:
    for job_id in ("failed", "waiting"):
        said(api, "jobs", "add", "mail", "n", "--job-id", job_id)
    said(api, "jobs", "cancel", "mail", "failed")
    assert "Traceback" not in said(api, *words, code=code)


def test_what_a_token_may_not_do_is_refused(api: str, db: Database) -> None:
    env = {"DATABASE_URL": "", "ROWLINE_URL": api, "ROWLINE_TOKEN": issue(db, "jobs:read").secret}
    with Program([*PYTHON, "-m", "app", "jobs", "add", "mail", "n"], env=env) as program:
        assert program.end() == Code.REFUSED
    assert program.output == "Error: the token lacks the scope jobs:add@mail\n"


def test_a_service_that_is_away_is_unavailable_and_said_in_a_line() -> None:
    env = {"DATABASE_URL": "", "ROWLINE_URL": "http://127.0.0.1:1", "ROWLINE_TOKEN": TOKEN}
    with Program([*PYTHON, "-m", "app", "queues"], env=env) as program:
        assert program.end() == Code.UNAVAILABLE
    assert program.output.startswith("Error: no response from http://127.0.0.1:1: Failed to establish a new connection")
    assert program.output.count("\n") == 1


def test_of_what_may_have_been_done_it_is_said() -> None:
    lost = errors.Unavailable("no response", code="no_answer")
    lost.is_outcome_unknown = True
    assert (exits.of(lost).message, exits.of(lost).exit_code) == ("no response. It may have been done nevertheless", 6)
    assert exits.of(errors.RowlineError("odd")).exit_code == Code.FAILED


def test_every_code_is_in_the_handbook() -> None:
    told = re.findall(r"^\| (\d+) \|", PAGE.read_text(), re.MULTILINE)
    assert [*map(int, told)] == [*Code, 130]
