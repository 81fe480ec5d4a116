"""Logs: one JSON object a line, whatever is logged."""

import contextlib
import io
import json
import logging
import logging.config
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.infra import log

ANY_TEXT = st.text(st.characters() | st.sampled_from("\x00\n\r\x1b\x85\u2028\u2029\ud800"))


def _line(message: str = "event", *args: object, level: int = logging.INFO, **extra: Any) -> str:
    record = logging.getLogger("test").makeRecord("test", level, "file.py", 1, message, args, None, extra=extra)
    return log.Formatter().format(record)


@pytest.fixture
def request_id() -> Iterator[str]:
    """Be in a request."""
    token = log.request_id.set("request-1")
    yield "request-1"
    log.request_id.reset(token)


def test_a_line_says_when_how_bad_who_and_what() -> None:
    line = json.loads(_line("started", level=logging.WARNING))

    assert line.pop("time").endswith("Z")
    assert line == {"level": "warning", "process": os.getpid(), "event": "started"}


def test_the_time_is_utc_with_milliseconds() -> None:
    record = logging.makeLogRecord({"created": 1_700_000_000.25, "msecs": 250.0})

    assert json.loads(log.Formatter().format(record))["time"] == "2023-11-14T22:13:20.250Z"


def test_what_else_is_known_comes_as_members() -> None:
    line = json.loads(_line("done", queue="q", ms=1.5, jobs=[1, 2], path=os.fspath("/x"), cause=ValueError("bad")))

    assert {name: line[name] for name in ("queue", "ms", "jobs", "path", "cause")} == {
        "queue": "q",
        "ms": 1.5,
        "jobs": [1, 2],
        "path": "/x",
        "cause": "bad",
    }


def test_a_message_is_put_together() -> None:
    assert json.loads(_line("%s of %d", "one", 2))["event"] == "one of 2"


@given(ANY_TEXT, ANY_TEXT)
def test_nothing_that_is_logged_breaks_the_line_or_reaches_the_terminal(message: str, value: str) -> None:
    line = _line(message, value=value)

    assert line.isascii()
    assert line.isprintable()
    assert (json.loads(line)["event"], json.loads(line)["value"]) == (message, value)


def test_a_line_within_a_request_carries_its_id(request_id: str) -> None:
    assert json.loads(_line())["requestId"] == request_id


def test_a_line_outside_of_a_request_carries_none() -> None:
    assert "requestId" not in json.loads(_line())


def test_a_traceback_stays_within_its_line() -> None:
    try:
        int("bad\n\x1b[31m")
    except ValueError:
        record = logging.getLogger("test").makeRecord("test", logging.ERROR, "f", 1, "broke", (), sys.exc_info())

    line = log.Formatter().format(record)

    assert line.isprintable()
    assert json.loads(line)["traceback"].startswith("Traceback (most recent call last):\n")
    assert json.loads(line)["traceback"].endswith("literal for int() with base 10: 'bad\\n\\x1b[31m'")


@pytest.mark.parametrize(("level", "shown"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_what_is_below_the_level_is_left_out(level: str, shown: int) -> None:
    written = io.StringIO()
    config = log.logging_config(level, log.JSON)
    logger = logging.getLogger(f"test.{level}")
    logger.setLevel(config["root"]["level"])
    logger.propagate = False
    handler = logging.StreamHandler(written)
    handler.setFormatter(config["formatters"]["lines"]["()"]())
    logger.addHandler(handler)

    for number, log_it in enumerate((logger.debug, logger.info, logger.warning, logger.error)):
        log_it("event %d", number)

    assert [json.loads(line)["event"] for line in written.getvalue().splitlines()] == [
        f"event {number}" for number in range(4 - shown, 4)
    ]


def test_a_log_that_nobody_reads_fails_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.close(read)
    stream = os.fdopen(write, "w", buffering=1)
    monkeypatch.setattr(sys, "stderr", stream)

    log.write("request", {"status": 200})
    log.write("request", {"status": 200})

    with contextlib.suppress(BrokenPipeError):
        stream.close()
