"""Charts of a queue: drawn on the server, each with a table of the same."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from app.web.dashboard import charts
from tests.support import answers, databases
from tests.support.client import Client
from tests.support.visitor import Visitor, tags_of, text_of


def series(**values: list[int | None]) -> dict[str, Any]:
    """Return what the API says of some periods."""
    nothing: list[int | None] = [0, 0, 0]
    times = dict.fromkeys(("p50", "p95", "p99"), values.get("times", [None] * 3))
    counts = dict.fromkeys(("added", "completed", "failed"), nothing)
    return {"step": "minute"} | counts | values | {"wait": times, "run": times}


def paths(found: dict[str, Any], nth: int = 0) -> dict[str, str]:
    return {line.name: line.path for line in charts.drawn(found)[nth].lines}


def test_a_line_goes_through_its_values_to_a_round_scale() -> None:
    found = series(added=[0, 10, 15], completed=[20, 0, 0])
    assert charts.drawn(found)[0].top == 20
    assert paths(found) == {
        "added": "M0 120h0L300 60L600 30",
        "completed": "M0 0h0L300 120L600 120",
        "failed": "M0 120h0L300 120L600 120",
    }


def test_a_scale_ends_at_a_round_number_that_no_value_passes() -> None:
    for most, top in ((0, 1), (1, 1), (3, 5), (7, 10), (11, 20), (199, 200), (201, 500), (1_000_001, 2_000_000)):
        assert charts.drawn(series(added=[most]))[0].top == top
    tops = ((0, 10), (11, 20), (999, 1_000), (31_000, 60_000), (5_000_000, 7_200_000), (200_000_000, 432_000_000))
    for most, top in tops:
        assert charts.drawn(series(times=[most]))[1].top == top


def test_where_nothing_is_known_a_line_has_a_gap_and_a_lone_value_is_a_dot() -> None:
    assert paths(series(times=[10, None, 5]), 1)["p50"] == "M0 0h0M600 60h0"
    assert paths(series(times=[None, None, None]), 1)["p50"] == ""
    assert paths(series(times=[10]), 2)["p99"] == "M0 0h0"


@pytest.mark.usefixtures("early_in_a_minute")
def test_each_chart_has_a_table_of_the_same(visitor: Visitor, client: Client, shared_url: str) -> None:
    databases.run(
        shared_url,
        "insert into rowline.job_minutes (minute, queue, added, completed, failed) "
        "values (date_trunc('minute', now()) - interval '5 minutes', 'q', 1234, 1200, 34)",
    )
    page = visitor.page("queues/q/charts")
    tags = [tag for tag, _ in tags_of(page)]
    assert (tags.count("svg"), tags.count("table")) == (3, 3)
    assert text_of(page).count("1,234") == 2, "in the sum, and in its minute"
    shown = answers.ok(client.get("/queues/q/series"))
    drawn = {a["d"] for tag, a in tags_of(page) if tag == "path"}
    assert {line.path for line in charts.drawn(shown)[0].lines} <= drawn
    for step, count in (("hour", 48), ("day", 30), ("odd", 60)):
        rows = [tag for tag, _ in tags_of(visitor.page(f"queues/q/charts?step={step}")) if tag == "tr"]
        assert len(rows) == 3 * (count + 1)


def test_a_drawing_says_what_it_is_and_has_no_style_of_its_own(visitor: Visitor) -> None:
    for path in ("queues/q/charts", "queues/q"):
        drawings = [a for tag, a in tags_of(visitor.page(path)) if tag == "svg"]
        assert drawings
        for one in drawings:
            assert one["role"] == "img"
            assert "table" in str(one["aria-label"])
            assert "style" not in one


def test_the_page_of_a_queue_draws_sixty_minutes(visitor: Visitor, client: Client, shared_url: str) -> None:
    databases.run(
        shared_url,
        "insert into rowline.job_minutes (minute, queue, added, completed, failed) "
        "values (date_trunc('minute', now()) - interval '5 minutes', 'q', 40, 40, 1)",
    )
    page = visitor.page("queues/q")
    assert "up to 40 jobs a minute" in text_of(page)
    [line] = [str(a["d"]) for tag, a in tags_of(page) if tag == "path" and a.get("class") == "k-added"]
    assert line.count("L") == 59
    assert line.count(" 0L") == 1, "its top is the most there was"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "The curves, each to a scale of its own: added ended"),
        ("queues/q", "The last 60 minutes, up to 1 jobs a minute added completed failed"),
        ("queues/q/charts?step=hour", "Jobs in each hour added completed failed"),
        ("queues/q/charts", "How long jobs waited half within 95 % within 99 % within"),
        ("queues/q/charts", "Jobs count here also when they were removed since"),
    ],
)
def test_beside_a_curve_stands_what_it_shows(visitor: Visitor, client: Client, path: str, words: str) -> None:
    client.add({"name": "n", "data": 1})
    assert words in text_of(visitor.page(path))


def test_charts_need_the_right_to_read_the_queue(visiting: Callable[..., Visitor]) -> None:
    visitor = visiting("jobs:read@mine")
    assert visitor.get("queues/mine/charts").status_code == 200
    assert visitor.get("queues/theirs/charts").status_code == 403


def test_a_queue_of_any_name_has_charts(visitor: Visitor) -> None:
    for name in ("a b", "<b>", "'\"&", "ünï→😀", "%"):
        page = visitor.page(f"queues/{quote(name, safe='')}/charts")
        assert f"Charts of {name}" in text_of(page).replace("  ", " ")
        assert f'href="../../queues/{quote(name, safe="")}/charts?step=day"' in page


def test_a_small_chart_is_an_area_of_what_came_in_and_a_line_of_what_went_out() -> None:
    found = charts.mini({"added": [0, 0, 8, 4], "ended": [0, 2, 2, 2]})
    assert found == charts.Mini("M0 24h1l1 -24l1 12V24H0Z", "M0 24l1 -6h2", 12, 6)
    assert charts.mini({"added": [0, 0], "ended": [0, 0]}) == charts.Mini("M0 24h1V24H0Z", "M0 24h1", 0, 0)


def test_each_queue_of_the_list_has_its_last_hour_in_small(visitor: Visitor, client: Client, shared_url: str) -> None:
    client.add({"name": "n", "data": 1})
    databases.run(
        shared_url,
        "insert into rowline.job_minutes (minute, queue, added, completed, failed) "
        "values (date_trunc('minute', now()) - interval '5 minutes', 'q', 1234, 1200, 33)",
    )
    tags = tags_of(visitor.page(""))
    labels = [a["aria-label"] for tag, a in tags if tag == "svg"]
    assert labels == ["1,234 added, 1,233 ended in 60 minutes"] * 2, "it needs attention, and it is in the list"
    assert [a["href"] for tag, a in tags if tag == "a" and str(a.get("href")).endswith("queues/q/charts")] != []
