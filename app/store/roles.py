"""The database roles and their rights: one script, which administrators can read and run themselves."""

from importlib import resources

from app.postgres.database import Connection

SCRIPT = resources.files("app.store").joinpath("roles.sql").read_text()


def apply(conn: Connection) -> None:
    """Create the missing roles and grant all roles their rights. Locks each table whose owner changes."""
    driver = conn.connection.driver_connection
    assert driver is not None
    driver.execute(SCRIPT)
