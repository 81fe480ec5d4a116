"""`make proxies`: the tests behind an nginx, from Debian's archive, and the haproxy and nftables that are installed."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from tests.support.clusters import ROOT

VARIABLE = "NGINX"
"""The program `nginx`; not set: Debian's is fetched, and nothing is installed."""


def main() -> None:
    """Get what is missing, below build/, and run the tests; end with pytest's exit code."""
    nginx = os.environ.get(VARIABLE) or str(_got())
    subprocess.run([nginx, "-v"], check=True)
    pytest = [sys.executable, "-m", "pytest", "-q", "tests/proxies", *sys.argv[1:]]
    sys.exit(subprocess.run(pytest, check=False, env=os.environ | {VARIABLE: nginx}).returncode)


def _got() -> Path:
    folder = ROOT / "build" / "nginx"
    if not (folder / "usr/sbin/nginx").exists():
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.chdir(folder):
            subprocess.run(["apt-get", "download", "-qq", "nginx"], check=True)
            for package in Path().glob("nginx_*.deb"):
                subprocess.run(["dpkg", "-x", package, "."], check=True)
                package.unlink()
    return folder / "usr" / "sbin" / "nginx"


if __name__ == "__main__":
    main()
