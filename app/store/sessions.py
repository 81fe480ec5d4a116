"""Sessions of the dashboard, and the codes of links that sign in, each by the SHA-256 of its secret."""

from app.domain.sessions import CODE_S, IDLE_S, LONGEST_S, TOUCH_S, Session, Shown
from app.postgres.database import Connection
from app.store.statements import Statement

_add = Statement("sessions/add")
_find = Statement("sessions/find")
_touch = Statement("sessions/touch")
_remove = Statement("sessions/remove")
_forget = Statement("sessions/forget")
_add_code = Statement("sessions/add_code")
_take_code = Statement("sessions/take_code")
_forget_codes = Statement("sessions/forget_codes")


def add(conn: Connection, *, digest: bytes, shown: Shown, address: str | None) -> None:
    """Store a session that begins now."""
    _add.rows(conn, digest=digest, token_id=shown.token_id, token_digest=shown.digest, address=address)


def find(conn: Connection, *, digest: bytes) -> Session | None:
    """Return a session that has not ended."""
    found = _find.rows(conn, digest=digest, longest_s=LONGEST_S, idle_s=IDLE_S, touch_s=TOUCH_S)
    if not found:
        return None
    return Session(Shown(found[0].token_id, bytes(found[0].token_digest)), is_to_touch=found[0].is_to_touch)


def touch(conn: Connection, *, digest: bytes) -> None:
    """Note that a session is seen now."""
    _touch.rows(conn, digest=digest)


def remove(conn: Connection, *, digest: bytes) -> bool:
    """End a session; return whether there was one."""
    return bool(_remove.rows(conn, digest=digest))


def forget(conn: Connection, *, limit: int) -> int:
    """Delete up to `limit` sessions that have ended; return how many."""
    return len(_forget.rows(conn, longest_s=LONGEST_S, idle_s=IDLE_S, limit=limit))


def add_code(conn: Connection, *, digest: bytes) -> None:
    """Store the code of a link."""
    _add_code.rows(conn, digest=digest)


def take_code(conn: Connection, *, digest: bytes) -> bool:
    """Take a code away; return whether it was there, and new enough."""
    found = _take_code.rows(conn, digest=digest, code_s=CODE_S)
    return bool(found) and bool(found[0].is_new)


def forget_codes(conn: Connection, *, limit: int) -> int:
    """Delete up to `limit` codes that nobody used in time; return how many."""
    return len(_forget_codes.rows(conn, code_s=CODE_S, limit=limit))
