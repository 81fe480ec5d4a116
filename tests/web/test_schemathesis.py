"""All checks of schemathesis, a program that reads the OpenAPI document and tries to prove the service wrong."""

import subprocess
from pathlib import Path

from tests.support import raw
from tests.support.clusters import PYTHON
from tests.support.raw import TOKEN

CONFIG = """
# That a key was used for another body no schema can say; the contract has 422 for it.
[[operations]]
include-name = "POST /queues/{queue}/jobs"
checks.positive_data_acceptance.expected-statuses = ["2xx", "409", "422"]
# That a URL's host is public, and a header one that may be sent, no schema can say.
[[operations]]
include-name = "POST /workers"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400"]
"""
OPTIONS = (
    *("--checks", "all", "--seed", "20261", "--max-examples", "40", "--workers", "1", "--continue-on-failure"),
    # That no string in a body, at any depth, may hold NUL, the document says in words, not in a schema.
    *("--generation-allow-x00", "false", "--generation-database", "none", "--no-color"),
    *("--header", f"Authorization: Bearer {TOKEN}"),
)
DEADLINE_S = 110


def test_schemathesis_finds_nothing(own_url: str, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    with raw.server(own_url) as server:
        ran = subprocess.run(
            [*PYTHON, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{server.port}/openapi.json", *OPTIONS],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        server.check()

    report = ran.stdout[-20_000:] + ran.stderr[-2_000:]
    assert ran.returncode == 0, report
    assert "WARNINGS" not in ran.stdout, report
    assert "12 selected / 12 total" in ran.stdout, report
