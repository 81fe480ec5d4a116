"""The handbook in the browser: whole, offline, and no way to any other file."""

import re
from pathlib import Path
from urllib.parse import urljoin

import gevent
import pytest
from markupsafe import escape

from app.infra.settings import Settings
from app.postgres.database import Database
from app.web import app, handbook
from tests.support import answers
from tests.support.client import Client
from tests.support.clusters import PYTHON, Program

PAGES = sorted(page for page in handbook.paths() if page)


def test_every_page_stands_in_one_section_and_every_decision_on_the_page_of_decisions(client: Client) -> None:
    listed = re.findall(r'<li><a href="docs/([^"]+)"', client.flask.get("/docs").text)
    decisions = re.findall(r'<li><a href="(decisions/[^"]+)"', client.flask.get("/docs/decisions").text)

    written = {file.relative_to(handbook.DOCS).as_posix() for file in Path(handbook.DOCS).rglob("*.md")}
    assert sorted(set(listed)) == sorted(listed[: len(listed) // 2]), "each once in the side bar, and once in the list"
    assert {*listed, *decisions} == written | {"reference", "decisions"}


def test_a_page_alone_is_rendered_when_it_is_asked_for_and_once(settings: Settings, db: Database) -> None:
    handbook.page.cache_clear()
    flask = app.create(settings, db).test_client()
    assert handbook.page.cache_info().misses == 0, "a process that starts renders nothing"

    asked = ("api.md", "api.md", "none.md", "api")
    assert [flask.get(f"/docs/{page}").status_code for page in asked] == [200, 200, 404, 200]
    assert handbook.page.cache_info().misses == 1


def test_a_page_is_rendered_without_a_line_in_the_log_at_level_debug_too() -> None:
    told = "from app.infra import log; from app.web import handbook; log.configure('debug', log.JSON)"
    with Program([*PYTHON, "-c", f"{told}; print(len(handbook.page('api.md')) > 10_000)"]) as program:
        assert program.end() == 0
    assert program.output == "True\n"


def test_while_the_index_of_the_search_is_made_others_have_their_turn(client: Client) -> None:
    handbook.made_index.cache_clear()
    turns = 0

    def count() -> None:
        nonlocal turns
        while True:
            gevent.sleep(0)
            turns += 1

    counting = gevent.spawn(count)
    first, second = (gevent.spawn(client.flask.get, "/docs/assets/search.json") for _ in range(2))
    gevent.joinall([first, second])
    counting.kill()

    assert first.value.data == second.value.data
    assert handbook.made_index.cache_info().misses == 1
    assert turns >= 10


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


def test_every_link_to_a_heading_leads_to_one(client: Client) -> None:
    texts = {f"/docs/{page}".removesuffix("/"): handbook.page(page).decode() for page in ["", *PAGES]}
    for address, text in texts.items():
        for target, anchor in re.findall(r'href="([^":]*)#([^"]+)"', text):
            to = texts[urljoin(address, target)] if target else text
            assert f' id="{anchor}"' in to, f"{address}: {target}#{anchor}"


@pytest.mark.parametrize("page", PAGES)
def test_the_search_knows_the_title_and_the_headings_of_every_page(client: Client, page: str) -> None:
    [known] = [entry for entry in client.flask.get("/docs/assets/search.json").get_json() if entry["path"] == page]

    text = client.flask.get(f"/docs/{page}").text
    headings = re.findall(r'<h[1-6] id="([^"]+)"', text)
    assert len(set(headings)) == len(headings)
    assert [anchor for _, anchor in known["headings"]] == headings[1:]
    assert page == "reference" or f"<title>{escape(known['title'])} - Rowline</title>" in text


@pytest.mark.parametrize("page", [page for page in PAGES if page != "reference"])
def test_the_search_has_a_label_and_is_hidden_where_no_script_runs(client: Client, page: str) -> None:
    text = client.flask.get(f"/docs/{page}").text

    assert '<div role="search" hidden>\n<label for="search">' in text
    assert text.count('id="search"') == 1
    assert re.search(r'<div id="pages">\s*<section>', text), "the list is shown"


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_stands_out_from_its_ground_as_wcag_asks(client: Client, scheme: int) -> None:
    css = client.flask.get("/docs/assets/handbook.css").text
    colours = dict(re.findall(r"--(\w+): (#\w+);", css.split(":root {")[1 + scheme]))

    texts = set(re.findall(r"[^-]color: var\(--(\w+)\)", css))
    grounds = set(re.findall(r"background: var\(--(\w+)\)", css))
    assert texts == {"ink", "quiet", "link"}
    assert grounds == {"paper", "shade"}
    assert not re.search(r"[^-]color: (?!var|inherit)", css.replace("color-scheme", "")), "no colour beside these"
    for text in texts:
        for ground in grounds:
            assert contrast(colours[text], colours[ground]) >= 4.5, f"{text} on {ground}"


def contrast(one: str, other: str) -> float:
    """Compare two colours as WCAG 2 does: 1 (the same) to 21 (black and white)."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    pairs = [digits[i : i + 2] for i in (0, 2, 4)] if len(digits) == 6 else [digit * 2 for digit in digits]
    shares = [int(pair, 16) / 255 for pair in pairs]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return sum(weight * share for weight, share in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


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
        *("", ".", "apis", "api.html", "API.MD", "api%2emd", "index.html", "oauth2-redirect.html", "__init__.py"),
    ],
)
def test_no_other_file_is_there(client: Client, below: str, name: str) -> None:
    answer = client.flask.get("/", environ_overrides={"RAW_URI": below + name})

    assert answers.problem(answer, 404)["code"] == "not_found"


def test_a_page_is_found_without_its_ending_too(client: Client) -> None:
    assert client.get("/docs/deduplication").data == client.get("/docs/deduplication.md").data
