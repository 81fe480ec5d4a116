"""Style sheet, scripts and icon: their addresses hold a digest of their bytes, and browsers keep them for a year."""

import functools
import hashlib
from pathlib import Path

from flask import Blueprint, Response
from werkzeug.exceptions import NotFound

FILES = Path(__file__).parent / "static"
_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HEADERS = {"Cache-Control": "public, max-age=31536000, immutable"}


@functools.cache
def _files() -> dict[str, tuple[str, bytes, str]]:
    """Return the name with its digest, the bytes and the kind of each file, by its name."""
    found = {}
    for file in sorted(FILES.iterdir()):
        if file.suffix in _KINDS:
            content = file.read_bytes()
            digest = hashlib.sha256(content).hexdigest()[:12]
            found[file.name] = (f"{file.stem}.{digest}{file.suffix}", content, _KINDS[file.suffix])
    return found


def urls() -> dict[str, str]:
    """Return where each file is, below the root."""
    return {name: f"static/{named}" for name, (named, _, _) in _files().items()}


def blueprint() -> Blueprint:
    """Return the route of the files."""
    routes = Blueprint("static", __name__)
    known = {named: (content, kind) for named, content, kind in _files().values()}

    @routes.get("/static/<segment:file>")
    def get(file: str) -> Response:
        if file not in known:
            raise NotFound
        content, kind = known[file]
        return Response(content, mimetype=kind, headers=_HEADERS)

    return routes
