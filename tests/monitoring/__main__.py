"""`make prometheus`: the tests with a real Prometheus, from Debian's archive."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from tests.support.clusters import ROOT

VARIABLE = "PROMETHEUS"
"""The folder with `prometheus` and `promtool`; not set: Debian's are fetched, and nothing is installed."""
PACKAGES = ["prometheus", "libjs-d3", "libjs-rickshaw"]
"""Prometheus, and what it depends on that consoles need."""
FOUND = ["usr/bin/promtool", "usr/share/javascript/d3", "usr/share/javascript/rickshaw"]


def main() -> None:
    """Get what is missing, below build/, and run the tests; end with pytest's exit code."""
    folder = os.environ.get(VARIABLE) or str(_got())
    pytest = [sys.executable, "-m", "pytest", "-q", "tests/monitoring", *sys.argv[1:]]
    sys.exit(subprocess.run(pytest, check=False, env=os.environ | {VARIABLE: folder}).returncode)


def _got() -> Path:
    folder = ROOT / "build" / "prometheus"
    if not all((folder / found).exists() for found in FOUND):
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.chdir(folder):
            subprocess.run(["apt-get", "download", "-qq", *PACKAGES], check=True)
            for package in Path().glob("*.deb"):
                subprocess.run(["dpkg", "-x", package, "."], check=True)
                package.unlink()
    return folder / "usr" / "bin"


if __name__ == "__main__":
    main()
