"""`rowline tokens`: commands for API tokens, on the database itself."""

import contextlib
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import click
import orjson

from app.cli import account, columns, direct
from app.domain.errors import TokenNotFound
from app.domain.tokens import LIMIT_MAX, NAME_MAX, SCOPES_MAX, STREAMS, Limits, Scope, Token, limits_json
from app.operations import tokens as operations
from app.operations.tokens import Issued
from app.postgres.database import Database
from app.queries import tokens as queries
from app.web.tokens import schemas

R = TypeVar("R")
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
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, as the API shows it.")


@click.group()
def tokens() -> None:
    """Manage API tokens. They are in the database: DATABASE_URL, or the embedded one of `rowline run`.

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
@_as_json
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
    actor = account.actor()
    if name is not None and not 1 <= len(name) <= NAME_MAX:
        raise click.BadParameter(f"must have 1 to {NAME_MAX} characters", param_hint="--name")
    if len(scopes) > SCOPES_MAX:
        raise click.BadParameter(f"must be at most {SCOPES_MAX}", param_hint="--scopes")
    limits = Limits(requests_per_s=requests_per_s, jobs_per_s=jobs_per_s, waiting_jobs=waiting_jobs, streams=streams)
    issued = _told(
        lambda db: operations.create(
            db,
            actor=actor,
            caller=None,
            name=name or actor.id.partition(":")[2],
            scopes=scopes,
            limits=limits,
            expires_at=datetime.now(UTC) + expires if expires else None,
        )
    )
    if as_json:
        _print_json(schemas.dump_issued(issued))
    else:
        _print_secret(issued)


@tokens.command("list")
@_as_json
def list_all(*, as_json: bool) -> None:
    """List the tokens, the newest first: id, scopes, limits, name."""

    def page(db: Database, start: int) -> tuple[int, list[Token]]:
        return queries.page(db, start=start, length=direct.LISTED)

    found = _told(lambda db: direct.listed(partial(page, db)))
    if as_json:
        _print_json([schemas.dump(token) for token in found])
        return
    for token in found:
        print(_line(token))


@tokens.command()
@_token
@_as_json
def show(*, token_id: str, as_json: bool) -> None:
    """Show a token, as `list` does."""
    token = _told(lambda db: _found(db, token_id))
    if as_json:
        _print_json(schemas.dump(token))
    else:
        print(_line(token))


@tokens.command()
@_token
def rotate(token_id: str) -> None:
    """Print a second secret of a token. Both are valid until `finish-rotation`."""
    actor = account.actor()
    _print_secret(_told(lambda db: operations.rotate(db, actor=actor, caller=None, token_id=_found(db, token_id).id)))


@tokens.command()
@_token
def finish_rotation(token_id: str) -> None:
    """Make the second secret of a token its only one."""
    actor = account.actor()
    token = _told(lambda db: operations.finish_rotation(db, actor=actor, caller=None, token_id=_found(db, token_id).id))
    print(f"{token.id}: the first secret is refused within 5 s")


@tokens.command()
@_token
def revoke(token_id: str) -> None:
    """Revoke a token. It is refused everywhere within 5 s."""
    token = _told(lambda db: operations.revoke(db, actor=account.actor(), token_id=_found(db, token_id).id))
    print(f"{token.id}: revoked, refused within 5 s")


def _found(db: Database, token: str) -> Token:
    """Return the token of an id, or of a name that only one valid token has."""
    try:
        return queries.find(db, token_id=token)
    except TokenNotFound:
        named = queries.named(db, name=token)
    if len(named) == 1:
        return named[0]
    fault = f"{len(named)} tokens have the name {token!r}" if named else f"there is no token {token!r}"
    raise click.ClickException(f"{fault}; ids are in `rowline tokens list`")


def _told(act: Callable[[Database], R]) -> R:
    return direct.told(act, name="rowline-tokens")


def _print_json(members: object) -> None:
    print(orjson.dumps(members, option=orjson.OPT_INDENT_2).decode())


def _print_secret(issued: Issued) -> None:
    """Print the secret alone to standard output, for a script, and what it is to standard error."""
    print(f"{_line(issued.token)}\nThe token, which is not shown again:", file=sys.stderr)
    print(issued.secret)


def _line(token: Token) -> str:
    state = "revoked" if token.revoked_at else "expired" if token.is_ended else "rotating" if token.is_rotating else ""
    expires = f"expires {token.expires_at:%Y-%m-%d %H:%M}Z" if token.expires_at and not token.is_ended else ""
    limits = ", ".join(f"{name} {limit}" for name, limit in limits_json(token.limits).items())
    return columns.line([token.id, ",".join(map(str, token.scopes)), limits, expires, state, token.name])
