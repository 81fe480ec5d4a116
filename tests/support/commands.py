"""The command line in this process: what a command prints, without the second that its imports take."""

from click.testing import CliRunner

from app.cli.main import rowline


def said(url: str, *words: str, code: int = 0) -> str:
    """Return what the command `words` prints on the database of `url`, stripped; fail unless it exits with `code`."""
    result = CliRunner().invoke(rowline, words, env={"DATABASE_URL": url}, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output.strip()
