"""Spans of OpenTelemetry, for programs that have loaded it themselves; for others nothing of it is imported."""

import contextlib
import importlib
import sys
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

from rowline.job import Job, Release

LOADED = "opentelemetry.trace"
"""The module of a program that traces."""


class Untraced:
    """What is sent with jobs by a program that does not trace: nothing."""

    headers: dict[str, str] = {}  # noqa: RUF012 - nobody changes it

    def name(self, added: Sequence[object]) -> None:
        """Note nothing."""


_untraced = Untraced()


@contextlib.contextmanager
def sending(queue: str, jobs: int) -> Iterator[Any]:
    """Make a span of adding so many jobs; yield its `headers`, and `name`, which notes the jobs that were added."""
    spans = _spans()
    if not spans:
        yield _untraced
        return
    with spans.sending(queue, jobs) as sent:
        yield sent


class Processing:
    """A block that is the span of one attempt, if this program traces; else nothing.

    What goes wrong with the span leaves the attempt alone.
    """

    def __init__(self, job: Job) -> None:
        """Prepare the span of the attempt `job`."""
        self._job, self._open = job, contextlib.ExitStack()
        self._span: Any = None

    def __enter__(self) -> None:
        """Begin the span, and make it the current one."""
        with contextlib.suppress(Exception):
            if spans := _spans():
                self._span = self._open.enter_context(spans.processing(self._job))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """End the span; what was raised is noted in it, unless it releases the job."""
        if self._span and error and not isinstance(error, Release):
            with contextlib.suppress(BaseException):  # methods of the user's exception
                _spans().note(self._span, error)
        with contextlib.suppress(Exception):
            self._open.close()


def _spans() -> Any:
    """Return the module of the spans if this program has loaded OpenTelemetry, else None."""
    return importlib.import_module("rowline.spans") if LOADED in sys.modules else None
