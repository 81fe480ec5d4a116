"""Clients that stand for other machines: they run with the CPU that everything else leaves."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

_AUTOGROUPS = Path("/proc/sys/kernel/sched_autogroup_enabled")
"""If it is 1, the kernel shares the CPU among sessions first: an idle process leaves it to those of its own session."""


@contextlib.contextmanager
def allowed() -> Iterator[None]:
    """Let `go` have its effect during the block: root turns the kernel's autogroups off, others are told."""
    was = _AUTOGROUPS.read_text().strip() if _AUTOGROUPS.exists() else "0"
    if was == "0":
        yield
    elif os.geteuid():
        print(f"{_AUTOGROUPS} is {was}: clients compete with the service. Only root can change that.", file=sys.stderr)
        yield
    else:
        _AUTOGROUPS.write_text("0")
        try:
            yield
        finally:
            _AUTOGROUPS.write_text(was)


def go() -> None:
    """Have this process run with what other processes leave."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
