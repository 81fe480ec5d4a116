"""Ctrl-C while a command waits for a plan: the plan goes on without it, which has to be said."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager

import click

from app.cli import columns
from app.infra import interrupt


@contextmanager
def told(queue: str, plan_id: str | None = None) -> Iterator[None]:
    """At Ctrl-C during the block, say that the plan goes on, and end the command. None: its id is not known yet."""
    try:
        yield
    except KeyboardInterrupt:
        where = shlex.quote(queue)
        ways = f"Look: rowline plans list {where}."
        if plan_id is not None:
            ways = f"Look: rowline plans show {where} {plan_id}. Stop: rowline plans stop {where} {plan_id}."
        click.echo(columns.printable(f"The plan goes on in the background. {ways}"), err=True)
        raise click.exceptions.Exit(interrupt.CODE) from None
