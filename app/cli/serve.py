"""`rowline serve`: the API, served by gunicorn."""

import os
import secrets
import sys
from pathlib import Path

import click

from app.infra import interrupt, settings
from app.local import processes

FILES_BESIDE = 256  # open files of an API process besides its clients and its database connections
ROOT = Path(__file__).parents[2]  # where wsgi.py lies


@click.command()
def serve() -> None:
    """Serve the HTTP API. It listens on HOST and PORT, and uses the database DATABASE_URL."""
    chosen = settings.from_env(os.environ)
    chosen.require_database_url()
    environ = dict(os.environ)
    if not chosen.tokens and chosen.on_loopback:
        environ["AUTH_TOKENS"] = secrets.token_urlsafe(24)
        print(f"AUTH_TOKENS is not set. The token of this run: {environ['AUTH_TOKENS']}", flush=True)
    else:
        chosen.require_tokens()
    if chosen.warning:
        print(chosen.warning, file=sys.stderr, flush=True)
    wanted = chosen.api_clients + chosen.api_connections + FILES_BESIDE
    allowed = processes.allow_open_files(wanted)
    if fault := processes.files_fault("An API process", allowed=allowed, needed=wanted):
        print(fault, file=sys.stderr, flush=True)
    gunicorn = [sys.executable, *interrupt.RUN, "gunicorn", "--config", "python:app.web.server", "--chdir", str(ROOT)]
    os.execve(sys.executable, [*gunicorn, "wsgi:application"], environ)  # noqa: S606 - fixed arguments, no shell
