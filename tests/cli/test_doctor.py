"""`rowline doctor`, as a person calls it."""

import json
from functools import partial

import pytest

from app.domain.doctor import Limits
from app.queries import doctor
from tests.support import databases
from tests.support.clusters import PYTHON, Program
from tests.support.commands import said


def test_a_sound_database_has_exit_code_0_and_its_figures_are_printed(
    own_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "examine", partial(doctor.examine, limits=Limits(notify_s=60.0)))
    monkeypatch.setattr(doctor, "NOTIFY_S", 60.0)
    lines = said(databases.as_owner(own_url), "doctor").splitlines()
    figures = ["NOTIFY ", "connections ", "xid age ", "dead rows "]
    assert [name for name in figures if not any(line.startswith(name) for line in lines)] == []
    assert not [line for line in lines if line.startswith(("broken", "warning"))]


def test_what_breaks_a_promise_has_exit_code_1_and_says_what_to_do(own_url: str) -> None:
    databases.run(own_url, "revoke insert on rowline.jobs from rowline_runtime")
    with Program([*PYTHON, "-m", "app", "doctor"], env={"DATABASE_URL": own_url}) as program:
        assert program.end() == 1
    assert "broken   right_missing: the role rowline_runtime lacks rights: insert on rowline.jobs" in program.output
    assert "do: run `rowline db roles --apply`" in program.output

    found = json.loads(said(own_url, "doctor", "--json", code=1))
    assert found["findings"][0]["code"] == "right_missing"


def test_a_warning_has_exit_code_0_and_nothing_controls_the_terminal(own_url: str) -> None:
    databases.run(own_url, 'create table rowline."\x1b[2J" (n int); grant all on rowline."\x1b[2J" to rowline_runtime')
    databases.run(own_url, 'alter table rowline."\x1b[2J" set (autovacuum_enabled = off)')
    printed = said(own_url, "doctor")
    assert "warning  autovacuum_off" in printed
    assert "SQL is run by `rowline db psql`" in printed
    assert "\x1b" not in printed


def test_a_database_that_is_away_is_one_line_and_exit_code_6() -> None:
    url = "postgresql://x@127.0.0.1:1/x"
    with Program([*PYTHON, "-m", "app", "doctor"], env={"DATABASE_URL": url}) as program:
        assert program.end() == 6
    assert program.output.startswith("rowline: the database is not available")
