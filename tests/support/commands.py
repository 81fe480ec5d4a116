"""The command line in this process: what a command prints, without the second that its imports take."""

import json
from typing import Any

from click.testing import CliRunner

from app.cli.main import rowline
from tests.support import raw


def said(url: str, *words: str, code: int = 0, given: str | None = None) -> str:
    """Return what the command `words` prints, stripped; fail unless it exits with `code`.

    `url`: of a database, or of a service, which knows the token of `raw`. `given`: standard input.
    """
    result = CliRunner().invoke(rowline, words, env=environ(url), input=given, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output.strip()


def environ(url: str) -> dict[str, str]:
    """Return the variables by which a command goes to a database or to a service."""
    if url.startswith("http"):
        return {"DATABASE_URL": "", "ROWLINE_URL": url, "ROWLINE_TOKEN": raw.TOKEN}
    return {"DATABASE_URL": url}


def lines(url: str, *words: str) -> list[Any]:
    """Return the values that a command prints with --json, one a line."""
    return [json.loads(line) for line in said(url, *words, "--json").splitlines()]
