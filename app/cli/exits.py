"""The exit codes of commands: one table, for what the service refuses and for what goes wrong before it is asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import click
from rowline import errors

from app.cli import columns


class Code(IntEnum):
    """How a command ended. 130 is Ctrl-C, as in shells."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    REFUSED = 4
    CONFLICT = 5
    UNAVAILABLE = 6


_CODES: tuple[tuple[type[errors.RowlineError], Code], ...] = (
    (errors.InvalidRequest, Code.USAGE),
    (errors.NotFound, Code.NOT_FOUND),
    (errors.Unauthorized, Code.REFUSED),
    (errors.Conflict, Code.CONFLICT),
    (errors.Unavailable, Code.UNAVAILABLE),
)
"""By the errors of the client; the first that matches. Any other: FAILED."""


class Ended(click.ClickException):
    """The end of a command, with its code; the message is one line for people."""

    def __init__(self, message: str, code: Code) -> None:
        """Take what is wrong. What a server or a client said in it cannot control the terminal."""
        super().__init__(columns.printable(message))
        self.code = code

    @property
    def exit_code(self) -> int:  # type: ignore[override]  # click's is one of the class, and reads it as here
        """The exit code of the process."""
        return self.code


def of(error: errors.RowlineError) -> Ended:
    """Return how a command ends at an error of the client."""
    code = next((code for kind, code in _CODES if isinstance(error, kind)), Code.FAILED)
    causes = [f"{one['path']} {one['message']}" for one in error.details if {"path", "message"} <= one.keys()]
    message = error.message
    if causes and causes[0] not in message:  # of one job that is asked for wrongly the sentence is that of BullMQ Proxy
        message = f"{message}: {'; '.join(causes)}"
    if isinstance(error, errors.Unavailable) and error.is_outcome_unknown:
        message = f"{message}. It may have been done nevertheless"
    return Ended(message, code)


@contextmanager
def told() -> Iterator[None]:
    """End the command at an error of the client during the block."""
    try:
        yield
    except errors.RowlineError as error:
        raise of(error) from None
    except UnicodeEncodeError:
        raise Ended("the arguments must be UTF-8", Code.USAGE) from None
