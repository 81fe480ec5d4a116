"""The examples of the handbook's page, as a person types them, one after the other."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from app.cli.main import COMMANDS
from tests.support import raw
from tests.support.clusters import PYTHON

PAGE = Path(__file__).parents[2] / "app" / "docs" / "cli.md"
EXAMPLES = re.findall(r"^    (rowline .*)$", PAGE.read_text(), re.MULTILINE)
ELSEWHERE = {"run", "serve", "work", "dispatch", "dashboard", "db", "docs", "report"}
"""Commands that are described on pages of their own."""


def test_every_example_runs(api: str, tmp_path: Path) -> None:
    path = f"{Path(PYTHON[0]).parent}:{os.environ['PATH']}"
    env = os.environ | {"PATH": path, "XDG_CONFIG_HOME": str(tmp_path), "DATABASE_URL": ""}
    env |= {"ROWLINE_URL": api, "ROWLINE_TOKEN": raw.TOKEN}
    for example in EXAMPLES:
        command, _, code = example.replace("http://127.0.0.1:8080", api).partition("# exit code ")
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            env=env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == int(code or 0), f"{example}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - ELSEWHERE))
def test_every_command_has_an_example(name: str) -> None:
    assert any(re.search(rf"(^|\| )rowline (--context \w+ )?{name}\b", example) for example in EXAMPLES)
