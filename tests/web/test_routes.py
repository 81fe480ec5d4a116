"""What holds for every route, whoever adds the next one."""

import re
from pathlib import Path

import pytest
from flask import Flask

from app.infra.settings import Settings
from app.postgres.database import Database
from app.web import app
from app.web.jobs.submitted import SubmittedSchema

ROOT = Path(__file__).parents[2]
API = (ROOT / "app" / "docs" / "api.md").read_text()


@pytest.fixture
def flask(settings: Settings, db: Database) -> Flask:
    return app.create(settings, db)


def test_every_route_asks_for_a_token_but_the_open_ones(flask: Flask) -> None:
    for rule in flask.url_map.iter_rules():
        path = rule.rule
        for argument in rule.arguments:
            path = path.replace(f"<segment:{argument}>", "x")
        for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}:
            answer = flask.test_client().open(path, method=method)
            is_open = rule.endpoint.split(".")[0] in app.OPEN
            assert (answer.status_code == 401) is not is_open, f"{method} {path}: {answer.status_code}"


def test_every_module_of_routes_is_registered(flask: Flask) -> None:
    texts: dict[bool, str] = {True: "", False: ""}
    for file in (ROOT / "app" / "web").rglob("*.py"):
        texts[file.parent.name == "dashboard"] += file.read_text()
    pages = flask.extensions[app.DASHBOARD]
    for registered, text in ((flask.blueprints, texts[False]), (pages.blueprints, texts[True])):
        assert set(registered) == set(re.findall(r'Blueprint\("(\w+)"', text))


def test_every_route_is_described(flask: Flask) -> None:
    for rule in flask.url_map.iter_rules():
        path = rule.rule.replace("<segment:queue>", ":queue").replace("<segment:job_id>", ":id")
        path = re.sub(r"<segment:(\w+)>", r":\1", path)
        for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}:
            assert f"{method} {path}" in API


def test_every_member_of_a_job_is_described() -> None:
    for name in SubmittedSchema(queue_prefix="bull").fields:
        assert f"`{name}`" in API
