"""`rowline context`: the services that commands can go to, by name."""

import json
import os
import sys

import click
from click.shell_completion import CompletionItem
from rowline.transport import Transport

from app.cli import columns, contexts, output, service, terminal
from app.cli.contexts import Context
from app.cli.exits import Code, Ended

NAME_MAX = 100
COLUMNS = ["in use", "name", "url"]


class ContextName(click.ParamType):  # type: ignore[type-arg]  # generic only in the newest click
    """The name of a context."""

    name = "NAME"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Validate it."""
        if not 1 <= len(value) <= NAME_MAX or not value.isprintable():
            self.fail(f"must have 1 to {NAME_MAX} printable characters", param, ctx)
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Complete the name of one that there is."""
        del ctx, param
        return [*map(CompletionItem, contexts.that_begin(incomplete))]


_name = click.argument("name", type=ContextName())


@click.group()
def context() -> None:
    """Services by name: URL and token. They are in a file that only you can read."""


@context.command()
@_name
@click.option("--url", envvar=service.URL, required=True, help="The URL of the service. Default: ROWLINE_URL.")
@click.option("--use", is_flag=True, help="Have commands go there from now on, as `rowline context use` does.")
def add(*, name: str, url: str, use: bool) -> None:
    """Add a context, or change it. The token is ROWLINE_TOKEN, or asked for, or the first line of standard input."""
    token = os.environ.get(service.TOKEN) or _asked()
    if not token:
        raise Ended(f"no token: set {service.TOKEN}, or give it as the first line of standard input", Code.USAGE)
    try:
        Transport(url, token, timeout_s=service.TIMEOUT_S)  # checks both; connects to nothing
    except ValueError as error:
        raise Ended(str(error), Code.USAGE) from None
    with contexts.changed() as all_of_them:
        all_of_them.by_name[name] = Context(name=name, url=url.rstrip("/"), token=token)
        if use:
            all_of_them.in_use = name
    click.echo(f"{columns.printable(name)} is in {contexts.place()}", err=True)


def _asked() -> str:
    if terminal.is_there():
        return str(click.prompt("Token", hide_input=True, err=True))
    return sys.stdin.readline().strip()


@context.command("list")
@output.as_json
@output.ids_only
def list_all(*, as_json: bool, ids_only: bool) -> None:
    """List the contexts, without their tokens."""
    found = contexts.read()
    listed = sorted(found.by_name.values(), key=lambda one: one.name)
    for one in listed if as_json or ids_only else ():
        members = {"name": one.name, "url": one.url, "inUse": one.name == found.in_use}
        print(output.exact(one.name) if ids_only else json.dumps(members))
    if not as_json and not ids_only:
        output.table(
            COLUMNS, [("*" if one.name == found.in_use else "", one.name, one.url) for one in listed], "contexts"
        )


@context.command()
@output.as_json
def show(*, as_json: bool) -> None:
    """Say where commands go now, and why. Without a URL: to the database itself."""
    where = service.find()
    if as_json:
        print(json.dumps(({"url": where.url} if where.url else {}) | {"why": where.why}))
        return
    to = where.url or "the database itself, in this process"
    click.echo(columns.printable(f"{to} ({where.why})"))


@context.command()
@_name
def use(*, name: str) -> None:
    """Have commands go there, unless --context, ROWLINE_CONTEXT, ROWLINE_URL or DATABASE_URL says otherwise."""
    with contexts.changed() as all_of_them:
        all_of_them.in_use = all_of_them.find(name).name
    click.echo(f"{columns.printable(name)} is in use", err=True)


@context.command()
@_name
def remove(*, name: str) -> None:
    """Remove a context with its token."""
    with contexts.changed() as all_of_them:
        all_of_them.find(name)
        del all_of_them.by_name[name]
        if all_of_them.in_use == name:
            all_of_them.in_use = None
    click.echo(f"{columns.printable(name)} is removed", err=True)
