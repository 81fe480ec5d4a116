"""Ctrl-C while a command waits for a plan: the plan goes on without it, which has to be said."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager

import click

from app.domain.plan import Plan
from app.infra import interrupt


@contextmanager
def told(plan: Plan) -> Iterator[None]:
    """At Ctrl-C during the block, say that the plan goes on, and end the command."""
    try:
        yield
    except KeyboardInterrupt:
        where = f"{shlex.quote(plan.queue)} {plan.id}"
        click.echo(
            f"The plan goes on in the background. Look: rowline plans show {where}. Stop: rowline plans stop {where}.",
            err=True,
        )
        raise click.exceptions.Exit(interrupt.CODE) from None
