"""Every page of the dashboard has its pictures, and every picture is shown: in the handbook, and one in the README."""

import re
from typing import Any, cast

import pytest
from flask import Flask

from app.infra.metrics import ProcessMetrics
from app.infra.settings import Settings
from app.postgres.database import Database
from app.web import handbook, holding
from app.web.dashboard import frame
from tests.screenshots.pictures import ASSETS, PAGE, PICTURES, README, VIEWS
from tests.support.client import Client

NO_PAGES = {"static.get", "live.stream", "jobs.raw", "signing.home", "signing.link"}
"""What is no page: files, a stream, and what leads elsewhere at once."""
BYTES_MAX = 2_500_000


def test_every_page_has_pictures(application: Flask, settings: Settings, shared_db: Database) -> None:
    room = holding.room(settings)
    pages = frame.create(settings, shared_db, cast("Any", None), ProcessMetrics(), api=application, room=room)
    rules = {rule.endpoint for rule in pages.url_map.iter_rules() if "GET" in (rule.methods or ())}
    paths = pages.url_map.bind("localhost")
    shown = {paths.match(f"{frame.ROOT}/{view.path.partition('?')[0]}", "GET")[0] for view in VIEWS.values()}
    assert shown == rules - NO_PAGES


def test_every_picture_is_there_and_is_small() -> None:
    assert {file.name for file in ASSETS.glob("dashboard-*")} == {picture.file for picture in PICTURES}
    assert sum(file.stat().st_size for file in ASSETS.glob("*.webp")) < BYTES_MAX


@pytest.mark.parametrize("view", VIEWS)
def test_the_handbook_shows_the_pictures_of_a_page(client: Client, view: str) -> None:
    page = client.flask.get("/docs/dashboard.md").text
    for picture in (picture for picture in PICTURES if picture.view == view):
        [size] = re.findall(rf'<img src="assets/{picture.file}" loading="lazy" width="(\d+)" height="\d+"', page)
        assert int(size) == picture.width
        answer = client.flask.get(f"/docs/assets/{picture.file}")
        assert (answer.status_code, answer.mimetype, answer.data[:4]) == (200, "image/webp", b"RIFF")


def test_the_first_screen_of_the_readme_shows_one() -> None:
    first = README.read_text().partition("\n## First job")[0]
    shown = re.findall(r'(?:src|srcset)="app/docs/assets/([^"]+)"', first)
    assert shown == ["dashboard-queues-dark.webp", "dashboard-queues-light.webp"]


def test_the_page_of_the_dashboard_names_no_picture_that_is_not_taken() -> None:
    named = set(re.findall(r"\(assets/([^)]+)\)", PAGE.read_text()))
    assert named == {picture.file for picture in PICTURES}
    assert PAGE.parent == handbook.DOCS
