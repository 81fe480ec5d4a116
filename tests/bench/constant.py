"""The least that Flask can answer under the gunicorn of the API: a constant, without a token, a database or a log line.

python -m gunicorn --config python:app.web.server tests.bench.constant:application
"""

from flask import Flask, Response, request

from app.web import clients
from app.web.worker import TOKENS, WAITING


class _Nobody:
    """Who waits for a job here; the worker asks when it stops."""

    def close(self) -> None:
        """Let nobody go."""


class _Anybody:
    """Whom the worker lets in as if a known token had been shown: strangers wait for their turn."""

    def let_in(self, _authorization: str) -> bool:
        """Let everybody in."""
        return True


application = Flask(__name__)
application.extensions |= {WAITING: _Nobody(), TOKENS: _Anybody()}


@application.get("/constant")
def constant() -> Response:
    """Answer."""
    clients.vouch(request.environ)
    return Response(b'{"status":"ok"}', content_type="application/json")
