"""The release of this code, which every connection to PostgreSQL names."""

HEAD = "0049"
"""The newest schema revision that this code knows; a test compares it with Alembic's."""


def named(program: str) -> str:
    """Return the application_name of connections of `program`, such as `rowline-worker 0010`: at most 63 bytes."""
    return f"{program} {HEAD}"
