"""The roles of a database and their rights: one script, for people to read and to run, or for us to run."""

from importlib import resources

from app.postgres.database import Connection

SCRIPT = resources.files("app.store").joinpath("roles.sql").read_text()


def apply(conn: Connection) -> None:
    """Make the roles that are missing, and give all of them their rights. Locks each table that changes its owner."""
    driver = conn.connection.driver_connection
    assert driver is not None
    driver.execute(SCRIPT)
