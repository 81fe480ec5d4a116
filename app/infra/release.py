"""Which release this code is of: every connection to PostgreSQL names it."""

HEAD = "0013"
"""The newest revision that this code knows, for which it was written; a test compares it with Alembic's own word."""


def named(program: str) -> str:
    """Return what a connection of `program` is called in pg_stat_activity: `rowline-worker 0010`, at most 63 bytes."""
    return f"{program} {HEAD}"
