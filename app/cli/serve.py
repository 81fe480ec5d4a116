"""`rowline serve`: the API, by gunicorn."""

import os
import secrets
import sys
from pathlib import Path

import click

from app.infra import settings

ROOT = Path(__file__).parents[2]  # where wsgi.py lies


@click.command()
def serve() -> None:
    """Serve the HTTP API on HOST and PORT, with the database DATABASE_URL."""
    chosen = settings.from_env(os.environ)
    chosen.require_database_url()
    environ = dict(os.environ)
    if not chosen.tokens and chosen.on_loopback:
        environ["AUTH_TOKENS"] = secrets.token_urlsafe(24)
        print(f"AUTH_TOKENS is not set. The token of this run: {environ['AUTH_TOKENS']}", flush=True)
    elif not chosen.tokens:
        chosen.require_tokens()
    gunicorn = [sys.executable, "-P", "-m", "gunicorn", "--config", "python:app.web.server", "--chdir", str(ROOT)]
    os.execve(sys.executable, [*gunicorn, "wsgi:application"], environ)  # noqa: S606 - our own words, no shell
