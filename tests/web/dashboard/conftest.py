"""Who is signed in, on the empty database."""

from collections.abc import Callable

import pytest
from flask import Flask

from app.postgres.database import Database
from tests.conftest import ADDRESSES, TOKEN
from tests.support.tokens import issue
from tests.support.visitor import Visitor


@pytest.fixture
def stranger(application: Flask, db: Database, from_the_head: None) -> Visitor:
    """A browser at an address of its own, not signed in."""
    http = application.test_client()
    http.environ_base["REMOTE_ADDR"] = str(next(ADDRESSES))
    return Visitor(http)


@pytest.fixture
def visitor(stranger: Visitor) -> Visitor:
    """The same, signed in with a token that may do everything."""
    assert stranger.sign_in(TOKEN).status_code == 303
    return stranger


@pytest.fixture
def visiting(application: Flask, db: Database, from_the_head: None) -> Callable[..., Visitor]:
    """Sign in with a new token of the scope `dashboard` and others."""

    def sign_in(*scopes: str) -> Visitor:
        http = application.test_client()
        http.environ_base["REMOTE_ADDR"] = str(next(ADDRESSES))
        found = Visitor(http)
        assert found.sign_in(issue(db, "dashboard", *scopes).secret).status_code == 303
        return found

    return sign_in
