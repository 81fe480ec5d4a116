"""The terminal that a command was started from."""

import contextlib
import os
import signal
from collections.abc import Iterator

STDIN = 0


@contextlib.contextmanager
def owned() -> Iterator[None]:
    """Make this process the foreground group during the block, so that Ctrl-C does not reach `make`, which would fail.

    Does nothing without a terminal, in the background, or if this process has its own group already.
    """
    theirs = os.getpgrp()
    if theirs == os.getpid() or not _in_foreground():
        yield
        return
    # After Ctrl-Z the shell could not continue this process: it knows only the group of make.
    kept = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGTTOU, signal.SIGTSTP)}
    os.setpgid(0, 0)
    os.tcsetpgrp(STDIN, os.getpid())
    try:
        yield
    finally:
        _give_back(theirs)
        for number, handler in kept.items():
            signal.signal(number, handler)


def _in_foreground() -> bool:
    try:
        return os.tcgetpgrp(STDIN) == os.getpgrp()
    except OSError:
        return False


def _give_back(group: int) -> None:
    with contextlib.suppress(OSError):  # the terminal or that group may be gone
        os.tcsetpgrp(STDIN, group)
        os.setpgid(0, group)
