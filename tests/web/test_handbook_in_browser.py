"""The handbook in Chromium: its search by keyboard, without scripts, and its text on screens of all sizes."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from app.web import handbook
from tests.support import browser as chromium
from tests.support.browser import DOWN, ENTER, ESCAPE, UP, Browser
from tests.support.raw import Server

PAGES = sorted(page for page in handbook.paths() if page != "reference")
PHONE = 390
WIDTHS = (PHONE, 1280, 1920)
FOUND = "return [...document.querySelectorAll('#found a')].map(a => a.textContent)"
FOCUS = "return document.activeElement.id || document.activeElement.textContent"
STATE = "return document.getElementById('search-status').textContent"
WIDTH_OF = """
return (async at => {
  window.bodies ??= {};
  if (!(at in bodies)) {
    const answer = await fetch(at), page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const styles = (of, from) => [...of.head.querySelectorAll("style, link[rel=stylesheet]")]
      .map(style => style.href ? new URL(style.getAttribute("href"), from).href : style.textContent).join();
    if (!answer.ok || !page.querySelector("main")) throw new Error(`${at} is no page`);
    if (styles(page, answer.url) !== styles(document, location)) throw new Error(`${at} has other styles`);
    bodies[at] = page.body;
  }
  document.body.replaceWith(bodies[at]);
  return document.documentElement.scrollWidth;
})(%s)
"""
LONGEST = """
let most = 0;
for (const block of document.querySelectorAll("main p, main li")) {
  const texts = document.createTreeWalker(block, NodeFilter.SHOW_TEXT), parts = [], range = document.createRange();
  while (texts.nextNode()) {
    if (texts.currentNode.parentElement.closest("pre")) continue;
    for (const part of texts.currentNode.data.matchAll(/\\S+\\s?/g)) {
      range.setStart(texts.currentNode, part.index);
      range.setEnd(texts.currentNode, part.index + part[0].trimEnd().length);
      const box = range.getBoundingClientRect();
      parts.push([(box.top + box.bottom) / 2, part[0].length]);
    }
  }
  let line = 0, last = -Infinity; // a word in another font may stand some pixels higher, the next line is 27 lower
  for (const [y, length] of parts.sort((a, b) => a[0] - b[0])) {
    line = y - last > 9 ? length : line + length;
    last = y;
    most = Math.max(most, line);
  }
}
return most
"""
NARROWEST = """
const tables = [...document.querySelectorAll("main .table")];
return tables.flatMap(table => [...table.querySelectorAll("td")].filter(cell => cell.textContent.length > 40)
  .map(cell => cell.clientWidth))
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.browser() as opened:
        yield opened


@dataclass(frozen=True, kw_only=True)
class Measures:
    """What a page measures, in pixels but for its longest line, which is in characters."""

    widths: Mapping[int, int]
    """Width of the window -> that of the page."""
    longest: int
    """Of its lines of text, in the last of these windows."""
    narrowest: int
    """Of the cells with much text, in the window of a phone."""


@pytest.fixture(scope="module")
def measures(browser: Browser, served: Server) -> Mapping[str, Measures]:
    """Every page, its body shown in the window of another: to open and resize each takes Chromium thrice the CPU."""
    widths: dict[str, dict[int, int]] = {page: {} for page in PAGES}
    longest: dict[str, int] = {}
    narrowest: dict[str, int] = {}
    browser.open(f"http://127.0.0.1:{served.port}/docs", width=PHONE)
    for width in WIDTHS:
        browser.resize(width)
        for page in PAGES:
            widths[page][width] = browser.run(WIDTH_OF % json.dumps(f"/docs/{page}".removesuffix("/")))
            if width == PHONE:
                narrowest[page] = min(browser.run(NARROWEST), default=200)
            if width == WIDTHS[-1]:
                longest[page] = browser.run(LONGEST)
    served.check()
    return {page: Measures(widths=widths[page], longest=longest[page], narrowest=narrowest[page]) for page in PAGES}


@pytest.fixture
def docs(server: Server) -> str:
    return f"http://127.0.0.1:{server.port}/docs"


def test_slash_and_words_filter_the_pages_and_enter_opens_the_first(browser: Browser, docs: str) -> None:
    browser.open(f"{docs}/decisions/0008-a-greenlet-a-client.md")

    browser.press("/")
    assert browser.run(FOCUS) == "search"
    browser.press("WEBh")
    assert browser.wait(FOUND, bool)[0] == "Webhooks: jobs sent to your endpoint"
    assert browser.run("return document.getElementById('pages').checkVisibility()") is False
    browser.press(ENTER)
    browser.wait("return location.pathname", lambda path: path == "/docs/webhooks.md")


def test_arrows_go_through_the_results_and_enter_opens_the_heading(browser: Browser, docs: str) -> None:
    browser.open(docs)
    browser.press("/of work order")
    browser.wait(FOUND, lambda found: found == ["Order of work (The API)"])

    browser.press(UP)
    assert browser.run(FOCUS) == "search"
    browser.press(DOWN)
    assert browser.run(FOCUS) == "Order of work (The API)"
    browser.press(DOWN)
    assert browser.run(FOCUS) == "Order of work (The API)"
    browser.press(UP + DOWN + ENTER)
    browser.wait("return location.pathname + location.hash", lambda at: at == "/docs/api.md#order-of-work")


def test_escape_brings_the_whole_list_back(browser: Browser, docs: str) -> None:
    browser.open(f"{docs}/api.md")
    browser.press("/glossary")
    browser.wait(FOUND, bool)

    browser.press(DOWN + ESCAPE)

    browser.wait(FOUND, lambda found: found == [])
    assert browser.run(FOCUS) == "search"
    assert browser.run("return document.getElementById('pages').checkVisibility()") is True


def test_a_screen_reader_hears_what_the_field_is_and_how_many_were_found(browser: Browser, docs: str) -> None:
    browser.open(f"{docs}/api.md")
    assert browser.accessible("#search") == ("searchbox", "Search titles and headings")
    assert browser.accessible("[role=search]")[0] == "search"

    browser.press("/glossary")
    assert browser.wait(STATE, bool) == "1 found"
    assert browser.accessible("#found") == ("list", "Search results")
    browser.press("no such words")
    browser.wait(STATE, lambda state: state == "0 found")


def test_a_search_that_cannot_be_loaded_says_so_and_leaves_the_list(browser: Browser, docs: str) -> None:
    browser.open(f"{docs}/api.md")
    browser.block("*search.json")

    browser.press("/glossary")

    assert browser.wait(STATE, bool) == "The search failed: Failed to fetch"
    assert browser.run("return document.getElementById('pages').checkVisibility()") is True
    browser.block()
    browser.press("y" + chromium.BACKSPACE)
    assert browser.wait(FOUND, bool) == ["Glossary"]


def test_without_scripts_there_is_the_list_and_no_field(browser: Browser, docs: str) -> None:
    browser.open(f"{docs}/api.md", has_scripts=False)

    assert browser.accessible("#search") == ("none", "")
    assert browser.accessible("#pages a") == ("link", "The API in the browser")


@pytest.mark.parametrize("width", WIDTHS)  # what is wider scrolls by itself: code, tables
def test_no_page_is_wider_than_the_window(measures: Mapping[str, Measures], width: int) -> None:
    assert {page: found.widths[width] for page, found in measures.items() if found.widths[width] > width} == {}


def test_no_line_of_text_is_much_longer_than_80_characters(measures: Mapping[str, Measures]) -> None:
    assert {page: found.longest for page, found in measures.items() if found.longest > 90} == {}


def test_tables_have_room_for_their_text_on_a_phone(measures: Mapping[str, Measures]) -> None:
    assert {page: found.narrowest for page, found in measures.items() if found.narrowest < 150} == {}
