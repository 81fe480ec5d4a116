"""Settings that remove jobs at once are asked for on a terminal."""

import json
from pathlib import Path

import pytest

from tests.support.clusters import PYTHON, Program
from tests.support.commands import said

SCRIPT = Path(PYTHON[0]).with_name("rowline")
SERVICE = {"removeOnComplete": {"age": 7 * 86_400}, "removeOnFail": {"age": 30 * 86_400}}


def typed(url: str, answer: str, *words: str) -> tuple[int, str]:
    """Return how a command ends on a terminal on which `answer` is typed, and what is there then."""
    with Program([SCRIPT, *words], env={"DATABASE_URL": url, "COLUMNS": "500"}, terminal=True) as program:
        program.type(f"{answer}\n")
        return program.end(), " ".join(program.output.split())


def test_a_count_for_a_length_of_time_can_be_taken_back(own_url: str) -> None:
    set_all = ("settings", "set", "--remove-on-complete", "3")
    code, seen = typed(own_url, "n", *set_all)
    assert "The 3 newest completed jobs of each queue are kept, all others go now, for good. Go on? [y/N]:" in seen
    assert code == 1
    assert json.loads(said(own_url, "settings", "show", "--json")) == SERVICE

    assert typed(own_url, "y", *set_all)[0] == 0
    assert json.loads(said(own_url, "settings", "show"))["removeOnComplete"] == {"count": 3}


@pytest.mark.parametrize("kept", ["none", "0", "0d"])
def test_keeping_none_is_asked_for_too(own_url: str, kept: str) -> None:
    code, seen = typed(own_url, "n", "queues", "set", "mail", "--remove-on-fail", kept)
    assert (code, "No failed jobs of 'mail' are kept: all go now, for good." in seen) == (1, True)


def test_what_goes_by_age_is_not_asked_for_and_yes_is_an_answer(own_url: str) -> None:
    for words in (["3d"], ["3d,5"], ["all"], ["unset"], ["3", "--yes"]):
        code, seen = typed(own_url, "", "queues", "set", "mail", "--remove-on-complete", *words)
        assert (code, "Go on?" in seen) == (0, False)
