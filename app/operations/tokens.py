"""API tokens: create, rotate, revoke. Who does so grants no more than they hold; the command line holds all."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from app.domain import tokens as domain
from app.domain.audit import Act, Actor, Members
from app.domain.errors import (
    Fault,
    Forbidden,
    InvalidRequest,
    NotRotating,
    TokenEnded,
    TokenNotFound,
    TooManyTokens,
    Unauthorized,
)
from app.domain.tokens import TOKENS_MAX, Caller, Limits, Scope, Token
from app.operations import operation
from app.postgres.database import Connection, Database
from app.store import audit, tokens
from app.store.tokens import Locked

FORGOTTEN_AT_ONCE = 1_000
_TRIES = 3  # of an id at random: two tokens have the same one in 2^47 cases


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A token, and its secret, which is shown once: only its SHA-256 is stored."""

    token: Token
    secret: str = field(repr=False)


@operation
def create(
    db: Database,
    *,
    actor: Actor,
    caller: Caller | None,
    secret: bytes = b"",
    name: str,
    scopes: Sequence[Scope],
    limits: Limits,
    expires_at: datetime | None,
) -> Issued:
    """Create a token. `caller` is who asks over HTTP, with the SHA-256 of its `secret`; None on the command line.

    Raises Forbidden if the token would have a scope, a limit or a time that the caller's own token has not,
    Unauthorized if that has been revoked meanwhile, and TooManyTokens.
    """
    _require_within(caller, scopes, limits, expires_at)
    with db.begin() as conn:
        _lock(conn, caller, secret)
        if tokens.count_valid(conn) >= TOKENS_MAX:
            raise TooManyTokens(f"{TOKENS_MAX} tokens are valid already: revoke some")
        for _ in range(_TRIES):
            shown, token_id = domain.create()
            token = tokens.insert(
                conn,
                token_id=token_id,
                name=name,
                scopes=scopes,
                digest=domain.digest(shown.encode()),
                limits=limits,
                expires_at=expires_at,
            )
            if token is not None and token.is_ended:
                raise InvalidRequest(Fault("expiresOn", "must be in the future"))
            if token is not None:
                audit.note(conn, actor, Act(action="tokens.create", target=token_id, after=_shown(token)))
                return Issued(token=token, secret=shown)
    raise AssertionError("all random ids were taken")


@operation
def rotate(db: Database, *, actor: Actor, caller: Caller | None, secret: bytes = b"", token_id: str) -> Issued:
    """Give a token a second secret; both are valid until `finish_rotation`. A second secret that it has is replaced.

    Raises TokenNotFound, TokenEnded, and Forbidden as `create` does.
    """
    second = domain.another(token_id)
    with db.begin() as conn:
        token = _lock_with_own(conn, caller, secret, token_id)
        _require_within(caller, token.scopes, token.limits, token.expires_at)
        _require_valid(token)
        tokens.rotate(conn, token_id=token_id, digest=domain.digest(second.encode()))
        if token.is_rotating:  # the one that is replaced is valid no more
            tokens.note_change(conn)
        audit.note(conn, actor, Act(action="tokens.rotate", target=token_id))
        return Issued(token=_again(conn, token_id), secret=second)


@operation
def finish_rotation(db: Database, *, actor: Actor, caller: Caller | None, secret: bytes = b"", token_id: str) -> Token:
    """Make the second secret of a token its only one. Raises TokenNotFound, TokenEnded, NotRotating, Forbidden."""
    with db.begin() as conn:
        token = _lock_with_own(conn, caller, secret, token_id)
        _require_within(caller, token.scopes, token.limits, token.expires_at)
        _require_valid(token)
        if not tokens.finish_rotation(conn, token_id=token_id):
            raise NotRotating(f"token {token_id} has no second secret: rotate it first")
        tokens.note_change(conn)
        audit.note(conn, actor, Act(action="tokens.finish_rotation", target=token_id))
        return _again(conn, token_id)


@operation
def revoke(db: Database, *, actor: Actor, caller: Caller | None = None, secret: bytes = b"", token_id: str) -> Token:
    """Revoke a token: it is refused everywhere within 5 s. One that is revoked stays so. Raises TokenNotFound."""
    with db.begin() as conn:
        before = _lock_with_own(conn, caller, secret, token_id)
        if not tokens.revoke(conn, token_id=token_id):
            return before
        tokens.note_change(conn)
        audit.note(conn, actor, Act(action="tokens.revoke", target=token_id, before=_shown(before)))
        return _again(conn, token_id)


def _lock(conn: Connection, caller: Caller | None, secret: bytes, *token_ids: str) -> dict[str, Locked]:
    """Lock tokens and the caller's own, which must be valid: its API process may have trusted it too long."""
    own = [caller.token_id] if caller and caller.is_stored else []
    locked = tokens.lock(conn, token_ids={*own, *token_ids})
    for token_id in own:
        mine = locked.get(token_id)
        if mine is None or mine.token.is_ended or not domain.is_one_of(secret, mine.digests):
            raise Unauthorized("the token has been revoked, or has expired")
    return locked


def _lock_with_own(conn: Connection, caller: Caller | None, secret: bytes, token_id: str) -> Token:
    locked = _lock(conn, caller, secret, token_id)
    if token_id not in locked:
        raise TokenNotFound(f"there is no token {token_id[: domain.ID_LENGTH]!r}")
    return locked[token_id].token


def _again(conn: Connection, token_id: str) -> Token:
    """Read a token that is locked, after it was changed."""
    return tokens.lock(conn, token_ids=[token_id])[token_id].token


@operation
def forget(db: Database) -> int:
    """Delete tokens that ended 400 days ago; return how many."""
    forgotten, removed = 0, FORGOTTEN_AT_ONCE
    while removed == FORGOTTEN_AT_ONCE:
        with db.begin() as conn:
            removed = tokens.forget(conn, limit=FORGOTTEN_AT_ONCE)
        forgotten += removed
    return forgotten


def _require_valid(token: Token) -> None:
    if token.is_ended:
        raise TokenEnded(f"token {token.id} is {'revoked' if token.revoked_at else 'expired'}: create another one")


def _require_within(
    caller: Caller | None, scopes: Sequence[Scope], limits: Limits, expires_at: datetime | None
) -> None:
    """Require that a token may do no more than the caller's own, nor for longer. Raises Forbidden."""
    if caller is None:
        return
    if lacking := caller.lacking(scopes):
        raise Forbidden.of(*lacking)
    if not limits.within(caller.limits):
        raise Forbidden("the token has limits, which another token must have too, at most as high")
    if caller.expires_at and (expires_at is None or expires_at > caller.expires_at):
        raise Forbidden("the token expires, and another token must not do so later")


def _shown(token: Token) -> Members:
    return {
        "name": token.name,
        "scopes": [str(scope) for scope in token.scopes],
        "limits": domain.limits_json(token.limits),
        "expiresOn": int(token.expires_at.timestamp() * 1000) if token.expires_at else None,
    }
