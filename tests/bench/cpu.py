"""What the processes of a run take, read from /proc; where there is none, nothing is shown."""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PPID, _UTIME, _CSTIME = 1, 11, 14  # in what follows the name in /proc/PID/stat
_MEBI = 2**20


def _stats() -> dict[int, list[str]]:
    found = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            found[int(entry.parent.name)] = entry.read_text().rpartition(")")[2].split()
    return found


def _tree(root: int, stats: Mapping[int, list[str]]) -> Iterator[int]:
    """Name `root` and all below it."""
    if root in stats:
        yield root
    for pid, fields in stats.items():
        if int(fields[_PPID]) == root:
            yield from _tree(pid, stats)


def used_s(roots: Mapping[str, int]) -> dict[str, float]:
    """Return the CPU seconds of each part's processes so far, of children that ended too."""
    stats = _stats()
    return {
        part: sum(sum(map(int, stats[pid][_UTIME : _CSTIME + 1])) for pid in _tree(root, stats)) * _TICK_S
        for part, root in roots.items()
        if root in stats
    }


def scheduled_ns(pid: int) -> int:
    """Return the CPU time of a process and its children so far, of all their threads, by the scheduler's account."""
    return sum(scheduled(pid).values())


def scheduled(pid: int) -> dict[int, int]:
    """Return the same by thread, in ns. One that ends takes its account along: see `spent_ns`."""
    used: dict[int, int] = {}
    with contextlib.suppress(OSError):  # it ended meanwhile
        for task in Path(f"/proc/{pid}/task").iterdir():
            used[int(task.name)] = int((task / "schedstat").read_text().split()[0])
            for child in (task / "children").read_text().split():
                used |= scheduled(int(child))
    return used


def spent_ns(before: Mapping[int, int], after: Mapping[int, int]) -> int:
    """Return what threads have used between two calls of `scheduled`, but for those that have ended meanwhile."""
    return sum(used - before.get(thread, 0) for thread, used in after.items())


def rss_mib(roots: Mapping[str, int]) -> dict[str, list[float]]:
    """Return the resident memory of every process, by part, largest first; shared memory counts in each."""
    stats = _stats()
    page = os.sysconf("SC_PAGE_SIZE")
    found = {part: [int(stats[pid][21]) * page / _MEBI for pid in _tree(root, stats)] for part, root in roots.items()}
    return {part: sorted(sizes, reverse=True) for part, sizes in found.items() if sizes}


def postmaster(backend: int) -> dict[str, int]:
    """Name the server that `backend` is a process of, if it runs on this machine."""
    try:
        is_ours = Path(f"/proc/{backend}/comm").read_text().strip() == "postgres"
        fields = Path(f"/proc/{backend}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return {}
    return {"PostgreSQL": int(fields[_PPID])} if is_ours else {}


class Meter:
    """Takes the time, and the CPU of parts of the machine, between two moments."""

    def __init__(self, roots: Mapping[str, int]) -> None:
        """`roots`: the first process of each part. Begins at once; `begin` begins anew."""
        self._roots = roots
        self.begin()

    def begin(self) -> None:
        """Count from now."""
        self._from_s, self._at = used_s(self._roots), time.monotonic()
        self.seconds, self.cores = 0.0, dict[str, float]()

    def end(self) -> None:
        """Count until now."""
        self.seconds = time.monotonic() - self._at
        used = used_s(self._roots)
        self.cores = {part: (used[part] - begun) / self.seconds for part, begun in self._from_s.items() if part in used}
