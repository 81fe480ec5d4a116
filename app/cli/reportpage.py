"""Generates reports.md from the comments on the reporting views and the queries of `app/docs/reports.sql`."""

import re
from collections.abc import Iterator
from pathlib import Path

VIEWS = Path(__file__).parents[2] / "migrations" / "sql" / "report"
QUESTIONS = Path(__file__).parents[1] / "docs" / "reports.sql"
INTRO = Path(__file__).parents[1] / "docs" / "reports.txt"

_COMMENT = re.compile(
    r"^comment on (?P<kind>view|column|function|aggregate) report\.(?P<name>[\w.\"]+)(?P<arguments>\(.*?\))?\s+is\s+"
    r"'(?P<about>(?:[^']|'')*)';$",
    re.MULTILINE,
)
_QUESTION = re.compile(r"^-- (?P<asked>.+\?)\n(?P<query>[^;]+;)", re.MULTILINE)


def text() -> str:
    """Return the page as Markdown."""
    lines = [INTRO.read_text().rstrip(), "", "## Example queries"]
    for asked, query in questions():
        lines += ["", f"**{asked}**", "", *(f"    {line}" for line in query.split("\n"))]
    lines += ["", "## The views"]
    for file in newest():
        lines += _view(file.read_text())
    return "\n".join(lines) + "\n"


def questions() -> list[tuple[str, str]]:
    """Return each question with its SQL query."""
    return [(found["asked"], found["query"]) for found in _QUESTION.finditer(QUESTIONS.read_text())]


def newest() -> Iterator[Path]:
    """Yield the file with the newest version of each view, in the order of their names."""
    files = {}
    for file in sorted(VIEWS.glob("*.sql"), key=lambda file: int(file.stem.rpartition("_")[2])):
        files[file.stem.rpartition("_")[0]] = file
    yield from (files[view] for view in sorted(files))


def _view(sql: str) -> Iterator[str]:
    for found in _COMMENT.finditer(sql):
        about = found["about"].replace("''", "'")
        match found["kind"]:
            case "view":
                yield from ("", f"### report.{found['name']}", "", about, "", "| column | type | meaning |")
                yield "| --- | --- | --- |"
            case "column":
                kind, _, meaning = about.partition(": ")
                yield f"| `{found['name'].partition('.')[2]}` | {kind} | {meaning} |".replace('"', "")
            case _:
                yield from ("", f"### report.{found['name']}{found['arguments']}", "", about)
