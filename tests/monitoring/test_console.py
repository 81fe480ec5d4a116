"""The console that is shipped, served by a real Prometheus, in a real Chromium: its figures are those of a Rowline."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.postgres.database import Database
from tests.browser.pages import Pages
from tests.monitoring.site import site
from tests.monitoring.test_prometheus import PROMETHEUS, asked, prometheus
from tests.monitoring.test_shipped import panels
from tests.support import browser as chromium
from tests.support import raw
from tests.support.browser import Browser
from tests.support.clusters import until
from tests.support.jobs import insert, new

STATIC = PROMETHEUS.parent / "share" / "prometheus" / "web" / "static"
"""Where Debian's package has the scripts."""
HOSTILE = 'a "quoted\\" <b>&{{.}}é'
ROWS = "return [...document.querySelectorAll('%s tr')].map(row => [...row.cells].map(cell => cell.innerText.trim()))"
DRAWN = "return [...document.querySelectorAll('.graphs div[id]')].filter(g => g.querySelector('svg path')).length"
COLOURS = """return Object.fromEntries([...document.querySelectorAll('#graph7 .line')].map(line =>
    [line.querySelector('.label').textContent, getComputedStyle(line.querySelector('.swatch')).backgroundColor]))"""
MARKED = "return [...document.querySelectorAll('nav [aria-current]')].map(link => link.innerText)"
RED = "return [...document.querySelectorAll('#queues tr.bad')].map(row => row.cells[0].innerText)"
WHOLE = """return [...document.querySelectorAll('.graphs section')].filter(graph =>
    graph.innerText.includes('Of the whole service.')).map(graph => graph.querySelector('h3').innerText)"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.browser() as opened:
        yield opened


@pytest.fixture
def console(browser: Browser, db: Database, shared_url: str, tmp_path: Path) -> Iterator[tuple[Pages, str]]:
    """Yield a Rowline with jobs in each status, and the address of its console, scraped twice at least."""
    if not STATIC.exists():
        pytest.skip(f"needs the scripts that Debian's Prometheus has in {STATIC}")
    with raw.server(shared_url) as server, prometheus(tmp_path, server.port) as port, site(STATIC, port) as root:
        pages = Pages(browser, server, db)
        pages.fail("failed")
        for n in range(4):
            pages.add(f"job-{n}")
        pages.add("later", delay=3_600_000)
        assert len(pages.ask("POST", "/queues/mail/jobs/claim", {})["jobs"]) == 1
        with db.begin() as conn:
            insert(conn, new(), queue=HOSTILE)
        _scraped(port, 'rowline_jobs{queue="mail", status="waiting"} == 3')
        _scraped(port, 'rate(rowline_jobs_added_total{queue="mail"}[2m])')
        _scraped(port, 'ALERTS{alertname="RowlineQueueWithoutWorkers"}')
        browser.said()
        yield pages, f"{root}/consoles/rowline.html"
        browser.open("about:blank")


def _scraped(port: int, query: str) -> None:
    until(lambda: bool(asked(port, "query", query=query)["result"]))


def _rows(browser: Browser, table: str) -> list[dict[str, str]]:
    """Return the rows of a table, by its heads."""
    heads, *rows = browser.wait(ROWS % table, bool)
    return [dict(zip(heads, row, strict=True)) for row in rows]


def test_its_figures_are_those_of_the_service(console: tuple[Pages, str], browser: Browser) -> None:
    pages, address = console
    browser.open(address)
    rows = {row["Queue"]: row for row in _rows(browser, "#queues")}
    assert [*rows] == ["mail", HOSTILE]  # most ready jobs first
    counts: dict[str, Any] = pages.ask("GET", "/queues/mail/jobs")["counts"]
    shown = {status: rows["mail"][head] for head, status in {"Ready": "waiting", "Active": "active"}.items()}
    shown |= {status: rows["mail"][status.title()] for status in ("delayed", "failed")}
    assert shown == {status: str(counts[status]) for status in shown}
    assert (counts["waiting"], counts["active"], counts["delayed"], counts["failed"]) == (3, 1, 1, 1)
    assert (rows["mail"]["Paused"], rows[HOSTILE]["Ready"]) == ("0", "1")
    assert re.fullmatch(r"[\d.]+m?s|\d+m \d+s", rows["mail"]["Oldest ready"])
    [process] = _rows(browser, "#processes")
    assert (process["Job"], process["Scraped"], process["Reads the database"]) == ("rowline", "yes", "yes")
    [alert] = [row for row in _rows(browser, "#alerts") if row["Alert"] == "RowlineQueueWithoutWorkers"]
    assert (alert["State"], alert["How many"], alert["Of"]) == (
        "pending",
        "1",
        f"queue {HOSTILE}",
    )  # who claimed is a worker


def test_it_draws_what_there_is(console: tuple[Pages, str], browser: Browser) -> None:
    pages, address = console
    loading = "return document.querySelectorAll('.prom_graph_loading').length"

    def is_drawn() -> bool:
        browser.open(address)
        browser.wait(loading, lambda left: left == 0)
        return bool(browser.run(COLOURS))

    pages.until(is_drawn)  # a rate needs two scrapes
    errors = "return [...document.querySelectorAll('.prom_graph_error')].map(error => error.innerText)"
    assert {*browser.run(errors)} <= {"No timeseries returned"}
    titles = browser.run("return [...document.querySelectorAll('.graphs h3')].map(title => title.innerText)")
    assert titles == [panel["title"] for panel in panels()]
    assert browser.run(DRAWN) + len(browser.run(errors)) == len(titles)
    assert browser.run("return !!document.querySelector('#graph1 svg path')")
    assert browser.run("return document.querySelector('#undrawn').hidden")
    link = browser.run("return document.querySelector('.graphs h3 a').href")
    assert "/classic/graph?g0.expr=topk" in link
    assert browser.run(COLOURS) == {
        "completed": "rgb(0, 128, 0)",
        "failed": "rgb(255, 0, 0)",
        "released": "rgb(0, 0, 255)",
        "retried": "rgb(255, 165, 0)",
        "stalled": "rgb(128, 0, 128)",
    }
    assert browser.said() == []


def test_the_range_in_use_is_marked_and_is_a_quarter_of_an_hour_at_first(
    console: tuple[Pages, str], browser: Browser
) -> None:
    _, address = console
    browser.open(address)
    assert browser.run(MARKED) == ["15 minutes"]
    assert "g0.range_input=15m" in browser.run("return document.querySelector('.graphs h3 a').href")
    browser.open(f"{address}?minutes=360")
    assert browser.run(MARKED) == ["6 hours"]
    browser.said()


def test_a_paused_queue_with_ready_jobs_is_marked(console: tuple[Pages, str], browser: Browser) -> None:
    pages, address = console
    browser.open(address)
    assert browser.run(RED) == []
    pages.ask("POST", "/queues/mail/pause", {})
    pages.ask("POST", "/queues/empty/pause", {})
    [port] = browser.run("return [location.port]")
    _scraped(int(port), 'rowline_queue_paused{queue=~"mail|empty"} == 1')
    browser.open(address)
    assert browser.run(RED) == ["mail"]
    rows = {row["Queue"]: row for row in _rows(browser, "#queues")}
    assert [*rows] == ["mail", HOSTILE, "empty"]
    assert [(rows[queue]["Paused"], rows[queue]["To drain"]) for queue in ("mail", "empty")] == [("1", "-")] * 2
    browser.said()


def test_a_queue_of_any_name_has_its_own_page(console: tuple[Pages, str], browser: Browser) -> None:
    _, address = console
    browser.open(address)
    browser.click("#queues tr:nth-child(3) a")
    browser.wait("return document.title", lambda title: title == f"Rowline: {HOSTILE}")
    assert [row["Queue"] for row in _rows(browser, "#queues")] == [HOSTILE]
    heads = browser.run("return [...document.querySelectorAll('h2')].map(head => head.innerText)")
    assert heads == ["Alerts of the whole service", "Processes of the whole service", "Queues", "Graphs"]
    whole = [panel["title"] for panel in panels() if "$queue" not in panel["targets"][0]["expr"]]
    assert browser.run(WHOLE) == whole
    legend = "return [...document.querySelectorAll('#graph1 .line .label')].map(label => label.textContent)"
    browser.wait(legend, lambda names: names == [HOSTILE])
    assert browser.said() == []


def test_without_scripts_it_says_so_and_its_titles_lead_to_graphs(console: tuple[Pages, str], browser: Browser) -> None:
    _, address = console
    browser.block("*/classic/*")
    browser.open(address)
    browser.block()
    assert browser.run("return document.querySelector('#undrawn').innerText") != ""
    assert {row["Queue"] for row in _rows(browser, "#queues")} == {HOSTILE, "mail"}
    assert "/graph?g0.expr=topk" in browser.run("return document.querySelector('.graphs h3 a').href")
    assert browser.run(DRAWN) == 0
    browser.said()
