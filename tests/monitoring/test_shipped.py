"""Dashboard, console and alert rules ask for metrics that exist, by labels that these have; so does their page."""

import html
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from app.cli import consolepage
from app.infra.metricnames import METRICS, Kind
from app.web import handbook
from app.web.handbook import DOCS

FOLDER = DOCS / "monitoring"
PAGE = DOCS / "metrics.md"
KNOWN = {metric.name: metric for metric in METRICS}
OF_SCRAPES = {"instance", "job", "le"}
"""Labels that Prometheus adds, and those of buckets."""
SELECTOR = re.compile(r"\b(rowline_\w+|up\b)(?:\{([^}]*)\})?")
GROUPED = re.compile(r"\b(?:by|on|without|ignoring) \(([^)]*)\)")


def alerts() -> list[dict[str, Any]]:
    found = yaml.safe_load((FOLDER / "alerts.yml").read_text())
    return [rule for group in found["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return list(json.loads((FOLDER / "grafana.json").read_text())["panels"])


def queries() -> Iterator[tuple[str, str]]:
    """Yield each query with what it is of."""
    for rule in alerts():
        yield rule["alert"], rule["expr"]
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for query in console():
        yield "the console", query


def console() -> list[str]:
    """Return the queries of the console, with the variable that Grafana has for queues."""
    quoted = re.findall(r"`([^`]*rowline_[^`]*)`", (FOLDER / "rowline.html").read_text())
    return [query.replace("%s", 'queue=~"$queue"').replace("%q", '"of-one"') for query in quoted]


def metric_of(series: str) -> str:
    """Return the name of the metric that a series is of."""
    of_histogram = re.sub(r"_(bucket|sum|count)$", "", series)
    return of_histogram if KNOWN.get(of_histogram, (0, 0, 0))[2] is Kind.HISTOGRAM else series


@pytest.mark.parametrize(("of", "query"), list(queries()), ids=lambda word: re.sub(r"\W+", "-", word)[:40])
def test_each_query_names_metrics_and_labels_that_exist(of: str, query: str) -> None:
    asked = set()
    for series, matchers in SELECTOR.findall(query):
        of_metric = () if series == "up" else KNOWN[metric_of(series)].labels
        labels = {*of_metric, *OF_SCRAPES}
        assert set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers)) <= labels, f"{of}: {series}"
        asked |= labels
    assert asked, f"{of} asks for no metric"
    for listed in GROUPED.findall(query):
        assert set(re.split(r",\s*", listed)) <= asked, f"{of}: {listed}"


def test_every_metric_is_on_the_dashboard_and_on_the_page() -> None:
    asked = [target["expr"] for panel in panels() for target in panel["targets"]]
    shown = {metric_of(series) for query in asked for series, _ in SELECTOR.findall(query)}
    assert shown == set(KNOWN)
    listed = re.findall(r"^\| `(rowline_\w+)` \| (\w+) \| (.*?) \|", PAGE.read_text(), re.MULTILINE)
    assert {name: (kind, re.findall(r"`(\w+)`", labels)) for name, kind, labels in listed} == {
        metric.name: (str(metric.kind), list(metric.labels)) for metric in METRICS
    }


def test_the_console_asks_what_the_dashboard_asks() -> None:
    text = " ".join(console())
    for panel in panels():
        for target in panel["targets"]:
            assert target["expr"].replace("$__rate_interval", consolepage.RATE) in text, panel["title"]
    outside = re.sub(r"`[^`]*`", "", (FOLDER / "rowline.html").read_text())
    assert "rowline_" not in outside, "a query that stands in no backquotes is not looked at here"


def test_each_alert_is_explained_on_the_page_and_when_it_fires() -> None:
    explained = re.findall(r"^\| `(Rowline\w+)` \| (\d+[mh])\b", PAGE.read_text(), re.MULTILINE)
    assert [(rule["alert"], rule["for"]) for rule in alerts()] == explained


def test_what_the_page_shows_to_be_copied_ends_its_text_at_the_margin() -> None:
    shown = html.unescape(handbook.page("metrics.md").decode())
    [config] = re.findall(r"^(?:<pre><code>)?sudo tee \S+ <<'end'\n(.+?)^end$", shown, re.MULTILINE | re.DOTALL)
    assert [job["job_name"] for job in yaml.safe_load(config)["scrape_configs"]] == ["rowline", "rowline-workers"]


def test_the_alert_of_a_process_asks_for_the_jobs_of_the_configuration_on_the_page() -> None:
    [asked] = [rule["expr"] for rule in alerts() if rule["alert"] == "RowlineProcessNotScraped"]
    [names] = re.findall(r'job=~"(.+)"', asked)
    scraped = re.findall(r"- job_name: (\S+)", PAGE.read_text())
    assert {*scraped} == {"rowline", "rowline-workers"}
    assert [name for name in [*scraped, "other", "rowlines"] if re.fullmatch(names, name)] == scraped


def test_each_outcome_of_attempts_has_its_colour() -> None:
    """The console gives colours in the order of the outcomes: without one of these the others' would be wrong."""
    [panel] = [panel for panel in panels() if panel["title"] == "Attempts a second, by outcome"]
    coloured = [one["matcher"]["options"] for one in panel["fieldConfig"]["overrides"]]
    assert {*coloured} == {"completed", "failed", "retried", "released", "stalled"}


def test_the_dashboard_needs_no_data_source_by_name_and_its_panels_do_not_overlap() -> None:
    assert {panel["datasource"]["uid"] for panel in panels()} == {"${datasource}"}
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels()]
    assert len({*places}) == len(places) == len({panel["id"] for panel in panels()})
