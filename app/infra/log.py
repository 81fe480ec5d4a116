"""Logs on standard error: one JSON object per line, or lines for people. `app/docs/operating.md` has the events."""

import contextlib
import contextvars
import functools
import json
import logging
import logging.config
import os
import re
import sys
import time
from collections.abc import Callable
from typing import Any

import orjson

from app.infra import logtext

request_id: contextvars.ContextVar[str | None] = contextvars.ContextVar("request_id", default=None)
"""The id of the current request, which is added to every log line."""

_DETAIL = re.compile(r"\nDETAIL: .*?(?=\n\n(?:The above|During handling)|\Z)", re.DOTALL)
"""The DETAIL of PostgreSQL's errors: it shows the row, and so the data of jobs."""
_PLAIN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


JSON, TEXT, AUTO = STYLES = ("json", "text", "auto")
"""How lines are written; AUTO: as text for a terminal, as JSON for what reads them from elsewhere."""


class Formatter(logging.Formatter):
    """Format a record: time, level, process, event, the `extra` members, a traceback if any."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line. JSON is in ASCII, so that no value can break the line or the terminal."""
        line = _begun(record.created, record.levelname.lower(), record.getMessage())
        line |= {name: value for name, value in vars(record).items() if name not in _PLAIN}
        if record.exc_info:
            line["traceback"] = _DETAIL.sub("", self.formatException(record.exc_info))
        return _shaped(line, record.created)


def new_request_id() -> str:
    """Return an id for a request: 32 hexadecimal digits, at random."""
    return os.urandom(16).hex()


def write(event: str, members: dict[str, Any]) -> None:
    """Write a line at level info as `logging` would, at a third of its cost, for the log line of each request."""
    if logging.root.isEnabledFor(logging.INFO):
        with contextlib.suppress(OSError):  # standard error is closed: the request must not fail for that
            now = time.time()
            sys.stderr.write(f"{_shaped(_begun(now, 'info', event) | members, now)}\n")


def _begun(seconds: float, level: str, event: str) -> dict[str, Any]:
    """Return the common members of a line; `seconds` are since the epoch."""
    moment = f"{_second(int(seconds))}.{int(seconds % 1 * 1000):03d}Z"
    line = {"time": moment, "level": level, "process": os.getpid(), "event": event}
    if current := request_id.get():
        line["requestId"] = current
    return line


@functools.lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _text(line: dict[str, Any], seconds: float) -> str:
    is_colored = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    return logtext.shape(line, seconds=seconds, is_colored=is_colored)


def _json(line: dict[str, Any], _seconds: float) -> str:
    try:
        text = orjson.dumps(line, default=str).decode()
    except TypeError:  # a number or a text that orjson does not support
        text = ""
    is_plain = text.isascii() and text.isprintable() and text
    return text if is_plain else json.dumps(line, default=str, separators=(",", ":"))


_shaped: Callable[[dict[str, Any], float], str] = _json
"""Returns the line of its members and the seconds since the epoch, in the style that `logging_config` was told."""


def configure(level: str, style: str) -> None:
    """Write everything that this process logs to standard error, in a style of STYLES."""
    logging.config.dictConfig(logging_config(level, style))
    logging.captureWarnings(capture=True)


def _severity(level: str) -> int:
    return logging.getLevelNamesMapping()[level]


def logging_config(level: str, style: str) -> dict[str, Any]:
    """Return the same as a dict for `logging.config`, for gunicorn, which configures its own process; set the style.

    Messages of libraries at level info are sentences, not events: they are left out.
    """
    global _shaped  # noqa: PLW0603 - of the process, as its standard error is
    _shaped = _text if style == TEXT or (style == AUTO and sys.stderr.isatty()) else _json
    without_details = max(level.upper(), "WARNING", key=_severity)
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": Formatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
        "root": {"level": level.upper(), "handlers": ["stderr"]},
        "loggers": {
            "gunicorn.error": {"handlers": [], "propagate": True, "level": without_details},
            "alembic": {"level": without_details},
            "markdown_it": {"level": without_details},  # at level debug: a line for each rule and line of a page
            "gunicorn.access": {"handlers": [], "propagate": False},  # the application logs its requests itself
        },
    }
