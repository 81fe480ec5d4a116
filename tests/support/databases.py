"""Databases for tests on one server: migrated once, cloned where a test must commit on its own."""

import contextlib
import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg

from app.infra import libpq, schema


def named(server_url: str, name: str) -> str:
    """Return the URL of another database on the same server."""
    return urlunsplit(urlsplit(libpq.normal(server_url))._replace(path=f"/{name}"))


def run(url: str, statement: str) -> None:
    with psycopg.connect(libpq.normal(url), autocommit=True) as connection:
        connection.execute(statement)


def ask(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(libpq.normal(url), autocommit=True) as connection:
        return connection.execute(query).fetchall()


@contextlib.contextmanager
def fresh(server_url: str, *, template: str = "template0") -> Iterator[str]:
    """Make a database, a copy of `template`, and drop it afterwards, whoever is still connected."""
    name = f"rowline_test_{secrets.token_hex(4)}"
    run(server_url, f"create database {name} template {template}")
    try:
        yield named(server_url, name)
    finally:
        run(server_url, f"drop database {name} with (force)")


@contextlib.contextmanager
def migrated(server_url: str) -> Iterator[str]:
    """Make a database at head and return its name, for `fresh` to copy."""
    with fresh(server_url) as url:
        schema.upgrade(url)
        yield urlsplit(url).path.strip("/")
