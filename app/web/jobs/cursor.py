"""Page cursors: opaque strings that say where a page ended."""

import base64
import binascii
import dataclasses
import hashlib
import re

from app.domain.errors import Fault, InvalidRequest
from app.domain.states import Status
from app.queries.jobs import Part

_TEXT = re.compile(
    r"(?P<start>[0-9]{1,16})\.(?P<after>[0-9]{1,18})\.(?P<order>asc|desc)\.(?P<statuses>[a-z-]+(?:,[a-z-]+)*)"
)
_DIGEST = 6  # bytes; a checksum against mistakes, not a signature


def of(queue: str, part: Part, *, after: int, passed: int) -> str:
    """Return the cursor of the page that follows a page of `part` with `passed` jobs, the last of them `after`."""
    order = "desc" if part.newest_first else "asc"
    text = f"{part.start + passed}.{after}.{order}.{','.join(part.statuses)}"
    return base64.urlsafe_b64encode(_digest(queue, text) + text.encode()).decode().rstrip("=")


def read(queue: str, cursor: str, *, length: int) -> Part:
    """Return the part that begins at a cursor. Raises InvalidRequest if `of` did not make it for this queue."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        text = raw[_DIGEST:].decode("ascii")
    except (binascii.Error, ValueError):
        raw, text = b"", ""
    found = _TEXT.fullmatch(text)
    known = {status.value for status in Status}
    if found is None or raw[:_DIGEST] != _digest(queue, text) or not set(found["statuses"].split(",")) <= known:
        raise InvalidRequest(Fault("cursor", "is none that a page of this queue gave as next"))
    return Part(
        statuses=tuple(Status(status) for status in found["statuses"].split(",")),
        start=int(found["start"]),
        length=length,
        newest_first=found["order"] == "desc",
        after=int(found["after"]),
    )


def require_same(part: Part, asked: Part, *, has_statuses: bool, has_order: bool) -> None:
    """Require that the other parameters agree with those of the cursor. Raises InvalidRequest."""
    same = dataclasses.replace(
        part,
        statuses=asked.statuses if has_statuses else part.statuses,
        newest_first=asked.newest_first if has_order else part.newest_first,
    )
    if set(same.statuses) != set(part.statuses) or same.newest_first != part.newest_first:
        raise InvalidRequest(Fault("cursor", "is of a page with other statuses, or of the other order"))


def _digest(queue: str, text: str) -> bytes:
    return hashlib.sha256(f"{queue}\0{text}".encode()).digest()[:_DIGEST]
