"""Commands that explanations, the doctor and the dashboard tell people to run are there, with these arguments."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from app.cli.main import rowline
from tests.support.clusters import ROOT

SOURCES = ("domain/reasons.py", "domain/diagnosis.py", "queries/health.py", "web/explain/schemas.py")
TEMPLATES = "web/dashboard/templates"
COMMAND = re.compile(r"(?:`|<code>)(rowline [^`\n]*?)(?:`|</code>)")
VERBS = ("retry", "promote")
VALUE = re.compile(r"\{\{.*?\}\}|\{.*?\}")


def joined(text: str) -> Iterator[str]:
    """Yield the commands that `shlex.join` makes in a module, with x for what it is given, and each verb for `verb`."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "shlex.join" and isinstance(node.args[0], ast.List):
            words = [ast.unparse(word) for word in node.args[0].elts]
            if words[0] == "'rowline'":
                for verb in VERBS if "verb" in words else [""]:
                    yield shlex.join(
                        verb if word == "verb" else word.strip("'") if "'" in word else "x" for word in words
                    )


def told() -> list[str]:
    files = [ROOT / "app" / source for source in SOURCES]
    pages = [*(ROOT / "app/web/dashboard").glob("*.py"), *(ROOT / "app" / TEMPLATES).iterdir()]
    found = {command for file in [*files, *pages] for command in COMMAND.findall(file.read_text())}
    return sorted(found | {command for file in files for command in joined(file.read_text())})


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
    commands = told()
    assert len(commands) > 10
    assert {"rowline endpoints switch-on x", "rowline queues resume x"} <= set(commands)
