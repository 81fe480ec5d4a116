"""The least that Flask can answer under the gunicorn of the API: a constant, without a token, a database or a log line.

python -m gunicorn --config python:app.web.server tests.bench.constant:application
"""

from flask import Flask, Response

from app.web.worker import WAITING


class _Nobody:
    """Who waits for a job here; the worker asks when it stops."""

    def close(self) -> None:
        """Let nobody go."""


application = Flask(__name__)
application.extensions[WAITING] = _Nobody()


@application.get("/constant")
def constant() -> Response:
    """Answer."""
    return Response(b'{"status":"ok"}', content_type="application/json")
