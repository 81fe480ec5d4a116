"""The handbook in the browser: whole, offline, and no way to any other file."""

import re
from pathlib import Path
from urllib.parse import urljoin

import pytest

from app.infra.settings import Settings
from app.postgres.database import Database
from app.web import app, handbook
from tests.support import answers
from tests.support.client import Client

PAGES = sorted(page for page in handbook.pages() if page)


def test_every_page_stands_in_one_section_and_every_decision_on_the_page_of_decisions(client: Client) -> None:
    listed = re.findall(r'<li><a href="docs/([^"]+)"', client.flask.get("/docs").text)
    decisions = re.findall(r'<li><a href="(decisions/[^"]+)"', client.flask.get("/docs/decisions").text)

    written = {file.relative_to(handbook.DOCS).as_posix() for file in Path(handbook.DOCS).rglob("*.md")}
    assert sorted(set(listed)) == sorted(listed[: len(listed) // 2]), "each once in the side bar, and once in the list"
    assert {*listed, *decisions} == written | {"reference", "decisions"}


def test_no_page_is_rendered_while_a_process_serves(settings: Settings, db: Database) -> None:
    handbook.pages.cache_clear()
    flask = app.create(settings, db).test_client()
    rendered = handbook.pages.cache_info().misses

    assert [flask.get(f"/docs/{page}").status_code for page in ("api.md", "none.md")] == [200, 404]
    assert handbook.pages.cache_info().misses == rendered


@pytest.mark.parametrize("page", [page for page in PAGES if page != "reference"])
def test_the_side_bar_is_on_every_page_and_says_which_it_is(client: Client, page: str) -> None:
    text = client.flask.get(f"/docs/{page}").text

    sections = re.findall(r"<section>\n<h2>(.*)</h2>", text)
    current = re.findall(r'href="(?:\.\./)?([^"]+)" aria-current="page">', text)
    assert sections == list(handbook.SECTIONS)
    assert current == ([page] if not page.startswith("decisions/") else [])


@pytest.mark.parametrize("page", ["", *PAGES])
def test_every_link_of_a_page_leads_somewhere_here(client: Client, page: str) -> None:
    address = f"/docs/{page}".removesuffix("/")
    answer = client.flask.get(address)

    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    for target in re.findall(r'(?:href|src)="([^"#]+)', answer.text):
        if target == "data:,":
            continue
        assert not target.startswith(("http", "//")), "nothing comes from outside"
        assert client.flask.get(urljoin(address, target)).status_code == 200, target


@pytest.mark.parametrize("path", ["/docs", "/docs/api.md", "/docs/reference", "/docs/assets/swagger-ui-bundle.js"])
def test_a_page_may_load_nothing_but_what_is_served_here(client: Client, path: str) -> None:
    answer = client.flask.get(path)

    assert "default-src 'none'; script-src 'self'; style-src 'self';" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert "<script>" not in answer.text[:2_000]
    assert " style=" not in answer.text[:2_000]


def test_a_picture_may_load_nothing_at_all(client: Client) -> None:
    [picture, *_] = sorted((handbook.DOCS / "assets").glob("*.svg"))

    answer = client.flask.get(f"/docs/assets/{picture.name}")

    assert (answer.status_code, answer.mimetype) == (200, "image/svg+xml")
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert b"<script" not in answer.data
    assert b"href=" not in answer.data.replace(b'href="#', b"")


@pytest.mark.parametrize("path", ["/docs", "/health/live", "/queues/q/jobs", "/nowhere", "/docs/assets/handbook.css"])
def test_no_answer_is_to_be_sniffed(client: Client, path: str) -> None:
    assert client.get(path).headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("below", ["/docs/", "/docs/assets/", "/docs/decisions/"])
@pytest.mark.parametrize(
    "name",
    [
        *(
            "..",
            "../api.md",
            "../../web/app.py",
            "%2e%2e%2fapi.md",
            "%2e%2e/%2e%2e/web/app.py",
            "..%2f..%2fweb%2fapp.py",
        ),
        *("/etc/passwd", "%2fetc%2fpasswd", "api.md%00", "%00", "..\\api.md", "..%5capi.md", "%5c%5chost%5cshare"),
        *("", ".", "api", "api.html", "API.MD", "api%2emd", "index.html", "oauth2-redirect.html", "__init__.py"),
    ],
)
def test_no_other_file_is_there(client: Client, below: str, name: str) -> None:
    answer = client.flask.get("/", environ_overrides={"RAW_URI": below + name})

    assert answers.problem(answer, 404)["code"] == "not_found"
