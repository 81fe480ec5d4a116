"""`rowline tokens`: commands for API tokens."""

import contextlib
import json
import re
import sys
import time
from datetime import timedelta
from typing import Any

import click
from rowline.errors import InvalidRequest, NotFound

from app.cli import account, columns, output, service
from app.cli.exits import Code, Ended
from app.cli.service import Reply, Service, path
from app.domain.tokens import LIMIT_MAX, NAME_MAX, SCOPES_MAX, STREAMS, Scope

UNITS = {"h": "hours", "d": "days", "w": "weeks"}


class ScopeText(click.ParamType):  # type: ignore[type-arg]  # generic only in the newest click
    """A scope such as jobs:add@mail, or *."""

    name = "SCOPE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Scope:
        """Read the scope. Several in one word are refused: they would be one, on a queue whose name nobody gives."""
        if isinstance(value, Scope):
            return value
        try:
            scope = Scope.read(value)
        except ValueError as error:
            self.fail(f"{value!r} {error}", param, ctx)
        for further in scope.pattern.split(",")[1:]:
            with contextlib.suppress(ValueError):
                Scope.read(further)
                self.fail(f"{value!r} has several scopes: give --scopes once for each", param, ctx)
        return scope


class Lifetime(click.ParamType):  # type: ignore[type-arg]  # as above
    """A length of time: 12h, 90d, 52w."""

    name = "LENGTH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read the length."""
        found = re.fullmatch(r"([1-9]\d{0,4})([hdw])", value)
        if not found:
            self.fail(f"{value!r} is not a length of time such as 12h, 90d or 52w", param, ctx)
        return timedelta(**{UNITS[found[2]]: int(found[1])})


_limit = click.IntRange(1, LIMIT_MAX)
_token = click.argument("token_id", metavar="TOKEN")


@click.group()
def tokens() -> None:
    """Manage API tokens. With DATABASE_URL alone, or as the account of `rowline run`, nobody needs a token for it.

    TOKEN is an id, or a name that only one valid token has.
    """


@tokens.command()
@click.option("--scopes", required=True, multiple=True, type=ScopeText(), help="What it may do; may be repeated.")
@click.option("--name", help="What it is for. Default: your account.")
@click.option("--expires", type=Lifetime(), help="After how long it ends: 12h, 90d, 52w. Default: never.")
@click.option("--requests-per-s", type=_limit, help="The most requests a second, in each API process.")
@click.option("--jobs-per-s", type=_limit, help="The most jobs a second that it may add, in each API process.")
@click.option("--waiting-jobs", type=_limit, help="It adds none to a queue in which so many jobs have not started.")
@click.option("--streams", type=_limit, help=f"Streams of events at a time in each API process. Default: {STREAMS}.")
@output.as_json
def create(
    *,
    scopes: tuple[Scope, ...],
    name: str | None,
    expires: timedelta | None,
    requests_per_s: int | None,
    jobs_per_s: int | None,
    waiting_jobs: int | None,
    streams: int | None,
    as_json: bool,
) -> None:
    """Create a token and print it. It is shown only now."""
    if name is not None and not 1 <= len(name) <= NAME_MAX:
        raise click.BadParameter(f"must have 1 to {NAME_MAX} characters", param_hint="--name")
    if len(scopes) > SCOPES_MAX:
        raise click.BadParameter(f"must be at most {SCOPES_MAX}", param_hint="--scopes")
    limits = {"requestsPerS": requests_per_s, "jobsPerS": jobs_per_s, "waitingJobs": waiting_jobs, "streams": streams}
    body: dict[str, Any] = {
        "name": name or account.actor().id.partition(":")[2],
        "scopes": [*map(str, scopes)],
        "limits": {word: limit for word, limit in limits.items() if limit is not None},
    }
    if expires:
        body["expiresOn"] = round((time.time() + expires.total_seconds()) * 1000)
    with service.opened() as api:
        issued = api.send("POST", "/tokens", json.dumps(body))
    if not output.show([issued], as_json=as_json):
        _print_secret(issued.members)


@tokens.command("list")
@output.as_json
@output.ids_only
@output.watchable
def list_all(*, as_json: bool, ids_only: bool) -> None:
    """List the tokens, the newest first: id, scopes, limits, name."""
    with service.opened() as api:
        found = [*api.listed("/tokens", "tokens")]
    if not output.show(found, as_json=as_json, ids=(lambda token: token.members["id"]) if ids_only else None):
        for token in found:
            print(_line(token.members))


@tokens.command()
@_token
@output.as_json
@output.watchable
def show(*, token_id: str, as_json: bool) -> None:
    """Show a token, as `list` does."""
    with service.opened() as api:
        token = _found(api, token_id)
    if not output.show([token], as_json=as_json):
        print(_line(token.members))


@tokens.command()
@_token
def rotate(token_id: str) -> None:
    """Print a second secret of a token. Both are valid until `finish-rotation`."""
    _print_secret(_act("POST", token_id, "rotate"))


@tokens.command()
@_token
def finish_rotation(token_id: str) -> None:
    """Make the second secret of a token its only one."""
    print(f"{output.exact(_act('POST', token_id, 'finish-rotation')['id'])}: the first secret is refused within 5 s")


@tokens.command()
@_token
def revoke(token_id: str) -> None:
    """Revoke a token. It is refused everywhere within 5 s."""
    print(f"{output.exact(_act('DELETE', token_id)['id'])}: revoked, refused within 5 s")


def _act(method: str, token: str, *verb: str) -> dict[str, Any]:
    """Do something to the token of an id, or of a name that only one valid token has."""
    with service.opened() as api:
        try:
            done = api.send(method, path("tokens", token, *verb))
        except (NotFound, InvalidRequest):  # it is a name
            done = api.send(method, path("tokens", _found(api, token).members["id"], *verb))
    return dict(done.members)


def _found(api: Service, token: str) -> Reply:
    """Return the token of an id, or of a name that only one valid token has. Raises Ended."""
    named = []
    for one in api.listed("/tokens", "tokens"):
        if one.members["id"] == token:
            return one
        if one.members["name"] == token and not _is_ended(one.members):
            named.append(one)
    if len(named) == 1:
        return named[0]
    fault = f"{len(named)} tokens have the name {token!r}" if named else f"there is no token {token!r}"
    code = Code.USAGE if named else Code.NOT_FOUND
    raise Ended(f"{fault}; ids are in `rowline tokens list`", code)


def _print_secret(issued: dict[str, Any]) -> None:
    """Print the secret alone to standard output, for a script, and what it is to standard error."""
    print(f"{_line(issued)}\nThe token, which is not shown again:", file=sys.stderr)
    print(output.exact(issued["token"]))


def _is_ended(token: dict[str, Any]) -> bool:
    return "revokedOn" in token or token.get("expiresOn", float("inf")) <= time.time() * 1000


def _line(token: dict[str, Any]) -> str:
    is_ended = _is_ended(token)
    state = "revoked" if "revokedOn" in token else "expired" if is_ended else "rotating" if token["rotating"] else ""
    expires = (
        f"expires {output.at(token['expiresOn']):%Y-%m-%d %H:%M}Z" if "expiresOn" in token and not is_ended else ""
    )
    limits = ", ".join(f"{name} {limit}" for name, limit in token["limits"].items())
    return columns.line([token["id"], ",".join(token["scopes"]), limits, expires, state, token["name"]])
