"""What pages and forms cost at most: of who is not signed in, and of who is, with the scope `dashboard` alone."""

import contextlib
import dataclasses
import tracemalloc
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import unquote_to_bytes

import gevent
import pytest
import werkzeug.sansio.http as sansio_http
import werkzeug.sansio.request as werkzeug_request
from werkzeug.test import create_environ, run_wsgi_app

from app.infra import callers
from app.infra.room import SMALL
from app.infra.settings import Settings
from app.postgres.database import Database
from app.queries import sessions
from app.web import app
from app.web.dashboard import filters, forms, frame
from tests.conftest import TOKEN
from tests.support.client import Client
from tests.support.visitor import SAME, Visitor, text_of

ROOM = 1_000_000
COUNT = 300_000
URL_MAX = 4_000
"""About the longest request line that gunicorn takes, in bytes."""


@pytest.fixture
def full(settings: Settings, db: Database, from_the_head: None) -> Iterator[Visitor]:
    """Somebody signed in to a service whose memory for long answers a client holds that does not read its own."""
    small = dataclasses.replace(settings, api_connections=1, pool_wait_ms=50, max_answer_bytes=ROOM)
    service = app.create(dataclasses.replace(small, max_answers_bytes=ROOM * settings.api_processes), db)
    client, visitor = Client(service.test_client(), token=TOKEN), Visitor(service.test_client())
    assert visitor.sign_in(TOKEN).status_code == 303
    client.add({"name": "n", "data": "x" * (ROOM - 2 * SMALL)}, queue="held")
    with client.get("/queues/held/jobs"):
        yield visitor


def test_a_region_comes_once_however_often_it_is_asked_for(visitor: Visitor) -> None:
    """The long query of who is signed in is read."""
    once = visitor.get("tokens?fragment=main")
    assert once.status_code == 200
    assert visitor.get("tokens?" + "&".join(["fragment=main"] * 280)).data == once.data


def _noted(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str) -> list[str]:
    """Return a list to which is added what a parser of a library is given."""
    given, parser = list[str](), getattr(module, name)

    def parse(*texts: str, **options: Any) -> Any:
        given.extend(texts)
        return parser(*texts, **options)

    monkeypatch.setattr(module, name, parse)
    return given


@pytest.mark.parametrize("path", ["login", "queues/q", "nowhere", "static/none.css", ""])
def test_the_long_query_of_a_stranger_is_not_taken_apart(
    stranger: Visitor, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """That cost twice as much as the page, and the page repeated the query."""
    read = _noted(monkeypatch, werkzeug_request, "parse_qsl")
    most = "&".join(["a"] * frame.PARAMETERS_MAX)
    answer = stranger.get(f"{path}?{most}&a")
    assert answer.status_code == 400
    assert len(answer.data) < SMALL // 2
    without_host = create_environ(f"/dashboard/{path}", query_string=f"{most}&a")
    del without_host["HTTP_HOST"]
    assert run_wsgi_app(stranger.http.application, without_host)[1] == "400 BAD REQUEST"
    assert set(read) <= {""}
    assert stranger.get(f"{path}?{most}").status_code in {200, 303, 404}
    assert most in read


def test_a_long_query_with_a_cookie_that_somebody_made_up_is_refused(stranger: Visitor) -> None:
    answer = stranger.http.get(
        "/dashboard/login?" + "a&" * 1_000, headers={"Cookie": f"rowline={'a' * 43};" + "a;" * 3_900}
    )
    assert answer.status_code == 400
    assert f"at most {frame.PARAMETERS_MAX} parameters" in text_of(answer.text)


def test_of_a_cookie_field_nothing_is_taken_apart(
    visitor: Visitor, stranger: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Werkzeug's parser takes 2 ms for one of 8 KB."""
    parsed = _noted(monkeypatch, sansio_http, "parse_cookie")
    parsed_too = _noted(monkeypatch, werkzeug_request, "parse_cookie")
    assert visitor.get("").status_code == 200
    for path in ("login", "queues/q", "nowhere"):
        stranger.http.get(f"/dashboard/{path}", headers={"Cookie": "rowline=x; " + "a=b; " * 1_600})
    assert parsed == parsed_too == []


def test_of_a_list_of_etags_nothing_is_taken_apart(stranger: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = _noted(monkeypatch, sansio_http, "parse_etags")
    etag = stranger.get("login?fragment=main").headers["ETag"]
    for sent, status in {'"a",' * 2_000: 200, f'"a", W/{etag}': 304}.items():
        assert stranger.get("login?fragment=main", If_None_Match=sent).status_code == status
    assert parsed == []


@pytest.mark.parametrize("path", ["/" * URL_MAX, "a/" * (URL_MAX // 2), "login?next=" + "'" * URL_MAX, "'" * URL_MAX])
def test_who_is_not_signed_in_gets_short_pages_only(stranger: Visitor, path: str) -> None:
    assert len(stranger.get(path).data) < SMALL


def test_who_is_not_signed_in_sends_short_forms_only(stranger: Visitor) -> None:
    for sent, status in (("token=" + "%41" * 5_000, 413), ("%41=%41&" * 100, 400), ("a=1&" * 10, 401)):
        assert stranger.http.post("/dashboard/login", data=sent, headers=SAME).status_code == status
    longest = "token=" + "%41" * 1_000 + "&next=" + "%61" * 2_000
    assert stranger.http.post("/dashboard/login", data=longest, headers=SAME).status_code == 401


def test_only_forms_with_the_data_of_a_job_may_be_long(visitor: Visitor) -> None:
    long = "x" * forms.SHORT
    assert visitor.post("queues/q/pause", reason=long).status_code == 413
    assert visitor.post("queues/q/plans", which="all", filter=long).status_code == 413
    assert visitor.post("queues/q/add", name="n", data=f'"{long}"', opts="").status_code == 303


def test_what_is_escaped_in_a_long_form_is_read_as_it_was(visitor: Visitor, client: Client) -> None:
    for before in range(3):  # so the pieces in which it is read end anywhere in an escape
        words = "x" * before + "ü+ %&=" * 20_000
        assert visitor.post("queues/q/add", name="n", data=f'"{words}"', opts="").status_code == 303
        assert client.page("q", length=1, order="desc")["jobs"][0]["data"] == words


def test_reading_a_long_form_lets_others_have_their_turn(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    turns, seen = 0, set()  # the waits of the request besides, which are turns of others too, are not counted

    def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            gevent.sleep(0)

    def unquoted(text: bytes) -> bytes:
        seen.add(turns)
        return unquote_to_bytes(text)

    monkeypatch.setattr(forms, "unquote_to_bytes", unquoted)
    other = gevent.spawn(take_turns)
    try:
        data = f"data={'%41' * 1_500_000}"
        answer = gevent.spawn(visitor.http.post, "/dashboard/queues/q/add", data=data, headers=SAME).get()
    finally:
        other.kill()
    assert answer.status_code == 400  # it is no JSON
    assert len(seen) > 5


def test_the_filter_of_a_plan_has_a_bound(visiting: Callable[..., Visitor]) -> None:
    visitor = visiting()
    for wanted, words in (
        ("t=1&" * 1_000, f"at most {filters.CONDITIONS} conditions"),
        ("name=" + "n" * filters.FILTER_MAX, f"at most {filters.FILTER_MAX} characters"),
    ):
        answer = visitor.post("queues/q/plans", which="all", filter=wanted)
        assert answer.status_code == 400
        assert words in text_of(answer.text)


def test_a_long_page_takes_its_memory_of_that_for_long_responses(full: Visitor) -> None:
    answer = full.post("queues/q/add", name="n", data="'" * 100_000, opts="")  # the page repeats what is wrong
    assert answer.status_code == 503
    assert "the memory for long responses is in use" in text_of(answer.text)
    assert full.post("queues/q/add", name="n", data="'", opts="").status_code == 400
    assert full.get("").status_code == 200


def test_the_memory_of_a_long_page_is_free_when_it_is_sent(visitor: Visitor) -> None:
    for _ in range(8):
        assert visitor.post("queues/q/add", name="n", data="'" * 5_000_000, opts="").status_code == 400


NESTED, PLAIN = "[" + "[]," * COUNT + "[]]", f'"{"xyz" * COUNT}"'


@contextlib.contextmanager
def peak(found: list[int]) -> Iterator[None]:
    """Add to `found` how many bytes are in use at most during the block."""
    tracemalloc.start()
    try:
        yield
        found.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("path", ["queues/q", "search?queue=q"])
def test_where_jobs_are_listed_the_shape_of_their_contents_does_not_matter(
    visitor: Visitor, client: Client, path: str
) -> None:
    peaks: list[int] = []
    for data in (NESTED, PLAIN):
        added = client.post("/queues/q/jobs", f'[{{"name": "n", "data": {data}, "opts": {{"jobId": "one"}}}}]')
        assert added.status_code == 200
        visitor.page(path)  # what is done at first only is done
        with peak(peaks):
            assert "jobs/one" in visitor.page(path)
        assert client.delete("/queues/q/jobs/one").status_code == 200
    assert peaks[0] < 1.2 * peaks[1]


def test_the_contents_of_a_job_that_a_form_added_are_not_read_again(visitor: Visitor) -> None:
    peaks: list[int] = []
    for data in (PLAIN, NESTED, PLAIN):
        with peak(peaks):
            assert visitor.post("queues/q/add", name="n", data=data, opts="").status_code == 303
    assert peaks[1] < 1.2 * peaks[2]


def test_whose_a_session_is_is_asked_in_the_line_of_nobody(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def find(*arguments: Any, **named: Any) -> Any:
        asked.append(callers.current.get())
        return sessions.find(*arguments, **named)

    monkeypatch.setattr("app.web.dashboard.sessions.queries", SimpleNamespace(find=find))
    callers.current.set("the caller before on the same connection")
    assert visitor.get("").status_code == 200
    assert asked
    assert set(asked) == {""}
