"""`rowline report` shows the views to those who do not write SQL."""

import csv
import io
import json
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli import charts
from app.cli.main import rowline
from app.domain.workers import Sighting, Way
from app.operations import workers
from app.postgres.database import Database
from app.queries.reports import REPORTS
from tests.support import work
from tests.support.client import Client
from tests.support.clusters import PYTHON, Program

Report = Callable[..., Result]
EVIL = "\x1b\x7f\x9b\u202e\u2028evil"


@pytest.fixture
def report(shared_url: str, client: Client, db: Database, monkeypatch: pytest.MonkeyPatch) -> Report:
    """The command, on a database in which one job completed, one failed and one waits in each of two queues."""
    monkeypatch.setenv("DATABASE_URL", shared_url)
    for queue in ("mail", "post"):
        client.add(*({"name": "n", "data": n} for n in range(3)), queue=queue)
        work.complete_next(db, queue=queue)
        work.fail_next(db, queue=queue)
        workers.note(db, process=str(uuid.uuid4()), sightings=[Sighting(queue, "crane", Way.PYTHON, slots=1)])
    work.fold(db)
    return lambda *words: CliRunner().invoke(rowline, ["report", *words])


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_every_report_is_shown_over_every_length_and_of_one_queue(report: Report, name: str) -> None:
    for words in ([], ["--since", "1h"], ["--since", "7d"], ["--queue", "mail"]):
        shown = report(name, *words)
        assert shown.exit_code == 0, shown.output
        if name not in {"attention", "endpoints", "schedules"}:
            assert ("mail" in shown.output) or name in {"storage", "workers"}, shown.output
            assert ("post" in shown.output) == ("mail" not in words) or name in {"storage", "workers"}, shown.output


def test_a_table_is_what_people_read(report: Report) -> None:
    shown = [line for line in report("queues").output.splitlines() if line.strip()]
    assert shown[0].strip() == "queues"
    assert shown[1].split()[:4] == ["queue", "waiting", "prioritized", "delayed"]
    assert [line.split()[:2] for line in shown[3:5]] == [["mail", "1"], ["post", "1"]]


def test_csv_is_what_spreadsheets_read(report: Report) -> None:
    rows = list(csv.DictReader(io.StringIO(report("counts", "--csv").stdout)))
    assert [(row["queue"], row["waiting"], row["completed"], row["failed"]) for row in rows] == [
        ("mail", "1", "1", "1"),
        ("post", "1", "1", "1"),
    ]


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])  # noqa: RUF001 - a spreadsheet's too
def test_what_a_job_says_is_no_formula_in_a_spreadsheet(
    report: Report, client: Client, db: Database, begin: str
) -> None:
    for name in (f'{begin}cmd|"/C calc"!A0', "a\r\nb\x1b[2J"):
        client.add({"name": name, "data": 0}, queue="odd")
        work.fail_next(db, queue="odd")
    text = report("jobs", "--queue", "odd", "--csv").stdout
    shown = begin if begin.isprintable() else "�"
    assert [row["name"] for row in csv.DictReader(io.StringIO(text))] == [
        "a��b�[2J",
        f'\'{shown}cmd|"/C calc"!A0',
    ]
    assert f',"\'{shown}cmd|""/C calc""!A0",' in text, "in quotes, whatever separates cells where it is read"


def test_json_is_what_programs_read(report: Report) -> None:
    rows = json.loads(report("throughput", "--since", "1h", "--queue", "mail", "--json").stdout)
    assert sum(row["finished"] for row in rows) == 2
    assert {row["per"] for row in rows} == {"minute"}


def test_json_escapes_what_could_control_a_terminal(report: Report, client: Client, db: Database) -> None:
    client.add({"name": EVIL, "data": 0}, queue="odd")
    work.fail_next(db, queue="odd")
    shown = report("jobs", "--queue", "odd", "--json").stdout
    assert [row["name"] for row in json.loads(shown)] == [EVIL]
    assert shown.replace("\n", "").isprintable()
    assert "\n" in shown.strip()


def test_on_a_terminal_csv_has_nothing_that_could_control_it(
    report: Report, client: Client, db: Database, shared_url: str
) -> None:
    client.add({"name": EVIL, "data": 0}, queue="odd")
    work.fail_next(db, queue="odd")
    script = Path(PYTHON[0]).with_name("rowline")
    words = ("report", "jobs", "--queue", "odd", "--csv")
    with Program([script, *words], env={"DATABASE_URL": shared_url}, terminal=True) as program:
        assert program.end() == 0, program.output
    assert f'"{"�" * 5}evil"' in program.output
    assert "\u202e\u2028evil" in report(*words[1:]).stdout, "a file has what was sent"


@pytest.mark.parametrize(("since", "per"), [("3h", "minute"), ("2d", "hour"), ("2w", "day")])
def test_periods_are_as_long_as_suits_what_is_asked_for(report: Report, since: str, per: str) -> None:
    rows = json.loads(report("latency", "--since", since, "--json").stdout)
    assert {row["per"] for row in rows} == {per}


@pytest.mark.parametrize("name", sorted(charts.CHARTS))
def test_a_chart_is_a_whole_file_that_loads_nothing(report: Report, name: str, tmp_path: Path) -> None:
    file = tmp_path / "chart.svg"
    assert report(name, "--chart", str(file)).exit_code == 0
    text = file.read_text()
    assert ET.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    assert "xlink:href=" not in text
    assert "src=" not in text


def test_what_a_job_says_controls_no_terminal_and_no_picture(
    report: Report, client: Client, db: Database, tmp_path: Path
) -> None:
    client.add({"name": "[red]\x1b[2J<script>", "data": 0}, queue="odd")
    work.fail_next(db, queue="odd")
    shown = report("jobs", "--queue", "odd").output
    assert "[red]�[2J<script>" in shown
    report("failures", "--chart", str(tmp_path / "chart.svg"))
    assert "<script>" not in (tmp_path / "chart.svg").read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nothing"], "'nothing' is not one of"),
        (["jobs", "--since", "yesterday"], "not a length of time such as 30m, 24h or 7d"),
        (["jobs", "--csv", "--json"], "only one of --csv, --json and --chart"),
        (["attention", "--chart", "x.svg"], "there is no chart of attention"),
        (["queues", "--chart", "x.gif"], "the file name of a chart must end in .svg or .png"),
        (["queues", "--chart", "no/such/folder/x.svg"], "x.svg cannot be written: No such file or directory"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_words(report: Report, words: list[str], told: str) -> None:
    shown = report(*words)
    assert shown.exit_code != 0
    assert told in shown.output


@pytest.mark.parametrize(
    ("importing", "told"),
    [
        ("raise ImportError", "needs the package cairosvg, which is not installed: pip install cairosvg"),
        (
            "raise OSError('no library called \"cairo-2\" was found')",
            "needs the library cairo: apt-get install libcairo2",
        ),
    ],
)
def test_what_a_picture_needs_is_named(
    report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, importing: str, told: str
) -> None:
    (tmp_path / "cairosvg.py").write_text(importing)
    monkeypatch.syspath_prepend(tmp_path)
    shown = report("queues", "--chart", str(tmp_path / "chart.png"))
    assert shown.exit_code == 1
    assert told in shown.output
    assert not (tmp_path / "chart.png").exists()
