"""Migrations, run by Alembic. Nothing of Alembic is known elsewhere."""

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from app.infra import database, libpq

CONNECT_S = 5
MIGRATIONS = Path(__file__).parents[2] / "migrations"


def upgrade(url: str, *, revision: str = "head") -> None:
    """Bring the schema of `url` to `revision`; waits while another process does. Raises DatabaseError."""
    _run(url, lambda config: command.upgrade(config, revision))


def downgrade(url: str, *, revision: str) -> None:
    """Take the schema of `url` back to `revision` ("base" = nothing of ours). Raises DatabaseError."""
    _run(url, lambda config: command.downgrade(config, revision))


def begin_revision(message: str) -> None:
    """Write the file of a new migration, to be filled in."""
    command.revision(_config(), message=message, rev_id=f"{int(head() or 0) + 1:04d}")


def head() -> str | None:
    """Return the newest revision in `migrations/`."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    return config


def _run(url: str, migrate: Callable[[Config], None]) -> None:
    engine = database.engine(
        url, {**libpq.NETWORK, "connect_timeout": CONNECT_S, "application_name": "rowline-migrate"}
    )
    config = _config()
    with database.translated(), engine.connect() as connection:
        config.attributes["connection"] = connection
        migrate(config)
    engine.dispose()
