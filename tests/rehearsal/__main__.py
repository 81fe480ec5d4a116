"""`make upgrade-rehearsal`: from an earlier release of this repository to this one, and to one to come, under load."""

import os
import subprocess
import sys
from pathlib import Path

import click

from tests.rehearsal import release, upgrade
from tests.rehearsal.release import PRESENT, Release
from tests.support import clusters

LIFE_CYCLE = ("tests/store/test_states.py", "tests/web/test_pull.py", "tests/races")


def life_cycle(earlier: Release, url: str, *files: str) -> subprocess.CompletedProcess[str]:
    """Run tests of the earlier release, in its own words, on this release's schema, on the server of `url`."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    env |= {"DATABASE_URL": url, "NEWER_RELEASE": str(PRESENT.folder), "NEWER_REVISION": "head"}
    env |= {"PYTHONPATH": f"{earlier.env['PYTHONPATH']}:{Path(__file__).parent}"}
    words = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "newer_schema", "-p", "no:cacheprovider", *files]
    return subprocess.run(words, cwd=earlier.folder, env=env, check=False, capture_output=True, text=True, timeout=900)


@click.command()
@click.option("--phase", "phase_s", type=click.FloatRange(0.5, 600), default=5.0, show_default=True, help="Seconds.")
@click.option("--producers", type=click.IntRange(4, 64), default=12, show_default=True)
def rehearse(phase_s: float, producers: int) -> None:
    """Upgrade under load; exit with 1 when a promise was not kept."""
    with release.earlier() as earlier, clusters.folder() as folder, clusters.cluster() as cluster:
        print(f"the tests of {earlier.about}, on the schema of this release:", flush=True)
        tested = life_cycle(earlier, cluster.url, *LIFE_CYCLE)
        print(tested.stdout.strip().splitlines()[-1], flush=True)
        run = upgrade.rehearse(earlier, folder, cluster.url, phase_s=phase_s, producers=producers)
        print(upgrade.table(run, earlier))
    broken = run.broken() + ([tested.stdout[-8_000:]] if tested.returncode else [])
    for promise in broken:
        print(f"VIOLATION {promise}")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    rehearse()
