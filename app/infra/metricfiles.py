"""The files in which the API processes of a node share their metrics: in a folder of the node, by slot.

Nothing of prometheus-client is imported here: gunicorn's master must not import what gevent patches in its workers.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

PREFIX = "rowline-metrics-"
LOCK = "lock"
"""Locked while a process of the node lives: folders that nobody holds any more are removed at the next start."""
LIVE = "gauge_live"
"""The prefix of the files whose numbers hold only while their process lives."""
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - small files that are mapped into memory, in a folder of their own


class Place(NamedTuple):
    """Where this process writes its metrics, if others of its node do so too."""

    folder: Path
    slot: int


_places: list[Place] = []


def make_folder(parent: Path | None = None) -> Path:
    """Make the folder of this node, below `parent`, and lock it; remove those of nodes that have ended."""
    parent = parent or (SHARED_MEMORY if SHARED_MEMORY.is_dir() else Path(tempfile.gettempdir()))
    for old in parent.glob(f"{PREFIX}*"):
        _remove_unheld(old)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        held = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR, 0o600)  # until the last process that inherits it ends
        fcntl.flock(held, fcntl.LOCK_EX)
        if (folder / LOCK).exists():  # else another node that starts has taken it for an old one
            return folder
        os.close(held)


def _remove_unheld(folder: Path) -> None:
    """Remove a folder whose processes have all ended; another user's stays, and so does one that is being made."""
    with contextlib.suppress(OSError):
        if folder.lstat().st_uid != os.geteuid() or folder.is_symlink():
            return
        held = os.open(folder / LOCK, os.O_RDWR)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_folder(folder)
        finally:
            os.close(held)


def remove_folder(folder: Path) -> None:
    """Remove the folder of a node whose processes have ended, or end now."""
    shutil.rmtree(folder, ignore_errors=True)


def free_slot(taken: Iterable[int]) -> int:
    """Return the first slot that no process has."""
    used = set(taken)
    return next(slot for slot in range(len(used) + 1) if slot not in used)


def join(folder: Path, slot: int) -> None:
    """Have this process share its metrics. After the fork, before any metric is made."""
    forget(folder, slot)
    _places[:] = [Place(folder, slot)]


def place() -> Place | None:
    """Return where this process writes its metrics; None: it keeps them to itself."""
    return _places[0] if _places else None


def forget(folder: Path, slot: int) -> None:
    """Forget what holds only while the process of `slot` lives: it has ended."""
    for file in folder.glob(f"{LIVE}*_{slot}.db"):
        file.unlink(missing_ok=True)
