"""Where a command goes: a service over HTTP, or the API in this process, on the database of this machine."""

import json
import os
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol
from urllib.parse import urlencode

import click
from rowline import errors, texts
from rowline.errors import RowlineError
from rowline.events import Events
from rowline.transport import Answer, Call, Transport, quoted

from app.cli import columns, contexts, exits, jsontext
from app.cli.exits import Code, Ended
from app.infra import loading, settings
from app.infra.settings import Settings
from app.local import home

URL, TOKEN, CONTEXT = "ROWLINE_URL", "ROWLINE_TOKEN", "ROWLINE_CONTEXT"
TIMEOUT_S = 15.0
"""For so long a call is tried, with its retries."""
asked_urls: list[str] = []
"""Where this process has sent calls, for `main`: an error may be that something else is there."""
COMPLETION_S, COMPLETED = 1.0, 50
PAGE = 100
"""The most that one response of a list has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where commands go, and why. Without a URL: to the database `database_url`, which is None for the embedded one."""

    why: str
    url: str | None = None
    token: str | None = field(default=None, repr=False)


class Sender(Protocol):
    """What sends calls: the transport of the client, or the API in this process."""

    def send(self, call: Call, *, timeout_s: float | None = None) -> Answer:
        """Send a call. Raises RowlineError."""


class Reply:
    """A JSON text of a response, and what it says."""

    def __init__(self, text: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Take the text as it came."""
        self.text, self.headers = text, headers or {}

    @cached_property
    def members(self) -> Any:
        """The value. Raises RowlineError if it is not JSON."""
        return Answer(body=self.text, headers=self.headers).read(lambda value: value)

    @property
    def line(self) -> str:
        """The same value in a line that cannot control a terminal; numbers have their digits."""
        return jsontext.line(self.text.decode())

    @property
    def elements(self) -> list["Reply"]:
        """The elements of a list."""
        return [*map(Reply, texts.parts(self.text))]

    def part(self, name: str) -> "Reply":
        """Return a member."""
        return Reply(texts.members(self.text)[name])

    def parts(self, name: str) -> list["Reply"]:
        """Return the elements of a member that is a list; none if it is hidden. Raises RowlineError if it is none."""
        return Answer(body=self.text, headers=self.headers).read_text(lambda text: [*map(Reply, _elements(text, name))])


class Service:
    """The API, as a command asks it. A call raises RowlineError, which `opened` turns into the end of the command."""

    def __init__(self, sender: Sender) -> None:
        """Ask by `sender`."""
        self._sender = sender

    def get(self, path: str, *, wait_s: float = 0.0, **query: Any) -> Reply:
        """GET, with the query parameters that are not None."""
        asked = {name: value for name, value in query.items() if value is not None}
        return self._send(Call(method="GET", path=path, query=asked, wait_s=wait_s))

    def send(
        self, method: str, path: str, body: str | None = None, *, is_repeatable: bool = False, wait_s: float = 0.0
    ) -> Reply:
        """Send a body that is JSON already. What is not repeatable is not sent again once it may have been done."""
        raw = None if body is None else body.encode()
        return self._send(Call(method=method, path=path, body=raw, is_repeatable=is_repeatable, wait_s=wait_s))

    def add(self, path: str, body: str) -> Reply:
        """POST what adds jobs, once only, also if it is sent again."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        return self._send(Call(method="POST", path=path, body=body.encode(), headers=headers))

    def listed(self, path: str, noun: str, *, most: int | None = None, **query: Any) -> Iterator[Reply]:
        """Yield all elements of a list, or up to `most`, in as many requests as that takes."""
        start, length = 0, PAGE
        while most is None or start < most:
            length = PAGE if most is None else min(PAGE, most - start)
            found = self.get(path, **query, start=start, length=length).parts(noun)
            yield from found
            start += len(found)
            if len(found) < length:
                return

    def events(self, **asked: Any) -> Events:
        """Open the stream of events, as `rowline.Rowline.events` does. Over HTTP alone."""
        assert isinstance(self._sender, Transport)
        return Events(self._sender, "/events", **asked)

    def plan_step(self, queue: str, plan_id: str) -> bool:
        """Have a plan go on, where no service may be there to do it; return whether that was tried."""
        step = getattr(self._sender, "plan_step", None)
        return bool(step and step(queue, plan_id))

    def _send(self, call: Call) -> Reply:
        answer = self._sender.send(call)
        return Reply(answer.body, answer.headers)


def _elements(text: bytes, name: str) -> list[bytes]:
    if not text.lstrip().startswith(b"{"):
        raise ValueError("no object")
    found = texts.members(text)
    return [] if "hidden" in found and name not in found else texts.parts(found[name])


def path(*segments: str) -> str:
    """Return the path of names. Raises Ended for a name that would change it."""
    try:
        return "".join(f"/{quoted(one)}" for one in segments)
    except ValueError as error:
        raise Ended(str(error), Code.USAGE) from None


def of_queue(queue: str, *more: str) -> str:
    """Return the path of a queue, or of what is below it."""
    return path("queues", queue, *more)


def find(current: click.Context | None = None) -> Place:
    """Return where commands go, or the command of `current`. Raises Ended if nothing says it, SettingsError."""
    environ = {name: value for name in (URL, TOKEN, CONTEXT, "DATABASE_URL") if (value := os.environ.get(name, ""))}
    root = (current or click.get_current_context()).find_root()
    if name := root.params.get("context"):  # --context, or ROWLINE_CONTEXT
        one = contexts.read().find(name)
        return Place(why=f"the context {name}", url=one.url, token=one.token)
    if URL in environ:
        if TOKEN not in environ:
            raise Ended(f"{URL} is set, and {TOKEN} is not: set both", Code.USAGE)
        return Place(why=URL, url=environ[URL], token=environ[TOKEN])
    if "DATABASE_URL" in environ:
        return Place(why="DATABASE_URL")
    stored = contexts.read()
    if stored.in_use:
        one = stored.find(stored.in_use)
        return Place(why=f"the context {one.name}, which is in use", url=one.url, token=one.token)
    return _of_this_machine(settings.from_env(os.environ), environ.get(TOKEN))


def _of_this_machine(chosen: Settings, token: str | None) -> Place:
    """Return the `rowline run` of this home, with `token` or its own."""
    facts = home.running(chosen.home)
    if facts is None:
        raise Ended(
            f"no service is known: Rowline does not run in {chosen.home} (start it with `rowline run`, or set "
            f"ROWLINE_HOME as for the one that runs), and neither {URL} and {TOKEN}, nor a context (`rowline context "
            "add`), nor DATABASE_URL is set",
            Code.UNAVAILABLE,
        )
    why = f"rowline run in {chosen.home}"
    if facts.url and (token or facts.token):
        return Place(why=why, url=facts.url, token=token or facts.token)
    return Place(why=why)  # of a release that stored no token


@contextmanager
def opened() -> Iterator[Service]:
    """Ask the service that `find` names during the block. Errors of the service end the command, by `exits`."""
    where = find()
    with exits.told():
        try:
            with _sender(where) as sender:
                yield Service(sender)
        except errors.Unauthorized as error:
            if isinstance(error, errors.Forbidden) or where.url is None:
                raise
            whose = TOKEN if where.why == URL else f"the token of {where.why}"
            raise Ended(f"{where.url} does not know {whose}", Code.REFUSED) from None


def queues_that_begin(text: str, current: click.Context) -> list[str]:
    """Return some names of queues that begin so, for the Tab key: none if a service does not say so at once."""
    try:
        where = find(current)
        if where.url is None:
            return []
        transport = Transport(where.url, where.token or "", timeout_s=COMPLETION_S)
        query: dict[str, Any] = {"pattern": f"{text}*", "length": COMPLETED}
        found = transport.send(Call(method="GET", path="/queues", query=query, is_repeatable=False))
        return [queue["name"] for queue in found.read(lambda members: members["queues"])]
    except (RowlineError, ValueError, click.ClickException, settings.SettingsError):
        return []


@contextmanager
def _sender(where: Place) -> Iterator[Sender]:
    if where.url is None:
        if os.environ.get(TOKEN):
            click.echo(f"{TOKEN} is not used: {URL} is not set, and this acts on the database itself", err=True)
        with loading.uncollected():
            from app.cli import database  # noqa: PLC0415 - the API, which takes half a second to import
        with database.opened() as sender:
            yield sender
        return
    try:
        transport = Transport(where.url, where.token or "", timeout_s=TIMEOUT_S, on_retry=_say)
    except ValueError as error:  # the URL is not shown: it may contain a secret
        raise Ended(f"{where.why}: {error}", Code.USAGE) from None
    asked_urls.append(where.url)
    try:
        yield transport
    finally:
        transport.close()


def _say(error: RowlineError) -> None:
    if sys.stderr.isatty():
        click.echo(columns.printable(f"{error.message}; trying again"), err=True)


def target(call: Call) -> str:
    """Return the path of a call with its query."""
    return f"{call.path}?{urlencode(call.query, doseq=True)}" if call.query else call.path


def compact(value: Any) -> str:
    """Return JSON for a cell of a table."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def members(texts_of: Mapping[str, str | None]) -> str:
    """Return a JSON object of members that are JSON already; those that are None are left out."""
    given = (f"{json.dumps(name)}:{text}" for name, text in texts_of.items() if text is not None)
    return "{" + ",".join(given) + "}"
