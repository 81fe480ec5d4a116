"""Logs as people read them on a terminal."""

import json
import logging
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.infra import log, logtext
from tests.support import raw
from tests.support.clusters import PYTHON, Program, free_port

ANY_TEXT = st.text(st.characters() | st.sampled_from("\x00\n\r\x1b\x85\u2028\u202e\ud800"))
LINE = {"time": "2023-11-14T22:13:20.250Z", "level": "info", "process": 7, "event": "job_failed"}


@pytest.fixture
def as_text() -> Iterator[None]:
    """Lines are for people, as where ROWLINE_LOG says so."""
    log.logging_config("info", log.TEXT)
    yield
    log.logging_config("info", log.JSON)


def shape(*, is_colored: bool = False, **members: Any) -> str:
    return logtext.shape(LINE | members, seconds=1_700_000_000.25, is_colored=is_colored)


def test_a_line_says_when_how_bad_what_and_then_all_that_is_known() -> None:
    line = shape(requestId="r", queue="mail", ms=1.5, cause="not there", counts={"a": 1}, none=None, empty="")
    about = 'queue=mail ms=1.5 cause="not there" counts={"a":1} none=null empty="" requestId=r process=7'
    assert re.fullmatch(r"\d\d:\d\d:20\.250 INFO    job_failed           " + re.escape(about), line)


def test_words_of_other_languages_stay_as_they_are() -> None:
    assert "queue=Grüße" in shape(queue="Grüße")


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT)
def test_nothing_that_is_logged_reaches_the_terminal_as_a_command(event: str, name: str, value: str) -> None:
    members: dict[str, Any] = {"event": event, f"m{name}": value, "traceback": f"Traceback\n{value}"}
    first, *rest = shape(**members).split("\n")
    assert all(line.isprintable() for line in (first, *rest))
    assert all(line.startswith("    ") for line in rest)


def test_a_traceback_stands_below_its_line(as_text: None) -> None:
    try:
        int("bad\x1b[31m")
    except ValueError:
        record = logging.getLogger("test").makeRecord("test", logging.ERROR, "f", 1, "broke", (), sys.exc_info())
    first, *rest = log.Formatter().format(record).split("\n")
    assert "ERROR   broke" in first
    assert (rest[0], rest[-1][:15]) == ("    Traceback (most recent call last):", "    ValueError:")


def test_only_the_level_of_a_line_is_colored() -> None:
    assert "\x1b[33mWARNING\x1b[0m job_failed" in shape(level="warning", is_colored=True)
    assert "\x1b" not in shape(level="info", is_colored=True)


@pytest.mark.parametrize(
    ("on_terminal", "settings", "is_text"),
    [
        (True, {}, True),
        (True, {"ROWLINE_LOG": "json"}, False),
        (False, {}, False),
        (False, {"ROWLINE_LOG": "text"}, True),
    ],
)
def test_a_service_logs_for_people_on_a_terminal_and_json_elsewhere(
    shared_url: str, settings: dict[str, str], *, on_terminal: bool, is_text: bool
) -> None:
    env = {"DATABASE_URL": shared_url, "AUTH_TOKENS": raw.TOKEN, "PORT": str(free_port()), "NO_COLOR": "1"} | settings
    with Program([*PYTHON, "-m", "app", "serve"], env=env, terminal=on_terminal) as program:
        line = program.expect("api_started")
    if is_text:
        assert re.match(r"\d\d:\d\d:\d\d\.\d{3} INFO    api_started  ", line)
    else:
        assert json.loads(line)["event"] == "api_started"


def test_an_unknown_style_is_refused() -> None:
    with Program([*PYTHON, "-m", "app", "serve"], env={"ROWLINE_LOG": "xml", "AUTH_TOKENS": raw.TOKEN}) as program:
        assert "ROWLINE_LOG" in program.expect("json, text, auto")
