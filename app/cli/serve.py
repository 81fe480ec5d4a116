"""`rowline serve`: the API, by gunicorn."""

import os
import resource
import secrets
import sys
from pathlib import Path

import click

from app.infra import settings

FILES_BESIDE = 256  # open files of an API process beside its clients and its database connections
ROOT = Path(__file__).parents[2]  # where wsgi.py lies


@click.command()
def serve() -> None:
    """Serve the HTTP API on HOST and PORT, with the database DATABASE_URL."""
    chosen = settings.from_env(os.environ)
    chosen.require_database_url()
    _allow_open_files(chosen.api_clients + chosen.api_connections + FILES_BESIDE)
    environ = dict(os.environ)
    if not chosen.tokens and chosen.on_loopback:
        environ["AUTH_TOKENS"] = secrets.token_urlsafe(24)
        print(f"AUTH_TOKENS is not set. The token of this run: {environ['AUTH_TOKENS']}", flush=True)
    elif not chosen.tokens:
        chosen.require_tokens()
    gunicorn = [sys.executable, "-P", "-m", "gunicorn", "--config", "python:app.web.server", "--chdir", str(ROOT)]
    os.execve(sys.executable, [*gunicorn, "wsgi:application"], environ)  # noqa: S606 - our own words, no shell


def _allow_open_files(wanted: int) -> None:
    """Raise what a shell set for old programs (1,024), as far as the machine lets us: each client is an open file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < wanted:
        print(
            f"Each API process may open {most} files and needs {wanted} for ROWLINE_API_CLIENTS: "
            "raise the hard limit (ulimit -Hn, LimitNOFILE=)",
            file=sys.stderr,
            flush=True,
        )
