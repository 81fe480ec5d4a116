"""`rowline dispatch`: the dispatcher, which sends jobs to the endpoints of their queues (webhooks)."""

import os
import sys

import click
from gevent import monkey

from app.infra import interrupt, loading, settings


@click.command()
def dispatch() -> None:
    """Send jobs to webhooks. These are the endpoints of their queues, in the database DATABASE_URL. SIGTERM drains."""
    chosen = settings.from_env(os.environ)
    chosen.require_database_url()
    if not monkey.is_module_patched("socket"):
        # gevent must patch the standard library before psycopg is imported: the process starts again, patched.
        patched = [sys.executable, *interrupt.RUN, "gevent.monkey", "--module", "app", "dispatch"]
        os.execve(sys.executable, patched, dict(os.environ))  # noqa: S606 - fixed arguments, no shell
    with interrupt.quiet(), loading.uncollected():
        from app.cli import dispatching  # noqa: PLC0415 - what it imports takes a second of CPU, once is enough
    dispatching.run(chosen)
