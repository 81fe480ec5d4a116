"""Commands that explanations, the doctor and the dashboard tell people to run are there, with these arguments."""

import re
import shlex
from pathlib import Path

import click
import pytest

from app.cli.main import rowline
from tests.support.clusters import ROOT

SOURCES = ("domain/reasons.py", "domain/diagnosis.py", "queries/health.py", "web/explain/schemas.py")
TEMPLATES = "web/dashboard/templates"
COMMAND = re.compile(r"(?:`|<code>)(rowline [^`\n]*?)(?:`|</code>)")
VALUE = re.compile(r"\{\{.*?\}\}|\{.*?\}")


def told() -> list[str]:
    files = [ROOT / "app" / source for source in SOURCES]
    files += [*(ROOT / "app/web/dashboard").glob("*.py"), *(ROOT / "app" / TEMPLATES).iterdir()]
    return sorted({command for file in files for command in COMMAND.findall(file.read_text())})


@pytest.mark.parametrize("command", told())
def test_a_command_that_is_told_can_be_typed(command: str) -> None:
    words = shlex.split(VALUE.sub("x", command).replace("FILE", str(Path(__file__))))[1:]
    found: click.Command = rowline
    context = click.Context(rowline)
    while isinstance(found, click.Group):
        name = words.pop(0)
        following = found.get_command(context, name)
        assert following is not None, name
        found, context = following, click.Context(following, parent=context, info_name=name)
    found.make_context(str(context.info_name), words)


def test_there_are_such_commands() -> None:
    assert len(told()) > 10
