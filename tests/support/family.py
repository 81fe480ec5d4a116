"""The processes that a process has started. Linux only, like the tests that kill or freeze one of them."""

from pathlib import Path


def children(pid: int) -> list[int]:
    """Return the pids of those that run, the oldest first."""
    found = sorted(int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return [child for child in found if Path(f"/proc/{child}/cmdline").exists()]


def resident_kib(pid: int) -> int:
    """Return the memory that a process has in RAM."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
