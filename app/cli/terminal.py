"""Questions on a terminal."""

import sys

import click


def is_there() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty()


def confirm(question: str, *, instead: str) -> None:
    """Ask, and end the command unless the answer is yes. Without a terminal it ends too, and says what to give."""
    if not is_there():
        raise click.ClickException(f"Not a terminal: give {instead}")
    click.confirm(question, abort=True, err=True)
