"""`rowline run`: PostgreSQL, the API, a dispatcher and a worker under one supervisor."""

import contextlib
import dataclasses
import http.client
import os
import secrets
import shlex
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from app.cli import account, dashboard
from app.infra import log, settings
from app.infra.settings import Settings
from app.local import home, terminal
from app.local.embedded import Embedded
from app.local.home import Facts, Lock
from app.local.processes import Child, StartError, Supervisor
from app.operations import roles, sessions
from app.postgres import schema
from app.postgres.database import Database, DatabaseError

RECOVERY_S = 600.0
"""How long to wait for PostgreSQL: after a crash it replays its WAL and must not be stopped meanwhile."""
API_S = 30.0
GRACE_S = 10.0
"""How long children may take beyond `drain_ms` before they are killed."""
QUEUE = "demo"
HANDLERS = Path(__file__).parents[2] / "tests" / "examples" / "handlers.py"


@click.command()
def run() -> None:
    """Start everything on this machine. That is PostgreSQL, the API, a dispatcher and a worker. Ctrl-C stops it."""
    given = settings.from_env(os.environ)
    log.configure(given.log_level, given.log)
    chosen = _with_tokens(given)
    limit_s = chosen.drain_ms / 1000 + GRACE_S
    try:
        with terminal.owned(), _held(chosen) as lock, Supervisor(limit_s=limit_s) as supervisor:
            _require_port(chosen)
            if chosen.database_url:
                _say("DATABASE_URL is set: using that database instead of the embedded PostgreSQL")
            url = _prepare_database(chosen, lock, supervisor)
            if url and _start_service(chosen, url, supervisor):
                _greet(chosen, _link(chosen, url), made_up=not given.tokens)
                supervisor.run()
    except (StartError, DatabaseError) as error:
        raise click.ClickException(str(error)) from error


def _with_tokens(given: Settings) -> Settings:
    """Generate a token if none is set and the API listens on a loopback address only. Raises SettingsError.

    The last token is for commands on this machine: it is stored in the home, as none is that somebody set.
    """
    if not given.on_loopback:
        given.require_tokens()
    tokens = given.tokens or (secrets.token_urlsafe(24),)
    return dataclasses.replace(given, tokens=(*tokens, secrets.token_urlsafe(24)))


@contextlib.contextmanager
def _held(chosen: Settings) -> Iterator[Lock | None]:
    """Lock ROWLINE_HOME until all children have ended, if the embedded PostgreSQL is used."""
    if chosen.database_url:
        yield None
        return
    with home.hold(chosen.home) as lock:
        yield lock


def _require_port(chosen: Settings) -> None:
    """Raise StartError before anything is started if the API could not listen."""
    family = socket.AF_INET6 if ":" in chosen.host else socket.AF_INET  # as gunicorn does, for names too
    try:
        address = socket.getaddrinfo(chosen.host, chosen.port, family, socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][
            4
        ]
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
    except OSError as error:
        place = chosen.address.partition("//")[2]
        raise StartError(
            f"the API cannot listen on {place}: {error.strerror}. Choose another address with HOST and PORT."
        ) from error


def _prepare_database(chosen: Settings, lock: Lock | None, supervisor: Supervisor) -> str | None:
    """Upgrade the schema and return the URL for the service's processes; None if a stop was requested.

    In the embedded database that is the run-time role, which can do no DDL. The superuser's session ends here.
    """
    if chosen.database_url:
        schema.upgrade(chosen.database_url, actor=account.actor().id)
        return chosen.database_url
    server = _start_postgres(chosen, lock, supervisor)
    if server is None:
        return None
    schema.upgrade(server.owner_url, actor=account.actor().id)
    opened = Database(chosen, url=server.owner_url, size=1, name="rowline-run")
    roles.apply(opened, actor=account.actor())
    opened.close()
    return server.url


def _start_postgres(chosen: Settings, lock: Lock | None, supervisor: Supervisor) -> Embedded | None:
    """Start the embedded PostgreSQL; None if a stop was requested."""
    server = Embedded(chosen, tell=_say)
    supervisor.start(server.prepare())
    try:
        if not supervisor.wait_until(server.is_ready, child="postgres", timeout_s=RECOVERY_S):
            return None
    except StartError as error:
        raise StartError(f"{error}. {server.last_words()}") from error
    server.ensure_database()
    if lock:
        lock.store(Facts(os.getpid(), reached(chosen), server.url, server.owner_url, chosen.tokens[-1]))
    return server


def _start_service(chosen: Settings, url: str, supervisor: Supervisor) -> bool:
    """Start the service; False if a stop was requested before it was ready."""
    supervisor.start(*_children(chosen, url))
    return supervisor.wait_until(lambda: _is_ready(chosen), child="api", timeout_s=API_S)


def _children(chosen: Settings, url: str) -> list[Child]:
    env = os.environ | {"DATABASE_URL": url, "AUTH_TOKENS": ",".join(chosen.tokens)}
    rowline = [sys.executable, "-P", "-m", "app"]
    api = Child(name="api", argv=[*rowline, "serve"], env=env)
    dispatcher = Child(name="dispatcher", argv=[*rowline, "dispatch"], env=env)
    if not HANDLERS.exists():  # installed without the tests
        return [api, dispatcher]
    words = ["work", "--queue", QUEUE, "--handlers", str(HANDLERS)]
    if chosen.metrics_port is not None:  # the dispatcher has it: the worker takes the next one
        env = env | {"ROWLINE_METRICS_PORT": str(chosen.metrics_port + 1)}
    return [api, dispatcher, Child(name="worker", argv=[*rowline, *words], env=env)]


def _is_ready(chosen: Settings) -> bool:
    conn = http.client.HTTPConnection(_host(chosen), chosen.port, timeout=2)
    try:
        conn.request("GET", "/health/ready")
        return conn.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        conn.close()


def _link(chosen: Settings, url: str) -> str | None:
    """Return a link that signs in to the dashboard; None where other machines reach the API."""
    if not chosen.on_loopback:
        return None
    opened = Database(chosen, url=url, size=1, name="rowline-run")
    try:
        return dashboard.link(chosen.address, sessions.make_code(opened))
    finally:
        opened.close()


def _greet(chosen: Settings, link: str | None, *, made_up: bool) -> None:
    """Print the addresses and how to add a job. A token from AUTH_TOKENS is not printed: output may end up in logs."""
    token = chosen.tokens[0] if made_up else "YOUR_TOKEN"
    body = '[{"name":"echo","data":{"hello":"world"}}]'
    _say(f"\nRowline listens on {chosen.address}")
    _say(f"Token     {token} (generated for this run)" if made_up else "Token     as set in AUTH_TOKENS")
    _say("Database  as set in DATABASE_URL" if chosen.database_url else f"Data      {chosen.home}")
    if link:
        _say(f"Dashboard {link} (signs in once, within a minute; `rowline dashboard` prints another)")
    _say("Ctrl-C stops it. To add a job:\n")
    header = shlex.quote(f"Authorization: Bearer {token}")
    _say(f"curl -s {chosen.address}/queues/{QUEUE}/jobs -H {header} -d {shlex.quote(body)}\n")


def _host(chosen: Settings) -> str:
    """Return the address by which this machine reaches the API.

    It is no name: that may have more addresses than the API listens on, and somebody else may listen on the others.
    """
    any_address = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- it is replaced here
    found = chosen.host
    if ":" not in found:
        with contextlib.suppress(OSError):
            found = socket.gethostbyname(found)  # the first for IPv4, as gunicorn takes
    return any_address.get(found, found)


def reached(chosen: Settings) -> str:
    """Return the URL by which this machine reaches the API."""
    return dataclasses.replace(chosen, host=_host(chosen)).address


def _say(line: str) -> None:
    print(line, flush=True)
