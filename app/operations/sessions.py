"""Sessions of the dashboard: sign in, by a token or by a link, and out."""

from collections.abc import Callable

from app.domain import sessions as domain
from app.domain.audit import Act, Actor
from app.domain.sessions import Shown
from app.operations import operation
from app.postgres.database import Database
from app.store import audit, sessions

FORGOTTEN_AT_ONCE = 1_000


@operation
def begin(db: Database, *, actor: Actor, shown: Shown, code: str | None = None, old: str | None = None) -> str | None:
    """Begin a session for who showed a token; return the secret of its cookie.

    With a `code`, that of a link, which is used up: None if it is none, or too old. `old`: the secret of a session that
    the browser has had until now, which ends.
    """
    secret = domain.secret()
    with db.begin() as conn:
        if code is not None and not sessions.take_code(conn, digest=domain.digest(code)):
            return None
        if old is not None:
            sessions.remove(conn, digest=domain.digest(old))
        sessions.add(conn, digest=domain.digest(secret), shown=shown, address=actor.address)
        audit.note(conn, actor, Act(action="dashboard.sign_in", affected=1))
    return secret


@operation
def touch(db: Database, *, secret: str) -> None:
    """Note that a session is seen now."""
    with db.begin() as conn:
        sessions.touch(conn, digest=domain.digest(secret))


@operation
def end(db: Database, *, actor: Actor, secret: str) -> None:
    """End a session, if there is one."""
    with db.begin() as conn:
        if sessions.remove(conn, digest=domain.digest(secret)):
            audit.note(conn, actor, Act(action="dashboard.sign_out", affected=1))


@operation
def make_code(db: Database) -> str:
    """Return the code of a link that signs in once, within `CODE_S`."""
    code = domain.secret()
    with db.begin() as conn:
        sessions.add_code(conn, digest=domain.digest(code))
    return code


@operation
def forget(db: Database) -> int:
    """Delete sessions that have ended, and codes that nobody used; return how many."""
    return _forget(db, sessions.forget) + _forget(db, sessions.forget_codes)


def _forget(db: Database, forget: Callable[..., int]) -> int:
    forgotten, removed = 0, FORGOTTEN_AT_ONCE
    while removed == FORGOTTEN_AT_ONCE:
        with db.begin() as conn:
            removed = forget(conn, limit=FORGOTTEN_AT_ONCE)
        forgotten += removed
    return forgotten
