"""API tokens for tests, made as the command line makes them."""

from datetime import datetime

from app.domain.tokens import Limits, Scope
from app.operations import tokens
from app.operations.tokens import Issued
from app.postgres.database import Database
from tests.support.acting import ACTOR


def issue(
    db: Database, *scopes: str, name: str = "test", limits: Limits | None = None, expires_at: datetime | None = None
) -> Issued:
    """Create a token."""
    return tokens.create(
        db,
        actor=ACTOR,
        caller=None,
        name=name,
        scopes=[Scope.read(scope) for scope in scopes],
        limits=limits or Limits(),
        expires_at=expires_at,
    )
