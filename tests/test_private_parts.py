"""What the code uses of libraries though they promise nothing of it: each part is named here, with who uses it.

These libraries are pinned by their minor version in setup.cfg. Who raises a pin runs this first: what fails names
what to look at. A part that is no longer used is taken off the list.
"""

import ast
import configparser
import http.client
import inspect
import re
import socket
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import flask
import gevent
import gunicorn.http.body
import gunicorn.http.errors
import gunicorn.http.message
import gunicorn.http.unreader
import gunicorn.http.wsgi
import marshmallow
import msgspec
import psycopg
import psycopg.adapt
import psycopg.types.string
import pytest
import urllib3
import werkzeug.routing
from gevent.baseserver import BaseServer
from gunicorn.glogging import Logger
from gunicorn.workers import base, base_async
from gunicorn.workers.ggevent import GeventWorker
from psycopg import generators, pq, waiting
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

ROOT = Path(__file__).parents[1]
WORKER, INCOMING, LIBPQ, PREPARED, OUTBOUND, ANSWERHEAD = (
    *("app/web/worker.py", "app/web/incoming.py"),
    *("app/postgres/libpq.py", "app/postgres/prepared.py", "app/net/outbound.py", "app/net/answerhead.py"),
)
PINNED = ("gevent", "greenlet", "gunicorn", "marshmallow", "msgspec", "psycopg", "sqlalchemy", "urllib3")
DOCUMENTED = {"_asdict", "_exit", "_field_defaults", "_fields", "_make", "_replace"}  # of os and of named tuples
PGCONN = (
    *("send_prepare", "send_query_prepared", "send_close_prepared", "enter_pipeline_mode", "exit_pipeline_mode"),
    *("pipeline_sync", "pipeline_status", "consume_input", "notifies", "finish", "socket", "transaction_status"),
)


def takes(called: Callable[..., object], *names: str) -> bool:
    """Say whether a function has exactly these parameters, `*` or `**` among the names."""
    found = inspect.signature(called).parameters.values()
    return names == tuple(str(one.replace(annotation=one.empty, default=one.empty)) for one in found)


def says(where: object, *words: str) -> bool:
    """Say whether the source of something has these words: what has no form that could be asked for."""
    source = inspect.getsource(where)  # type: ignore[arg-type]
    return all(word in source for word in words)


def loop_has_timers_and_watchers() -> bool:
    loop = gevent.get_hub().loop
    ours, theirs = socket.socketpair()
    with ours, theirs:
        timer, watcher = loop.timer(0.0), loop.io(ours.fileno(), int(waiting.Wait.W))
        gevent.get_hub().wait(watcher)
        timer.start(print)
        timer.close()
        watcher.close()
    return True


def a_timeout_has_a_timer() -> bool:
    with gevent.Timeout(60, False) as end:
        end.timer.close()
        end.timer = gevent.get_hub().loop.timer(60.0)
    return True


def faults_of_json_have_their_places() -> bool:
    said = {}
    for text in (b"[1] ,", b"[1,}", b"[1", b"[{},1]", b'"\\ud800x"'):
        with pytest.raises(msgspec.DecodeError) as caught:
            msgspec.json.decode(text, type=list[dict[str, msgspec.Raw]] if text == b"[{},1]" else msgspec.Raw)
        said[text] = str(caught.value)
    return list(said.values()) == [
        "JSON is malformed: trailing characters (byte 5)",
        "JSON is malformed: invalid character (byte 3)",
        "Input data was truncated",
        "Expected `object`, got `int` - at `$[1]`",
        "Input data was truncated",
    ]


def an_answer_whose_head_was_read_by_others_has_its_body_read() -> bool:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"HTTP\r\ncd")
        answer = http.client.HTTPResponse(ours, method="POST")
        line = answer.fp.readline()
        answer.chunked, answer.length = False, 3
        return (line, answer.read(2), answer.length) == (b"HTTP\r\n", b"cd", 1)


def a_connection_keeps_the_last_dot_of_its_name() -> bool:
    conn = urllib3.connection.HTTPConnection("a.example.")
    return (conn._dns_host, conn.host) == ("a.example.", "a.example")  # noqa: SLF001 - what this is about


def requests_stand_behind_a_proxy_object() -> bool:
    with flask.Flask("test").test_request_context() as context:
        return flask.request._get_current_object() is context.request  # type: ignore[attr-defined]  # noqa: SLF001


def routes_can_be_matched_by_segments() -> bool:
    class Segment(werkzeug.routing.BaseConverter):
        part_isolating = True
        regex = "[^/]*"

    url_map = werkzeug.routing.Map(converters={"segment": Segment}, merge_slashes=False)
    url_map.add(werkzeug.routing.Rule("/a/<segment:name>/b", endpoint="found"))
    return url_map.bind("x").match("/a//b") == ("found", {"name": ""})


PARTS: dict[tuple[str, str], Callable[[], bool]] = {
    ("gunicorn: Logger.access", WORKER): lambda: takes(Logger.access, "self", "resp", "req", "environ", "request_time"),
    ("gunicorn: GeventWorker.patch, which run() calls first", WORKER): lambda: takes(GeventWorker.patch, "self"),
    ("gevent: BaseServer.max_accept, which gunicorn sets for several processes alone", WORKER): lambda: (
        isinstance(BaseServer.max_accept, int) and says(GeventWorker.run, "server.max_accept = 1")
    ),
    ("gunicorn: AsyncWorker.__init__", WORKER): lambda: takes(GeventWorker.__init__, "self", "*args", "**kwargs"),
    ("gunicorn: AsyncWorker.handle waits for a head in timeout_ctx()", WORKER): lambda: says(
        base_async.AsyncWorker.handle, "with self.timeout_ctx():", "req = next(parser)", "if not req:"
    ),
    ("gunicorn: AsyncWorker.handle ends a connection at StopIteration", WORKER): lambda: says(
        base_async.AsyncWorker.handle, "except StopIteration"
    ),
    ("gunicorn: Request.parse_headers, once the path is known and before a body has a reader", INCOMING): lambda: (
        takes(gunicorn.http.message.Request.parse_headers, "self", "data", "from_trailer")
        and says(gunicorn.http.message.Request._parse_python, "self.parse_request_line(line)", "self.parse_headers(")  # noqa: SLF001
        and says(gunicorn.http.message.Message.__init__, "self.parse(self.unreader)", "self.set_body_reader()")
    ),
    ("gunicorn: Request.version, a pair, which answers repeat", INCOMING): lambda: (
        says(gunicorn.http.message.Request.parse_request_line, "self.version = (int(")
        and says(gunicorn.http.wsgi.Response.default_headers, "self.req.version[0]", "self.req.version[1]")
    ),
    ("gunicorn: Request.read_into", INCOMING): lambda: takes(
        gunicorn.http.message.Request.read_into, "self", "unreader", "buf", "stop"
    ),
    ("gunicorn: Request.max_buffer_headers", INCOMING): lambda: says(
        gunicorn.http.message, "self.max_buffer_headers = ", "> self.max_buffer_headers"
    ),
    ("gunicorn: Request.should_close", INCOMING): lambda: takes(gunicorn.http.message.Request.should_close, "self"),
    ("gunicorn: ChunkedReader.parse_chunk_size", INCOMING): lambda: takes(
        gunicorn.http.body.ChunkedReader.parse_chunk_size, "self", "unreader", "data"
    ),
    ("gunicorn: SocketUnreader.sock", INCOMING): lambda: says(
        gunicorn.http.unreader.SocketUnreader, "self.sock = sock"
    ),
    ("gunicorn: Worker.handle_error", WORKER): lambda: takes(
        GeventWorker.handle_error, "self", "req", "client", "addr", "exc"
    ),
    ("gunicorn: GeventWorker.handle_request", WORKER): lambda: takes(
        GeventWorker.handle_request, "self", "listener_name", "req", "sock", "addr"
    ),
    ("gunicorn: Worker.handle_exit sets alive", WORKER): lambda: (
        takes(GeventWorker.handle_exit, "self", "sig", "frame") and says(base.Worker.handle_exit, "self.alive = False")
    ),
    ("gunicorn: Worker.handle_quit", WORKER): lambda: takes(GeventWorker.handle_quit, "self", "sig", "frame"),
    ("gunicorn: Worker.wsgi is the application", WORKER): lambda: says(base.Worker.load_wsgi, "self.wsgi ="),
    ("gunicorn: Body.failed", WORKER): lambda: says(gunicorn.http.body, "self.failed = False", "self.failed = True"),
    ("gunicorn: Body.reader, which is read in pieces of any size", WORKER): lambda: says(
        gunicorn.http.body,
        "self.reader = reader",
        "while self.buf.tell() < size:",
        "self.parser = None",
        "self.length -= size",
    ),
    ("gunicorn: the kinds of ParseException", WORKER): lambda: all(
        issubclass(getattr(gunicorn.http.errors, name), gunicorn.http.errors.ParseException)
        for name in ("LimitRequestLine", "LimitRequestHeaders", "ExpectationFailed", "UnsupportedTransferCoding")
    ),
    ("gunicorn: Request._expected_100_continue", "app/web/server.py"): lambda: hasattr(
        gunicorn.http.message.Request, "_expected_100_continue"
    ),
    ("gunicorn: Request.force_close", "app/web/server.py"): lambda: takes(
        gunicorn.http.message.Request.force_close, "self"
    ),
    ("gunicorn: environ['gunicorn.socket']", "app/web/clients.py"): lambda: says(
        gunicorn.http.wsgi.default_environ, '"gunicorn.socket": sock'
    ),
    ("gunicorn: environ['RAW_URI']", "app/web/names.py"): lambda: says(
        gunicorn.http.wsgi.default_environ, '"RAW_URI": req.uri'
    ),
    ("gevent: hub.loop.io, hub.loop.timer, hub.wait", LIBPQ): loop_has_timers_and_watchers,
    ("gevent: Timeout.timer", WORKER): a_timeout_has_a_timer,
    ("psycopg: Connection.wait", LIBPQ): lambda: takes(psycopg.Connection.wait, "self", "gen", "interval", "timeout"),
    ("psycopg: waiting.Wait and Ready are poll's bits of reading and writing", LIBPQ): lambda: (
        [int(one) for one in waiting.Wait] == [1, 2, 3] and int(waiting.Ready.RW) == int(waiting.Wait.RW)
    ),
    ("psycopg: generators.execute, send, fetch_many", PREPARED): lambda: all(
        takes(called, "pgconn") for called in (generators.execute, generators.send, generators.fetch_many)
    ),
    ("psycopg: pq.PGconn, its methods", PREPARED): lambda: all(hasattr(pq.PGconn, name) for name in PGCONN),
    ("psycopg: Transformer.set_pgresult and load_rows", PREPARED): lambda: all(
        hasattr(psycopg.adapt.Transformer, name) for name in ("set_pgresult", "load_rows")
    ),
    ("psycopg: errors.error_from_result", PREPARED): lambda: callable(psycopg.errors.error_from_result),
    ("psycopg: Diagnostic.severity_nonlocalized", LIBPQ): lambda: hasattr(
        psycopg.errors.Diagnostic, "severity_nonlocalized"
    ),
    ("psycopg: types.string.TextLoader", "app/postgres/database.py"): lambda: issubclass(
        psycopg.types.string.TextLoader, psycopg.adapt.Loader
    ),
    ("psycopg: pq.Conninfo.parse marks what is secret", "app/infra/conninfo.py"): lambda: (
        {option.keyword for option in pq.Conninfo.parse(b"postgresql://h/d") if option.dispchar == b"*"}
        >= {b"password", b"sslpassword"}
    ),
    ("sqlalchemy: PGDialect_psycopg(paramstyle=...)", "app/store/statements.py"): lambda: bool(
        PGDialect_psycopg(paramstyle="named").paramstyle == "named"  # type: ignore[no-untyped-call]
    ),
    ("urllib3: HTTPConnection._new_conn, which connect() calls", OUTBOUND): lambda: all(
        takes(kind._new_conn, "self") and says(kind.connect, "self._new_conn()")  # noqa: SLF001
        for kind in (urllib3.connection.HTTPConnection, urllib3.connection.HTTPSConnection)
    ),
    ("urllib3: HTTPConnection._dns_host", OUTBOUND): a_connection_keeps_the_last_dot_of_its_name,
    ("urllib3: connection.port_by_scheme", OUTBOUND): lambda: (
        urllib3.connection.port_by_scheme == {"http": 80, "https": 443}
    ),
    ("urllib3: a pool's ConnectionCls gets what the pool was given beside", "app/rowline/transport.py"): lambda: (
        urllib3.HTTPConnectionPool("a", odd=1).conn_kw.get("odd") == 1
        and issubclass(urllib3.HTTPConnectionPool.ConnectionCls, urllib3.connection.HTTPConnection)
    ),
    ("http.client: HTTPResponse reads a body by fp, chunked, length", ANSWERHEAD): (
        an_answer_whose_head_was_read_by_others_has_its_body_read
    ),
    ("msgspec: what a DecodeError says, and where", "app/wire/jsonreader.py"): faults_of_json_have_their_places,
    ("marshmallow: Field._deserialize and _serialize", "app/web/fields.py"): lambda: (
        takes(marshmallow.fields.Field._deserialize, "self", "value", "attr", "data", "**kwargs")  # noqa: SLF001
        and takes(marshmallow.fields.Field._serialize, "self", "value", "attr", "obj", "**kwargs")  # noqa: SLF001
    ),
    ("flask: request._get_current_object()", "app/web/app.py"): requests_stand_behind_a_proxy_object,
    (
        "werkzeug: BaseConverter.part_isolating, Map.merge_slashes",
        "app/web/names.py",
    ): routes_can_be_matched_by_segments,
}


@pytest.mark.parametrize(("part", "user"), PARTS, ids=[part for part, _user in PARTS])
def test_a_private_part_is_there_and_has_the_shape_that_its_user_relies_on(part: str, user: str) -> None:
    told = f"{part}: it is gone or has another shape, and {user} uses it"
    assert (ROOT / user).exists(), f"{user} is gone: take {part} off the list"
    try:
        is_there = PARTS[part, user]()
    except Exception as error:
        raise AssertionError(told) from error
    assert is_there, told


@pytest.mark.parametrize("module", sorted((ROOT / "app").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_private_name_of_a_library_is_used_that_is_not_on_the_list(module: Path) -> None:
    text = module.read_text()
    named = set(re.findall(r"\b_\w+", " ".join(part for part, _user in PARTS)))
    own = set(re.findall(r"(?:def |class |self\.|^ *)(_[a-z]\w*)", text, re.MULTILINE | re.IGNORECASE))
    used = {node.attr for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute)}
    private = {name for name in used if name.startswith("_") and not name.endswith("__")}
    assert private <= named | own | DOCUMENTED, "name it in PARTS, with a check"


@pytest.mark.parametrize("library", PINNED)
def test_a_library_whose_private_parts_are_used_is_pinned_to_the_minor_version_that_is_tested(library: str) -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    [line] = [
        line for line in setup["options"]["install_requires"].split("\n") if re.match(rf"{library}(\[\w+\])? ", line)
    ]
    least, most = re.findall(r"[<>]=?([\d.]+)", line)
    major, minor = (int(part) for part in metadata.version(library).split(".")[:2])
    assert least.split(".")[:2] == [str(major), str(minor)], f"{library} {major}.{minor} is installed: {line}"
    assert most == f"{major}.{minor + 1}", line
