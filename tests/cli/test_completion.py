"""Completion at the Tab key."""

import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli.completion import VARIABLE
from app.cli.main import rowline
from tests.support import raw
from tests.support.clusters import PYTHON, Program
from tests.support.commands import said

SCRIPT = Path(PYTHON[0]).with_name("rowline")


def asking(words: str) -> dict[str, str]:
    """Return the variables by which bash asks for what may come behind `words`."""
    return {VARIABLE: "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}


def completed(words: str, **env: str) -> list[str]:
    """Return what bash would be offered behind `words`."""
    with Program([SCRIPT], env=asking(words) | env) as program:
        assert program.end() == 0, program.output
    return offered(program.output)


def offered(output: str) -> list[str]:
    return [line.partition(",")[2] for line in output.splitlines() if line]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script_that_it_can_read(shell: str, tmp_path: Path) -> None:
    script = said("postgresql://none", "completion", shell)
    assert "_ROWLINE_COMPLETE" in script
    if shutil.which(shell):
        (tmp_path / "script").write_text(script)
        subprocess.run([shell, "-n", str(tmp_path / "script")], check=True)


def test_commands_and_options_are_completed() -> None:
    assert completed("rowline que") == ["queues"]
    assert completed("rowline queues pa") == ["pause"]
    assert "--remove-on-fail" in completed("rowline queues set mail --rem")


def test_queues_are_completed_where_a_service_is_asked_over_http(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, where a service has as long as it needs to say which queues there are."""
    monkeypatch.setattr("app.cli.service.COMPLETION_S", 45.0)

    def completed(words: str, **env: str) -> list[str]:
        result = CliRunner().invoke(rowline, env=asking(words) | env, prog_name="rowline", catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return offered(result.output)

    for queue in ("mail", "mailer", "other"):
        said(api, "jobs", "add", queue, "n")
    there = {"DATABASE_URL": "", "ROWLINE_URL": api, "ROWLINE_TOKEN": raw.TOKEN}
    assert completed("rowline queues show ma", **there) == ["mail", "mailer"]
    assert completed("rowline jobs list ot", **there) == ["other"]
    assert completed("rowline events -f --queue mai", **there) == ["mail", "mailer"]
    assert completed("rowline audit --queue ot", **there) == ["other"]
    assert completed("rowline queues show ma", **there | {"ROWLINE_TOKEN": "wrong"}) == []
    monkeypatch.setattr("app.cli.service.COMPLETION_S", 0.1)
    assert completed("rowline queues show ma", **there | {"ROWLINE_URL": "http://127.0.0.1:1"}) == []


def test_contexts_are_completed(folder: Path) -> None:
    there = {"XDG_CONFIG_HOME": str(folder)}
    assert completed("rowline --context ", **there) == []
    for name in ("here", "hereafter", "there"):
        said("", "context", "add", name, "--url", "http://127.0.0.1:1", given="secret")
    assert completed("rowline --context he", **there) == ["here", "hereafter"]
    assert completed("rowline context use th", **there) == ["there"]
