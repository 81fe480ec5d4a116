"""`make poolers`: the tests behind real pgbouncers, an old one and one of today, which Debian's archive has."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from tests.support.clusters import ROOT

OLD, NEW = "PGBOUNCER_OLD", "PGBOUNCER_NEW"
"""Variables with the command of each."""
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
BOTH = ["pgbouncer", "libc6", "libpam0g", "libsystemd0", "libcap2", "libaudit1", "libcap-ng0", "libzstd1", "zlib1g"]
RELEASES = {
    # 1.18, which knows nothing of prepared statements
    OLD: (
        "bookworm",
        [*BOTH, "libevent-2.1-7", "libssl3", "libc-ares2", "liblzma5", "liblz4-1", "libgcrypt20", "libgpg-error0"],
    ),
    # 1.24
    NEW: ("trixie", [*BOTH, "libevent-2.1-7t64", "libssl3t64", "libcares2"]),
}


def main() -> None:
    """Get what is missing, below build/, and run the tests; end with pytest's exit code."""
    found = {variable: os.environ.get(variable) or _got(variable) for variable in (OLD, NEW)}
    for command in found.values():
        subprocess.run([*command.split(), "--version"], check=True)
    pytest = [sys.executable, "-m", "pytest", "-q", "tests/poolers", *sys.argv[1:]]
    sys.exit(subprocess.run(pytest, check=False, env=os.environ | found).returncode)


def _got(variable: str) -> str:
    """Return the command of a pgbouncer with all that it needs, its C library among it: nothing is installed."""
    release, packages = RELEASES[variable]
    folder = ROOT / "build" / "poolers" / release
    if not (folder / "usr/sbin/pgbouncer").exists():
        with contextlib.chdir(_made(folder)):
            _download(folder, release, packages)
    loader = next(path for path in folder.rglob("ld-linux*.so.*") if path.parent.name != "lib64")
    libraries = {str(path.parent) for path in folder.rglob("*.so.*")}
    return f"{loader} --library-path {':'.join(sorted(libraries))} {folder / 'usr/sbin/pgbouncer'}"


def _made(folder: Path) -> Path:
    (folder / "debs").mkdir(parents=True, exist_ok=True)
    return folder / "debs"


def _site() -> str:
    """Return where this machine gets Debian from."""
    asked = ["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages", "Label: Debian"]
    sites = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()
    if not sites:
        sys.exit(f"apt knows no Debian: run apt-get update, or name your pgbouncers in {OLD} and {NEW}")
    return sites[0]


def _download(folder: Path, release: str, packages: list[str]) -> None:
    sources = folder / "sources.list"
    sources.write_text(f"deb [signed-by={KEYRING}] {_site()} {release} main\n")
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    places = {"Dir::Etc::sourcelist": sources, "Dir::Etc::sourceparts": "-", "Dir::State::lists": folder / "lists"}
    places |= {"Dir::Cache": folder / "cache", "APT::Sandbox::User": "root"}
    apt = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in places.items())]
    subprocess.run([*apt, "update"], check=True)
    subprocess.run([*apt, "download", *packages], check=True)
    for package in sorted(Path.cwd().glob("*.deb")):
        subprocess.run(["dpkg", "-x", str(package), str(folder)], check=True)


if __name__ == "__main__":
    main()
