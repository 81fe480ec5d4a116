"""A real Prometheus: its linter finds nothing, it scrapes the API, and it answers each query that is shipped."""

import json
import os
import re
import signal
import subprocess
import textwrap
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.operations import jobs as operations
from app.postgres.database import Database
from tests.monitoring.__main__ import VARIABLE
from tests.monitoring.test_shipped import FOLDER, PAGE, alerts, panels, queries
from tests.support import raw
from tests.support.clusters import Program, free_port, until
from tests.support.jobs import new

PROMETHEUS = Path(os.environ[VARIABLE])
"""The folder with `prometheus` and `promtool`."""
CONFIG = """
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [%s]
scrape_configs:
  - job_name: rowline
    authorization: {credentials: %s}
    static_configs: [{targets: ["127.0.0.1:%s"]}]
"""
WAITING, PRIORITIZED, PAUSED = (
    'rowline_jobs{queue="mail", status="waiting", instance="%s"}',
    'rowline_jobs{queue="mail", status="prioritized", instance="%s"}',
    'rowline_queue_paused{queue="mail", instance="%s"}',
)
API, WORKER = 'up{job="rowline", instance="%s"}', 'up{job="rowline-workers", instance="%s"}'
MAIL = {"severity": "warning", "queue": "mail"}


@contextmanager
def prometheus(folder: Path, port: int) -> Iterator[int]:
    """Run Prometheus with the alert rules and the console that are shipped, scraping an API."""
    config, own = folder / "prometheus.yml", free_port()
    config.write_text(CONFIG % (FOLDER / "alerts.yml", raw.TOKEN, port))
    words = [f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}", f"--web.console.templates={FOLDER}"]
    with Program([PROMETHEUS / "prometheus", *words, f"--web.listen-address=127.0.0.1:{own}"], env={}) as program:
        program.expect("Server is ready")
        yield own


def asked(port: int, path: str, **query: str) -> Any:
    url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=60) as found:
        return json.load(found)["data"]


def promtool(*words: str, text: bytes = b"") -> str:
    done = subprocess.run([PROMETHEUS / "promtool", *words], check=False, input=text, capture_output=True)
    return f"{done.returncode} {done.stdout.decode()}{done.stderr.decode()}".strip()


def test_the_linter_finds_nothing(db: Database, shared_url: str) -> None:
    operations.submit_many(db, queue='hostile "\\', new=[new()])
    with raw.server(shared_url) as server:
        server.ask(raw.request("GET", "/queues", "Connection: close"))
        [answer] = server.ask(raw.request("GET", "/metrics", "Connection: close"))
    assert answer.status == 200
    assert promtool("check", "metrics", text=answer.body) == "0"
    assert promtool("check", "rules", str(FOLDER / "alerts.yml")).startswith("0 ")


def test_the_configuration_of_the_handbook_is_sound(tmp_path: Path) -> None:
    found = re.search(
        r"^( +)sudo tee /etc/prometheus/prometheus.yml <<'end'\n(.+?)^ +end$",
        PAGE.read_text(),
        re.MULTILINE | re.DOTALL,
    )
    assert found
    (tmp_path / "rowline.token").touch()
    (tmp_path / "rowline-alerts.yml").write_bytes((FOLDER / "alerts.yml").read_bytes())
    config = tmp_path / "prometheus.yml"
    config.write_text(textwrap.dedent(found[2]).replace("/etc/prometheus", str(tmp_path)))
    assert promtool("check", "config", str(config)).startswith("0 ")


@pytest.mark.parametrize(
    ("alert", "series", "at", "fires"),
    [
        ("RowlineQueuePausedLong", {WAITING % "a": "3x70", PAUSED % "a": "1x70"}, "59m", None),
        ("RowlineQueuePausedLong", {WAITING % "a": "3x70", PAUSED % "a": "1x70"}, "61m", MAIL),
        ("RowlineQueuePausedLong", {PRIORITIZED % "a": "3x70", PAUSED % "a": "1x70"}, "61m", MAIL),
        ("RowlineQueuePausedLong", {WAITING % "a": "3x70", PAUSED % "a": "0x70"}, "61m", None),
        ("RowlineQueuePausedLong", {WAITING % "a": "0x70", PAUSED % "a": "1x70"}, "61m", None),
        (
            "RowlineQueuePausedLong",
            {name % api: value for api in "ab" for name, value in {WAITING: "3x70", PAUSED: "1x70"}.items()},
            "61m",
            MAIL,
        ),
        (
            "RowlineQueuePausedLong",
            {name.replace("mail", "_other") % "a": value for name, value in {WAITING: "3x70", PAUSED: "2x70"}.items()},
            "61m",
            None,
        ),
        ("RowlineProcessNotScraped", {API % "a": "1x9", API % "b": "0x9"}, "1m", None),
        (
            "RowlineProcessNotScraped",
            {API % "a": "1x9", API % "b": "0x9"},
            "3m",
            {"severity": "warning", "job": "rowline", "instance": "b"},
        ),
        (
            "RowlineProcessNotScraped",
            {API % "a": "1x9", WORKER % "w": "1 0x8"},
            "4m",
            {"severity": "warning", "job": "rowline-workers", "instance": "w"},
        ),
        ("RowlineProcessNotScraped", {API % "a": "1x9", 'up{job="node", instance="a"}': "0x9"}, "4m", None),
    ],
)
def test_an_alert_fires_when_its_condition_has_been_true_long_enough(
    tmp_path: Path, alert: str, series: Mapping[str, str], at: str, fires: Mapping[str, str] | None
) -> None:
    [summary] = [rule["annotations"]["summary"] for rule in alerts() if rule["alert"] == alert]
    said = (
        re.sub(r"{{ \$(?:labels\.)?(\w+) }}", lambda label: {"value": "3", **(fires or {})}[label[1]], summary)
        if fires
        else ""
    )
    wanted = [{"exp_labels": dict(fires), "exp_annotations": {"summary": said}}] if fires else []
    test = {
        "interval": "1m",
        "input_series": [{"series": one, "values": values} for one, values in series.items()],
        "alert_rule_test": [{"eval_time": at, "alertname": alert, "exp_alerts": wanted}],
    }
    _hold(tmp_path, test)


def test_it_scrapes_the_api_and_answers_each_query(db: Database, shared_url: str, tmp_path: Path) -> None:
    operations.submit_many(db, queue="mail", new=[new()] * 3)
    with raw.server(shared_url) as server, prometheus(tmp_path, server.port) as port:
        until(lambda: bool(asked(port, "query", query='rowline_jobs_added_total{queue="mail"} == 3')["result"]))
        [target] = asked(port, "targets")["activeTargets"]
        assert (target["health"], target["lastError"]) == ("up", "")
        for of, query in queries():
            plain = query.replace("$__rate_interval", "1m").replace("$queue", ".*")
            assert "result" in asked(port, "query", query=plain), of
        assert _rules(port)
        until(lambda: {rule["health"] for rule in _rules(port)} == {"ok"})


def test_the_console_says_that_nothing_is_known_of_queues_while_no_api_process_is_scraped(
    db: Database, shared_url: str, tmp_path: Path
) -> None:
    with raw.server(shared_url) as server, prometheus(tmp_path, server.port) as port:
        until(lambda: bool(asked(port, "query", query="rowline_database_up == 1")["result"]))
        assert ">None.<" in _console(port)
        server.program.end(signal.SIGTERM)
        until(lambda: bool(asked(port, "query", query='up{job="rowline"} == 0')["result"]))
        assert ">Nothing is known: " in _console(port)


def _console(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/consoles/rowline.html", timeout=60) as page:
        return str(page.read().decode().partition("<h2>Queues</h2>")[2].partition("<h2>")[0])


@pytest.mark.parametrize(("paused", "queue", "shown"), [("0", "mail", 1), ("1", "mail", 0), ("1", "_other", 1)])
def test_a_paused_queue_has_no_time_to_drain(tmp_path: Path, paused: str, queue: str, shown: int) -> None:
    [asks] = [panel["targets"][0]["expr"] for panel in panels() if panel["title"] == "Time to drain"]
    samples = [{"labels": f'{{queue="{queue}"}}', "value": 60}] * shown
    test = {
        "interval": "1m",
        "input_series": [
            {"series": f'rowline_queue_drain_seconds{{queue="{queue}"}}', "values": "60x9"},
            {"series": f'rowline_queue_paused{{queue="{queue}"}}', "values": f"{paused}x9"},
        ],
        "promql_expr_test": [{"expr": asks.replace("$queue", ".*"), "eval_time": "5m", "exp_samples": samples}],
    }
    _hold(tmp_path, test)


def _hold(folder: Path, test: Mapping[str, Any]) -> None:
    """Have promtool run a unit test of the rules."""
    file = folder / "test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(FOLDER / "alerts.yml")], "tests": [test]}))
    assert promtool("test", "rules", str(file)).startswith("0 ")


def _rules(port: int) -> list[dict[str, Any]]:
    return [rule for group in asked(port, "rules")["groups"] for rule in group["rules"]]
