"""The peers: what is installed for each, into a folder of its own, and how each is run."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support import clusters

HERE = Path(__file__).parent
INSTALLED = clusters.ROOT / "build" / "peers"
INSTALL_S = 600.0
NODE = "node@^22.18.0"  # pg-boss and graphile-worker need one that Debian does not have


class NotInstalled(Exception):
    """A peer cannot be installed; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One peer. `packages` are npm's, or pip's when `module` is set."""

    name: str
    folder: str
    packages: Sequence[str]
    script: str = ""  # of node
    module: str = ""  # of Python
    needs: str = ""  # a program on the PATH that is not installed here
    share: float = 1.0  # of the backlog: what is slow would take too long

    @property
    def home(self) -> Path:
        """Where it is installed."""
        return INSTALLED / self.folder

    def command(self) -> list[str]:
        """Return what runs it, in its home for node and in ours for Python."""
        if self.module:
            return [str(self.home / "bin" / "python"), "-m", f"tests.bench.peers.{self.module}"]
        return [str(self.home / "node_modules" / ".bin" / "node"), self.script]

    @property
    def cwd(self) -> Path:
        """Where to run it: node looks for packages beside a script."""
        return clusters.ROOT if self.module else self.home


PEERS = (
    Peer(
        name="BullMQ on PostgreSQL",
        folder="bullmq",
        packages=("bullmq@^6.7.0", "pg@^8.11.0"),
        script="bullmq.mjs",
        share=0.1,
    ),
    Peer(name="pg-boss", folder="pgboss", packages=("pg-boss@^12.38.0",), script="pgboss.mjs"),
    Peer(
        name="graphile-worker",
        folder="graphile",
        packages=("graphile-worker@^0.18.0", "pg@^8.11.0"),
        script="graphile.mjs",
    ),
    Peer(name="pgqueuer", folder="pgqueuer", packages=("pgqueuer>=1.6,<2", "asyncpg"), module="pgqueuer_peer"),
    Peer(
        name="procrastinate",
        folder="procrastinate",
        packages=("procrastinate>=3.10,<4", "psycopg[binary,pool]"),
        module="procrastinate_peer",
        share=0.02,
    ),
    Peer(
        name="BullMQ on Redis",
        folder="bullmq-redis",
        packages=("bullmq@^6.7.0", "ioredis@^5.0.0"),
        script="bullmq.mjs",
        needs="redis-server",
        share=0.2,
    ),
)


def install(peer: Peer) -> None:
    """Install it unless it is there. Raises NotInstalled."""
    if peer.needs and not shutil.which(peer.needs):
        raise NotInstalled(f"{peer.needs} is not on the PATH")
    done = peer.home / "installed.txt"
    if not done.exists() or done.read_text() != _wanted(peer):
        peer.home.mkdir(parents=True, exist_ok=True)
        for words in _pip(peer) if peer.module else _npm(peer):
            _run(words, peer.home)
        done.write_text(_wanted(peer))
    if peer.script:
        for file in ("harness.mjs", peer.script):
            shutil.copy(HERE / file, peer.home / file)


def _wanted(peer: Peer) -> str:
    return "\n".join([*peer.packages, NODE if peer.script else sys.version])


def _pip(peer: Peer) -> list[list[str]]:
    python = str(peer.home / "bin" / "python")
    return [
        [sys.executable, "-m", "venv", str(peer.home)],
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *peer.packages],
    ]


def _npm(peer: Peer) -> list[list[str]]:
    npm = shutil.which("npm")
    if not npm:
        raise NotInstalled("npm is not on the PATH")
    (peer.home / "package.json").write_text('{"private": true, "type": "module"}\n')
    return [[npm, "install", "--no-audit", "--no-fund", "--loglevel", "error", NODE, *peer.packages]]


def _run(words: Sequence[str], cwd: Path) -> None:
    said = ""
    with contextlib.suppress(subprocess.TimeoutExpired):
        ran = subprocess.run(
            words, cwd=cwd, check=False, capture_output=True, text=True, timeout=INSTALL_S, env=dict(os.environ)
        )
        if not ran.returncode:
            return
        said = (ran.stderr or ran.stdout).strip()[-300:]
    raise NotInstalled(said or f"not within {INSTALL_S:g} s: {words[0]}")
